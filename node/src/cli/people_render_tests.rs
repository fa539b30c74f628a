//! Golden outputs.

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use insta::assert_snapshot;
use jiff::tz::TimeZone;

use super::*;
use crate::api::ConversationId;
use crate::api::people::{Past, PastView, Wanted};
use crate::api::view::{ContactView, NodeText, Path};
use crate::display::{Charset, Clock};

/// Sunday, 22 November 2026, 12:00 UTC.
const NOON: Timestamp = Timestamp(1_795_348_800_000);
const BOB: NodeId = NodeId([2; 32]);
const MALLORY: NodeId = NodeId([6; 32]);

fn look() -> Look {
    let clock = Clock::new(TimeZone::UTC);
    Look { colour: false, charset: Charset::Unicode, clock, now: NOON }
}

fn person(node: NodeId, name: &str) -> PersonView {
    PersonView { node: NodeText(node), name: name.to_owned(), verified: node == BOB }
}

fn bob() -> ContactInfoView {
    let line = |minute: u64, what| PastView { at: Timestamp(NOON.0 + minute * 60_000), what };
    let by = NodeText(MALLORY);
    ContactInfoView {
        contact: ContactView {
            person: person(BOB, "robert"),
            display_name: "Bob \x1b[2J".to_owned(),
            status: "away".to_owned(),
            since: NOON,
            path: Path::Relay,
            last_heard: Some(NOON),
            has_picture: true,
            blocked: true,
            namesakes: vec![by],
        },
        mark: "aibq".to_owned(),
        past: vec![
            line(0, Past::Pinned),
            line(1, Past::Verified),
            line(2, Past::Renamed { from: "bob".to_owned(), to: "robert".to_owned() }),
            line(3, Past::Claimed { by, name: "bob".to_owned() }),
            line(4, Past::SessionKey { number: 2 }),
            line(5, Past::Unverified),
            line(6, Past::Blocked),
            line(7, Past::Unblocked),
        ],
        picture: Some(PictureFactsView {
            kind: "png".to_owned(),
            width: 64,
            height: 48,
            size: 900,
        }),
    }
}

#[test]
fn requests_say_who_since_when_and_what_for() {
    let request = |node, name: &str, wants| RequestView {
        id: ConversationId::Direct(node),
        from: person(node, name),
        mark: "amda".to_owned(),
        since: NOON,
        wants,
    };
    let list = [
        request(MALLORY, "mallory", Wanted::Talk("hello, it is me".to_owned())),
        request(MALLORY, "bob#amda", Wanted::Talk(String::new())),
        request(BOB, "carol", Wanted::Join("tea\x1b[2J".to_owned())),
        request(BOB, "carol", Wanted::Join(String::new())),
    ];
    assert_snapshot!(requests(&list, &look()));
}

#[test]
fn a_contact_is_shown_with_everything_that_happened_to_its_keys() {
    let text = info(&bob(), &look());
    assert!(!text.contains('\x1b'), "{text:?}");
    assert_snapshot!(text);
}

#[test]
fn a_profile_shows_the_nickname_first_and_says_what_is_not_there() {
    let text = profile(&bob(), &look());
    assert!(text.starts_with("nickname"), "{text}");
    let me = WhoamiView {
        node: NodeText(BOB),
        nickname: Some("bob".to_owned()),
        display_name: "Bob".to_owned(),
        status: String::new(),
        has_picture: false,
        hub: String::new(),
        addresses: Vec::new(),
        profile: String::new(),
    };
    assert_snapshot!(own_profile(&me, None));
}

#[test]
fn settings_are_shown_as_they_are_typed() {
    assert_snapshot!(settings(&Settings::default(), &look()));
}
