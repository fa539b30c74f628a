//! CPace against the figures of draft-irtf-cfrg-cpace (ristretto255 with SHA-512), and what a run
//! refuses.

use data_encoding::HEXLOWER;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::id::KnockId;

fn bytes(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    bytes(text).try_into().unwrap()
}

fn text(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

const PRS: &[u8] = b"Password";
const CI: &[u8] = b"\x0bA_initiator\x0bB_responder";
const SID: &str = "7e4b4791d6a8ef019b936c79fb7f2c57";
const Y_A: &str = "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08";
const Y_B: &str = "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d";
const SHARE_A: &str = "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157";
const SHARE_B: &str = "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258";
const SHARED: &str = "80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f";
const NEUTRAL: Share = Share([0; 32]);

fn secret(scalar: &str) -> ShareSecret {
    ShareSecret::from_secret(Secret32::from_bytes(hex(scalar))).unwrap()
}

fn times(scalar: &str, point: &str) -> String {
    let point = Share(hex(point)).point().unwrap();
    text(&secret(scalar).times(&point).to_bytes())
}

#[test]
fn lengths_stand_before_what_they_measure_as_in_the_draft() {
    let prepended = |part: &[u8]| {
        let mut out = Vec::new();
        prepend_len(&mut out, part);
        out
    };
    let counted: Vec<u8> = (0..128).collect();
    assert_eq!(prepended(b""), [0]);
    assert_eq!(prepended(b"1234"), b"\x041234");
    assert_eq!(prepended(&counted[..127]), [&[0x7f], &counted[..127]].concat());
    assert_eq!(prepended(&counted), [&[0x80, 0x01], &counted[..]].concat());
    assert_eq!(prepended(&[0; 16_384])[..3], [0x80, 0x80, 0x01]);
}

#[test]
fn the_generator_is_the_drafts() {
    let string = generator_string(PRS, CI, &bytes(SID));
    let expected = [
        "11435061636552697374726574746f3235350850617373776f726464",
        &"00".repeat(100),
        "180b415f696e69746961746f720b425f726573706f6e646572",
        "107e4b4791d6a8ef019b936c79fb7f2c57",
    ]
    .concat();
    assert_eq!((text(&string), string.len()), (expected, 170));
    assert_eq!(
        text(&sha512(&string)[..]),
        "da6d3ddc8802fca9058755ffd3ebde08a9c2c74945901a258482a288b6663af0\
         6bf645c93cd1c51512307199c80e84908916d983b34af77205f90851a657ee27"
    );
    assert_eq!(
        text(generator(PRS, CI, &bytes(SID)).compress().as_bytes()),
        "222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56"
    );
}

#[test]
fn shares_and_shared_point_are_the_drafts() {
    let generator = generator(PRS, CI, &bytes(SID));
    assert_eq!(text(secret(Y_A).times(&generator).as_bytes()), SHARE_A);
    assert_eq!(text(secret(Y_B).times(&generator).as_bytes()), SHARE_B);
    assert_eq!(times(Y_A, SHARE_B), SHARED);
    assert_eq!(times(Y_B, SHARE_A), SHARED);
    let s = "7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05";
    let x = "2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c";
    assert_eq!(times(s, x), "7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e");
}

#[test]
fn the_intermediate_key_is_the_drafts() {
    let (a, b) = (hex(SHARE_A), hex(SHARE_B));
    let isk = intermediate_key(&bytes(SID), &hex(SHARED), (&a, b"ADa"), (&b, b"ADb"));
    assert_eq!(
        text(isk.as_slice()),
        "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd\
         2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447"
    );
}

/// Alice begins and bob answers, each with a passphrase.
struct Run {
    prs: [Secret32; 2],
    sid: [u8; 32],
    secrets: [ShareSecret; 2],
    shares: Shares,
}

impl Run {
    fn new(alice: u8, bob: u8) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let prs = [alice, bob].map(|n| Secret32::from_bytes([n; 32]));
        let secrets = [0, 1].map(|_| ShareSecret::random(&mut rng));
        let sid = [7; 32];
        let share = |at: usize| secrets[at].share(&Inputs { prs: &prs[at], ci: CI, sid: &sid });
        let shares = Shares { initiator: share(0), responder: share(1) };
        Self { prs, sid, secrets, shares }
    }

    fn inputs(&self, at: usize) -> Inputs<'_> {
        Inputs { prs: &self.prs[at], ci: CI, sid: &self.sid }
    }

    fn alice(&self, shares: &Shares) -> Result<[[u8; 32]; 2], CpaceError> {
        self.secrets[0].finish_initiator(&self.inputs(0), shares).map(|tags| revealed(&tags))
    }

    fn bob(&self, shares: &Shares) -> Result<[[u8; 32]; 2], CpaceError> {
        self.secrets[1].finish_responder(&self.inputs(1), shares).map(|tags| revealed(&tags))
    }
}

