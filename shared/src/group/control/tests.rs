//! The claims of the control log, each an attack or a rule.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::crypto::{Secret32, Signed};
use crate::limits::CONTROL_ENTRY_MAX;
use crate::wire::codec::{decode, encode};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn person(n: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([n; 32]))
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn add(who: &Identity, role: Role) -> Op {
    Op::add(who.id(), role, 1)
}

fn remove(who: &Identity) -> Op {
    Op::Remove { node: who.id(), code: 0 }
}

fn group_of(owner: &Identity) -> ControlLog {
    let (gid, bytes) = ControlLog::create(owner, Policy::closed(), NOW, &mut rng());
    ControlLog::check_genesis(&bytes, &gid).unwrap()
}

fn write(log: &mut ControlLog, by: &Identity, op: Op) -> Result<Applied, ControlError> {
    let bytes = log.propose(by, op, NOW);
    let before = log.clone();
    let applied = log.apply(&bytes);
    if applied.is_err() {
        assert_eq!(*log, before, "a refused entry changes nothing");
    }
    applied
}

fn why(result: Result<Applied, ControlError>) -> &'static str {
    result.expect_err("refused").reason()
}

#[test]
fn a_group_begins_with_its_owner_and_the_hash_of_its_first_entry() {
    let alice = person(1);
    let (gid, bytes) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng());
    let log = ControlLog::check_genesis(&bytes, &gid).unwrap();
    assert_eq!((log.group(), log.head().0, log.seq()), (gid, gid.0, 0));
    assert_eq!(log.roster().role(&alice.id()), Some(Role::Owner));
    let other = ControlLog::check_genesis(&bytes, &GroupId([9; 32]));
    assert_eq!(other.map(drop).unwrap_err().reason(), "other-group");
}

#[test]
fn an_injected_add_is_refused_whoever_signs_it() {
    let (alice, mallory) = (person(1), person(9));
    let mut log = group_of(&alice);
    assert_eq!(why(write(&mut log, &mallory, add(&mallory, Role::Member))), "not-allowed");

    let genuine: Signed = decode(&log.propose(&mallory, add(&mallory, Role::Member), NOW)).unwrap();
    let mut body: EntryBody = decode(&genuine.body).unwrap();
    body.author = alice.id();
    let forged = encode(&Signed { body: encode(&body), sig: genuine.sig });
    assert_eq!(why(log.apply(&forged)), "bad-signature");
    assert_eq!(log.roster().members().map(|m| m.node).collect::<Vec<_>>(), [alice.id()]);
}

#[test]
fn replayed_reordered_and_gapped_entries_are_refused() {
    let (alice, bob, carol) = (person(1), person(2), person(3));
    let mut log = group_of(&alice);
    let one = log.propose(&alice, add(&bob, Role::Member), NOW);
    let mut ahead = log.clone();
    ahead.apply(&one).unwrap();
    let two = ahead.propose(&alice, add(&carol, Role::Member), NOW);

    assert_eq!(log.apply(&two), Err(ControlError::NotNext { expected: 1, got: 2 }));
    log.apply(&one).unwrap();
    assert_eq!(log.apply(&one), Err(ControlError::NotNext { expected: 2, got: 1 }));
    log.apply(&two).unwrap();
    assert_eq!(log, { ahead.apply(&two).map(|_| ahead).unwrap() });
}

#[test]
fn an_entry_of_another_group_is_refused() {
    let alice = person(1);
    let mut log = group_of(&alice);
    let mut seeded = ChaCha20Rng::seed_from_u64(2);
    let (_, other) = ControlLog::create(&alice, Policy::closed(), NOW, &mut seeded);
    let other = ControlLog::genesis(&other).unwrap();
    let stray = other.propose(&alice, Op::RekeyAll, NOW);
    assert_eq!(why(log.apply(&stray)), "other-group");
}

#[test]
fn every_flipped_bit_of_an_entry_is_refused() {
    let (alice, bob) = (person(1), person(2));
    let mut log = group_of(&alice);
    let bytes = log.propose(&alice, add(&bob, Role::Member), NOW);
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(log.apply(&altered).is_err(), "bit {bit}");
    }
    log.apply(&bytes).unwrap();
}

#[test]
fn admins_who_remove_each_other_at_once_both_fail_in_either_order() {
    let (alice, bob, carol) = (person(1), person(2), person(3));
    let mut log = group_of(&alice);
    write(&mut log, &alice, add(&bob, Role::Admin)).unwrap();
    write(&mut log, &alice, add(&carol, Role::Admin)).unwrap();
    let of_bob = log.propose(&bob, remove(&carol), NOW);
    let of_carol = log.propose(&carol, remove(&bob), NOW);
    let mut orders = [log.clone(), log];
    for (log, order) in orders.iter_mut().zip([[&of_bob, &of_carol], [&of_carol, &of_bob]]) {
        for bytes in order {
            assert_eq!(why(log.apply(bytes)), "not-allowed");
        }
    }
    assert_eq!(orders[0], orders[1]);
    assert_eq!(orders[0].roster().len(), 3);
}

