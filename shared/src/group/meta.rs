//! A group's name, topic and passphrase verifier, sealed under its meta key.
//!
//! The sealed bytes sit in the control log, where the hub sees them and learns only their size
//! bucket. The key is fresh after every removal and travels with sender keys. It is the one group
//! key that is used more than once, so each sealing derives its own from a salt stored beside it.

use rand_core::CryptoRng;
use unicode_normalization::UnicodeNormalization;

use crate::crypto::aead::{self, Purpose, seal};
use crate::crypto::padding::{BadPadding, pad, unpad};
use crate::crypto::{
    Label, RecordError, RecordReader, RecordWriter, Secret32, SecretBytes, expand, lp,
};
use crate::group::knock::Prs;
use crate::id::GroupId;
use crate::limits::TITLE_MAX;
use crate::wire::version::VERSION;

/// Longest group name in bytes of UTF-8. With a topic of [`TITLE_MAX`] it still pads to 1,024
/// bytes, the largest bucket that fits into a control entry.
pub const NAME_MAX: usize = 256;

const SALT: usize = 16;

/// What a group is called.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupMeta {
    name: String,
    topic: String,
}

/// Why name and topic cannot be set or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// The name is empty.
    #[error("a group needs a name")]
    NoName,
    /// The name is too long.
    #[error("the name has {0} bytes, the limit is {NAME_MAX}")]
    NameTooLong(usize),
    /// The topic is too long.
    #[error("the topic has {0} bytes, the limit is {TITLE_MAX}")]
    TopicTooLong(usize),
    /// Sealed under another key: the present one is still on its way.
    #[error("name and topic are sealed with a key that is not here yet")]
    Sealed(#[from] aead::OpenError),
    /// Padded wrongly.
    #[error(transparent)]
    Padding(#[from] BadPadding),
    /// Not a name and a topic, or of a newer version.
    #[error("name and topic cannot be read: {0}")]
    Malformed(#[from] RecordError),
    /// Not text.
    #[error("name and topic are no text")]
    NotText,
}

impl GroupMeta {
    /// A name and a topic, composed (NFC), without control characters or outer spaces.
    ///
    /// # Errors
    /// [`MetaError::NoName`], [`MetaError::NameTooLong`], [`MetaError::TopicTooLong`].
    pub fn new(name: &str, topic: &str) -> Result<Self, MetaError> {
        let (name, topic) = (clean(name), clean(topic));
        if name.is_empty() {
            return Err(MetaError::NoName);
        }
        if name.len() > NAME_MAX {
            return Err(MetaError::NameTooLong(name.len()));
        }
        if topic.len() > TITLE_MAX {
            return Err(MetaError::TopicTooLong(topic.len()));
        }
        Ok(Self { name, topic })
    }

    /// The name, never empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topic, perhaps empty.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

fn clean(text: &str) -> String {
    let kept: String = text.nfc().filter(|c| !c.is_control()).collect();
    kept.trim().to_owned()
}

/// What the members of a group share under its meta key. No `Debug`, no `Clone`: it may hold a
/// secret.
pub struct Sealed {
    /// Name and topic.
    pub meta: GroupMeta,
    /// What lets a keeper check a passphrase; none while there is none.
    pub prs: Option<Prs>,
}

/// Seals name, topic and passphrase verifier for an `Op::Meta`: a salt of 16 bytes, then the sealed
/// record (PROTOCOL.md, Membership).
#[must_use]
pub fn seal_meta(
    key: &Secret32,
    gid: &GroupId,
    (meta, prs): (&GroupMeta, Option<&Prs>),
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let mut salt = [0; SALT];
    rng.fill_bytes(&mut salt);
    let mut w = RecordWriter::new(VERSION);
    w.bytes(meta.name.as_bytes()).bytes(meta.topic.as_bytes());
    w.option(prs, |w, prs: &Prs| {
        w.fixed(prs.secret().expose());
    });
    let plain = w.finish();
    let padded = SecretBytes::from_vec(pad(plain.expose()));
    let ad = lp(Label::Meta, &[&gid.0, &salt]);
    let sealed = seal(single_use(key, &salt), Purpose::Meta, &ad, padded.expose(), rng);
    [&salt[..], &sealed].concat()
}

/// Opens what [`seal_meta`] made.
///
/// # Errors
/// [`MetaError`]; of these, [`MetaError::Sealed`] is expected while the key is on its way.
pub fn open_meta(key: &Secret32, gid: &GroupId, bytes: &[u8]) -> Result<Sealed, MetaError> {
    let (salt, sealed) = bytes.split_first_chunk::<SALT>().ok_or(aead::OpenError)?;
    let ad = lp(Label::Meta, &[&gid.0, salt]);
    let padded = aead::open(&single_use(key, salt), Purpose::Meta, &ad, sealed)?;
    let mut r = RecordReader::new(unpad(padded.expose())?, VERSION)?;
    let name = text(r.bytes(NAME_MAX * 4)?)?;
    let topic = text(r.bytes(TITLE_MAX * 4)?)?;
    let prs = r.option(RecordReader::secret)?.map(Prs::from_secret);
    r.finish()?;
    Ok(Sealed { meta: GroupMeta::new(name, topic)?, prs })
}

fn text(bytes: &[u8]) -> Result<&str, MetaError> {
    core::str::from_utf8(bytes).map_err(|_| MetaError::NotText)
}

fn single_use(key: &Secret32, salt: &[u8; SALT]) -> Secret32 {
    Secret32::filled(|out| expand(key.expose(), &Label::Meta.info(salt), out))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::crypto::Identity;
    use crate::group::{ControlLog, Op, Policy};
    use crate::time::Timestamp;

    const GID: GroupId = GroupId([1; 32]);

    fn key() -> Secret32 {
        Secret32::from_bytes([5; 32])
    }

    #[test]
    fn a_name_opens_with_its_key_in_its_group_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let meta = GroupMeta::new(" Cafe\u{301} ", "cakes\n").unwrap();
        let prs = Prs::from_secret(Secret32::from_bytes([4; 32]));
        let sealed = seal_meta(&key(), &GID, (&meta, Some(&prs)), &mut rng);
        let opened = open_meta(&key(), &GID, &sealed).unwrap();
        assert_eq!((opened.meta.name(), opened.meta.topic()), ("Café", "cakes"));
        assert_eq!(opened.prs.unwrap().secret().expose(), &[4; 32]);
        let other = Secret32::from_bytes([6; 32]);
        for refused in [
            open_meta(&other, &GID, &sealed),
            open_meta(&key(), &GroupId([2; 32]), &sealed),
            open_meta(&key(), &GID, &sealed[1..]),
        ] {
            assert_eq!(refused.map(drop), Err(MetaError::Sealed(aead::OpenError)));
        }
    }

    #[test]
    fn the_longest_name_and_topic_fit_into_a_control_entry() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let meta = GroupMeta::new(&"n".repeat(NAME_MAX), &"t".repeat(TITLE_MAX)).unwrap();
        let prs = Prs::from_secret(key());
        let ct = seal_meta(&key(), &GID, (&meta, Some(&prs)), &mut rng).into();
        let alice = Identity::generate(&mut rng);
        let (_, first) = ControlLog::create(&alice, Policy::closed(), Timestamp(1), &mut rng);
        let mut log = ControlLog::genesis(&first).unwrap();
        log.apply(&log.propose(&alice, Op::Meta { ct }, Timestamp(2))).unwrap();
        let opened = open_meta(&key(), &GID, log.meta().unwrap()).unwrap();
        assert_eq!(opened.meta.topic().len(), TITLE_MAX);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let refused = |name: &str, topic: &str| GroupMeta::new(name, topic).map(drop).unwrap_err();
        assert_eq!(refused(" \n", ""), MetaError::NoName);
        assert_eq!(refused(&"n".repeat(257), ""), MetaError::NameTooLong(257));
        assert_eq!(refused("n", &"t".repeat(513)), MetaError::TopicTooLong(513));
    }
}
