//! Files on this machine's disks: those that are served, those that arrive, and what is known of
//! both. Blocking; whoever calls is not a thread of the runtime.
//!
//! * [`content`]: what is sealed and served; [`seal`]: the first time; [`spool`]: out of a pipe
//! * [`landing`]: what arrives, piece by piece; [`target`]: where, and what it is called there
//! * `part`: the file it comes in; `land`: the name it gets; `beside`: next to what
//! * [`tree`], `have`: what is known of it; `again`: what lies on the disk, compared with that;
//!   `room`: whether there is any
//! * [`folder`]: a folder as one content; [`manifest`]: the list in front; [`unpack`]: back again
//! * [`held`]: what can be served, whole or not
//! * [`shelf`]: the folder for what is known; [`failure`]: what a disk says
//!
//! Invariant: only whole pieces that were verified are ever written to a part file, nothing is
//! written outside of the profile and the folder a file was to land in, and nothing that stood
//! there before is touched.

mod again;
mod at;
mod beside;
pub mod content;
pub mod failure;
pub mod folder;
mod have;
pub mod held;
mod land;
pub mod landing;
pub mod manifest;
mod part;
mod room;
pub mod seal;
pub mod shelf;
pub mod spool;
pub mod target;
pub mod tree;
pub mod unpack;

#[cfg(test)]
mod tests;

pub use content::{Content, Stamp};
pub use failure::{DiskError, Place, Trouble};
pub use held::Held;
pub use landing::{Found, Landing, NotTaken, Reference};
pub use manifest::BadList;
pub use seal::{Course, SealFailure, Sealed};
pub use shelf::Shelf;
pub use target::{Form, Target};
pub use unpack::NotUnpacked;
