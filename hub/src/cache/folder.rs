//! The folder that blobs are kept in, and what is durable there when.
//!
//! Of a whole blob three files: `<address>.blob`, `.tree` and `.kept`, the record of who it is kept
//! for. A blob without a record is none: the record is written last and deleted first, each time
//! whole or not at all. Of a blob on its way two files, `.part` and `.grow`, whose name says all
//! there is to know: `<address>-<who>-<length>`. What a start finds beside these was left by a
//! crash and is deleted.
//!
//! Everything here blocks.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use data_encoding::HEXLOWER;
use hubbub_shared::blob::{Blob, Shape, nodes};
use hubbub_shared::id::{BlobId, NodeId};
use hubbub_shared::limits::PIECE;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec;

use super::book::{Came, Change, Holders};
use crate::keys::private_dir;

/// Its name in a hub's directory.
pub const FOLDER: &str = "files";
/// The layout of a record; another one is no record.
const FORMAT: u8 = 1;
/// Endings of the files of a whole blob, and of one on its way.
const WHOLE: [&str; 2] = ["blob", "tree"];
const PART: [&str; 2] = ["part", "grow"];
const KEPT: &str = "kept";
/// A record that is being written.
const NEW: &str = "new";

/// See the module.
pub(super) struct Folder(PathBuf);

/// What a start finds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) whole: Vec<(Blob, Holders)>,
    pub(super) parts: Vec<(NodeId, Blob, Came)>,
    /// Files that a crash left behind, deleted.
    pub(super) swept: usize,
}

impl Folder {
    /// Makes it where it is not there.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(FOLDER);
        private_dir(&path)?;
        Ok(Self(path))
    }

    /// Reads what is there, and deletes what belongs to nothing.
    pub(super) fn load(&self) -> io::Result<Found> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        let (mut found, mut ours) = (Found::default(), BTreeSet::new());
        for (stem, ending) in names.iter().filter_map(|name| name.rsplit_once('.')) {
            if ending == KEPT
                && let Some(whole) = self.record(stem)?
            {
                ours.extend(WHOLE.iter().chain([&KEPT]).map(|end| format!("{stem}.{end}")));
                found.whole.push(whole);
            }
            if ending == PART[0]
                && let Some(part) = self.part(stem)?
            {
                ours.extend(PART.map(|end| format!("{stem}.{end}")));
                found.parts.push(part);
            }
        }
        for name in names.iter().filter(|name| is_ours(name) && !ours.contains(*name)) {
            fs::remove_file(self.0.join(name))?;
            found.swept += 1;
        }
        Ok(found)
    }

    /// Bytes that the disk still takes.
    pub(super) fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.0)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Does on the disk what was decided; durable when it returns.
    pub(super) fn carry_out(&self, change: &Change) -> io::Result<()> {
        match change {
            Change::Record(blob, holders) => self.write_record(blob, holders),
            Change::Forget(address) => {
                let stem = hex(address);
                remove(&self.at(&stem, KEPT))?;
                self.sync()?;
                WHOLE.iter().try_for_each(|end| remove(&self.at(&stem, end)))
            }
            Change::Drop(node, blob) => {
                self.part_paths(*node, *blob).iter().try_for_each(|path| remove(path))?;
                self.sync()
            }
        }
    }

    /// What came of a blob, made durable before, is the blob: its record is still to be written.
    pub(super) fn install(&self, node: NodeId, blob: Blob) -> io::Result<()> {
        let (from, to) = (part_stem(node, blob), hex(&blob.address));
        for (part, whole) in PART.iter().zip(WHOLE) {
            fs::rename(self.at(&from, part), self.at(&to, whole))?;
        }
        Ok(())
    }

    /// Where pieces and parents of a blob on its way are.
    pub(super) fn part_paths(&self, node: NodeId, blob: Blob) -> [PathBuf; 2] {
        PART.map(|end| self.at(&part_stem(node, blob), end))
    }

    /// Where pieces and parents of a whole blob are.
    pub(super) fn whole_paths(&self, blob: Blob) -> [PathBuf; 2] {
        WHOLE.map(|end| self.at(&hex(&blob.address), end))
    }

    fn write_record(&self, blob: &Blob, holders: &Holders) -> io::Result<()> {
        let stem = hex(&blob.address);
        let holders: Vec<_> = holders.iter().map(|(node, until)| (*node, *until)).collect();
        let bytes = codec::encode(&(FORMAT, blob.shape.sealed(), holders));
        let new = self.at(&stem, NEW);
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.at(&stem, KEPT))?;
        self.sync()
    }

    /// A record whose blob is there, of the right lengths.
    fn record(&self, stem: &str) -> io::Result<Option<(Blob, Holders)>> {
        let bytes = fs::read(self.at(stem, KEPT))?;
        let read = codec::decode::<(u8, u64, Vec<(NodeId, Timestamp)>)>(&bytes).ok();
        let record = read.filter(|(format, ..)| *format == FORMAT);
        let Some((address, (_, sealed, holders))) = address(stem).zip(record) else {
            return Ok(None);
        };
        let Some(shape) = Shape::of_sealed(sealed) else { return Ok(None) };
        let tree = (shape.pieces() - 1) * nodes::PARENT as u64;
        for (ending, wanted) in WHOLE.iter().zip([sealed, tree]) {
            match fs::metadata(self.at(stem, ending)) {
                Ok(file) if file.len() == wanted => {}
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some((Blob { address, shape }, holders.into_iter().collect())))
    }

    /// What came of a blob, as its name says; none where no whole piece did.
    fn part(&self, stem: &str) -> io::Result<Option<(NodeId, Blob, Came)>> {
        let mut words = stem.split('-');
        let read = || {
            let address = address(words.next()?)?;
            let node = HEXLOWER.decode(words.next()?.as_bytes()).ok()?;
            let shape = Shape::of_sealed(words.next()?.parse().ok()?)?;
            Some((NodeId::from_slice(&node)?, Blob { address, shape }))
        };
        let Some((node, blob)) = { read }() else { return Ok(None) };
        let file = fs::metadata(self.at(stem, PART[0]))?;
        let touched = file.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let touched = Timestamp(u64::try_from(touched.as_millis()).unwrap_or(u64::MAX));
        let counts = PIECE as u64..=blob.shape.sealed();
        let came = Came { bytes: file.len(), at: touched };
        Ok(counts.contains(&came.bytes).then_some((node, blob, came)))
    }

    fn at(&self, stem: &str, ending: &str) -> PathBuf {
        self.0.join(format!("{stem}.{ending}"))
    }

    /// Makes what was renamed or deleted durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

fn is_ours(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|end| WHOLE.iter().chain(&PART).chain([&KEPT, &NEW]).any(|e| *e == end))
}

fn hex(address: &BlobId) -> String {
    HEXLOWER.encode(address.as_bytes())
}

fn address(hex: &str) -> Option<BlobId> {
    BlobId::from_slice(&HEXLOWER.decode(hex.as_bytes()).ok()?)
}

fn part_stem(node: NodeId, blob: Blob) -> String {
    let (address, node) = (hex(&blob.address), HEXLOWER.encode(node.as_bytes()));
    format!("{address}-{node}-{}", blob.shape.sealed())
}

/// Deletes a file; one that is not there is deleted.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
