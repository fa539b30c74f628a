//! Files on their way: sealed once, served to whoever may have them, fetched from all who do.
//!
//! * [`plan`] (pure): which piece is asked of whom, and when; many files side by side
//! * [`disk`]: files on this machine, those that are served and those that arrive
//! * [`serve`]: pieces for peers who ask; [`fetch`]: pieces from those who have them
//! * [`transfers`]: all of it as the runtime holds it; [`order`]: what it is told and tells
//! * [`streams`]: ways to others; [`limit`]: how fast bytes go out; `frames`: off and onto a stream
//!
//! Invariant: `plan` decides and touches nothing; what touches disks and streams decides nothing
//! about pieces. So a swarm of receivers with liars and broken paths replays from one number.

mod clock;
pub mod disk;
pub mod fetch;
mod frames;
pub mod limit;
pub mod order;
pub mod plan;
mod sealings;
pub mod serve;
pub mod streams;
pub mod transfers;

#[cfg(test)]
mod tests;

pub use order::{Failure, Fetch, Order, Tell};
pub use serve::offered::Whole;
pub use serve::sealed::SealedBytes;
pub use serve::takers::Taker;
pub use transfers::{Door, Means, Transfers};
