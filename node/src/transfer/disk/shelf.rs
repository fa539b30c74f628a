//! The folder of the profile in which stands what is known about files: trees and have-maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hubbub_shared::id::BlobId;

use super::failure::{About, DiskError, Place};
#[cfg(test)]
use super::room::Free;
use super::room::Needs;
use crate::paths;

/// Ending of a tree that is being made and has no address yet.
const SEALING: &str = "sealing";

/// Where things about files are kept.
#[derive(Clone, Debug)]
pub struct Shelf {
    path: PathBuf,
    needs: Needs,
}

impl Shelf {
    /// Opens the folder, makes it where it is absent, and clears away what a sealing left behind
    /// that did not come to its end.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn open(dir: PathBuf) -> Result<Self, DiskError> {
        paths::private_dir(&dir).about(Place::Profile)?;
        for entry in fs::read_dir(&dir).about(Place::Profile)? {
            let path = entry.about(Place::Profile)?.path();
            if path.extension().is_some_and(|ending| ending == SEALING) {
                paths::remove(&path).about(Place::Profile)?;
            }
        }
        Ok(Self { path: dir, needs: Needs::default() })
    }

    /// Takes away what stands here of files that nobody knows any more: a crash may come between
    /// what is decided about a file and what follows from it, and the end of a sealing after that.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn sweep(&self, known: &BTreeMap<BlobId, BTreeSet<u64>>) -> Result<(), DiskError> {
        let mut swept = false;
        for entry in fs::read_dir(&self.path).about(Place::Profile)? {
            let entry = entry.about(Place::Profile)?;
            if entry.file_name().to_str().is_some_and(|name| is_left_over(name, known)) {
                fs::remove_file(entry.path()).about(Place::Profile)?;
                swept = true;
            }
        }
        let within = self.path.join(SEALING);
        if swept { paths::sync_parent(&within).about(Place::Profile) } else { Ok(()) }
    }

    /// The same on a disk that is said to have so much room.
    #[cfg(test)]
    pub(in crate::transfer) fn with_free(self, free: Free) -> Self {
        Self { needs: Needs::with(free), ..self }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is still to come to the disks of this machine.
    pub(super) fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The parents of a blob.
    pub(super) fn tree(&self, blob: &BlobId) -> PathBuf {
        self.named(blob, "tree")
    }

    /// Which pieces of it are on the disk, and in which file. By the number of the file as well:
    /// anybody may copy an address, and what they say of it is kept apart.
    pub(super) fn have(&self, blob: &BlobId, file: u64) -> PathBuf {
        self.named(blob, &format!("{file}.have"))
    }

    /// Whether some of a file was fetched before.
    pub(in crate::transfer) fn knows(&self, blob: &BlobId, file: u64) -> bool {
        self.have(blob, file).exists()
    }

    /// A tree on its way to an address.
    pub(super) fn sealing(&self, file: u64) -> PathBuf {
        self.path.join(format!("{file}.{SEALING}"))
    }

    /// Forgets what is known about a file, and the parents of its blob unless they are to be kept
    /// or another file is being fetched by them.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub(super) fn forget(&self, blob: &BlobId, file: u64, keep: bool) -> Result<(), DiskError> {
        paths::remove(&self.have(blob, file)).about(Place::Profile)?;
        if keep || self.is_fetched(blob)? {
            return Ok(());
        }
        paths::remove(&self.tree(blob)).about(Place::Profile)
    }

    /// Whether some of any file with this address is noted.
    fn is_fetched(&self, blob: &BlobId) -> Result<bool, DiskError> {
        let address = HEXLOWER.encode(&blob.0);
        for entry in fs::read_dir(&self.path).about(Place::Profile)? {
            let name = entry.about(Place::Profile)?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&address) && name.ends_with(".have") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A file landed, and somebody knows where: what was noted for finding it is not needed any
    /// more.
    pub fn landed(&self, blob: &BlobId, file: u64) {
        let noted = self.have(blob, file);
        // Where it stays it does no harm, and it goes the next time.
        if noted.exists() && paths::remove(&noted).is_err() {
            tracing::debug!("a list of pieces could not be removed");
        }
    }

    fn named(&self, blob: &BlobId, ending: &str) -> PathBuf {
        self.path.join(format!("{}.{ending}", HEXLOWER.encode(&blob.0)))
    }
}

/// Whether something with this name belongs to a file of which nothing is known, or is what was
/// left when a list of pieces was to be replaced. What has another name is not touched.
fn is_left_over(name: &str, known: &BTreeMap<BlobId, BTreeSet<u64>>) -> bool {
    let mut parts = name.split('.');
    let address = parts.next().and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
    let Some(address) = address.and_then(|bytes| bytes.try_into().ok()) else { return false };
    let files = known.get(&BlobId(address));
    match (parts.next(), parts.next(), parts.next()) {
        (Some("tree"), None, None) => files.is_none(),
        (Some(file), Some("have"), None) => {
            let file = file.parse().ok();
            !files.zip(file).is_some_and(|(files, file)| files.contains(&file))
        }
        (Some(_), Some("new"), None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_any_more_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path().join("files")).unwrap();
        let (mine, theirs) = (BlobId([1; 32]), BlobId([2; 32]));
        let known = BTreeMap::from([(mine, BTreeSet::from([1, 2]))]);
        let kept =
            [shelf.tree(&mine), shelf.have(&mine, 2), shelf.sealing(7), dir.path().join("x")];
        let other = shelf.path().join("notes.tree");
        let gone = [
            shelf.tree(&theirs),
            shelf.have(&mine, 3),
            shelf.have(&theirs, 1),
            shelf.have(&mine, 1).with_extension("new"),
        ];
        for path in kept.iter().chain([&other]).chain(&gone) {
            fs::write(path, "").unwrap();
        }
        shelf.sweep(&known).unwrap();
        assert!(kept.iter().chain([&other]).all(|path| path.exists()));
        assert!(!gone.iter().any(|path| path.exists()));
    }
}
