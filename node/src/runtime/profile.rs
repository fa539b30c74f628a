//! Profiles: made from an invite, opened by the one process that owns them.
//!
//! Invariant: whoever opens a profile holds its lock until its node has stopped; nothing in it is
//! read or written without.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::group::knock::Passphrase;
use hubbub_shared::id::NodeId;
use hubbub_shared::invite::Invite;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use super::driver::{Driver, Owned};
use super::failure::from_store;
use super::handle::{self, Handle};
use super::hub_file::HubFile;
use super::movers::{Ground, Movers};
use super::socket::Listening;
use super::streams::Streams;
use super::{Client, Node, socket};
use crate::api::{ApiError, Code};
use crate::config::{ConfigError, NodeConfig};
use crate::keystore::{self, KeystoreError};
use crate::net::{HubLink, LinkSettings, tls};
use crate::paths::{self, ProfileDir};
use crate::store::Store;
use crate::transfer::disk::Shelf;

/// Whether there is a profile in `dir`.
#[must_use]
pub fn exists(dir: &ProfileDir) -> bool {
    dir.hub().exists()
}

/// Whether opening it takes a passphrase.
///
/// # Errors
/// [`Code::Profile`] when there is none, or it is damaged.
pub fn is_locked(dir: &ProfileDir) -> Result<bool, ApiError> {
    keystore::is_locked(dir.path()).map_err(|error| from_keystore(&error))
}

/// Makes a profile for the hub of an invite. `nickname` is claimed at the first connection. For a
/// profile that belongs to this hub already, the invite renews addresses and admission.
///
/// # Errors
/// [`Code::InUse`] while a node runs on it, [`Code::Invite`] when it belongs to another hub,
/// [`Code::Profile`] when it cannot be written.
pub fn join(
    dir: &ProfileDir,
    invite: &Invite,
    nickname: Option<&str>,
    passphrase: Option<&[u8]>,
) -> Result<(), ApiError> {
    paths::private_dir(dir.path()).map_err(|error| unusable(dir.path(), &error))?;
    let _lock = lock(dir)?;
    let mut file = HubFile::from_invite(dir.hub(), invite, nickname);
    if exists(dir) {
        let mut there = HubFile::read(&dir.hub())?;
        // A hub that never let us in has no claim on the profile.
        if there.hub() != invite.hub() && there.is_admitted() {
            return Err(ApiError::new(
                Code::Invite,
                "this profile belongs to another hub",
                "make a second profile: `hubbub --profile NAME join <invite>`",
            ));
        }
        if there.hub() == invite.hub() {
            there.renew(file);
            file = there;
        }
    } else {
        make_keys(dir, passphrase)?;
    }
    file.write().map_err(|error| unusable(&dir.hub(), &error))
}

/// The hub file is written last: keys without one are what an interrupted `join` left, and are
/// used.
fn make_keys(dir: &ProfileDir, passphrase: Option<&[u8]>) -> Result<(), ApiError> {
    let mut rng = os_rng()?;
    match keystore::create(dir.path(), passphrase, &mut rng) {
        Err(KeystoreError::Exists(_)) => keystore::open(dir.path(), passphrase).map(drop),
        made => made.map(drop),
    }
    .map_err(|error| from_keystore(&error))
}

/// Sets, changes or takes away the passphrase. Takes effect at once; history and keys stay.
///
/// # Errors
/// [`Code::InUse`] while a node runs on it, [`Code::Profile`] for a wrong old one.
pub fn change_passphrase(
    dir: &ProfileDir,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
) -> Result<(), ApiError> {
    let _lock = lock(dir)?;
    keystore::change_passphrase(dir.path(), old, new, &mut os_rng()?)
        .map_err(|error| from_keystore(&error))
}

/// Starts the node of a profile in this process, listening on its socket.
///
/// # Errors
/// [`Code::InUse`] when another process runs it (see [`open_or_attach`]), [`Code::Profile`] when it
/// is missing, locked or damaged.
pub async fn open(dir: &ProfileDir, passphrase: Option<&[u8]>) -> Result<Handle, ApiError> {
    start(dir, passphrase, true).await
}

/// The same, but the streams of peers are the caller's ([`Handle::streams`]), and so files are
/// switched off.
///
/// # Errors
/// As [`open`].
pub async fn open_for_streams(
    dir: &ProfileDir,
    passphrase: Option<&[u8]>,
) -> Result<Handle, ApiError> {
    start(dir, passphrase, false).await
}

