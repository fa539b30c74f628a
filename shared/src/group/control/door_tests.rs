//! The claims about ways in and out: settings, links, bans, stepping down.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::crypto::Secret32;
use crate::group::link::LinkSecret;
use crate::id::AccountId;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const LATER: Timestamp = Timestamp(1_700_000_100_000);

fn person(n: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([n; 32]))
}

fn link(n: u8) -> LinkSecret {
    LinkSecret::from_slice(&[n; 16]).unwrap()
}

/// A group of alice (owner), bob (admin) and carol.
struct Scene {
    log: ControlLog,
    alice: Identity,
    bob: Identity,
    carol: Identity,
    mallory: Identity,
}

impl Scene {
    fn new() -> Self {
        let alice = person(1);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (_, first) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        let mut log = ControlLog::genesis(&first).unwrap();
        for (n, role) in [(2, Role::Admin), (3, Role::Member)] {
            let add = Op::add(person(n).id(), role, 1);
            log.apply(&log.propose(&alice, add, NOW)).unwrap();
        }
        Self { log, alice, bob: person(2), carol: person(3), mallory: person(9) }
    }

    fn write(&mut self, by: u8, op: Op) -> Result<Change, &'static str> {
        self.write_at(by, op, NOW)
    }

    fn write_at(&mut self, by: u8, op: Op, ts: Timestamp) -> Result<Change, &'static str> {
        let bytes = self.log.propose(&person(by), op, ts);
        let before = self.log.clone();
        let applied = self.log.apply(&bytes);
        if applied.is_err() {
            assert_eq!(self.log, before, "a refused entry changes nothing");
        }
        applied.map(|applied| applied.change).map_err(|error| error.reason())
    }

    fn set(&mut self, by: u8, change: impl FnOnce(&mut Settings)) -> Result<Change, &'static str> {
        let mut settings = self.log.settings();
        change(&mut settings);
        self.write(by, Op::Set(settings))
    }

    fn invite(&mut self, by: u8, n: u8, uses: u16) -> Result<Change, &'static str> {
        let key = link(n).key(&self.log.group());
        self.write(by, Op::Invite { key, uses, expires: LATER, ct: vec![n].into() })
    }

    fn come(&mut self, who: u8, n: u8) -> Result<Change, &'static str> {
        self.come_at(who, n, NOW)
    }

    fn come_at(&mut self, who: u8, n: u8, ts: Timestamp) -> Result<Change, &'static str> {
        let gid = self.log.group();
        let (key, proof) = (link(n).key(&gid), link(n).proof(&gid, &person(who).id()));
        self.write_at(who, Op::UseInvite { key, proof, account: None }, ts)
    }
}

#[test]
fn a_link_lets_in_as_many_as_it_says_and_no_more() {
    let mut s = Scene::new();
    s.invite(2, 7, 2).unwrap();
    let by = Some(s.bob.id());
    assert_eq!(s.come(4, 7), Ok(Change::Joined { invited_by: by }));
    assert_eq!(s.come(4, 7), Err("already-member"));
    s.come(5, 7).unwrap();
    assert_eq!(s.come(6, 7), Err("no-invite"));
    assert_eq!(s.log.roster().role(&person(5).id()), Some(Role::Member));
}

#[test]
fn a_link_is_over_when_its_time_is_or_it_is_revoked() {
    let mut s = Scene::new();
    s.invite(2, 7, 9).unwrap();
    assert_eq!(s.come_at(4, 7, Timestamp(LATER.0 + 1)), Err("no-invite"));
    s.come_at(4, 7, LATER).unwrap();
    let key = link(7).key(&s.log.group());
    assert_eq!(s.write(3, Op::Revoke { key }), Err("not-allowed"));
    s.write(1, Op::Revoke { key }).unwrap();
    assert_eq!(s.come(5, 7), Err("no-invite"));
    assert_eq!(s.write(1, Op::Revoke { key }), Err("no-invite"));
    assert_eq!(s.invite(2, 7, 9), Err("invites-full"), "a key is used once");
}

#[test]
fn a_link_dies_with_the_right_of_its_maker() {
    for fate in [
        Op::Remove { node: person(2).id(), code: 0 },
        Op::SetRole { node: person(2).id(), role: Role::Member },
        Op::Ban { node: person(2).id(), code: 0 },
    ] {
        let mut s = Scene::new();
        s.invite(2, 7, 9).unwrap();
        s.write(1, fate).unwrap();
        assert_eq!(s.come(4, 7), Err("no-invite"));
    }
}

#[test]
fn the_proof_of_one_joiner_is_worth_nothing_to_another() {
    let mut s = Scene::new();
    s.invite(2, 7, 9).unwrap();
    let gid = s.log.group();
    let stolen = link(7).proof(&gid, &person(4).id());
    let op = |proof| Op::UseInvite { key: link(7).key(&gid), proof, account: None };
    assert_eq!(s.write(9, op(stolen)), Err("bad-invite"));
    assert_eq!(s.write(9, op(link(8).proof(&gid, &s.mallory.id()))), Err("bad-invite"));
}

