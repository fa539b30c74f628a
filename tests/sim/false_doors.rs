//! What a hub can lie about to strangers: rooms, those who let people in, invite links.

use hubbub_node::api::group::SettingsChange;
use hubbub_node::api::secret::SecretText;
use hubbub_node::api::{ApiError, Code, Command, Reply};
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::group::Op;
use hubbub_shared::group::link::{GroupCode, LinkSecret};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Millis;
use hubbub_tests::liar::{FalseEntry, Hand, Lie};
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

const RIGHT: &str = "seven green kettles sing at dawn";

fn secret(text: &str) -> Option<SecretText> {
    Some(SecretText::new(SecretBytes::from_vec(text.as_bytes().to_vec())))
}

/// alice's #team, called tearoom, which takes a passphrase and requests; bob's #den, which takes
/// requests; carol and dave are in neither.
struct Street {
    world: World,
    hub: Hand,
    team: GroupId,
    den: GroupId,
}

impl Street {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed, &["alice", "bob", "carol", "dave"]);
        let hub = Hand::on(&mut world, seed);
        world.found(ALICE, "team", &["bob"]);
        world.found(BOB, "den", &[]);
        let mut set = |who, group: &str, change| {
            world.ask(who, Command::GroupSet { group: group.to_owned(), change }).unwrap();
        };
        let (requests, alias) = (Some(true), Some("tearoom".to_owned()));
        set(ALICE, "#team", SettingsChange { requests, alias, ..SettingsChange::default() });
        set(BOB, "#den", SettingsChange { requests, ..SettingsChange::default() });
        let (group, passphrase) = ("#team".to_owned(), secret(RIGHT));
        world.ask(ALICE, Command::GroupPassphrase { group, passphrase }).unwrap();
        world.run(Millis::secs(10));
        let (team, den) = (world.group(ALICE, "#team"), world.group(BOB, "#den"));
        Self { world, hub, team, den }
    }

    fn lie(&self, lie: Lie) {
        self.hub.lie(CAROL, lie, 1);
    }

    /// carol, at a room, with its passphrase or asking.
    fn knock(&mut self, room: &str, passphrase: Option<&str>) -> Result<Reply, ApiError> {
        let passphrase = passphrase.and_then(secret);
        let (room, note) = (room.to_owned(), String::new());
        let answer = self.world.ask(CAROL, Command::GroupKnock { room, passphrase, note });
        self.world.run(Millis::secs(30));
        answer
    }

    fn asks_at(&self, who: usize, group: &GroupId) -> usize {
        self.world.engine(who).doors(group).unwrap().asking.len()
    }

    fn members(&self, who: usize, group: &GroupId) -> Vec<String> {
        self.world.engine(who).members(group).into_iter().map(|m| m.person.name).collect()
    }

    fn id(&self, who: usize) -> NodeId {
        self.world.id(who)
    }

    fn link(&mut self) -> String {
        let (group, uses, expires_in_ms) = ("#team".to_owned(), 5, 24 * 3_600_000);
        let link = Command::GroupLink { group, uses, expires_in_ms };
        let Ok(Reply::Link { link }) = self.world.ask(ALICE, link) else { panic!("no link") };
        link
    }

    fn comes_by(&mut self, who: usize, link: &str) {
        self.world.begin(who, Command::GroupJoin { link: link.to_owned() });
        self.world.run(Millis::secs(30));
    }

    /// The hub is honest from here on, and carol comes in by the passphrase and talks.
    #[track_caller]
    fn ends_well(&mut self) {
        self.hub.be_honest();
        self.knock("tearoom", Some(RIGHT)).unwrap();
        self.world.say(CAROL, "#team", "after all");
        self.world.run(Millis::minutes(1));
        assert!(self.world.words(ALICE).contains(&"after all".to_owned()));
        assert_eq!(self.members(ALICE, &self.team), ["alice", "bob", "carol"]);
    }
}

fn secret_of(link: &str) -> LinkSecret {
    GroupCode::parse(link.rsplit('.').next().unwrap()).unwrap().secret.unwrap()
}

#[test]
fn a_room_swapped_for_another_is_refused_when_its_code_was_typed() {
    let mut street = Street::new(1);
    let code = GroupCode { gid: street.team, secret: None }.to_text();
    street.lie(Lie::SwapRoom(street.den, street.id(BOB)));
    assert_eq!(street.knock(&code, None).unwrap_err().code, Code::Forbidden);
    assert_eq!(street.hub.told(), 1);
    assert_eq!(street.world.refused(CAROL, "other-room"), 1);
    assert_eq!(street.asks_at(BOB, &street.den), 0);
    street.ends_well();
}

#[test]
fn a_public_name_that_leads_elsewhere_is_named_once_inside() {
    let mut street = Street::new(2);
    street.lie(Lie::SwapRoom(street.den, street.id(BOB)));
    street.knock("tearoom", None).unwrap();
    assert_eq!(street.asks_at(BOB, &street.den), 1);
    let (group, member) = ("#den".to_owned(), "carol".to_owned());
    street.world.ask(BOB, Command::GroupDecide { group, member, accept: true }).unwrap();
    street.world.run(Millis::secs(30));
    assert!(street.world.warnings(CAROL).contains(&"other-room".to_owned()));
    assert_eq!(street.members(ALICE, &street.team), ["alice", "bob"]);
    street.ends_well();
}