async fn start(
    dir: &ProfileDir,
    passphrase: Option<&[u8]>,
    files: bool,
) -> Result<Handle, ApiError> {
    let lock = lock(dir)?;
    let config = NodeConfig::load(None, &dir.config()).map_err(|error| from_config(&error))?;
    let hub_file = HubFile::read(&dir.hub())?;
    let keys = open_keys(dir, passphrase).await?;
    let store = Store::open(&dir.database(), &keys.master, keys.identity.id())
        .map_err(|error| from_store(&error))?;
    let identity = Arc::new(keys.identity);
    let settings = LinkSettings {
        addresses: hub_file.addresses().to_vec(),
        hub: hub_file.hub(),
        admission: hub_file.admission(),
        identity: Arc::clone(&identity),
    };
    let mut link = HubLink::start(settings).map_err(|error| {
        ApiError::new(Code::HubUnreachable, error.to_string(), "check this machine's network")
    })?;
    let mut rng = os_rng()?;
    let me = identity.id();
    let movers = if files { movers(dir, (&mut link, me), &mut rng)? } else { None };
    let streams = Streams::of(&mut link);
    let profile = dir.path().to_path_buf();
    let (settings, file_settings) = (config.settings(), config.files());
    let config = dir.config();
    let owned = Owned {
        store,
        link,
        identity,
        rng,
        hub_file,
        profile,
        settings,
        file_settings,
        config,
        lock,
    };
    let (handle, asks, events) = handle::channel(streams);
    let driver = Driver::new((owned, movers), asks, events)?;
    run(driver, listen(dir.path(), &handle));
    Ok(handle)
}

/// Whoever moves files, over the streams of this link.
fn movers(
    dir: &ProfileDir,
    (link, me): (&mut HubLink, NodeId),
    rng: &mut ChaCha20Rng,
) -> Result<Option<Movers>, ApiError> {
    let shelf = Shelf::open(dir.files()).map_err(|error| {
        ApiError::new(Code::Profile, error.to_string(), "check who owns the profile's folder")
    })?;
    let hub = link.files();
    let Some((peers, incoming)) = link.streams() else { return Ok(None) };
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    Ok(Some(Movers::start(Ground { me, seed, shelf, peers, incoming, hub })))
}

/// Deriving the key takes its time: on a thread that serves nothing else.
async fn open_keys(
    dir: &ProfileDir,
    passphrase: Option<&[u8]>,
) -> Result<keystore::Keys, ApiError> {
    let path = dir.path().to_path_buf();
    let passphrase = passphrase.map(|p| hubbub_shared::crypto::SecretBytes::from_vec(p.to_vec()));
    let opening = tokio::task::spawn_blocking(move || {
        keystore::open(&path, passphrase.as_ref().map(|p| p.expose()))
    });
    let opened = opening.await.map_err(|_| {
        ApiError::new(Code::Internal, "opening the keys failed", "please report this")
    })?;
    opened.map_err(|error| from_keystore(&error))
}

/// A node that nobody else can talk to still works.
fn listen(dir: &Path, handle: &Handle) -> Option<Listening> {
    socket::listen(dir, handle.downgrade())
        .inspect_err(|error| tracing::warn!("no other process can attach: {error}"))
        .ok()
}

/// The loop commits to disk: it gets a thread of its own. It ends by itself when told to stop or
/// when the last handle is gone, so nobody needs to hold on to it.
fn run(driver: Driver, socket: Option<Listening>) {
    let runtime = tokio::runtime::Handle::current();
    let task = tokio::task::spawn_blocking(move || runtime.block_on(driver.drive(socket)));
    drop(task);
}

/// Attaches to the node that runs on the profile, or else starts it here.
///
/// # Errors
/// As [`open`].
pub async fn open_or_attach(dir: &ProfileDir, passphrase: Option<&[u8]>) -> Result<Node, ApiError> {
    match open(dir, passphrase).await {
        Ok(handle) => Ok(Node::Local(handle)),
        Err(error) if error.code == Code::InUse => attach(dir).await.or(Err(error)),
        Err(error) => Err(error),
    }
}

/// Attaches to the node that runs on the profile.
///
/// # Errors
/// [`Code::Profile`] when none does.
pub async fn attach(dir: &ProfileDir) -> Result<Node, ApiError> {
    Client::connect(dir.path()).await.map(Node::Attached)
}

