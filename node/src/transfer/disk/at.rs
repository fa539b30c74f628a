//! Reading and writing a file at an offset, without a position that two could fight over.

use std::fs::{File, Metadata};
use std::io;

/// Which file it is, whatever it is called: device and number on it. Zeros where the system does
/// not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DiskId {
    /// The device.
    pub(super) device: u64,
    /// Its number there.
    pub(super) inode: u64,
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::{DiskId, File, Metadata, io};

    pub(in crate::transfer::disk) fn id(meta: &Metadata) -> DiskId {
        DiskId { device: meta.dev(), inode: meta.ino() }
    }

    /// Bytes of the disk that a file has taken, holes not counted; 0 where the system does not say.
    pub(in crate::transfer::disk) fn taken(meta: &Metadata) -> u64 {
        // So large is what POSIX counts by, whatever the disk's own blocks are.
        meta.blocks().saturating_mul(512)
    }

    pub(in crate::transfer::disk) fn read(
        file: &File,
        out: &mut [u8],
        at: u64,
    ) -> io::Result<usize> {
        file.read_at(out, at)
    }

    pub(in crate::transfer::disk) fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }
}

#[cfg(windows)]
mod system {
    use std::os::windows::fs::FileExt;

    use super::{DiskId, File, Metadata, io};

    pub(in crate::transfer::disk) fn id(_: &Metadata) -> DiskId {
        DiskId::default()
    }

    pub(in crate::transfer::disk) fn taken(_: &Metadata) -> u64 {
        0
    }

    pub(in crate::transfer::disk) fn read(
        file: &File,
        out: &mut [u8],
        at: u64,
    ) -> io::Result<usize> {
        file.seek_read(out, at)
    }

    pub(in crate::transfer::disk) fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            done += file.seek_write(rest, at + done as u64)?;
        }
        Ok(())
    }
}

pub(super) use system::{id, taken, write};

/// Fills `out` from an offset, as far as the file goes; how much that was.
pub(super) fn read(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match system::read(file, rest, at + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Fills all of `out`.
pub(super) fn read_whole(file: &File, out: &mut [u8], at: u64) -> io::Result<()> {
    let wanted = out.len();
    match read(file, out, at)? {
        count if count == wanted => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
