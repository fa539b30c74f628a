//! Every lie a hub can tell: nothing forged is shown, the lie is named, honest traffic goes on.

use hubbub_node::api::people::{Past, key_mark};
use hubbub_node::api::view::{Delivery, NodeText, Path};
use hubbub_node::api::{Code, Command, ConversationId, Reply};
use hubbub_shared::id::{GroupId, MessageId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::envelope::Kind;
use hubbub_shared::wire::from_hub::ItemKind;
use hubbub_tests::liar::{FalseBeacon, FalseClaim, FalseEntry, Hand, Lie, Part};
use hubbub_tests::truth::Truth;
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// What a broken first message is refused for, by where it is broken.
const BROKEN_INIT: [&str; 7] =
    ["auth", "malformed", "unknown-prekey", "identity", "bad-key", "version", "other-session"];

/// Three people on a lying hub.
struct Stage {
    world: World,
    hub: Hand,
    truth: Truth,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed, &["alice", "bob", "carol"]);
        let hub = Hand::on(&mut world, seed);
        Self { world, hub, truth: Truth::default() }
    }

    /// Alice and bob have talked.
    fn acquainted(seed: u64) -> Self {
        let mut stage = Self::new(seed);
        stage.say(ALICE, "bob", &[BOB], "hello");
        stage.rest(10);
        stage.say(BOB, "alice", &[ALICE], "hi");
        stage.rest(10);
        stage
    }

    /// Alice and bob are in a group, and alice has spoken.
    fn grouped(seed: u64) -> (Self, GroupId) {
        let mut stage = Self::new(seed);
        let group = stage.found(ALICE, "team", &["bob"]);
        stage.say(ALICE, "#team", &[BOB], "welcome");
        stage.rest(10);
        (stage, group)
    }

    /// Dave, who has a name this very moment, so that nobody knows it yet.
    fn newcomer(&mut self) -> usize {
        self.world.add_unheard("dave")
    }

    fn found(&mut self, who: usize, name: &str, members: &[&str]) -> GroupId {
        let ConversationId::Group(group) = self.world.found(who, name, members) else { panic!() };
        self.rest(10);
        group
    }

    fn say(&mut self, who: usize, to: &str, readers: &[usize], text: &str) -> MessageId {
        self.truth.say(&mut self.world, who, (to, readers), text)
    }

    fn rest(&mut self, seconds: u64) {
        self.world.run(Millis::secs(seconds));
    }

    fn lie(&self, victim: usize, lie: Lie) {
        self.hub.lie(victim, lie, 1);
    }

    fn ask(&mut self, who: usize, command: Command) -> Reply {
        self.world.ask(who, command).unwrap()
    }

    fn invite(&mut self, who: usize, group: &str, member: &str) {
        let (group, member) = (group.to_owned(), member.to_owned());
        self.ask(who, Command::GroupInvite { group, member });
        self.rest(10);
    }

    fn open(&mut self, who: usize, to: &str) -> Result<Reply, Code> {
        self.world.ask(who, Command::Open { to: to.to_owned() }).map_err(|error| error.code)
    }

    fn members(&self, who: usize, group: &GroupId) -> Vec<String> {
        self.world.engine(who).members(group).into_iter().map(|m| m.person.name).collect()
    }

    fn shows(&self, who: usize, text: &str) -> bool {
        self.truth.is_shown(&self.world, who, text)
    }

    /// What a device has refused, by reason.
    fn named(&self, who: usize) -> Vec<String> {
        let counts = self.world.engine(who).status().refused;
        counts.into_iter().map(|(reason, _)| reason).collect()
    }

    /// The lie was told, and the device named it with one of these words and no other.
    #[track_caller]
    fn expect_named(&self, who: usize, reasons: &[&str]) {
        assert!(self.hub.told() > 0, "there was no occasion to lie");
        let named = self.named(who);
        assert!(!named.is_empty(), "nothing was named");
        assert!(named.iter().all(|word| reasons.contains(&word.as_str())), "named {named:?}");
        self.check();
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(self.truth.check(&self.world), Ok(()));
    }

    /// From here on the hub is honest, and a new message gets through and back.
    #[track_caller]
    fn ends_well(&mut self, to: &str, readers: &[usize]) {
        self.hub.be_honest();
        let text = format!("after all, to {to}");
        let message = self.say(ALICE, to, readers, &text);
        self.world.run(Millis::minutes(10));
        self.check();
        for reader in readers {
            assert!(self.shows(*reader, &text), "{reader} lacks {text:?}");
            let delivery = self.world.delivery(ALICE, message, *reader);
            assert_eq!(delivery, Some(Delivery::Delivered), "{reader}");
        }
    }
}