#[test]
fn a_passphrase_typed_for_one_room_opens_no_other() {
    let mut street = Street::new(3);
    let (group, passphrase) = ("#den".to_owned(), secret("nine red umbrellas wait outside"));
    street.world.ask(BOB, Command::GroupPassphrase { group, passphrase }).unwrap();
    street.world.run(Millis::secs(10));
    street.lie(Lie::SwapRoom(street.den, street.id(BOB)));
    street.knock("tearoom", Some(RIGHT)).unwrap();
    assert_eq!(street.hub.told(), 1);
    assert!(street.world.warnings(CAROL).contains(&"not-let-in".to_owned()));
    assert_eq!(street.members(BOB, &street.den), ["bob"]);
    street.ends_well();
}

#[test]
fn one_who_keeps_no_door_lets_nobody_in_however_the_hub_names_it() {
    let mut street = Street::new(4);
    street.lie(Lie::SwapRoom(street.team, street.id(DAVE)));
    street.knock("tearoom", Some(RIGHT)).unwrap();
    assert_eq!(street.hub.told(), 1);
    assert_eq!(street.members(ALICE, &street.team), ["alice", "bob"]);
    let said = street.world.engine(CAROL).knocks();
    let given_up = street.world.warnings(CAROL).contains(&"not-let-in".to_owned());
    assert!(said.len() == 1 || given_up, "it waits, or says so");
    street.ends_well();
}

#[test]
fn a_room_that_is_denied_is_there_when_it_is_asked_for_again() {
    let mut street = Street::new(5);
    street.lie(Lie::DenyRoom);
    assert_eq!(street.knock("tearoom", Some(RIGHT)).unwrap_err().code, Code::NotFound);
    assert_eq!(street.hub.told(), 1);
    street.ends_well();
}

/// Dave helps the hub and writes an entry that uses a link.
fn inject(street: &mut Street, op: Op, reason: &str) {
    let (dave, team) = (street.world.identity(DAVE), street.team);
    street.hub.prepare(&dave, &team, op);
    street.hub.lie(BOB, Lie::Inject(FalseEntry::Prepared), 1);
    street.world.say(ALICE, "#team", "among us");
    street.world.run(Millis::secs(10));
    assert_eq!(street.hub.told(), 1);
    assert!(street.world.refusals(BOB).contains(&reason.to_owned()));
    assert_eq!(street.members(BOB, &team), ["alice", "bob"]);
    street.world.say(BOB, "#team", "dave is none of us");
    street.ends_well();
    assert!(street.world.words(ALICE).contains(&"dave is none of us".to_owned()));
    assert!(!street.world.words(DAVE).contains(&"after all".to_owned()));
}

#[test]
fn a_use_of_a_link_without_its_secret_lets_nobody_in() {
    let mut street = Street::new(6);
    let link = street.link();
    let (key, other) = (secret_of(&link).key(&street.team), secret_of(&link));
    let proof = other.proof(&street.den, &street.id(DAVE));
    inject(&mut street, Op::UseInvite { key, proof, account: None }, "bad-invite");
}

#[test]
fn the_proof_by_which_another_came_lets_nobody_in() {
    let mut street = Street::new(7);
    let link = street.link();
    let (key, bobs) = (secret_of(&link).key(&street.team), street.id(BOB));
    let proof = secret_of(&link).proof(&street.team, &bobs);
    inject(&mut street, Op::UseInvite { key, proof, account: None }, "bad-invite");
}

#[test]
fn a_link_that_was_taken_back_lets_nobody_in_though_the_hub_would() {
    let mut street = Street::new(8);
    let link = street.link();
    let (key, daves) = (secret_of(&link).key(&street.team), street.id(DAVE));
    let proof = secret_of(&link).proof(&street.team, &daves);
    let group = "#team".to_owned();
    street.world.ask(ALICE, Command::GroupUnlink { group, link }).unwrap();
    street.world.run(Millis::secs(10));
    inject(&mut street, Op::UseInvite { key, proof, account: None }, "no-invite");
}

#[test]
fn a_log_of_another_group_under_a_link_leads_nowhere() {
    let mut street = Street::new(9);
    let link = street.link();
    street.hub.lie(CAROL, Lie::SwapGenesis, 1);
    street.comes_by(CAROL, &link);
    assert_eq!(street.hub.told(), 1);
    let named = street.world.engine(CAROL).status().refused;
    let known = |(reason, _): &(String, u64)| ["other-group", "bad-genesis"].contains(&&**reason);
    assert!(!named.is_empty() && named.iter().all(known), "{named:?}");
    street.hub.be_honest();
    street.world.disconnect(CAROL);
    street.world.connect(CAROL);
    street.comes_by(CAROL, &link);
    assert_eq!(street.members(ALICE, &street.team), ["alice", "bob", "carol"]);
}

#[test]
fn a_log_cut_short_for_whoever_comes_by_a_link_keeps_it_waiting_and_no_more() {
    let mut street = Street::new(10);
    let link = street.link();
    let end = street.hub.log_length(&street.team);
    let (group, topic) = ("#team".to_owned(), Some("tea".to_owned()));
    street.world.ask(ALICE, Command::GroupDescribe { group, name: None, topic }).unwrap();
    street.world.run(Millis::secs(10));
    street.hub.lie(CAROL, Lie::Withhold(street.team, end), u32::MAX);
    street.comes_by(CAROL, &link);
    assert!(street.hub.told() > 0);
    assert_eq!(street.members(ALICE, &street.team), ["alice", "bob"]);
    street.hub.be_honest();
    street.world.disconnect(CAROL);
    street.world.connect(CAROL);
    street.world.run(Millis::minutes(5));
    assert_eq!(street.members(ALICE, &street.team), ["alice", "bob", "carol"]);
    assert_eq!(street.members(CAROL, &street.team), ["alice", "bob", "carol"]);
}
