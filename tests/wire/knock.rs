//! One whole knock at a group's door against tests/vectors/knock.json, which tests/vectors/knock.py
//! computes in another language, ristretto255 included. PROTOCOL.md shows these bytes.

use data_encoding::HEXLOWER;
use hubbub_shared::content::PairPlain;
use hubbub_shared::group::knock::{
    Door, How, Joiner, Knock, KnockRefused, Passphrase, Reason, Room,
};
use hubbub_shared::id::{GroupId, HubId, KnockId, NodeId};
use hubbub_shared::time::Timestamp;
use serde_json::Value;

use crate::script::Script;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct Vectors(Value);

impl Vectors {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("../vectors/knock.json")).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        HEXLOWER.decode(self.0[name].as_str().unwrap().as_bytes()).unwrap()
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    fn room(&self) -> Room {
        Room { hub: HubId(self.array("hub")), gid: GroupId(self.array("gid")) }
    }

    /// Holds a content to its bytes, both ways.
    fn agree(&self, name: &str, plain: &PairPlain) {
        let expected = self.bytes(name);
        assert_eq!(HEXLOWER.encode(plain.encode().expose()), HEXLOWER.encode(&expected), "{name}");
        let again = PairPlain::decode(&expected).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(again.encode().expose(), expected, "{name}");
    }
}

#[test]
fn a_whole_knock_has_the_bytes_another_implementation_makes() {
    let vectors = Vectors::read();
    let [joiner, keeper] = ["joiner", "keeper"].map(|who| NodeId(vectors.array(who)));
    let typed = String::from_utf8(vectors.bytes("typed")).unwrap();
    let prs = || Passphrase::typed(&typed).unwrap().prs(&vectors.room().gid).unwrap();
    assert_eq!(prs().secret().expose(), &vectors.array::<32>("prs"));
    let mut door = Door::new(vectors.room(), keeper, prs(), 0);
    let mut attempt = Joiner::new(vectors.room(), joiner, prs());
    let mut script =
        Script(["sid", "secret_a", "secret_b"].map(|name| vectors.bytes(name)).concat());

    let knock = attempt.knock(keeper, NOW, &mut script).unwrap();
    vectors.agree("Knock", &PairPlain::Knock(knock.clone()));
    let answer = door.answer(&joiner, &knock, NOW, &mut script).unwrap();
    vectors.agree("KnockAnswer", &PairPlain::KnockAnswer(answer.clone()));
    let proof = attempt.answered(&keeper, &answer, NOW).unwrap();
    vectors.agree("KnockProof", &PairPlain::KnockProof(proof.clone()));
    assert_eq!(door.prove(&joiner, &proof, NOW), Ok(()));
    assert!(script.0.is_empty());
}

#[test]
fn a_request_and_a_refusal_have_these_bytes() {
    let vectors = Vectors::read();
    let (gid, sid) = (vectors.room().gid, KnockId(vectors.array("sid")));
    let how = How::Request { note: "it is me".to_owned() };
    vectors.agree("Knock request", &PairPlain::Knock(Knock { gid, sid, how }));
    let refused = KnockRefused { gid, sid, reason: Reason::Locked };
    vectors.agree("KnockRefused", &PairPlain::KnockRefused(refused));
}