// --- Bits ---

#[test]
fn a_bit_flipped_anywhere_in_a_group_message_is_named_and_the_message_comes_again() {
    for seed in 0..24 {
        let (mut stage, _) = Stage::grouped(seed);
        stage.lie(BOB, Lie::FlipBit(Part::Envelope));
        stage.say(ALICE, "#team", &[BOB], "altered");
        stage.rest(1);
        assert!(!stage.shows(BOB, "altered"), "seed {seed}");
        if stage.world.engine(BOB).status().waiting_for_keys == 0 {
            stage.expect_named(BOB, &["bad-signature", "malformed", "newer"]);
        }
        stage.ends_well("#team", &[BOB]);
        assert!(stage.shows(BOB, "altered"), "seed {seed}");
    }
}

#[test]
fn a_bit_flipped_anywhere_in_a_direct_message_is_named_and_the_mark_stays_true() {
    for seed in 0..24 {
        let mut stage = Stage::acquainted(seed);
        stage.lie(BOB, Lie::FlipBit(Part::Envelope));
        let altered = stage.say(ALICE, "bob", &[BOB], "altered");
        stage.rest(1);
        stage.expect_named(BOB, &["auth", "malformed", "unknown-session", "too-far", "replay"]);
        stage.ends_well("bob", &[BOB]);
        let shown = stage.shows(BOB, "altered");
        let delivered = stage.world.delivery(ALICE, altered, BOB) == Some(Delivery::Delivered);
        assert_eq!(shown, delivered, "seed {seed}: the mark says what bob has");
    }
}

#[test]
fn a_bit_flipped_anywhere_in_a_first_message_is_named_and_the_mark_stays_true() {
    for seed in 0..24 {
        let mut stage = Stage::new(seed);
        stage.lie(BOB, Lie::FlipBit(Part::Envelope));
        let altered = stage.say(ALICE, "bob", &[BOB], "altered");
        stage.rest(5);
        stage.expect_named(BOB, &BROKEN_INIT);
        stage.ends_well("bob", &[BOB]);
        let shown = stage.shows(BOB, "altered");
        let delivered = stage.world.delivery(ALICE, altered, BOB) == Some(Delivery::Delivered);
        assert_eq!(shown, delivered, "seed {seed}: the mark says what bob has");
    }
}

#[test]
fn a_bit_flipped_in_a_control_entry_is_named_and_the_true_one_is_read() {
    for seed in 0..16 {
        let (mut stage, group) = Stage::grouped(seed);
        stage.lie(BOB, Lie::FlipBit(Part::Entry));
        stage.invite(ALICE, "team", "carol");
        stage.expect_named(BOB, &["bad-signature", "malformed", "newer", "other-group"]);
        stage.ends_well("#team", &[BOB, CAROL]);
        assert_eq!(stage.members(BOB, &group).len(), 3, "seed {seed}");
    }
}

#[test]
fn a_bit_flipped_in_a_page_of_the_log_is_named_and_brings_nobody_in() {
    for seed in 0..16 {
        let (mut stage, group) = Stage::grouped(seed);
        stage.lie(CAROL, Lie::FlipBit(Part::Page));
        stage.invite(ALICE, "team", "carol");
        let words = ["bad-signature", "malformed", "newer", "other-group", "bad-genesis"];
        stage.expect_named(CAROL, &words);
        stage.hub.be_honest();
        stage.world.disconnect(CAROL);
        stage.world.connect(CAROL);
        stage.ends_well("#team", &[BOB, CAROL]);
        assert_eq!(stage.members(CAROL, &group).len(), 3, "seed {seed}");
    }
}

