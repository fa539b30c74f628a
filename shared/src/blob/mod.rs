//! Files, sealed: one key, pieces of one size, an address that every piece can be checked against.
//!
//! * [`shape`]: how long a sealed file is, where its pieces begin, and the tree above them
//! * [`seal`]: from content to address, once, under a new key
//! * [`serve`]: the same pieces again, for others, each compared before it leaves
//! * [`verify`]: a piece from anybody against the address, and what shows that it belongs
//! * [`open`]: a verified piece back to content
//! * [`grow`]: the tree above sealed pieces as they arrive, for whoever has no key
//! * [`nodes`]: where the values of the tree are kept; [`have`]: which pieces somebody has
//!
//! Invariant: a sealed piece comes out of here in two ways only. It was verified as somebody sent
//! it, or it was made again from content and has the value it had the first time. So a file that
//! changed meanwhile is never sealed under numbers that were used before.
//!
//! Whose fault something is stands in the type of its error: what does not verify is the fault of
//! who sent it, what verifies and does not open is the fault of who wrote the reference, and what
//! does not seal to the same is a file that changed here.

pub mod grow;
pub mod have;
pub mod nodes;
pub mod open;
mod pieces;
pub mod seal;
pub mod serve;
pub mod shape;
pub mod verify;

#[cfg(test)]
mod tests;

pub use grow::{GrowError, Growing};
pub use have::{HaveError, HaveMap};
pub use nodes::{MemoryNodes, Nodes, Parent};
pub use shape::Shape;
pub use verify::{Fault, Refused, Verified};

use crate::id::BlobId;

/// A sealed file as everybody may know it: enough to keep it and to check it, not to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    /// The hash of all its bytes.
    pub address: BlobId,
    /// Its length. A source that was asked for another length says so: an address alone leaves open
    /// which of two references lies.
    pub shape: Shape,
}
