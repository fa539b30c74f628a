//! Golden outputs.

use hubbub_shared::id::{GroupId, MessageId, NodeId};
use insta::assert_snapshot;
use jiff::tz::TimeZone;

use super::*;
use crate::api::ConversationId;
use crate::api::command::MessageText;
use crate::api::view::{Body, LinkState, NodeText, Notice, Path, PersonView, Role};

/// Sunday, 22 November 2026, 12:00 UTC.
const NOON: Timestamp = Timestamp(1_795_348_800_000);

fn look() -> Look {
    let clock = Clock::new(TimeZone::UTC);
    Look { colour: false, charset: Charset::Unicode, clock, now: NOON }
}

fn person(name: &str) -> PersonView {
    PersonView { node: NodeText(NodeId([1; 32])), name: name.to_owned(), verified: name == "bob" }
}

fn conversation(title: &str, kind: ConversationKind, unread: u64) -> ConversationView {
    ConversationView {
        id: ConversationId::Group(GroupId([1; 32])),
        title: title.to_owned(),
        kind,
        topic: String::new(),
        unread,
        last_at: NOON,
        last: Some("hi\nthere \x1b[31m".to_owned()),
        members: 2,
        active: true,
        undelivered: 0,
    }
}

fn said(sender: &str, body: Body) -> MessageView {
    MessageView {
        id: MessageText(MessageId([1; 16])),
        conversation: ConversationId::Group(GroupId([1; 32])),
        order: 1,
        sender: person(sender),
        sent_at: NOON,
        received_at: NOON,
        body,
        own: sender == "alice",
        delivery: (sender == "alice").then_some(Delivery::Delivered),
        reached: None,
    }
}

#[test]
fn conversations_line_up_and_the_lobby_is_labelled() {
    let list = [
        conversation("bob", ConversationKind::Direct, 2),
        conversation("日本", ConversationKind::Group, 0),
        conversation("lobby", ConversationKind::Lobby, 0),
    ];
    assert_snapshot!(conversations(&list, &look()));
}

#[test]
fn messages_show_time_name_text_and_mark() {
    let refused = Notice::Refused { reason: "replay".to_owned(), explanation: "x".to_owned() };
    let list = [
        said("bob", Body::Text("two\nlines".to_owned())),
        said("alice", Body::Text("mine".to_owned())),
        said("bob", Body::Notice(Notice::Added(person("carol")))),
        said("bob", Body::Notice(refused)),
    ];
    assert_snapshot!(messages(&list, &look()));
}

#[test]
fn what_strangers_wrote_cannot_steer_the_terminal() {
    let mut hostile = said("bob", Body::Text("\x1b]0;owned\x07\u{202e}".to_owned()));
    hostile.sender.name = "b\x1bob".to_owned();
    let mut list = [conversation("a\x1b[2Jb", ConversationKind::Group, 0)];
    list[0].last = Some("\x1b[2J".to_owned());
    let all = format!("{}{}", message(&hostile, &look()), conversations(&list, &look()));
    assert!(all.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{all:?}");
}

#[test]
fn status_and_members_are_read_at_a_glance() {
    let status_view = StatusView {
        link: LinkState::Down {
            code: crate::api::Code::HubUnreachable,
            why: "no answer".to_owned(),
            retry_at: None,
        },
        unsent: 2,
        undelivered: 0,
        waiting_for_keys: 1,
        spreading: vec![crate::api::view::SpreadView {
            conversation: ConversationId::Group(GroupId([2; 32])),
            title: "hall".to_owned(),
            left: 312,
            of: 999,
        }],
        refused: vec![("replay".to_owned(), 3)],
    };
    assert_snapshot!(status(&status_view, &look()));
    let list = [
        MemberView { person: person("bob"), role: Role::Owner },
        MemberView { person: person("carol"), role: Role::Member },
    ];
    assert_snapshot!(members(&list, &look()));
    let contact = ContactView {
        person: person("bob"),
        display_name: "Bob the Builder".to_owned(),
        status: "away".to_owned(),
        since: NOON,
        path: Path::Relay,
        last_heard: Some(NOON),
        has_picture: false,
        blocked: false,
        namesakes: Vec::new(),
    };
    let contested = ContactView {
        person: person("carol"),
        display_name: String::new(),
        last_heard: Some(Timestamp(NOON.0 - 3_600_000)),
        blocked: true,
        namesakes: vec![NodeText(NodeId([9; 32]))],
        ..contact.clone()
    };
    assert_snapshot!(contacts(&[contact, contested], &look()));
}

#[test]
fn the_past_says_since_when_it_goes_and_whose_word_each_line_is() {
    let told = |author: &str, text: &str, by: [Option<&str>; 2]| PastView {
        id: MessageText(MessageId([1; 16])),
        conversation: ConversationId::Group(GroupId([1; 32])),
        order: 1,
        author: person(author),
        sent_at: NOON,
        text: text.to_owned(),
        told_by: by[0].map(person),
        contradicted: by[1].map(person),
    };
    let list = [
        told("bob", "his own\nwords", [None, None]),
        told("carol", "while she is away", [Some("bob"), None]),
        told("bob", "what he said", [None, Some("mallory")]),
        told("carol", "never \x1b[2Jsaid", [Some("mallory"), Some("mallory")]),
    ];
    assert_snapshot!(past(&list, &look()));
    assert_eq!(past(&[], &look()), "");
}

#[test]
fn paths_say_how_each_peer_is_reached_and_why_not_directly() {
    let stored = PathView {
        person: person("erin"),
        path: Path::Stored,
        direct_since: None,
        rtt_ms: None,
        hub_rtt_ms: None,
        address: None,
        presence: true,
        last_heard: None,
        trying: false,
        why_not: None,
        next_try: None,
    };
    let direct = PathView {
        person: person("bob"),
        path: Path::Direct,
        direct_since: Some(NOON),
        rtt_ms: Some(23),
        address: Some("203.0.113.7:4711".to_owned()),
        ..stored.clone()
    };
    let relayed = PathView {
        person: person("carol"),
        path: Path::Relay,
        hub_rtt_ms: Some(12),
        last_heard: Some(NOON),
        why_not: Some("the routers between you let nothing through".to_owned()),
        next_try: Some(Timestamp(NOON.0 + 90_000)),
        ..stored.clone()
    };
    let trying = PathView { why_not: None, next_try: None, trying: true, ..relayed.clone() };
    let hidden = Some("you show nobody your address".to_owned());
    let left = PathView { last_heard: Some(NOON), why_not: hidden, ..stored.clone() };
    let quiet = PathView { presence: false, ..stored.clone() };
    assert_snapshot!(paths(&[direct, relayed, trying, stored, left, quiet], &look()));
}

#[test]
fn what_is_wrong_is_loud_and_what_to_do_stands_below() {
    let check = |what: &str, health, found: &str, todo: Option<&str>| CheckView {
        what: what.to_owned(),
        health,
        found: found.to_owned(),
        todo: todo.map(str::to_owned),
    };
    let list = [
        check("hub", Health::Bad, "hub.example:4433 does not answer", Some("ask whether it runs")),
        check("clock", Health::Good, "0 s ahead of the hub's", None),
        check("router", Health::Fair, "another port for every peer", Some("look\u{1b}[31m")),
    ];
    assert_snapshot!(checks(&list, &look()));
}