#[test]
fn a_bit_flipped_in_a_bundle_is_named_and_no_session_begins_with_it() {
    for seed in 0..12 {
        let mut stage = Stage::new(seed);
        stage.lie(ALICE, Lie::FlipBit(Part::Bundle));
        let message = stage.say(ALICE, "bob", &[BOB], "first");
        stage.rest(5);
        stage.expect_named(ALICE, &["bad-bundle"]);
        assert_eq!(stage.world.delivery(ALICE, message, BOB), Some(Delivery::Queued));
        stage.ends_well("bob", &[BOB]);
        assert!(stage.shows(BOB, "first"));
    }
}

#[test]
fn a_bit_flipped_in_a_claim_is_named_and_nobody_is_found() {
    for seed in 0..12 {
        let mut stage = Stage::new(seed);
        let dave = stage.newcomer();
        // Her device may ask for his name by itself, too.
        stage.hub.lie(ALICE, Lie::FlipBit(Part::Claim), 2);
        assert_eq!(stage.open(ALICE, "dave").unwrap_err(), Code::NotFound, "seed {seed}");
        stage.expect_named(ALICE, &["bad-claim"]);
        stage.ends_well("dave", &[dave]);
    }
}

// --- Order ---

#[test]
fn a_replayed_direct_message_is_named_and_shown_once() {
    let mut stage = Stage::acquainted(1);
    stage.say(ALICE, "bob", &[BOB], "again and again");
    stage.rest(10);
    stage.hub.lie(BOB, Lie::Replay(Kind::Pair), 3);
    for text in ["more", "and more", "and yet more"] {
        stage.say(ALICE, "bob", &[BOB], text);
        stage.rest(1);
    }
    stage.expect_named(BOB, &["replay"]);
    assert_eq!(stage.world.refused(BOB, "replay"), 3);
    stage.ends_well("bob", &[BOB]);
}

#[test]
fn a_replayed_first_message_begins_no_second_session() {
    let mut stage = Stage::acquainted(2);
    stage.lie(BOB, Lie::Replay(Kind::PairInit));
    stage.say(ALICE, "bob", &[BOB], "more");
    stage.rest(1);
    stage.expect_named(BOB, &["replay"]);
    stage.ends_well("bob", &[BOB]);
}

#[test]
fn a_first_message_replayed_to_a_restarted_device_is_named_too() {
    let mut stage = Stage::acquainted(3);
    stage.world.crash(BOB);
    stage.rest(10);
    stage.lie(BOB, Lie::Replay(Kind::PairInit));
    stage.say(ALICE, "bob", &[BOB], "more");
    stage.rest(1);
    stage.expect_named(BOB, &["replay"]);
    stage.ends_well("bob", &[BOB]);
}

#[test]
fn a_replayed_group_message_is_named_and_shown_once() {
    let (mut stage, _) = Stage::grouped(4);
    stage.lie(BOB, Lie::Replay(Kind::Group));
    stage.say(ALICE, "#team", &[BOB], "more");
    stage.rest(1);
    stage.expect_named(BOB, &["seen"]);
    stage.ends_well("#team", &[BOB]);
}

#[test]
fn reordered_messages_are_each_shown_once_and_in_the_order_they_were_written() {
    let (mut stage, _) = Stage::grouped(5);
    stage.say(ALICE, "bob", &[BOB], "one");
    stage.rest(10);
    for (to, texts) in [("bob", ["two", "three"]), ("#team", ["second", "third"])] {
        stage.lie(BOB, Lie::Reorder);
        for text in texts {
            stage.say(ALICE, to, &[BOB], text);
            stage.rest(1);
        }
        let lines = &stage.world.devices[BOB].disk.history;
        let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
        let [.., early, last] = numbers.as_slice() else { panic!() };
        assert_eq!(*last, early + 1, "to {to}: {numbers:?}");
    }
    assert_eq!(stage.hub.told(), 2);
    stage.check();
    stage.ends_well("bob", &[BOB]);
    stage.ends_well("#team", &[BOB]);
}

