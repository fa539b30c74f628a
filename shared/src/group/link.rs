//! Invite links: a secret that lets whoever holds it into a group.
//!
//! The link carries 16 secret bytes. From them come a signing key, whose public half an admin
//! writes into the control log, and the key to a small package in that same entry: the group's name
//! and the meta key. The hub sees public key, package and who used the link; never the secret, so
//! it can let nobody in by itself.
//!
//! A code without a secret only names the group: its holder may ask to be let in.

use data_encoding::BASE32_NOPAD;
use rand_core::CryptoRng;

use super::meta::{GroupMeta, NAME_MAX};
use crate::crypto::aead::{self, Purpose, seal};
use crate::crypto::padding::{pad, unpad};
use crate::crypto::{
    Identity, Label, RecordReader, RecordWriter, Secret32, SecretBytes, blake3, hkdf, lp,
};
use crate::id::{GroupId, NodeId, Signature};
use crate::wire::version::VERSION;

/// Bytes of a link's secret.
pub const SECRET: usize = 16;

const CHECKSUM: usize = 4;
const LEN_PLAIN: usize = 1 + GroupId::LEN + CHECKSUM;
const LEN_SECRET: usize = LEN_PLAIN + SECRET;

/// The secret half of an invite link. No `Debug`, no `Clone`.
pub struct LinkSecret(SecretBytes);

/// What a link opens before its holder has read anything.
pub struct Package {
    /// What the group is called, or was when the link was made.
    pub meta: GroupMeta,
    /// Opens name and topic as long as nobody was removed since.
    pub meta_key: Secret32,
}

/// A package that does not open, or holds no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the invite does not fit this group; ask for a new one")]
pub struct BadPackage;

impl LinkSecret {
    /// A new link's.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = vec![0; SECRET];
        rng.fill_bytes(&mut bytes);
        Self(SecretBytes::from_vec(bytes))
    }

    /// The one a code holds; `None` for any other length than [`SECRET`].
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == SECRET).then(|| Self(SecretBytes::from_vec(bytes.to_vec())))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The link's public key in this group's log.
    #[must_use]
    pub fn key(&self, gid: &GroupId) -> NodeId {
        self.signer(gid).id()
    }

    /// Proves that `joiner` holds the link (PROTOCOL.md, Membership).
    #[must_use]
    pub fn proof(&self, gid: &GroupId, joiner: &NodeId) -> Signature {
        let signer = self.signer(gid);
        signer.sign(Label::InviteUse, &[&gid.0, &signer.id().0, &joiner.0])
    }

    /// Seals what the link opens, for its entry.
    #[must_use]
    pub fn seal(
        &self,
        gid: &GroupId,
        meta: &GroupMeta,
        meta_key: &Secret32,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let mut w = RecordWriter::new(VERSION);
        w.fixed(meta_key.expose()).bytes(meta.name().as_bytes());
        let padded = SecretBytes::from_vec(pad(w.finish().expose()));
        seal(self.derive(gid, 2), Purpose::Invite, &self.ad(gid), padded.expose(), rng)
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`BadPackage`] when it was sealed for another link or group, or altered.
    pub fn open(&self, gid: &GroupId, bytes: &[u8]) -> Result<Package, BadPackage> {
        let key = self.derive(gid, 2);
        let padded = aead::open(&key, Purpose::Invite, &self.ad(gid), bytes);
        let padded = padded.map_err(|_| BadPackage)?;
        let plain = unpad(padded.expose()).map_err(|_| BadPackage)?;
        let mut r = RecordReader::new(plain, VERSION).map_err(|_| BadPackage)?;
        let meta_key = r.secret().map_err(|_| BadPackage)?;
        let name = r.bytes(NAME_MAX).map_err(|_| BadPackage)?;
        let name = core::str::from_utf8(name).map_err(|_| BadPackage)?;
        let meta = GroupMeta::new(name, "").map_err(|_| BadPackage)?;
        r.finish().map_err(|_| BadPackage)?;
        Ok(Package { meta, meta_key })
    }

    fn signer(&self, gid: &GroupId) -> Identity {
        Identity::from_seed(self.derive(gid, 1))
    }

    fn ad(&self, gid: &GroupId) -> Vec<u8> {
        lp(Label::Cae1Invite, &[&gid.0, &self.key(gid).0])
    }

    fn derive(&self, gid: &GroupId, what: u8) -> Secret32 {
        let info = Label::InviteKey.info(&[what]);
        Secret32::filled(|out| hkdf(&gid.0, self.0.expose(), &info, out))
    }
}

