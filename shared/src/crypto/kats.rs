//! Known answers: the primitives against their RFCs, our constructions against frozen values that
//! an independent implementation (tests/vectors) computes too.

use data_encoding::HEXLOWER;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::exchange::{DhPublic, DhSecret};
use super::identity::{BadSignature, is_usable_key, verify_bytes};
use super::*;
use crate::id::{NodeId, Signature};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
}

fn text(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Every X25519 point of low order in every 255-bit encoding (RFC 7748 leaves them to the caller).
pub(super) fn low_order_points() -> Vec<[u8; 32]> {
    let prime = |low: u8| {
        let mut p = [0xff; 32];
        (p[0], p[31]) = (low, 0x7f);
        p
    };
    let small = |low: u8| {
        let mut p = [0; 32];
        p[0] = low;
        p
    };
    vec![
        small(0),
        small(1),
        hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        prime(0xec),
        prime(0xed),
        prime(0xee),
    ]
}

#[test]
fn x25519_as_in_rfc_7748() {
    let agree = |k, u| {
        *DhSecret::from_secret(Secret32::from_bytes(k)).agree(&DhPublic(u)).unwrap().expose()
    };
    let shared = agree(
        hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
        hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
    );
    assert_eq!(text(&shared), "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    let mut base = [0; 32];
    base[0] = 9;
    let (mut k, mut u) = (base, base);
    for _ in 0..1000 {
        (k, u) = (agree(k, u), k);
    }
    assert_eq!(text(&k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

const SIGNED: [(&str, &str, &str, &str); 2] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c\
         f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0\
         f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
];

#[test]
fn ed25519_as_in_rfc_8032() {
    for (seed, public, message, sig) in SIGNED {
        let identity = Identity::from_seed(Secret32::from_bytes(hex(seed)));
        assert_eq!(text(identity.id().as_bytes()), public);
        let message = HEXLOWER.decode(message.as_bytes()).unwrap();
        assert_eq!(verify_bytes(&identity.id(), &message, &Signature(hex(sig))), Ok(()));
    }
}

#[test]
fn a_signature_scalar_above_the_group_order_is_refused() {
    let (_, public, _, sig) = SIGNED[0];
    let mut sig: [u8; 64] = hex(sig);
    let order: [u8; 32] = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0_u16;
    for (byte, add) in sig[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert_eq!(verify_bytes(&NodeId(hex(public)), b"", &Signature(sig)), Err(BadSignature));
}

/// The small-order points of Edwards25519, canonical and not. With one of these as key, a
/// permissive verifier takes one signature for many messages.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn small_order_keys_and_nonces_are_refused_in_every_encoding() {
    let (_, public, _, honest) = SIGNED[0];
    for point in SMALL_ORDER {
        let weak = NodeId(hex(point));
        assert!(!is_usable_key(&weak), "{point}");
        let mut sig = [0; 64]; // R = A, S = 0 satisfies the equation for about one message in eight
        sig[..32].copy_from_slice(weak.as_bytes());
        for message in 0..32_u8 {
            assert_eq!(verify_bytes(&weak, &[message], &Signature(sig)), Err(BadSignature));
        }
        let mut sig: [u8; 64] = hex(honest);
        sig[..32].copy_from_slice(weak.as_bytes());
        assert_eq!(verify_bytes(&NodeId(hex(public)), b"", &Signature(sig)), Err(BadSignature));
    }
}

#[test]
fn chacha20_poly1305_as_in_rfc_8439() {
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    let key: [u8; 32] = core::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
    let mut body =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
        the future, sunscreen would be it."
            .to_vec();
    let tag = chacha20poly1305::ChaCha20Poly1305::new(&key.into())
        .encrypt_inout_detached(
            &hex::<12>("070000004041424344454647").into(),
            &hex::<12>("50515253c0c1c2c3c4c5c6c7"),
            body.as_mut_slice().into(),
        )
        .unwrap();
    assert_eq!(text(&body[..16]), "d31a8d34648e60db7b86afbc53ef7ec2");
    assert_eq!(text(&tag), "1ae10b594f09e26a7e902ecbd0600691");
}

#[test]
fn hkdf_as_in_rfc_5869() {
    let mut out = [0; 42];
    let salt: [u8; 13] = core::array::from_fn(|i| u8::try_from(i).unwrap());
    hkdf(&salt, &[0x0b; 22], &hex::<10>("f0f1f2f3f4f5f6f7f8f9"), &mut out);
    assert_eq!(
        text(&out),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    );
    let mut again = [0; 42];
    let prk = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    expand(&prk, &hex::<10>("f0f1f2f3f4f5f6f7f8f9"), &mut again);
    assert_eq!(out, again);
}

#[test]
fn a_frozen_hash() {
    assert_eq!(
        text(&hash(Label::LogGenesis, &[b"one", b"two"])),
        "25865735d0ca40ac1638f9ae748e6e5e66695d2eb716da7cac7c885ea0f06394"
    );
}

#[test]
fn a_frozen_chain_step() {
    let (mk, next) = chain_step(&Secret32::from_bytes([7; 32]), 0x01, 0x02);
    assert_eq!(
        text(mk.expose()),
        "3d8b2fa2a2537fdcdda46e704966a105722d268d2e9ed43bbe5b1dd9d6802935"
    );
    assert_eq!(
        text(next.expose()),
        "469e03123f1c9c6d5c3ffaa260c7fef9f863c0b6af93f7dcae5c13cbfdadfca5"
    );
}

#[test]
fn a_frozen_sealed_message_opens_and_is_made_again() {
    let seal =
        |rng| aead::seal(Secret32::from_bytes([7; 32]), aead::Purpose::Pairwise, b"ad", b"hi", rng);
    let sealed = seal(&mut ChaCha20Rng::from_seed([0; 32]));
    assert_eq!(
        text(&sealed),
        "2e0fe5279b57e6a5a26d3b087ed98d737d3e48120009d58af622d9ed388fedf4\
         c6a8cbf16b168a867303c8dff5a596e8defd9055064998e366cbf0f62b24"
    );
}

#[test]
fn a_frozen_safety_number() {
    let number = fingerprint::safety_number(&NodeId([1; 32]), &NodeId([2; 32]));
    assert_eq!(
        number.to_string(),
        "07626 85073 54305 41048 89790 03119 08233 40531 64170 50930 34538 79036"
    );
    assert_eq!(
        number.words(),
        "dazep telid mikud kidam vafev bikuz dekun kepog pafap lusof jezop serus"
    );
}

#[test]
fn a_frozen_passphrase_key() {
    let params = passphrase::Params { mib: 19, passes: 2, lanes: 1 };
    let key = passphrase::derive_key(b"open sesame", &[7; 16], params).unwrap();
    assert_eq!(
        text(key.expose()),
        "2ce628706d218cc9b556e55b9c25a07a157562936f1c73f75cab34ce789e7706"
    );
}
