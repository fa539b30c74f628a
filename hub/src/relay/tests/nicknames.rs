//! Names people type.

use super::probe::*;
use crate::relay::{Command, Input, RelayConfig};
use hubbub_shared::id::Digest;
use hubbub_shared::nickname::{NickClaim, Nickname, claim_hash};
use hubbub_shared::wire::to_hub::{Claim, Lookup, WhoIs};
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode, ToHub};

fn signed(who: u8, name: &str, seq: u64) -> Vec<u8> {
    let nickname = Nickname::prepare(name).unwrap();
    let prev = if seq == 1 { Digest([0; 32]) } else { claim_hash(b"the claim before") };
    let (hub, node) = (hub_id(), id(who));
    NickClaim { hub, nickname, node, seq, prev, ts: hubbub_shared::time::Timestamp(1) }
        .sign(&identity(who))
}

fn claim(conn: u64, bytes: Vec<u8>) -> Input {
    frame(conn, ToHub::Claim(Claim { req: 3, claim: ByteBuf::from(bytes) }))
}

fn lookup(hub: &mut RelayProbe, nickname: &str) -> Option<Vec<u8>> {
    let nickname = nickname.to_owned();
    found(&hub.tell(frame(1, ToHub::Lookup(Lookup { req: 4, nickname }))))
}

fn found(commands: &[Command]) -> Option<Vec<u8>> {
    commands.iter().find_map(|command| match command {
        Command::Send { frame: FromHub::Found(found), .. } => Some(found.claim.to_vec()),
        _ => None,
    })
}

fn code(commands: &[Command]) -> Option<RefusalCode> {
    refusals(commands).first().map(|refusal| refusal.code)
}

fn connected() -> RelayProbe {
    let mut hub = RelayProbe::new(RelayConfig { open: true, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    hub.connect(9, MALLORY);
    hub
}

#[test]
fn a_claimed_nickname_is_found_as_signed_also_after_a_restart() {
    let mut hub = connected();
    let mine = signed(ALICE, "Alice", 1);
    assert_eq!(code(&hub.tell(claim(1, mine.clone()))), None);
    hub.crash();
    hub.connect(1, ALICE);
    assert_eq!(lookup(&mut hub, "alice"), Some(mine.clone()));
    assert_eq!(lookup(&mut hub, "a1ice"), None);
    let who_is = ToHub::WhoIs(WhoIs { req: 5, node: id(ALICE) });
    assert_eq!(found(&hub.tell(frame(1, who_is))), Some(mine));
}

#[test]
fn neither_a_taken_nickname_nor_one_that_looks_like_it_is_given_to_another() {
    let mut hub = connected();
    hub.tell(claim(1, signed(ALICE, "alice", 1)));
    let refused = |hub: &mut RelayProbe, name| code(&hub.tell(claim(9, signed(MALLORY, name, 1))));
    assert_eq!(refused(&mut hub, "alice"), Some(RefusalCode::NicknameTaken));
    assert_eq!(refused(&mut hub, "a1ice"), Some(RefusalCode::NicknameLooksAlike));
    assert_eq!(refused(&mut hub, "ALICE"), Some(RefusalCode::NicknameLooksAlike));
    assert_eq!(refused(&mut hub, "mallory"), None);
}

#[test]
fn a_new_nickname_frees_the_old_one_and_an_old_claim_does_not_come_back() {
    let mut hub = connected();
    hub.tell(claim(1, signed(ALICE, "alice", 1)));
    assert_eq!(code(&hub.tell(claim(1, signed(ALICE, "alix", 2)))), None);
    let again = code(&hub.tell(claim(1, signed(ALICE, "alice", 1))));
    assert_eq!(again, Some(RefusalCode::BadClaim));
    assert_eq!(code(&hub.tell(claim(1, signed(ALICE, "alix", 2)))), None);
    assert_eq!(code(&hub.tell(claim(9, signed(MALLORY, "alice", 1)))), None);
    hub.crash();
    hub.connect(1, ALICE);
    assert_eq!(lookup(&mut hub, "alix"), Some(signed(ALICE, "alix", 2)));
}

#[test]
fn nobody_claims_for_somebody_else() {
    let mut hub = connected();
    let theirs = signed(ALICE, "alice", 1);
    assert_eq!(code(&hub.tell(claim(9, theirs))), Some(RefusalCode::BadClaim));
    assert_eq!(code(&hub.tell(claim(9, vec![1, 2, 3]))), Some(RefusalCode::BadClaim));
}
