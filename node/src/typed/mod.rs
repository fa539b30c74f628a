//! What people type, where both faces take the same: words as a shell splits them, paths as they
//! are typed or dropped, and the options that go with a file.
//!
//! Invariant: nothing here looks at a disk. What is absent: the verbs; each face has its own.

mod file;
mod path;
mod words;

pub use file::{Landing, Offered};
pub use path::{meant, whole};
pub use words::{Word, spelled, word};
