//! Files on this machine's disks: those that are served, those that arrive, and what is known of
//! both. Blocking; whoever calls is not a thread of the runtime.
//!
//! * [`content`]: what is sealed and served; [`seal`]: the first time; [`spool`]: out of a pipe
//! * [`landing`]: what arrives, piece by piece; [`part`]: where; [`tree`], `have`: what is known
//! * [`folder`]: a folder as one content; [`manifest`]: the list in front; [`unpack`]: back again
//! * [`held`]: what can be served, whole or not
//! * [`shelf`]: the folder for what is known; [`failure`]: what a disk says
//!
//! Invariant: only whole pieces that were verified are ever written to a part file, nothing is
//! written outside of the profile and the folder a file was to land in, and nothing that stood
//! there before is touched.

mod at;
pub mod content;
pub mod failure;
pub mod folder;
mod have;
pub mod held;
pub mod landing;
pub mod manifest;
pub mod part;
mod room;
pub mod seal;
pub mod shelf;
pub mod spool;
pub mod tree;
pub mod unpack;

pub use content::{Content, Stamp};
pub use failure::{DiskError, Place, Trouble};
pub use held::Held;
pub use landing::{Found, Landing, NotTaken, Reference};
pub use manifest::BadList;
pub use part::{Form, Target};
pub use seal::{Course, SealFailure, Sealed};
pub use shelf::Shelf;
pub use unpack::NotUnpacked;