#[test]
fn a_dropped_direct_message_is_never_marked_delivered() {
    let mut stage = Stage::acquainted(6);
    stage.lie(BOB, Lie::Drop);
    let dropped = stage.say(ALICE, "bob", &[BOB], "dropped");
    stage.world.run(Millis::hours(1));
    assert_eq!(stage.hub.told(), 1);
    stage.ends_well("bob", &[BOB]);
    assert_eq!(stage.shows(BOB, "dropped"), {
        stage.world.delivery(ALICE, dropped, BOB) == Some(Delivery::Delivered)
    });
}

#[test]
fn a_dropped_group_message_leaves_a_gap_that_is_closed() {
    let (mut stage, _) = Stage::grouped(7);
    stage.lie(BOB, Lie::Drop);
    let dropped = stage.say(ALICE, "#team", &[BOB], "dropped");
    stage.rest(60);
    assert_eq!(stage.hub.told(), 1);
    assert_eq!(stage.world.delivery(ALICE, dropped, BOB), Some(Delivery::Stored));
    stage.ends_well("#team", &[BOB]);
    assert!(stage.shows(BOB, "dropped"));
    assert_eq!(stage.world.delivery(ALICE, dropped, BOB), Some(Delivery::Delivered));
}

// --- Senders ---

#[test]
fn a_message_said_to_be_from_somebody_else_is_shown_under_who_wrote_it() {
    let (mut stage, _) = Stage::grouped(8);
    stage.invite(ALICE, "team", "carol");
    stage.say(ALICE, "bob", &[BOB], "direct");
    stage.rest(10);
    let carol = stage.world.id(CAROL);
    stage.hub.lie(BOB, Lie::Relabel(carol), 2);
    stage.say(ALICE, "#team", &[BOB, CAROL], "to the team");
    stage.rest(1);
    stage.say(ALICE, "bob", &[BOB], "to bob");
    stage.rest(1);
    stage.expect_named(BOB, &["other-sender"]);
    assert_eq!(stage.world.refused(BOB, "other-sender"), 2);
    assert!(stage.shows(BOB, "to the team") && stage.shows(BOB, "to bob"));
    stage.ends_well("#team", &[BOB, CAROL]);
    stage.ends_well("bob", &[BOB]);
}

#[test]
fn a_message_from_anothers_mailbox_opens_nowhere_else() {
    let mut stage = Stage::acquainted(9);
    stage.say(BOB, "carol", &[CAROL], "for carol");
    stage.rest(10);
    stage.lie(CAROL, Lie::Misroute);
    stage.say(BOB, "carol", &[CAROL], "more for carol");
    stage.rest(1);
    stage.expect_named(CAROL, &["unknown-session", "unknown-prekey", "auth"]);
    stage.ends_well("bob", &[BOB]);
    stage.ends_well("carol", &[CAROL]);
}

// --- Names ---

#[test]
fn a_claim_of_another_name_is_no_answer() {
    let mut stage = Stage::new(10);
    let dave = stage.newcomer();
    stage.lie(ALICE, Lie::SwapClaim(FalseClaim::OtherName));
    assert_eq!(stage.open(ALICE, "dave").unwrap_err(), Code::NotFound);
    stage.expect_named(ALICE, &["other-name"]);
    stage.ends_well("dave", &[dave]);
}

#[test]
fn a_claim_signed_by_somebody_else_is_no_answer() {
    let mut stage = Stage::new(11);
    let dave = stage.newcomer();
    // Her device may ask for his name by itself, too.
    stage.hub.lie(ALICE, Lie::SwapClaim(FalseClaim::OtherSigner), 2);
    assert_eq!(stage.open(ALICE, "dave").unwrap_err(), Code::NotFound);
    stage.expect_named(ALICE, &["bad-claim"]);
    stage.ends_well("dave", &[dave]);
}

