//! Key agreement: X25519 and ML-KEM-768.
//!
//! Invariant: an agreement to which the other key contributed nothing is an error, never a secret.
//! A KEM key is kept as its 64-byte seed and expanded when used.

use core::fmt;

use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport, TryKeyInit};
use ml_kem::{DecapsulationKey768, EncapsulationKey768, Seed};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::secret::Secret32;

/// The other side's key contributed nothing: it is one of the few points that force the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side's key is unusable; its owner must publish a new one")]
pub struct LowOrder;

/// Bytes that are no ML-KEM-768 encapsulation key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side's post-quantum key is malformed; its owner must publish a new one")]
pub struct BadKemKey;

/// An X25519 public key: 32 bytes (PROTOCOL.md, Keys and names).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DhPublic(pub [u8; 32]);

impl DhPublic {
    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DhPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhPublic(..)")
    }
}

impl Serialize for DhPublic {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for DhPublic {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<32>::deserialize(d).map(|b| Self(b.into_array()))
    }
}

/// An X25519 secret with its public key computed once.
pub struct DhSecret {
    secret: Secret32,
    public: DhPublic,
}

impl DhSecret {
    /// A new key pair.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_secret(Secret32::random(rng))
    }

    /// The pair a stored secret stands for.
    #[must_use]
    pub fn from_secret(secret: Secret32) -> Self {
        let public = DhPublic(PublicKey::from(&StaticSecret::from(*secret.expose())).to_bytes());
        Self { secret, public }
    }

    /// The secret half, for saved states alone.
    #[must_use]
    pub fn secret(&self) -> &Secret32 {
        &self.secret
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> DhPublic {
        self.public
    }

    /// The secret shared with the owner of `theirs`.
    ///
    /// # Errors
    /// [`LowOrder`] when `theirs` would force the result.
    pub fn agree(&self, theirs: &DhPublic) -> Result<Secret32, LowOrder> {
        let shared =
            StaticSecret::from(*self.secret.expose()).diffie_hellman(&PublicKey::from(theirs.0));
        if !shared.was_contributory() {
            return Err(LowOrder);
        }
        Ok(Secret32::filled(|out| out.copy_from_slice(shared.as_bytes())))
    }

    /// A second copy, for states that must survive a failed attempt.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { secret: self.secret.duplicate(), public: self.public }
    }
}

/// Makes a public byte string of one exact size that travels as MessagePack `bin`.
macro_rules! sized_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
        pub struct $name(Vec<u8>);

        impl $name {
            /// Size in bytes.
            pub const LEN: usize = $len;

            /// Reads exactly [`Self::LEN`] bytes; `None` for any other length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                (bytes.len() == Self::LEN).then(|| Self(bytes.to_vec()))
            }

            /// The raw bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl TryFrom<serde_bytes::ByteBuf> for $name {
            type Error = &'static str;
            fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, Self::Error> {
                if bytes.len() == Self::LEN {
                    Ok(Self(bytes.into_vec()))
                } else {
                    Err(concat!("not ", $len, " bytes"))
                }
            }
        }

        impl From<$name> for serde_bytes::ByteBuf {
            fn from(value: $name) -> Self {
                Self::from(value.0)
            }
        }
    };
}

sized_bytes! {
    /// An ML-KEM-768 encapsulation key: 1,184 bytes. Whether it is a proper key shows when used.
    KemPublic, 1184
}
sized_bytes! {
    /// An ML-KEM-768 ciphertext: 1,088 bytes.
    KemCiphertext, 1088
}

impl KemPublic {
    /// Whether every coefficient is in range, as FIPS 203 demands before use.
    ///
    /// # Errors
    /// [`BadKemKey`] when one is not.
    pub fn check(&self) -> Result<(), BadKemKey> {
        EncapsulationKey768::new_from_slice(&self.0).map(|_| ()).map_err(|_| BadKemKey)
    }
}

