//! Files on their way here: the plan says what to ask, links ask it, and landings keep what comes.
//!
//! * `link`: one stream to one source; `answers`: what comes on it, sorted and judged
//! * [`fetches`]: all files and the plan, told what happened, doing what it says; `wanted`: files
//!   that come and go there; `jobs`: what takes a disk's time
//!
//! Invariant: only what was verified and written is told to the plan as a piece; a file is told as
//! done when it is durable under its last name.

mod answers;
pub mod fetches;
mod jobs;
mod link;
mod wanted;

pub use fetches::Fetches;