/// What no signature can prevent: on first contact the hub decides whose key a name is. It cannot
/// keep the lie up: the safety number differs, and the true claim raises an alarm.
#[test]
fn a_name_given_to_another_key_on_first_contact_is_named_once_the_true_claim_is_seen() {
    let mut stage = Stage::new(32);
    let dave = stage.newcomer();
    // Her device may ask for his name by itself, too.
    stage.hub.lie(ALICE, Lie::SwapClaim(FalseClaim::OtherKey), 2);
    let mallory = ConversationId::Direct(stage.hub.mallory());
    assert_eq!(stage.open(ALICE, "dave"), Ok(Reply::Conversation { conversation: mallory }));
    let true_dave = stage.world.id(dave);
    let (seen, true_one) = (stage.hub.mallory(), stage.world.id(ALICE));
    let safety = stage.world.engine(ALICE).safety(&seen);
    assert!(!safety.person.verified);
    assert_ne!(safety.number, stage.world.engine(dave).safety(&true_one).number);
    stage.say(dave, "alice", &[ALICE], "it is me");
    stage.rest(10);
    assert!(stage.world.devices[ALICE].warnings.contains(&"nickname-moved".to_owned()));
    stage.expect_named(ALICE, &["nickname-moved", "bad-claim"]);
    let names = [true_dave, seen].map(|node| stage.world.engine(ALICE).person(&node).name);
    assert_ne!(names[0], names[1]);
    assert!(stage.world.words(ALICE).iter().all(|word| word == "it is me"));
}

#[test]
fn a_known_name_never_moves_to_another_key() {
    let mut stage = Stage::acquainted(13);
    // Dave turns up; asked who he is, the hub shows a claim of its own making.
    let dave = stage.newcomer();
    stage.lie(ALICE, Lie::SwapClaim(FalseClaim::OtherSigner));
    stage.say(dave, "alice", &[ALICE], "guess who");
    stage.rest(10);
    stage.expect_named(ALICE, &["bad-claim"]);
    let bob = ConversationId::Direct(stage.world.id(BOB));
    assert_eq!(stage.open(ALICE, "bob"), Ok(Reply::Conversation { conversation: bob }));
    stage.ends_well("bob", &[BOB]);
}

#[test]
fn a_namesake_of_a_contact_is_marked_and_the_contact_is_kept() {
    let mut stage = Stage::acquainted(14);
    // Dave himself takes part: his own claim for the name of bob, which an honest hub refuses.
    let newcomer = stage.newcomer();
    let (bob, dave) = (stage.world.id(BOB), stage.world.id(newcomer));
    stage.hub.claim_as(&stage.world.identity(newcomer), "bob");
    stage.lie(ALICE, Lie::SwapClaim(FalseClaim::Accomplice));
    stage.say(newcomer, "alice", &[ALICE], "believe me, I am bob");
    stage.rest(10);
    stage.expect_named(ALICE, &["nickname-moved"]);
    assert_eq!(stage.world.refusals(ALICE), ["nickname-moved"]);
    assert!(stage.world.devices[ALICE].warnings.contains(&"nickname-moved".to_owned()));
    assert_eq!(stage.world.engine(ALICE).person(&bob).name, "bob");
    assert!(stage.world.engine(ALICE).person(&dave).name.starts_with("bob#"));
    stage.ends_well("bob", &[BOB]);
}

