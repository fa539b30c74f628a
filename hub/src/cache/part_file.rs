//! A blob on its way: its pieces and their parents on the disk, as far as they came.
//!
//! Everything here blocks. Invariant: what is counted as here was written; what was written before
//! a crash counts again only if a parent on the disk says that it is what came.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use hubbub_shared::blob::{Blob, GrowError, Growing};
use hubbub_shared::limits::PIECE;

use super::tree_file::TreeFile;

/// Bytes written before they are synced. Left to the system, all of a large blob would wait for its
/// end, and everybody's messages with it.
const SYNC_EVERY: u64 = 32 * 1024 * 1024;

/// See the module.
pub(super) struct PartFile {
    data: File,
    tree: TreeFile,
    growing: Growing,
    /// How many pieces were here when it was opened.
    began: u64,
    unsynced: u64,
}

/// The files of a blob on its way, opened, whatever is in them.
pub(super) struct PartPlace {
    data: File,
    tree: TreeFile,
}

impl PartPlace {
    /// Opens them, or makes them.
    pub(super) fn open([data, tree]: [&Path; 2]) -> io::Result<Self> {
        let open = |path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).open(path)
        };
        Ok(Self { data: open(data)?, tree: TreeFile(open(tree)?) })
    }
}

impl PartFile {
    /// Goes on with what came of a blob, or begins it. `growing` is what the last one to write it
    /// knew; if that was before a crash, it is found out by reading.
    pub(super) fn go_on(
        PartPlace { data, tree }: PartPlace,
        blob: Blob,
        growing: Option<Growing>,
    ) -> io::Result<Self> {
        let here = data.metadata()?.len();
        let growing = match growing.filter(|known| known.count() * PIECE as u64 <= here) {
            Some(growing) => growing,
            None => take_up(blob, &data, &tree)?,
        };
        let began = growing.count();
        Ok(Self { data, tree, growing, began, unsynced: 0 })
    }

    /// Bytes that are here: whole pieces.
    pub(super) fn len(&self) -> u64 {
        self.growing.count() * PIECE as u64
    }

    /// Whether anything came since it was opened.
    pub(super) fn grew(&self) -> bool {
        self.growing.count() > self.began
    }

    /// Takes what comes next: whole pieces.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.data.write_all_at(bytes, self.len())?;
        for piece in bytes.chunks(PIECE) {
            self.growing.push(piece, &mut &self.tree).map_err(|error| match error {
                GrowError::Length => io::Error::other("not the next piece"),
                GrowError::Store(error) => error,
            })?;
        }
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            self.data.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Makes it all durable and says what blob it is, whatever was promised; none while there is
    /// something missing.
    pub(super) fn finish(&mut self) -> io::Result<Option<Blob>> {
        self.data.sync_all()?;
        self.tree.0.sync_all()?;
        Ok(self.growing.blob())
    }

    /// What to go on with.
    pub(super) fn rest(self) -> Growing {
        self.growing
    }
}

/// Reads what is on the disk, up to the first pair of pieces that no parent vouches for.
fn take_up(blob: Blob, data: &File, tree: &TreeFile) -> io::Result<Growing> {
    let mut growing = Growing::begin(blob.shape);
    let mut pair = vec![0; 2 * PIECE];
    loop {
        match data.read_exact_at(&mut pair, growing.count() * PIECE as u64) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(growing),
            Err(error) => return Err(error),
        }
        let (one, other) = pair.split_at(PIECE);
        if !growing.again([one, other], &mut &*tree)? {
            return Ok(growing);
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::blob::Shape;
    use hubbub_shared::id::BlobId;

    use super::*;

    #[test]
    fn after_power_was_lost_nothing_counts_that_did_not_come_to_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("data"), dir.path().join("tree")];
        let paths = [&*paths[0], &*paths[1]];
        let shape = Shape::of(12 * PIECE as u64).unwrap();
        let blob = Blob { address: BlobId([0; 32]), shape };
        let bytes: Vec<u8> = (0..251).cycle().take(8 * PIECE).collect();
        let open = || PartFile::go_on(PartPlace::open(paths).unwrap(), blob, None).unwrap();
        open().take(&bytes).unwrap();
        assert_eq!(open().len(), 8 * PIECE as u64, "a crash of the hub alone loses nothing");
        let data = OpenOptions::new().write(true).open(paths[0]).unwrap();
        data.write_all_at(&[0; 10], 5 * PIECE as u64).unwrap();
        assert_eq!(open().len(), 4 * PIECE as u64, "a piece that is not what came");
        let tree = OpenOptions::new().write(true).open(paths[1]).unwrap();
        tree.write_all_at(&[0; 64], 0).unwrap();
        assert_eq!(open().len(), 0, "a parent that was never written");
        let mut part = open();
        part.take(&bytes[..PIECE]).unwrap();
        assert_eq!((part.len(), part.finish().unwrap()), (PIECE as u64, None));
    }
}
