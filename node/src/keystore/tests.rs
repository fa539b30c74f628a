//! The key file, locked, unlocked, damaged.

use std::fs;

use hubbub_shared::id::NodeId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([5; 32])
}

fn id(dir: &Path, passphrase: Option<&[u8]>) -> Result<NodeId, KeystoreError> {
    open(dir, passphrase).map(|keys| keys.identity.id())
}

#[test]
fn keys_without_a_passphrase_open_again_and_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let made = create(dir.path(), None, &mut rng()).map_err(|e| e.to_string()).ok().unwrap();
    assert!(!is_locked(dir.path()).unwrap());
    let again = open(dir.path(), None).map_err(|e| e.to_string()).ok().unwrap();
    assert_eq!(again.identity.id(), made.identity.id());
    assert_eq!(again.master.expose(), made.master.expose());
    assert!(matches!(create(dir.path(), None, &mut rng()), Err(KeystoreError::Exists(_))));
    fs::remove_file(dir.path().join(UNLOCK)).unwrap();
    assert!(matches!(id(dir.path(), None), Err(KeystoreError::Unlock(_))));
}

#[test]
fn a_passphrase_can_be_set_changed_and_taken_away_without_changing_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    let made = create(dir.path(), None, &mut rng()).map_err(|e| e.to_string()).ok().unwrap();
    let passphrases: [Option<&[u8]>; 4] = [None, Some(b"one"), Some(b"two"), None];
    for step in passphrases.windows(2) {
        let (old, new) = (step[0], step[1]);
        change_passphrase(dir.path(), old, new, &mut rng()).unwrap();
        assert_eq!(id(dir.path(), new).unwrap(), made.identity.id());
        assert_eq!(is_locked(dir.path()).unwrap(), new.is_some());
        assert_eq!(dir.path().join(UNLOCK).exists(), new.is_none());
    }
}

#[test]
fn a_wrong_and_a_missing_passphrase_are_told_apart_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), Some(b"right"), &mut rng()).map_err(|e| e.to_string()).ok().unwrap();
    assert!(matches!(id(dir.path(), Some(b"wrong")), Err(KeystoreError::WrongPassphrase)));
    assert!(matches!(id(dir.path(), None), Err(KeystoreError::Locked)));
    let path = dir.path().join(KEY);
    let whole = fs::read(&path).unwrap();
    for at in [0, 10, 20, 40, 60, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(id(dir.path(), Some(b"right")), Err(KeystoreError::Damaged(_))), "{at}");
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(id(dir.path(), Some(b"right")), Err(KeystoreError::Damaged(_))));
    fs::remove_file(&path).unwrap();
    assert!(matches!(id(dir.path(), Some(b"right")), Err(KeystoreError::Missing(_))));
}

#[test]
fn a_file_that_asks_for_a_trivial_or_a_huge_derivation_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = create(dir.path(), Some(b"right"), &mut rng()).map_err(|e| e.to_string());
    let keys = keys.ok().unwrap();
    for params in [
        Params { mib: 1, passes: 1, lanes: 1 },
        Params { mib: 1 << 20, passes: 3, lanes: 1 },
        Params { mib: 64, passes: 99, lanes: 1 },
    ] {
        let header = Header { lock: Lock::Passphrase(params), salt: [1; 16] };
        let bytes = file::seal(&header, &keys, Secret32::random(&mut rng()), &mut rng());
        fs::write(dir.path().join(KEY), bytes).unwrap();
        let refused = id(dir.path(), Some(b"right"));
        assert!(matches!(refused, Err(KeystoreError::Passphrase(PassphraseError::Params))));
    }
}

#[test]
fn a_newer_key_file_is_called_newer() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(KEY), b"HUBBUBKY\x02something else").unwrap();
    assert!(matches!(id(dir.path(), None), Err(KeystoreError::Newer(_))));
}