/// As above, and alice has compared bob's safety number: then the other key has no name at all.
#[test]
fn a_verified_contacts_name_is_refused_to_any_other_key() {
    let mut stage = Stage::acquainted(33);
    stage.ask(ALICE, Command::Verify { contact: "bob".to_owned(), verified: true });
    let newcomer = stage.newcomer();
    let (bob, dave) = (stage.world.id(BOB), stage.world.id(newcomer));
    stage.hub.claim_as(&stage.world.identity(newcomer), "bob");
    stage.lie(ALICE, Lie::SwapClaim(FalseClaim::Accomplice));
    stage.say(newcomer, "alice", &[ALICE], "believe me, I am bob");
    stage.rest(10);
    stage.expect_named(ALICE, &["nickname-moved"]);
    assert_eq!(stage.world.refusals(ALICE), ["nickname-moved"]);
    let name = |node| stage.world.engine(ALICE).person(&node).name;
    assert_eq!((name(bob), name(dave)), ("bob".to_owned(), dave.short()));
    let mark = format!("bob#{}", key_mark(&dave));
    assert_eq!(stage.open(ALICE, &mark), Err(Code::NotFound));
    let conversation = ConversationId::Direct(bob);
    assert_eq!(stage.open(ALICE, "bob"), Ok(Reply::Conversation { conversation }));
    let conversation = ConversationId::Direct(dave);
    let by_key = conversation.to_string();
    assert_eq!(stage.open(ALICE, &by_key), Ok(Reply::Conversation { conversation }));
    let past = stage.world.engine(ALICE).contact_info(&bob, Path::Stored).unwrap().past;
    let claimed = Past::Claimed { by: NodeText(dave), name: "bob".to_owned() };
    assert!(past.iter().any(|line| line.what == claimed), "{past:?}");
    stage.world.crash(ALICE);
    stage.rest(10);
    assert_eq!(stage.world.engine(ALICE).person(&dave).name, dave.short());
    stage.ends_well("bob", &[BOB]);
}

#[test]
fn a_name_that_looks_like_a_contacts_is_marked_too() {
    let mut stage = Stage::new(34);
    stage.say(ALICE, "carol", &[CAROL], "hello");
    stage.rest(10);
    // An honest hub would not grant it.
    let newcomer = stage.newcomer();
    let dave = stage.world.id(newcomer);
    stage.hub.claim_as(&stage.world.identity(newcomer), "caro1");
    stage.lie(ALICE, Lie::SwapClaim(FalseClaim::Accomplice));
    stage.say(newcomer, "alice", &[ALICE], "it is me, carol");
    stage.rest(10);
    stage.expect_named(ALICE, &["nickname-alike"]);
    assert_eq!(stage.world.refusals(ALICE), ["nickname-alike"]);
    let name = stage.world.engine(ALICE).person(&dave).name;
    assert_eq!(name, format!("caro1#{}", key_mark(&dave)));
    let conversation = ConversationId::Direct(stage.world.id(CAROL));
    assert_eq!(stage.open(ALICE, "carol"), Ok(Reply::Conversation { conversation }));
    stage.ends_well("carol", &[CAROL]);
}

#[test]
fn an_older_claim_of_a_contact_does_not_give_its_old_name_back() {
    let mut stage = Stage::acquainted(35);
    let renamed = Command::SetNickname { nickname: "robert".to_owned() };
    stage.world.run(Millis::days(2));
    stage.ask(BOB, renamed);
    stage.world.run(Millis::days(2));
    let bob = stage.world.id(BOB);
    assert_eq!(stage.world.engine(ALICE).person(&bob).name, "robert");
    stage.lie(ALICE, Lie::SwapClaim(FalseClaim::Older));
    stage.world.run(Millis::days(2));
    stage.expect_named(ALICE, &["claim-rollback"]);
    assert_eq!(stage.world.engine(ALICE).person(&bob).name, "robert");
    stage.ends_well("robert", &[BOB]);
}

// --- Prekeys ---

#[test]
fn anothers_bundle_under_bobs_key_is_named_and_nothing_is_sealed_to_it() {
    for lie in [Lie::SwapBundle, Lie::MixBundle] {
        let mut stage = Stage::new(15);
        stage.lie(ALICE, lie);
        let message = stage.say(ALICE, "bob", &[BOB], "for bob only");
        stage.rest(5);
        stage.expect_named(ALICE, &["bad-bundle"]);
        assert_eq!(stage.world.delivery(ALICE, message, BOB), Some(Delivery::Queued));
        stage.ends_well("bob", &[BOB]);
        assert!(stage.shows(BOB, "for bob only"));
    }
}

// --- Groups ---

