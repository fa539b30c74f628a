//! The threads on which files are read, sealed, judged and written.
//!
//! They stand behind those on which people talk: where processors are short, no message waits for a
//! file. What is left at the hub is worked at beside all else, one portion at a time.

use crate::threads::Threads;

/// Threads for what waits for others: one can serve while another fetches. What works on bytes gets
/// more as it needs them, within the bounds of those who serve and fetch.
const WORKERS: usize = 2;
/// Beside a thread that people wait for, a tenth is left to these.
const NICE: i32 = 10;

/// Starts them.
pub(super) fn start() -> Threads {
    Threads::start("files", WORKERS, NICE)
}