/// Takes the profile's lock. The file holds the owner's process id, for people.
fn lock(dir: &ProfileDir) -> Result<File, ApiError> {
    let path = dir.lock();
    if !dir.path().is_dir() {
        let missing = KeystoreError::Missing(dir.path().to_path_buf());
        return Err(from_keystore(&missing));
    }
    let mut file = paths::private_file(&path).map_err(|error| unusable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(&mut file)),
        Err(TryLockError::Error(error)) => return Err(unusable(&path, &error)),
    }
    let note = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    note.map_err(|error| unusable(&path, &error))?;
    Ok(file)
}

fn in_use(file: &mut File) -> ApiError {
    let mut pid = String::new();
    let known = file.read_to_string(&mut pid).is_ok() && !pid.is_empty();
    let owner = if known { format!("process {pid}") } else { "another process".to_owned() };
    ApiError::new(
        Code::InUse,
        format!("{owner} runs a node on this profile"),
        "attach to it (every `hubbub` command does so by itself) or stop it",
    )
}

/// A passphrase nobody guesses, for a group.
///
/// # Errors
/// [`ApiError`] when the system has no randomness.
pub fn made_up_passphrase() -> Result<SecretBytes, ApiError> {
    let made = Passphrase::generate(&mut os_rng()?);
    Ok(SecretBytes::from_vec(made.as_str().as_bytes().to_vec()))
}

/// The system's randomness.
pub(super) fn os_rng() -> Result<rand_chacha::ChaCha20Rng, ApiError> {
    tls::os_rng().map_err(|error| {
        ApiError::new(Code::Internal, error.to_string(), "this machine's system is broken")
    })
}

pub(super) fn from_config(error: &ConfigError) -> ApiError {
    let text = error.to_string();
    let (what, hint) = text.split_once("; ").unwrap_or((&text, "correct it, or remove the line"));
    ApiError::new(Code::Config, what, hint)
}

pub(super) fn from_keystore(error: &KeystoreError) -> ApiError {
    let text = error.to_string();
    let (what, hint) = text.split_once("; ").unwrap_or((&text, "check the profile's directory"));
    ApiError::new(Code::Profile, what, hint)
}

pub(super) fn unusable(path: &Path, error: &std::io::Error) -> ApiError {
    let what = format!("cannot use {}: {error}", path.display());
    ApiError::new(Code::Profile, what, "check its owner and the free space")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use hubbub_shared::id::HubId;
    use hubbub_shared::wire::codec::encode;

    use super::*;
    use crate::engine::output::{Changes, RecordChange, Table};

    /// A profile in which something is kept of files that no record names: what was piped in, a
    /// tree, and what is known of a part.
    fn profile(dir: &Path) -> (ProfileDir, Vec<PathBuf>) {
        let dir = ProfileDir::at(dir.to_path_buf());
        let nowhere = vec!["127.0.0.1:9".to_owned()];
        let invite = Invite::new(nowhere, HubId([3; 32]), None).ok().unwrap();
        join(&dir, &invite, None, None).unwrap();
        let named = |ending: &str| dir.files().join(format!("{}.{ending}", "07".repeat(32)));
        let kept = vec![named("tree"), named("1.have"), dir.sent().join("1-1")];
        for path in &kept {
            paths::private_dir(path.parent().unwrap()).unwrap();
            std::fs::write(path, "the only copy").unwrap();
        }
        (dir, kept)
    }

    fn change(dir: &ProfileDir, record: RecordChange) {
        let keys = keystore::open(dir.path(), None).ok().unwrap();
        let mut store = Store::open(&dir.database(), &keys.master, keys.identity.id()).unwrap();
        store.commit(Changes { records: vec![record], history: Vec::new() }).unwrap();
    }

    /// Starts the node, and ends it when what is swept beside its loop is swept.
    async fn run_for_a_moment(dir: &ProfileDir) {
        let handle = open(dir, None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        handle.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn while_one_file_cannot_be_read_nothing_is_swept_that_may_be_its_own() {
        let home = tempfile::tempdir().unwrap();
        let (dir, kept) = profile(home.path());
        let damaged = SecretBytes::from_vec(vec![1, 2, 3]);
        change(&dir, RecordChange::Put(Table::File, encode(&1u64), damaged));
        for _ in 0..2 {
            run_for_a_moment(&dir).await;
            let lost: Vec<_> = kept.iter().filter(|path| !path.exists()).collect();
            assert!(lost.is_empty(), "{lost:?}");
        }
        change(&dir, RecordChange::Delete(Table::File, encode(&1u64)));
        run_for_a_moment(&dir).await;
        assert!(!kept.iter().any(|path| path.exists()), "now it is nobody's for certain");
    }
}
