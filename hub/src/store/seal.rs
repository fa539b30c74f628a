//! The seal of a closed store: what its files were when it was closed, so that damage done while
//! it lies there is noticed before anything reads or changes them.
//!
//! The engine takes a journal that ends early, or goes on in nonsense, for one whose last write a
//! crash cut off, and cuts it there. After a close in order no write was cut off: a journal that is
//! not as it was left is damaged. Tables are left out: they may be large, and each block of theirs
//! has a checksum that is looked at whenever it is read.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use data_encoding::HEXLOWER;
use hubbub_shared::crypto::blake3;

use super::StoreError;

/// Its name in a store's folder.
const NAME: &str = "closed";
/// Folder of tables inside a keyspace's.
const TABLES: &str = "tables";
/// Bytes hashed at once.
const CHUNK: usize = 1024 * 1024;

/// Seals a store that is closed.
///
/// # Errors
/// When its files cannot be read or the seal not written.
pub(super) fn put(folder: &Path) -> io::Result<()> {
    let seal = folder.join(NAME);
    fs::write(&seal, describe(folder)?)?;
    File::open(&seal)?.sync_all()
}

/// Breaks the seal of a store that is to be opened, if it has one and everything is as it was.
///
/// # Errors
/// [`StoreError`] when it is not; nothing is changed then.
pub(super) fn lift(folder: &Path) -> Result<(), StoreError> {
    let seal = folder.join(NAME);
    let found = match fs::read_to_string(&seal) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError(error.to_string())),
    };
    let now = describe(folder)?;
    if found != now {
        let gone = found.lines().find(|line| !now.lines().any(|other| other == *line));
        let file = gone.and_then(|line| line.rsplit(' ').next()).unwrap_or(NAME);
        return Err(StoreError::damaged(&format!("{file} is not as the hub left it")));
    }
    fs::remove_file(&seal)?;
    Ok(File::open(folder)?.sync_all()?)
}

/// A line for every file: hash, size, name.
fn describe(folder: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if path.is_dir() {
                folders.extend((!path.ends_with(TABLES)).then_some(path));
            } else if name != NAME {
                let (size, hash) = hash(&path)?;
                lines.push(format!("{} {size} {name}", HEXLOWER.encode(&hash)));
            }
        }
    }
    lines.sort();
    Ok(lines.join("\n"))
}

/// Size and hash of a file, however large it is.
fn hash(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let (mut size, mut hash) = (0, [0; 32]);
    let mut file = File::open(path)?;
    let mut chunk = Vec::with_capacity(hash.len() + CHUNK);
    loop {
        chunk.clear();
        chunk.extend_from_slice(&hash);
        let limit = u64::try_from(CHUNK).unwrap_or(u64::MAX);
        let read = (&mut file).take(limit).read_to_end(&mut chunk)?;
        if read == 0 {
            return Ok((size, hash));
        }
        size += u64::try_from(read).unwrap_or(u64::MAX);
        hash = blake3(&chunk).0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_cut_or_taken_away_breaks_the_seal_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("0.jnl");
        fs::create_dir_all(dir.path().join("keyspaces/1/tables")).unwrap();
        fs::write(dir.path().join("keyspaces/1/tables/7"), b"large").unwrap();
        let content = vec![7; 3 * CHUNK / 2];
        fs::write(&file, &content).unwrap();
        put(dir.path()).unwrap();
        for damage in [&content[1..], &[], &[&content[..CHUNK], &content[..CHUNK]].concat()] {
            fs::write(&file, damage).unwrap();
            let refused = lift(dir.path()).unwrap_err().to_string();
            assert!(refused.contains("0.jnl"), "{refused}");
            assert_eq!(fs::read(&file).unwrap(), damage);
        }
        fs::remove_file(&file).unwrap();
        assert!(lift(dir.path()).is_err());
        fs::write(&file, &content).unwrap();
        fs::write(dir.path().join("keyspaces/1/tables/7"), b"LARGE").unwrap();
        lift(dir.path()).unwrap();
        // An open store has none, and neither has one that was never closed in order.
        assert!(!dir.path().join(NAME).exists());
        fs::write(&file, b"").unwrap();
        lift(dir.path()).unwrap();
    }
}