/// What stands behind the dot of an invite: a group of that hub, and perhaps what lets one in.
pub struct GroupCode {
    /// Which group.
    pub gid: GroupId,
    /// Lets its holder in; without it one may ask.
    pub secret: Option<LinkSecret>,
}

/// Why a text is no group code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// It ends early.
    CutShort,
    /// It does not fit its checksum.
    Mistyped,
    /// Of a newer version.
    Newer(u8),
}

impl GroupCode {
    /// The code as it is handed over. It may hold a secret: for the invited one's eyes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let secret = self.secret.as_ref().map_or(&[][..], LinkSecret::expose);
        let payload = [&[VERSION][..], &self.gid.0, secret].concat();
        let bytes = SecretBytes::from_vec([&payload[..], &checksum(&payload)].concat());
        BASE32_NOPAD.encode(bytes.expose()).to_ascii_lowercase()
    }

    /// Reads a code in either case.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        let bytes = SecretBytes::from_vec(bytes.map_err(|_| CodeError::Mistyped)?);
        let split = bytes.expose().split_last_chunk::<CHECKSUM>();
        let (payload, sum) = split.ok_or(CodeError::CutShort)?;
        if checksum(payload) != *sum {
            let short = bytes.len() < LEN_SECRET && bytes.len() != LEN_PLAIN;
            return Err(if short { CodeError::CutShort } else { CodeError::Mistyped });
        }
        let (version, rest) = payload.split_first().ok_or(CodeError::Mistyped)?;
        if *version != VERSION {
            return Err(CodeError::Newer(*version));
        }
        let (gid, secret) = rest.split_first_chunk::<32>().ok_or(CodeError::Mistyped)?;
        let secret = match secret {
            [] => None,
            some => Some(LinkSecret::from_slice(some).ok_or(CodeError::Mistyped)?),
        };
        Ok(Self { gid: GroupId(*gid), secret })
    }
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = blake3(payload).0;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::crypto::verify;

    const GID: GroupId = GroupId([1; 32]);
    const OTHER: GroupId = GroupId([2; 32]);

    fn link() -> LinkSecret {
        LinkSecret::from_slice(&[7; SECRET]).unwrap()
    }

    #[test]
    fn a_link_opens_its_package_in_its_group_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let meta = GroupMeta::new("tea", "").unwrap();
        let sealed = link().seal(&GID, &meta, &Secret32::from_bytes([5; 32]), &mut rng);
        let opened = link().open(&GID, &sealed).ok().unwrap();
        assert_eq!((opened.meta.name(), opened.meta_key.expose()), ("tea", &[5; 32]));
        let stranger = LinkSecret::random(&mut rng);
        assert!(stranger.open(&GID, &sealed).is_err());
        assert!(link().open(&OTHER, &sealed).is_err());
        assert!(link().open(&GID, &sealed[1..]).is_err());
    }

    #[test]
    fn a_proof_is_worth_nothing_for_another_joiner_or_group() {
        let (bob, mallory) = (NodeId([3; 32]), NodeId([9; 32]));
        let (key, proof) = (link().key(&GID), link().proof(&GID, &bob));
        let holds = |gid: &GroupId, who: &NodeId| {
            verify(&key, Label::InviteUse, &[&gid.0, &key.0, &who.0], &proof).is_ok()
        };
        assert!(holds(&GID, &bob));
        assert!(!holds(&GID, &mallory) && !holds(&OTHER, &bob));
    }

    #[test]
    fn a_code_survives_being_copied_and_says_when_it_does_not() {
        for secret in [None, Some(link())] {
            let whole = secret.is_some();
            let text = GroupCode { gid: GID, secret }.to_text();
            let read = GroupCode::parse(&text.to_uppercase()).ok().unwrap();
            assert_eq!((read.gid, read.secret.is_some()), (GID, whole));
            let cut = GroupCode::parse(&text[..text.len() - 8]);
            assert_eq!(cut.err(), Some(CodeError::CutShort));
            let wrong = GroupCode::parse(&text.replacen('a', "b", 1));
            assert_eq!(wrong.err(), Some(CodeError::Mistyped));
        }
    }
}
