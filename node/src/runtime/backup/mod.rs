//! Backups: a profile in one file, and a profile made of one.
//!
//! A backup is made beside a running node, from one moment of its database; nothing is asked of the
//! node. What it holds: the identity, which hub, settings, people, groups, history, and what has
//! not been delivered ([`crate::engine::backup`] says why not the rest). A profile is restored in a
//! directory of its own that takes its place when all of it is there. docs/BACKUP.md has the bytes.

mod sealed;

use std::io::{Read, Write};
use std::path::Path;

use hubbub_shared::crypto::passphrase::Params;
use hubbub_shared::crypto::{Identity, Secret32, SecretBytes};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec::{decode, encode};
use serde::{Deserialize, Serialize};

use self::sealed::{BackupError, Opener, Sealer};
use super::failure::from_store;
use super::hub_file::HubFile;
use super::profile::{from_keystore, os_rng, unusable};
use crate::api::{ApiError, Code};
use crate::keystore;
use crate::paths::{self, ProfileDir};
use crate::store::{Row, Store, StoreError};

const ABOUT: u8 = 1;
const SEED: u8 = 2;
const HUB: u8 = 3;
const SETTINGS: u8 = 4;
const ROW: u8 = 5;
const END: u8 = 6;

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// When it was made.
    pub made_at: Timestamp,
    /// Whose it is: the node's key, as text.
    pub node: String,
    /// Messages and other lines of the history in it.
    pub messages: u64,
    /// All rows in it.
    pub rows: u64,
}

/// Makes a backup of a profile, whether a node runs on it or not. `lock` opens the profile,
/// `passphrase` the backup.
///
/// # Errors
/// [`Code::Profile`] when the profile cannot be read, [`Code::Full`] when the backup cannot be
/// written.
pub fn make(
    dir: &ProfileDir,
    lock: Option<&[u8]>,
    passphrase: &[u8],
    out: impl Write,
) -> Result<About, ApiError> {
    let hub = HubFile::read(&dir.hub())?;
    let keys = keystore::open(dir.path(), lock).map_err(|error| from_keystore(&error))?;
    let me = keys.identity.id();
    let store = Store::look_at(&dir.database(), &keys.master, me);
    let store = store.map_err(|error| from_store(&error))?;
    let mut about = About { made_at: super::now(), node: me.to_text(), messages: 0, rows: 0 };
    let made = || {
        let mut sealer = Sealer::begin(out, passphrase, Params::default(), os_rng()?)?;
        sealer.put(ABOUT, &encode(&about))?;
        sealer.put(SEED, keys.identity.seed().expose())?;
        sealer.put(HUB, hub.to_text().as_bytes())?;
        match std::fs::read(dir.config()) {
            Ok(settings) => sealer.put(SETTINGS, &settings)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failed::Api(unusable(&dir.config(), &error))),
        }
        store.export(|row| {
            about.messages += u64::from(row.is_message());
            about.rows += 1;
            let bytes = SecretBytes::from_vec(encode(&row));
            sealer.put(ROW, bytes.expose()).map_err(Failed::from)
        })?;
        sealer.put(END, &encode(&about))?;
        Ok(sealer.end()?)
    };
    made().map(drop).map_err(Failed::into_api)?;
    Ok(about)
}

/// Reads a whole backup: what it is of, if all of it is sound.
///
/// # Errors
/// [`Code::Profile`] when it is not, or the passphrase is another.
pub fn look(from: impl Read, passphrase: &[u8]) -> Result<About, ApiError> {
    let mut nowhere = Nowhere;
    unpack(from, passphrase, &mut nowhere).map_err(Failed::into_api)
}

/// Makes a profile of a backup, locked by `lock` when there is one.
///
/// # Errors
/// [`Code::Profile`] when something is there already, or the backup is not sound; then nothing is.
pub fn restore(
    dir: &ProfileDir,
    from: impl Read,
    passphrase: &[u8],
    lock: Option<&[u8]>,
) -> Result<About, ApiError> {
    let place = dir.path();
    if std::fs::read_dir(place).is_ok_and(|mut there| there.next().is_some()) {
        let what = format!("there is something at {} already; it is left alone", place.display());
        let hint = "restore as another profile: `hubbub --profile NAME restore <file>`";
        return Err(ApiError::new(Code::Profile, what, hint));
    }
    let fresh = ProfileDir::at(place.with_extension("restoring"));
    clear(fresh.path())?;
    let about = unpack(from, passphrase, &mut Making { dir: &fresh, lock, store: None });
    let about = about.map_err(Failed::into_api).inspect_err(|_| {
        // What is left of it is cleared at the next try anyway.
        clear(fresh.path()).unwrap_or_default();
    })?;
    let moved = std::fs::rename(fresh.path(), place).and_then(|()| paths::sync_parent(place));
    moved.map_err(|error| unusable(place, &error))?;
    Ok(about)
}