#[test]
fn a_message_of_one_group_put_into_another_is_named_and_not_shown_there() {
    let (mut stage, _) = Stage::grouped(16);
    stage.found(ALICE, "others", &["bob"]);
    stage.say(ALICE, "#others", &[BOB], "among others");
    stage.rest(10);
    stage.lie(BOB, Lie::Splice(ItemKind::Envelope));
    stage.say(ALICE, "#others", &[BOB], "more among others");
    stage.rest(1);
    stage.expect_named(BOB, &["other-group"]);
    assert_eq!(stage.world.refusals(BOB), ["other-group"]);
    stage.ends_well("#team", &[BOB]);
    stage.ends_well("#others", &[BOB]);
}

#[test]
fn a_message_of_a_group_one_is_not_in_is_never_opened() {
    let (mut stage, _) = Stage::grouped(17);
    stage.found(ALICE, "others", &["carol"]);
    stage.say(ALICE, "#others", &[CAROL], "among others");
    stage.rest(10);
    stage.lie(CAROL, Lie::Splice(ItemKind::Envelope));
    stage.say(ALICE, "#others", &[CAROL], "more among others");
    stage.rest(1);
    assert_eq!((stage.hub.told(), stage.world.engine(CAROL).status().waiting_for_keys), (1, 1));
    stage.world.run(Millis::hours(24 * 15));
    stage.expect_named(CAROL, &["key-never-came"]);
    assert_eq!(stage.world.engine(CAROL).status().waiting_for_keys, 0);
    stage.ends_well("#others", &[CAROL]);
}

#[test]
fn an_entry_of_one_group_put_into_another_is_named_and_changes_nothing() {
    let (mut stage, _) = Stage::grouped(18);
    let others = stage.found(ALICE, "others", &["bob"]);
    stage.invite(ALICE, "team", "carol");
    stage.lie(BOB, Lie::Splice(ItemKind::Control));
    stage.say(ALICE, "#others", &[BOB], "among others");
    stage.rest(1);
    stage.expect_named(BOB, &["other-group"]);
    assert_eq!(stage.members(BOB, &others), ["alice", "bob"]);
    stage.ends_well("#others", &[BOB]);
}

fn inject(seed: u64, entry: FalseEntry, reason: &str) {
    let (mut stage, group) = Stage::grouped(seed);
    stage.lie(BOB, Lie::Inject(entry));
    stage.say(ALICE, "#team", &[BOB], "among us");
    stage.rest(10);
    stage.expect_named(BOB, &[reason]);
    assert_eq!(stage.world.refusals(BOB), [reason]);
    assert_eq!(stage.members(BOB, &group), ["alice", "bob"]);
    stage.say(BOB, "#team", &[ALICE], "still among us");
    stage.ends_well("#team", &[BOB]);
}

#[test]
fn a_member_added_in_the_founders_name_is_refused() {
    inject(19, FalseEntry::InFoundersName, "bad-signature");
}

#[test]
fn a_member_who_adds_itself_is_refused() {
    inject(20, FalseEntry::BySelf, "not-allowed");
}

#[test]
fn a_member_added_on_another_history_is_refused() {
    inject(21, FalseEntry::OnOtherHistory, "wrong-prev");
}

#[test]
fn an_addition_replayed_after_the_removal_brings_nobody_back() {
    let (mut stage, group) = Stage::grouped(22);
    stage.invite(ALICE, "team", "carol");
    let (team, member) = ("team".to_owned(), "bob".to_owned());
    stage.ask(ALICE, Command::GroupRemove { group: team, member });
    stage.rest(10);
    stage.lie(CAROL, Lie::Inject(FalseEntry::Replayed));
    stage.say(ALICE, "#team", &[CAROL], "without bob");
    stage.rest(10);
    assert_eq!(stage.hub.told(), 1);
    stage.check();
    assert_eq!(stage.members(CAROL, &group), ["alice", "carol"]);
    assert!(!stage.shows(BOB, "without bob"));
    stage.ends_well("#team", &[CAROL]);
}

#[test]
fn a_log_that_begins_another_group_is_refused() {
    let (mut stage, group) = Stage::grouped(23);
    stage.lie(CAROL, Lie::SwapGenesis);
    stage.invite(ALICE, "team", "carol");
    stage.expect_named(CAROL, &["other-group", "bad-genesis"]);
    stage.hub.be_honest();
    stage.world.disconnect(CAROL);
    stage.world.connect(CAROL);
    stage.ends_well("#team", &[BOB, CAROL]);
    assert_eq!(stage.members(CAROL, &group).len(), 3);
}

