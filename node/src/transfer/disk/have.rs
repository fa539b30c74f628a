//! What is known about a file on its way, beside its tree: which pieces are on the disk, and in
//! which file.
//!
//! ```text
//! 01 | u64 device | u64 inode | u32 part | u32 landed | u8 tree | have-map
//!   (PROTOCOL.md, Have-maps)
//! ```
//!
//! The first two are where that file is, as far as its file system says: many give others each time
//! they are mounted. Replaced as a whole, after the pieces it names were synced. Invariant: what
//! stands in it is true after power loss. It may say less than there is, as a have-map may. No name
//! stands in it: that is the engine's, in its encrypted store.

use std::fs;
use std::io;
use std::path::Path;

use hubbub_shared::blob::HaveMap;

use super::at::DiskId;
use super::failure::{About, DiskError, Place};
use crate::paths;

const VERSION: u8 = 1;
/// Bytes before the map.
const HEAD: usize = 26;

/// See the top of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HaveFile {
    /// The file with the content.
    pub id: DiskId,
    /// The number in the name it has on its way.
    pub part: u32,
    /// The number in the name it was to get when it was whole; 0 before that.
    pub landed: u32,
    /// The tree was made for this file; else it is that of another, and stays when this one goes.
    pub tree: bool,
    /// Its pieces that were synced.
    pub have: HaveMap,
}

impl HaveFile {
    /// Reads it; none when there is none, or none that can be believed: then everything is looked
    /// at again.
    pub(super) fn read(path: &Path, pieces: u64) -> Result<Option<Self>, DiskError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self::decode(pieces, &bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::of(Place::Profile, &error)),
        }
    }

    /// Replaces it, durably.
    pub(super) fn write(&self, path: &Path) -> Result<(), DiskError> {
        paths::replace_private(path, &self.encode()).about(Place::Profile)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.id.device.to_be_bytes());
        out.extend_from_slice(&self.id.inode.to_be_bytes());
        out.extend_from_slice(&self.part.to_be_bytes());
        out.extend_from_slice(&self.landed.to_be_bytes());
        out.push(self.tree.into());
        out.extend_from_slice(&self.have.encode());
        out
    }

    fn decode(pieces: u64, bytes: &[u8]) -> Option<Self> {
        let (head, map) = bytes.split_first_chunk::<HEAD>()?;
        let (version, rest) = head.split_first()?;
        let (device, rest) = rest.split_first_chunk()?;
        let (inode, rest) = rest.split_first_chunk()?;
        let (part, rest) = rest.split_first_chunk()?;
        let (landed, tree) = rest.split_first_chunk()?;
        let id = DiskId { device: u64::from_be_bytes(*device), inode: u64::from_be_bytes(*inode) };
        let (landed, tree) = (u32::from_be_bytes(*landed), tree == [1]);
        let have = HaveMap::decode(pieces, map).ok()?;
        let file = Self { id, part: u32::from_be_bytes(*part), landed, tree, have };
        (*version == VERSION && file.part > 0).then_some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> HaveFile {
        let mut have = HaveMap::none(100);
        have.insert(3);
        HaveFile { id: DiskId { device: 1, inode: 2 }, part: 3, landed: 0, tree: true, have }
    }

    #[test]
    fn it_survives_a_round_trip_and_one_that_was_cut_says_nothing_more() {
        let bytes = sample().encode();
        assert_eq!(HaveFile::decode(100, &bytes), Some(sample()));
        for end in 0..bytes.len() {
            let cut = HaveFile::decode(100, &bytes[..end]);
            assert!(cut.is_none_or(|cut| cut.have.count() == 0), "{end}");
        }
        assert_eq!(HaveFile::decode(3, &bytes), None, "a piece the blob does not have");
        let other = [&[2], &bytes[1..]].concat();
        assert_eq!(HaveFile::decode(100, &other), None, "a newer version");
    }

    #[test]
    fn there_may_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.have");
        assert_eq!(HaveFile::read(&path, 100), Ok(None));
        sample().write(&path).unwrap();
        assert_eq!(HaveFile::read(&path, 100), Ok(Some(sample())));
    }
}