#[test]
fn whoever_is_banned_comes_in_by_no_way_until_the_ban_ends() {
    let mut s = Scene::new();
    s.invite(2, 7, 9).unwrap();
    let (carol, mallory) = (s.carol.id(), s.mallory.id());
    let banned = Change::Banned { node: carol, code: 0, was_member: true };
    assert_eq!(s.write(2, Op::Ban { node: carol, code: 0 }), Ok(banned));
    assert!(!s.log.roster().is_member(&carol));
    assert_eq!(s.come(3, 7), Err("banned"));
    assert_eq!(s.write(1, Op::add(carol, Role::Member, 1)), Err("banned"));
    s.write(2, Op::Ban { node: mallory, code: 0 }).unwrap();
    assert_eq!(s.come(9, 7), Err("banned"));
    assert_eq!(s.log.banned().count(), 2);
    assert_eq!(s.write(2, Op::Ban { node: carol, code: 0 }), Err("banned"));
    s.write(1, Op::Unban { node: carol }).unwrap();
    assert_eq!(s.write(1, Op::Unban { node: carol }), Err("not-banned"));
    assert!(!s.log.roster().is_member(&carol), "the end of a ban lets nobody in");
    s.come(3, 7).unwrap();
}

#[test]
fn nobody_bans_their_equals_or_betters() {
    let mut s = Scene::new();
    let (alice, bob) = (s.alice.id(), s.bob.id());
    assert_eq!(s.write(2, Op::Ban { node: alice, code: 0 }), Err("not-allowed"));
    assert_eq!(s.write(2, Op::Ban { node: bob, code: 0 }), Err("not-allowed"));
    assert_eq!(s.write(3, Op::Ban { node: person(9).id(), code: 0 }), Err("not-allowed"));
    assert_eq!(s.write(9, Op::Ban { node: alice, code: 0 }), Err("not-allowed"));
}

#[test]
fn admins_set_and_members_do_not() {
    let mut s = Scene::new();
    assert_eq!(s.set(3, |set| set.history = true), Err("not-allowed"));
    s.set(2, |set| set.history = true).unwrap();
    s.set(1, |set| set.requests = true).unwrap();
    let now = s.log.settings();
    assert!(now.history && now.requests && now.has_door());
    assert_eq!(s.log.settings_at(2), Settings::new());
    assert_eq!(s.set(1, |set| set.alias = Some(String::new())), Err("bad-settings"));
    assert_eq!(s.set(1, |set| set.alias = Some("x".repeat(129))), Err("bad-settings"));
}

#[test]
fn members_let_others_in_where_the_group_says_so_and_only_as_members() {
    let mut s = Scene::new();
    let dave = person(4).id();
    assert_eq!(s.write(3, Op::add(dave, Role::Member, 1)), Err("not-allowed"));
    assert_eq!(s.invite(3, 7, 1), Err("not-allowed"));
    s.set(1, |set| set.adding = Who::Members).unwrap();
    assert!(s.log.may_add(&s.carol.id()) && !s.log.may_add(&s.mallory.id()));
    assert_eq!(s.write(3, Op::add(dave, Role::Admin, 1)), Err("not-allowed"));
    s.write(3, Op::add(dave, Role::Member, 1)).unwrap();
    s.invite(3, 7, 1).unwrap();
    s.set(1, |set| set.adding = Who::Admins).unwrap();
    assert_eq!(s.come(5, 7), Err("no-invite"), "the link is only as good as its maker's right");
}

#[test]
fn who_may_post_is_judged_by_the_membership_a_message_was_sealed_for() {
    let mut s = Scene::new();
    let before = s.log.seq();
    s.set(1, |set| set.posting = Who::Admins).unwrap();
    let (bob, carol, during) = (s.bob.id(), s.carol.id(), s.log.seq());
    s.set(1, |set| set.posting = Who::Members).unwrap();
    let may = |node, seq| s.log.may_post_at(node, seq);
    assert!(may(&carol, before) && !may(&carol, during) && may(&carol, s.log.seq()));
    assert!(may(&bob, during) && !may(&s.mallory.id(), s.log.seq()));
}

#[test]
fn a_group_is_handed_over_and_never_left_without_an_owner() {
    let mut s = Scene::new();
    let (alice, bob) = (s.alice.id(), s.bob.id());
    let down = Op::SetRole { node: alice, role: Role::Admin };
    assert_eq!(s.write(1, down.clone()), Err("not-allowed"), "the only owner");
    s.write(1, Op::SetRole { node: bob, role: Role::Owner }).unwrap();
    s.write(1, down).unwrap();
    assert_eq!(s.log.roster().role(&alice), Some(Role::Admin));
    assert_eq!(s.write(1, Op::SetRole { node: alice, role: Role::Owner }), Err("not-allowed"));
    s.write(1, Op::SetRole { node: alice, role: Role::Member }).unwrap();
}

#[test]
fn links_are_bounded_and_revoking_makes_room() {
    let mut s = Scene::new();
    for n in 0..64 {
        s.invite(1, n, 1).unwrap();
    }
    assert_eq!(s.invite(1, 64, 1), Err("invites-full"));
    let key = link(0).key(&s.log.group());
    s.write(1, Op::Revoke { key }).unwrap();
    s.invite(1, 64, 1).unwrap();
    assert_eq!(s.invite(1, 65, 0), Err("bad-invite"));
}

#[test]
fn an_entry_that_names_an_account_is_left_to_a_later_version() {
    let mut s = Scene::new();
    let account = Some(AccountId([1; 32]));
    let op = Op::Add { node: person(4).id(), account, role: Role::Member, via: 1 };
    assert_eq!(s.write(1, op), Err("unknown-account"));
}

#[test]
fn a_fork_made_with_an_old_right_is_judged_by_the_past() {
    let mut s = Scene::new();
    let mut there = s.log.clone();
    s.write(1, Op::Ban { node: s.carol.id(), code: 0 }).unwrap();
    s.invite(1, 7, 1).unwrap();
    let theirs = there.propose(&s.bob, Op::Ban { node: person(9).id(), code: 0 }, NOW);
    there.apply(&theirs).unwrap();
    assert_eq!(s.log.apply(&theirs).unwrap_err().reason(), "fork");
}