#[test]
fn a_withheld_removal_is_noticed_with_the_next_message_and_that_waits() {
    let (mut stage, group) = Stage::grouped(24);
    stage.invite(ALICE, "team", "carol");
    stage.say(ALICE, "#team", &[BOB, CAROL], "all of us");
    stage.rest(10);
    let end = stage.hub.log_length(&group);
    stage.hub.lie(BOB, Lie::Withhold(group, end), u32::MAX);
    let (team, member) = ("team".to_owned(), "carol".to_owned());
    stage.ask(ALICE, Command::GroupRemove { group: team, member });
    let message = stage.say(ALICE, "#team", &[BOB], "without carol");
    let before = stage.hub.log_reads(BOB);
    stage.rest(180);
    let asked = stage.hub.log_reads(BOB) - before;
    assert!(asked < 10, "bob asked {asked} times in three minutes");
    assert!(!stage.shows(BOB, "without carol") && !stage.shows(CAROL, "without carol"));
    assert_eq!(stage.world.delivery(ALICE, message, BOB), Some(Delivery::Stored));
    stage.expect_named(BOB, &["log-withheld"]);
    stage.ends_well("#team", &[BOB]);
    assert!(stage.shows(BOB, "without carol"));
    assert_eq!(stage.members(BOB, &group), ["alice", "bob"]);
}

#[test]
fn a_lobby_the_hub_did_not_found_is_named_and_not_joined() {
    let mut stage = Stage::acquainted(25);
    stage.hub.lie(ALICE, Lie::ForgeLobby, u32::MAX);
    stage.world.disconnect(ALICE);
    stage.rest(1);
    stage.world.connect(ALICE);
    stage.rest(10);
    stage.expect_named(ALICE, &["bad-lobby"]);
    assert!(stage.world.devices[ALICE].warnings.contains(&"bad-lobby".to_owned()));
    stage.hub.be_honest();
    stage.world.disconnect(ALICE);
    stage.rest(1);
    stage.world.connect(ALICE);
    stage.rest(10);
    stage.ends_well("bob", &[BOB]);
    stage.ends_well("lobby", &[BOB, CAROL]);
}

#[test]
fn a_forgotten_or_swapped_beacon_makes_a_node_begin_anew_and_no_more() {
    for (seed, lie) in (26..).zip([FalseBeacon::None, FalseBeacon::Other, FalseBeacon::Sent]) {
        let mut stage = Stage::acquainted(seed);
        stage.world.disconnect(ALICE);
        stage.lie(ALICE, Lie::Beacon(lie));
        stage.world.connect(ALICE);
        stage.rest(60);
        assert_eq!(stage.hub.told(), 1, "{lie:?}");
        let anew = |reason: &&String| *reason == "new-era";
        assert_eq!(stage.world.devices[ALICE].warnings.iter().filter(anew).count(), 1, "{lie:?}");
        stage.ends_well("bob", &[BOB]);
    }
}

/// The table of lies in SECURITY.md and the tests here name each other.
#[test]
fn the_table_of_lies_lists_these_tests_and_no_others() {
    let page = include_str!("../../SECURITY.md");
    let (_, table) = page.split_once("## Lies of a hub").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let sources = [include_str!("tampering.rs"), include_str!("false_doors.rs")];
    let tests: Vec<&str> = sources
        .iter()
        .flat_map(|source| source.split("#[test]\nfn ").skip(1))
        .filter_map(|rest| rest.split_once("()").map(|(name, _)| name))
        .filter(|name| !name.starts_with("the_table"))
        .collect();
    let listed: Vec<&str> = table.split('`').filter(|word| word.matches('_').count() > 3).collect();
    assert!(tests.len() > 25, "{tests:?}");
    for test in &tests {
        assert!(listed.contains(test), "{test} is not in SECURITY.md");
    }
    for name in &listed {
        assert!(tests.contains(name), "{name} is no test");
    }
}
