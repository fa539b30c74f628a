//! A blob's parents in a file of records (PROTOCOL.md, The tree).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use hubbub_shared::blob::nodes::{PARENT, offset};
use hubbub_shared::blob::{Nodes, Parent};

/// The records; where the file has a hole or ends, nothing is known.
pub(super) struct TreeFile(pub(super) File);

impl Nodes for &TreeFile {
    type Error = io::Error;

    fn parent(&self, split: u32) -> io::Result<Option<Parent>> {
        let mut bytes = [0; PARENT];
        match self.0.read_exact_at(&mut bytes, offset(split)) {
            Ok(()) => Ok(Parent::from_bytes(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep(&mut self, split: u32, parent: &Parent) -> io::Result<()> {
        self.0.write_all_at(&parent.to_bytes(), offset(split))
    }
}