#[test]
fn two_valid_entries_after_the_same_one_prove_a_fork() {
    let (alice, bob, carol) = (person(1), person(2), person(3));
    let mut here = group_of(&alice);
    let mut there = here.clone();
    write(&mut here, &alice, add(&bob, Role::Member)).unwrap();
    let other = there.propose(&alice, add(&carol, Role::Member), NOW);
    there.apply(&other).unwrap();
    let fork = ControlError::Fork { seq: 1, ours: here.head(), theirs: there.head() };
    assert_eq!(here.apply(&other), Err(fork));

    let next = there.propose(&alice, Op::RekeyAll, NOW);
    let wrong = ControlError::WrongPrev { ours: here.head(), theirs: there.head() };
    assert_eq!(here.apply(&next), Err(wrong));
}

#[test]
fn an_entry_that_was_never_allowed_proves_no_fork() {
    let (alice, bob, mallory) = (person(1), person(2), person(9));
    let mut log = group_of(&alice);
    let stray = log.propose(&mallory, add(&mallory, Role::Member), NOW);
    write(&mut log, &alice, add(&bob, Role::Member)).unwrap();
    assert_eq!(why(log.apply(&stray)), "not-allowed");
}

#[test]
fn operations_of_newer_versions_are_named_so() {
    let alice = person(1);
    let mut log = group_of(&alice);
    for tag in [12, 13, 17, 255] {
        let refused = write(&mut log, &alice, Op::Unknown(tag));
        assert_eq!(refused, Err(ControlError::UnknownOp(tag)));
        assert!(refused.unwrap_err().to_string().contains("newer version"));
    }
    let body = (2u8, "a shape nobody knows yet");
    let newer = encode(&Signed::new(&alice, Label::LogEntry, &body));
    assert_eq!(log.apply(&newer), Err(ControlError::Newer { version: 2 }));
}

#[test]
fn an_oversized_entry_is_refused_unread() {
    let alice = person(1);
    let mut log = group_of(&alice);
    let ct = serde_bytes::ByteBuf::from(vec![0; CONTROL_ENTRY_MAX]);
    assert_eq!(why(write(&mut log, &alice, Op::Meta { ct })), "too-large");
}

#[test]
fn the_last_owner_who_leaves_is_followed_by_the_eldest_of_the_highest_rank() {
    let (alice, bob, carol, dave) = (person(1), person(2), person(3), person(4));
    let mut log = group_of(&alice);
    write(&mut log, &alice, add(&bob, Role::Member)).unwrap();
    write(&mut log, &alice, add(&carol, Role::Admin)).unwrap();
    write(&mut log, &alice, add(&dave, Role::Admin)).unwrap();
    let left = write(&mut log, &alice, Op::Leave).unwrap();
    assert_eq!(left.change, Change::Left { successor: Some(carol.id()) });
    assert_eq!(log.roster().role(&carol.id()), Some(Role::Owner));
    assert_eq!(log.roster().member_at(&carol.id(), 3).map(|m| m.role), Some(Role::Admin));
    assert_eq!(log.roster().member(&carol.id()).map(|m| m.joined), Some(2));
}

#[test]
fn an_owner_who_leaves_another_behind_has_no_successor() {
    let (alice, bob) = (person(1), person(2));
    let mut log = group_of(&alice);
    write(&mut log, &alice, add(&bob, Role::Owner)).unwrap();
    assert_eq!(why(write(&mut log, &alice, remove(&bob))), "not-allowed");
    let left = write(&mut log, &alice, Op::Leave).unwrap();
    assert_eq!(left.change, Change::Left { successor: None });
}

#[test]
fn a_lobby_lets_anybody_in_and_its_hub_only_out() {
    let (hub, alice, bob) = (person(7), person(1), person(2));
    let (gid, bytes) = ControlLog::create_lobby(&hub, NOW, &mut rng());
    let mut log = ControlLog::check_genesis(&bytes, &gid).unwrap();
    assert!(log.is_lobby() && log.roster().is_empty() && log.founder() == hub.id());
    write(&mut log, &alice, Op::join()).unwrap();
    write(&mut log, &bob, Op::join()).unwrap();
    assert_eq!(why(write(&mut log, &bob, Op::join())), "already-member");
    for op in [Op::join(), add(&person(3), Role::Member), Op::RekeyAll] {
        assert_eq!(why(write(&mut log, &hub, op)), "not-allowed");
    }
    assert_eq!(why(write(&mut log, &alice, remove(&bob))), "not-allowed");
    write(&mut log, &hub, remove(&bob)).unwrap();
    assert_eq!(log.roster().len(), 1);
}