/// Makes a shared secret only the owner of `to` can recover.
///
/// # Errors
/// [`BadKemKey`] when `to` is no proper key.
pub fn encapsulate(
    to: &KemPublic,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(KemCiphertext, Secret32), BadKemKey> {
    let key = EncapsulationKey768::new_from_slice(&to.0).map_err(|_| BadKemKey)?;
    let (ct, mut shared) = key.encapsulate_with_rng(rng);
    let secret = Secret32::filled(|out| out.copy_from_slice(&shared));
    shared.as_mut_slice().zeroize();
    Ok((KemCiphertext(ct.to_vec()), secret))
}

/// An ML-KEM-768 decapsulation key as its 64-byte seed.
pub struct KemSecret(Box<Zeroizing<[u8; 64]>>);

impl KemSecret {
    /// A new key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Box::new(Zeroizing::new([0; 64]));
        rng.fill_bytes(seed.as_mut_slice());
        Self(seed)
    }

    /// The key a stored seed stands for; wipes the argument.
    #[must_use]
    pub fn from_seed(mut seed: [u8; 64]) -> Self {
        let key = Self(Box::new(Zeroizing::new(seed)));
        seed.zeroize();
        key
    }

    /// The seed, for saved states alone.
    #[must_use]
    pub fn seed(&self) -> &[u8; 64] {
        &self.0
    }

    /// The public half; expands the seed, so callers keep the result.
    #[must_use]
    pub fn public(&self) -> KemPublic {
        KemPublic(self.expand().encapsulation_key().to_bytes().to_vec())
    }

    /// Recovers the shared secret. A ciphertext made for another key gives an unrelated secret, not
    /// an error: that is how the KEM resists probing.
    #[must_use]
    pub fn decapsulate(&self, ct: &KemCiphertext) -> Secret32 {
        #[allow(clippy::expect_used)] // the type holds exactly 1,088 bytes
        let mut shared =
            self.expand().decapsulate_slice(&ct.0).expect("a ciphertext has its one size");
        let secret = Secret32::filled(|out| out.copy_from_slice(&shared));
        shared.as_mut_slice().zeroize();
        secret
    }

    /// A second copy, for states that must survive a failed attempt.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    fn expand(&self) -> Box<DecapsulationKey768> {
        let mut seed = Seed::from(**self.0);
        let key = Box::new(DecapsulationKey768::from_seed(seed));
        seed.as_mut_slice().zeroize();
        key
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::wire::codec::{decode, encode};

    #[test]
    fn both_sides_agree_and_a_third_does_not() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [alice, bob, mallory] = core::array::from_fn(|_| DhSecret::random(&mut rng));
        let shared = alice.agree(&bob.public()).unwrap();
        assert_eq!(shared.expose(), bob.agree(&alice.public()).unwrap().expose());
        assert_ne!(shared.expose(), mallory.agree(&alice.public()).unwrap().expose());
    }

    #[test]
    fn every_low_order_point_is_refused_in_every_encoding() {
        let bob = DhSecret::random(&mut ChaCha20Rng::seed_from_u64(2));
        for point in super::super::kats::low_order_points() {
            for top_bit in [0, 0x80] {
                let mut point = point;
                point[31] |= top_bit;
                assert_eq!(bob.agree(&DhPublic(point)).map(|_| ()), Err(LowOrder));
            }
        }
    }

    #[test]
    fn a_kem_key_with_a_coefficient_out_of_range_is_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let bob = KemSecret::generate(&mut rng);
        let mut bytes = bob.public().as_bytes().to_vec();
        (bytes[0], bytes[1]) = (0xff, bytes[1] | 0x0f); // the first coefficient becomes 4,095
        let public = KemPublic::from_slice(&bytes).unwrap();
        assert_eq!(public.check(), Err(BadKemKey));
        assert_eq!(encapsulate(&public, &mut rng).map(|_| ()), Err(BadKemKey));
    }

    #[test]
    fn the_owner_of_a_kem_key_recovers_the_secret_after_a_restart() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let bob = KemSecret::generate(&mut rng);
        let (ct, shared) = encapsulate(&bob.public(), &mut rng).unwrap();
        let again = KemSecret::from_seed(*bob.seed());
        assert_eq!(again.decapsulate(&ct).expose(), shared.expose());
        let mallory = KemSecret::generate(&mut rng);
        assert_ne!(mallory.decapsulate(&ct).expose(), shared.expose());
    }

    #[test]
    fn keys_of_another_size_do_not_decode() {
        let bytes = encode(&serde_bytes::ByteBuf::from(vec![0; 1183]));
        assert!(decode::<KemPublic>(&bytes).is_err());
        let public = KemSecret::generate(&mut ChaCha20Rng::seed_from_u64(5)).public();
        assert_eq!(decode::<KemPublic>(&encode(&public)).unwrap(), public);
    }
}
