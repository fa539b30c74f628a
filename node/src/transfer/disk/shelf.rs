//! The folder of the profile in which stands what is known about files: trees, have-maps, spools.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hubbub_shared::id::BlobId;

use super::failure::{About, DiskError, Place};
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

    /// What came in through a pipe, to be sealed and served from here.
    #[must_use]
    pub fn spool(&self, file: u64) -> PathBuf {
        self.path.join(format!("{file}.spool"))
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