fn revealed(tags: &Confirmations) -> [[u8; 32]; 2] {
    [tags.initiator.reveal(), tags.responder.reveal()]
}

#[test]
fn one_passphrase_gives_both_the_same_confirmations_and_two_give_different_ones() {
    let run = Run::new(1, 1);
    let [of_alice, of_bob] = run.alice(&run.shares).unwrap();
    assert_eq!(run.bob(&run.shares), Ok([of_alice, of_bob]));
    assert_ne!(of_alice, of_bob);
    let run = Run::new(1, 2);
    let (alice, bob) = (run.alice(&run.shares).unwrap(), run.bob(&run.shares).unwrap());
    assert!(alice.iter().all(|tag| !bob.contains(tag)));
}

#[test]
fn another_channel_run_or_role_confirms_nothing() {
    let run = Run::new(1, 1);
    let right = run.bob(&run.shares).unwrap();
    let other = |ci: &[u8], sid: [u8; 32]| {
        let inputs = Inputs { prs: &run.prs[0], ci, sid: &sid };
        revealed(&run.secrets[0].finish_initiator(&inputs, &run.shares).unwrap())
    };
    assert_eq!(other(CI, run.sid), right);
    assert_ne!(other(b"\x0bB_responder\x0bA_initiator", run.sid), right);
    assert_ne!(other(CI, [8; 32]), right);
    let swapped = Shares { initiator: run.shares.responder, responder: run.shares.initiator };
    let tags = run.secrets[0].finish_responder(&run.inputs(0), &swapped).unwrap();
    assert!(revealed(&tags).iter().all(|tag| !right.contains(tag)));
}

#[test]
fn a_share_that_is_none_or_neutral_or_our_own_is_refused() {
    let run = Run::new(1, 1);
    let answered = |responder| run.alice(&Shares { responder, ..run.shares }).err();
    let begun = |initiator| run.bob(&Shares { initiator, ..run.shares }).err();
    let not_a_point = "2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c";
    for bad in [NEUTRAL, Share(hex(not_a_point))] {
        assert!(!bad.is_usable());
        assert_eq!(answered(bad), Some(CpaceError::BadShare));
        assert_eq!(begun(bad), Some(CpaceError::BadShare));
    }
    assert_eq!(answered(run.shares.initiator), Some(CpaceError::Reflected));
    assert_eq!(begun(run.shares.responder), Some(CpaceError::Reflected));
}

/// Whoever took these would let a share have a second form (RFC 9496, 4.3.1).
#[test]
fn encodings_above_the_field_or_negative_or_without_an_element_are_refused() {
    for bad in [
        "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // 2^256 - 256
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 2^255 - 1
        "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // the field's order
        "0100000000000000000000000000000000000000000000000000000000000080", // a bit too many
        "0100000000000000000000000000000000000000000000000000000000000000", // negative
        "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // negative, too large
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // -1: y is zero
    ] {
        assert!(!Share(hex(bad)).is_usable(), "{bad}");
    }
}

#[test]
fn a_secret_is_below_the_groups_order_and_survives_being_stored() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for _ in 0..64 {
        let secret = ShareSecret::random(&mut rng);
        let stored = ShareSecret::from_secret(secret.secret().duplicate()).unwrap();
        assert_eq!(stored.secret().expose(), secret.secret().expose());
    }
    let mut beyond = [0; 32];
    beyond[31] = 0x10;
    assert!(ShareSecret::from_secret(Secret32::from_bytes(beyond)).is_none());
}

#[test]
fn a_confirmation_matches_itself_alone() {
    let tag = Confirmation::from_secret(Secret32::from_bytes([3; 32]));
    assert!(tag.matches(&[3; 32]));
    for bit in 0..256 {
        let mut other = tag.reveal();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!tag.matches(&other));
    }
}

/// The element both sides multiply, for those who try to break the exchange.
pub(crate) fn generator_of(inputs: &Inputs<'_>) -> RistrettoPoint {
    *generator(inputs.prs.expose(), inputs.ci, inputs.sid)
}

/// The key that a guessed shared point would give.
pub(crate) fn isk_of(sid: &KnockId, shares: &Shares, shared: &[u8; 32]) -> [u8; 64] {
    let [a, b] = [shares.initiator.as_bytes(), shares.responder.as_bytes()];
    *intermediate_key(sid.as_bytes(), shared, (a, b""), (b, b""))
}