fn clear(dir: &Path) -> Result<(), ApiError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(dir, &error)),
        _ => Ok(()),
    }
}

/// Where the parts of a backup go, in the order in which they come.
trait Parts {
    fn identity(&mut self, seed: Secret32) -> Result<(), Failed>;
    fn file(&mut self, kind: u8, text: &[u8]) -> Result<(), Failed>;
    fn rows(&mut self, next: &mut dyn FnMut() -> Result<Option<Row>, Failed>)
    -> Result<(), Failed>;
}

/// Only looked at.
struct Nowhere;

impl Parts for Nowhere {
    fn identity(&mut self, _: Secret32) -> Result<(), Failed> {
        Ok(())
    }

    fn file(&mut self, _: u8, _: &[u8]) -> Result<(), Failed> {
        Ok(())
    }

    fn rows(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Row>, Failed>,
    ) -> Result<(), Failed> {
        while next()?.is_some() {}
        Ok(())
    }
}

/// A profile that is being made.
struct Making<'a> {
    dir: &'a ProfileDir,
    lock: Option<&'a [u8]>,
    store: Option<Store>,
}

impl Parts for Making<'_> {
    fn identity(&mut self, seed: Secret32) -> Result<(), Failed> {
        let (dir, identity) = (self.dir.path(), Identity::from_seed(seed));
        let keys = keystore::create_for(dir, identity, self.lock, &mut os_rng()?);
        let keys = keys.map_err(|error| from_keystore(&error))?;
        self.store = Some(Store::open(&self.dir.database(), &keys.master, keys.identity.id())?);
        Ok(())
    }

    fn file(&mut self, kind: u8, text: &[u8]) -> Result<(), Failed> {
        let path = if kind == HUB { self.dir.hub() } else { self.dir.config() };
        paths::replace_private(&path, text).map_err(|error| Failed::Api(unusable(&path, &error)))
    }

    fn rows(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Row>, Failed>,
    ) -> Result<(), Failed> {
        let Some(store) = &mut self.store else { return Err(Failed::NotWhole) };
        let import = store.import()?;
        while let Some(row) = next()? {
            import.put(row)?;
        }
        Ok(import.commit()?)
    }
}

/// Reads everything, and gives what it says of itself once its end agrees with what came.
fn unpack(from: impl Read, passphrase: &[u8], parts: &mut dyn Parts) -> Result<About, Failed> {
    let mut opener = Opener::begin(from, passphrase)?;
    let mut next = || opener.next()?.ok_or(Failed::NotWhole);
    let (ABOUT, first) = next()? else { return Err(Failed::NotWhole) };
    let first: About = decode(first.expose()).map_err(|_| Failed::NotWhole)?;
    let (SEED, seed) = next()? else { return Err(Failed::NotWhole) };
    let seed: &[u8; 32] = seed.expose().try_into().map_err(|_| Failed::NotWhole)?;
    parts.identity(Secret32::filled(|out| out.copy_from_slice(seed)))?;
    let (mut messages, mut rows, mut end) = (0, 0, None);
    let mut item = next()?;
    while matches!(item.0, HUB | SETTINGS) {
        parts.file(item.0, item.1.expose())?;
        item = next()?;
    }
    let mut item = Some(item);
    parts.rows(&mut || {
        let (kind, bytes) = item.take().map_or_else(&mut next, Ok)?;
        if kind == END {
            end = decode::<About>(bytes.expose()).ok();
            return Ok(None);
        }
        let row: Row = decode(bytes.expose()).map_err(|_| Failed::NotWhole)?;
        messages += u64::from(row.is_message());
        rows += 1;
        Ok((kind == ROW).then_some(row))
    })?;
    let about = About { messages, rows, ..first };
    if end.as_ref() != Some(&about) || opener.next()?.is_some() {
        return Err(Failed::NotWhole);
    }
    Ok(about)
}

/// What can go wrong.
enum Failed {
    Backup(BackupError),
    Store(StoreError),
    Api(ApiError),
    /// Sealed well, and not what a backup is made of.
    NotWhole,
}

impl Failed {
    fn into_api(self) -> ApiError {
        let text = match self {
            Self::Api(error) => return error,
            Self::Store(error) => return from_store(&error),
            Self::Backup(error) => error.to_string(),
            Self::NotWhole => "the backup is not whole; try another copy".to_owned(),
        };
        let (what, hint) = text.split_once("; ").unwrap_or((&text, "try another copy"));
        ApiError::new(Code::Profile, what, hint)
    }
}

impl From<BackupError> for Failed {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}