#[test]
fn nobody_adds_themselves_to_a_closed_group() {
    let mut log = group_of(&person(1));
    let refused = write(&mut log, &person(2), Op::join()).unwrap_err();
    assert!(refused.to_string().contains("ask an admin"), "{refused}");
}

#[test]
fn nothing_follows_the_end() {
    let alice = person(1);
    let mut log = group_of(&alice);
    write(&mut log, &alice, Op::Close).unwrap();
    assert_eq!(why(write(&mut log, &alice, Op::RekeyAll)), "closed");
}

#[test]
fn a_full_log_still_lets_members_go() {
    let room = |seq, op: &Op| rules::check_room(seq, op).is_ok();
    let last = crate::limits::CONTROL_ENTRIES_MAX - 1;
    assert!(room(last, &Op::Leave) && room(last, &remove(&person(2))));
    assert!(!room(last, &Op::RekeyAll) && !room(last + 1, &Op::Leave));
}

/// A random operation by one of five people, most of them sensible.
fn any_step() -> impl Strategy<Value = (u8, u8, u8)> {
    (1u8..6, 1u8..6, 0u8..12)
}

fn op_of(target: u8, kind: u8) -> Op {
    let node = person(target).id();
    let role = [Role::Member, Role::Admin, Role::Owner][usize::from(kind % 3)];
    match kind {
        0..4 => Op::add(node, role, 0),
        4..6 => Op::Remove { node, code: 0 },
        6..9 => Op::SetRole { node, role },
        9 => Op::Leave,
        10 => Op::RekeyAll,
        _ => Op::join(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn replaying_gives_the_same_state_and_every_prefix_is_a_log(
        steps in prop::collection::vec(any_step(), 0..40)
    ) {
        let (gid, first) = ControlLog::create(&person(1), Policy::closed(), NOW, &mut rng());
        let mut log = ControlLog::check_genesis(&first, &gid).unwrap();
        let mut states = vec![log.clone()];
        let mut entries = Vec::new();
        for (author, target, kind) in steps {
            let bytes = log.propose(&person(author), op_of(target, kind), NOW);
            if log.apply(&bytes).is_ok() {
                entries.push(bytes);
                states.push(log.clone());
            }
        }
        let mut again = ControlLog::check_genesis(&first, &gid).unwrap();
        for (bytes, state) in entries.iter().zip(&states[1..]) {
            again.apply(bytes).unwrap();
            prop_assert_eq!(&again, state);
        }
        for (seq, state) in (0u64..).zip(&states) {
            prop_assert_eq!(log.head_at(seq), Some(state.head()));
            let then: Vec<_> = log.roster().members_at(seq).collect();
            prop_assert_eq!(then, state.roster().members().collect::<Vec<_>>());
        }
    }

    #[test]
    fn nobody_changes_the_standing_of_an_equal_or_a_better(
        steps in prop::collection::vec(any_step(), 0..60)
    ) {
        let mut log = group_of(&person(1));
        for (author, target, kind) in steps {
            let by = person(author).id();
            let before = log.clone();
            let written = write(&mut log, &person(author), op_of(target, kind));
            let Ok(applied) = written else { continue };
            let own = before.roster().role(&by);
            for old in before.roster().members().filter(|m| m.node != by) {
                let now = log.roster().role(&old.node);
                let inherits = applied.change == Change::Left { successor: Some(old.node) };
                prop_assert!(now == Some(old.role) || inherits || own > Some(old.role));
            }
            for new in log.roster().members() {
                let inherits = applied.change == Change::Left { successor: Some(new.node) };
                let kept = before.roster().role(&new.node) == Some(new.role);
                prop_assert!(kept || inherits || Some(new.role) <= own);
            }
            prop_assert!(log.roster().is_empty()
                || log.roster().members().any(|m| m.role == Role::Owner));
        }
    }
}

#[test]
fn an_entry_has_one_encoding_or_members_would_judge_it_differently() {
    let alice = person(1);
    let mut log = group_of(&alice);
    let bytes = log.propose(&alice, Op::RekeyAll, NOW);
    let Signed { body, sig } = decode::<Signed>(&bytes).unwrap();
    let refused = |bytes: &[u8]| Entry::read(bytes).map(drop).unwrap_err().reason();
    // The version, 1, as a number of two bytes, signed by its author.
    assert_eq!(body[..2], [0x97, 1]);
    let longer = [&[0x97, 0xcc, 1][..], &body[2..]].concat();
    let signed =
        Signed { sig: alice.sign(crate::crypto::Label::LogEntry, &[&longer]), body: longer };
    assert_eq!(refused(&encode(&signed)), "malformed");
    // The statement as an array of numbers instead of bytes.
    let numbers: Vec<u64> = body.iter().map(|byte| u64::from(*byte)).collect();
    assert_eq!(refused(&encode(&(numbers, sig))), "malformed");
    assert!(log.apply(&bytes).is_ok());
}
