//! Every bound and every wait of the plan, with its reason.

use hubbub_shared::time::Millis;

/// Files the plan knows at once, queued and paused ones included.
pub const FILES: usize = 1_024;
/// Files that are fetched side by side, unless told otherwise: enough that a slow one does not hold
/// up the rest, and few enough that each gets somewhere.
pub const SIDE_BY_SIDE: usize = 4;
/// Sources known of one file. A larger group has more members than are of use.
pub const SOURCES: usize = 32;
/// Sources of one file with a stream by way of the hub: it relays eight streams of one node in all,
/// and some are for serving.
pub const RELAYED: usize = 3;
/// The same of all files together.
pub const RELAYED_ALL: usize = 4;
/// Liars remembered of one file, the first forgotten first: twice as many as there are sources.
pub const LIARS: usize = 64;
/// Pieces outstanding of one source, at least: as many as of one that is not known yet, so that a
/// source that was slow once shows when it is not any more.
pub const WINDOW_MIN: usize = WINDOW_START;
/// And at most: 4 MiB, more than a path of 20 MB/s and 200 ms holds.
pub const WINDOW_MAX: usize = 64;
/// Pieces outstanding of one file, 16 MiB.
pub const PER_FILE: usize = 256;
/// Pieces outstanding of all files, 32 MiB: what the shell may have to hold.
pub const OUTSTANDING: usize = 512;
/// Of a file's pieces, one in so many may be asked of a second source at the end; one in any case.
pub const TWICE: u64 = 50;
/// What a source that is a bit late may have in hand beyond its round trip.
pub const SLACK: Millis = Millis(200);
/// A source that was asked and gave nothing for so long is left: a piece in this time is 4 KiB a
/// second.
pub const STALL: Millis = Millis::secs(15);
/// How long a stream may take to open, and a have-map to be told.
pub const ANSWER: Millis = Millis::secs(15);
/// First and longest pause after a source broke or gave nothing.
pub const PAUSE: (Millis, Millis) = (Millis::secs(2), Millis::minutes(5));
/// The same after it refused in a way that time may change.
pub const REFUSED: (Millis, Millis) = (Millis::secs(2), Millis::minutes(10));
/// The same after the disk failed here.
pub const DISK: (Millis, Millis) = (Millis::secs(5), Millis::minutes(5));
/// Nobody who is busy is believed to be so for longer.
pub const BUSY_MAX: Millis = Millis::minutes(10);
/// What a step of priority is worth in the queue.
pub const HEAD_START: Millis = Millis::hours(1);
/// Small files go first, but none waits longer for it than this behind those that came later.
pub const SMALL_FIRST: Millis = Millis::minutes(10);
/// How long direct sources may take to say what they have, before the hub is to carry anything.
pub const GRACE: Millis = Millis::secs(2);
/// Pieces outstanding of a source before it is known how fast it is; each that comes makes it one
/// more.
pub const WINDOW_START: usize = 4;
/// What a bandwidth limit lets through at once after a pause: hardly to be noticed.
pub const BURST: Millis = Millis(200);
/// A rate that people see is smoothed over this.
pub const SMOOTH: Millis = Millis::secs(1);
/// While a direct source gives something at least this often, the hub carries nothing that it has.
pub const LULL: Millis = Millis::secs(10);
/// What a source has is asked for again after this, while it has not all...
pub const HAVE_EVERY: Millis = Millis(500);
/// ... and after a millisecond more for so many pieces: what is told grows with the file, and is to
/// stay below some 16 KiB a second.
pub const HAVE_PIECES: u64 = 128;
/// A receiver that fetches the same pieces is waited for while it brings something new this often,
/// on top of three times what it takes to hear of it.
pub const PATIENCE: Millis = Millis::secs(2);
/// A stream by way of the hub that nothing is asked on is let go after this...
pub const IDLE: Millis = Millis::secs(10);
/// ... and opened again, if there is use for it, after this.
pub const IDLE_REST: Millis = Millis::secs(5);
/// A file that nobody gives anything of leaves its place to others after this...
pub const YIELD: Millis = Millis::secs(15);
/// ... and asks for it again after this.
pub const YIELD_REST: Millis = Millis::secs(30);
/// When nothing was found that a source may be asked for, it is looked for again after this.
pub const DRY: Millis = Millis(100);
/// How long nothing comes before people are told.
pub const MISSING: Millis = Millis::secs(5);
/// Runs compared for which is rarest, each time.
pub const SAMPLE: usize = 24;
/// Runs looked at, each time, when most are for others to fetch.
pub const SCAN: usize = 1_024;
/// When this node has nothing left of its part to have the hub carry for so long...
pub const SPARE: Millis = Millis::secs(2);
/// ... it helps with the part of whoever will take longer than this for it.
pub const LAG: Millis = Millis::secs(5);
