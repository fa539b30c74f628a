//! Screens, as they are drawn.

use crossterm::event::{KeyCode, KeyModifiers};
use insta::assert_snapshot;

use super::super::app::{Asked, Effect, Msg};
use super::scene::*;
use crate::api::file::{FileProgress, FileSource, FileTaker};
use crate::api::people::{ContactInfoView, Past, PastView, key_mark};
use crate::api::view::{Body, ContactView, Delivery, LinkState, Notice, Path};
use crate::api::{Answer, Event, Query};
use crate::display::Charset;

#[test]
fn loading_is_not_shown_as_empty() {
    assert_snapshot!("loading", Scene::loading().screen(70, 8));
}

#[test]
fn a_first_run_shows_the_invite_until_somebody_joins() {
    let mut lobby = conversation(LOBBY, "lobby", 0);
    lobby.members = 1;
    let mut scene = Scene::of(vec![lobby]).invited();
    assert_snapshot!("first_run", scene.screen(80, 20));
    let mut fuller = Scene::of(vec![conversation(LOBBY, "lobby", 0)]).invited();
    assert!(!fuller.screen(80, 20).contains("Nobody else is here"));
}

#[test]
fn a_chat_shows_who_said_what_and_how_far_it_got() {
    let mut scene = Scene::of(vec![
        conversation(BOB, "bob", 0),
        conversation(TEAM, "team", 3),
        conversation(LOBBY, "lobby", 120),
    ])
    .says(vec![
        text(BOB, 1, "bob", "hello alice"),
        text(
            BOB,
            2,
            "bob",
            "a longer one that does not fit into one line of this screen, so it breaks",
        ),
        marked(text(BOB, 3, "alice", "read"), Delivery::Read, (1, 1)),
        marked(text(BOB, 4, "alice", "delivered"), Delivery::Delivered, (1, 1)),
        marked(text(BOB, 5, "alice", "stored\non two lines"), Delivery::Stored, (0, 1)),
        text(BOB, 6, "alice", "queued"),
        marked(text(BOB, 7, "alice", "two of three"), Delivery::Stored, (2, 3)),
    ]);
    assert_snapshot!("chat", scene.screen(80, 18));
    scene.app.theme.charset = Charset::Ascii;
    let ascii = scene.screen(80, 18);
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn a_file_is_one_line_that_says_how_it_is_with_it() {
    use crate::api::FileState as State;
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]).says(vec![
        file(1, "bob", State::Offered, None),
        file(2, "bob", State::Fetching, Some(1 << 20)),
        marked(file(3, "alice", State::Serving, None), Delivery::Delivered, (1, 1)),
    ]);
    assert_snapshot!("files", scene.screen(100, 12));
}

#[test]
fn eighty_columns_show_why_a_file_waits_where_it_comes_from_and_to_whom_it_goes() {
    use crate::api::FileState as State;
    let waits = Some("nobody who has it is connected; it goes on when somebody is".to_owned());
    let asked = vec![person("bob"), person("carol")];
    let waiting = FileProgress { bytes: 1 << 20, waits, asked, ..FileProgress::default() };
    let sources = vec![
        FileSource { person: Some(person("bob")), path: Path::Direct },
        FileSource { person: None, path: Path::Stored },
    ];
    let (rate, eta_ms) = (1023 << 10, Some(62_001));
    let coming = FileProgress { rate, eta_ms, sources, ..waiting.clone() };
    let coming = FileProgress { waits: None, asked: Vec::new(), ..coming };
    let still = FileProgress { bytes: 3 << 20, ..FileProgress::default() };
    let taker = |name: &str, path, rate| {
        let person = (!name.is_empty()).then(|| person(name));
        FileTaker { person, path, bytes: 1 << 20, rate }
    };
    let takers = vec![taker("bob", Path::Direct, 3 << 20), taker("carol", Path::Relay, 99 << 10)];
    let both = takers.iter().cloned().chain([taker("", Path::Stored, 1 << 10)]).collect();
    let full = "the disk of the folder has no room for it; make some, or fetch it elsewhere";
    let refused = "not left at the hub: the hub keeps files of up to 2 GiB; this one has 3.1 GiB";
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]).says(vec![
        about(file(1, "bob", State::Fetching, None), |s| s.progress = Some(waiting)),
        file(2, "bob", State::Queued, None),
        about(file(3, "bob", State::Fetching, None), |s| s.progress = Some(coming)),
        about(file(4, "bob", State::Paused, None), |s| s.progress = Some(still.clone())),
        about(file(5, "bob", State::Fetching, None), |s| s.progress = Some(still)),
        about(file(6, "bob", State::Failed, None), |s| s.why = Some(full.to_owned())),
        about(file(7, "bob", State::Whole, None), |s| {
            s.path = Some("/home/alice/Downloads/Hubbub/notes 7 (2).pdf".to_owned());
            s.takers = takers;
        }),
        about(file(8, "alice", State::Sealing, Some(1 << 20)), |_| ()),
        about(file(9, "alice", State::Serving, None), |s| s.takers = both),
        about(file(10, "alice", State::Serving, None), |s| s.kept_until = Some(NOON)),
        about(file(11, "alice", State::Serving, None), |s| s.why = Some(refused.to_owned())),
    ]);
    let screen = scene.screen(80, 60);
    assert!(!screen.contains('…'), "nothing is cut: {screen}");
    assert_snapshot!("moving_files", screen);
    assert_snapshot!("moving_files_narrow", scene.screen(40, 70));
}

#[test]
fn the_lobby_says_that_it_is_open() {
    let mut scene = Scene::of(vec![conversation(LOBBY, "lobby", 0)]);
    let screen = scene.screen(80, 10);
    assert!(
        screen.starts_with(" ~lobby (2) open: anyone this hub admits can read this"),
        "{screen}"
    );
}

#[test]
fn forty_columns_and_ten_lines_are_enough() {
    let mut scene = Scene::of(vec![conversation(TEAM, "team", 0)]).says(vec![
        text(TEAM, 1, "bob", "hello from a small terminal, as small as they get"),
        marked(text(TEAM, 2, "alice", "fine"), Delivery::Delivered, (1, 1)),
    ]);
    scene.write("hi");
    assert_snapshot!("narrow", scene.screen(40, 10));
}

#[test]
fn the_palette_finds_conversations_and_commands() {
    let list = vec![conversation(BOB, "bob", 0), conversation(TEAM, "team", 0)];
    let mut scene = Scene::of(list);
    scene.ctrl('p');
    scene.write("te");
    assert_snapshot!("palette", scene.screen(80, 16));
}

#[test]
fn help_names_every_key_and_command() {
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]);
    scene.press(KeyCode::F(1), KeyModifiers::NONE);
    assert_snapshot!("help", scene.screen(80, 59));
}

#[test]
fn a_line_stands_above_what_is_new() {
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 2)]).says(vec![
        text(BOB, 1, "bob", "old"),
        text(BOB, 2, "bob", "new"),
        text(BOB, 3, "bob", "newer"),
    ]);
    assert_snapshot!("unread", scene.screen(70, 10));
}

#[test]
fn hostile_text_reaches_the_screen_as_text() {
    let mut mallory = text(BOB, 1, "mallory", "\x1b[2J\x1b]0;owned\x07 \u{202e}txt.exe\rover");
    mallory.sender.name = "mal\x1b[31mlory\u{202e}".to_owned();
    let refused = Notice::Refused {
        reason: "bad_signature".to_owned(),
        explanation: "a message said to be from bob\x1b[0m was not signed by bob".to_owned(),
    };
    let mut scene = Scene::of(vec![conversation(BOB, "bo\x1bb", 0)]).says(vec![
        mallory,
        message(BOB, 2, "bob", Body::Notice(refused)),
        text(BOB, 3, "bob", "日本語 と e\u{301} 👩\u{200d}🚀"),
    ]);
    let screen = scene.screen(80, 10);
    assert!(screen.chars().all(|c| c == '\n' || !c.is_control()), "{screen:?}");
    assert!(!screen.contains('\u{202e}'), "{screen:?}");
    assert_snapshot!("hostile", screen);
}

#[test]
fn a_link_that_is_down_and_what_is_unsent_stand_in_the_status_bar() {
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]);
    let why = "no answer from 192.0.2.7:4433".to_owned();
    scene.status(LinkState::Down { code: crate::api::Code::Invite, why, retry_at: None }, 2);
    let screen = scene.screen(100, 6);
    let bar = screen.lines().last().unwrap();
    assert!(
        bar.starts_with(
            " alice · 2 unsent, waiting here · hub down: no answer from 192.0.2.7:4433"
        ),
        "{bar}"
    );
}

#[test]
fn the_status_bar_says_how_somebody_is_reached_as_their_contact_does() {
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0), conversation(TEAM, "team", 0)]);
    let bar = |scene: &mut Scene| scene.screen(100, 6).lines().last().unwrap().to_owned();
    let bob = scene.app.contacts.clone().unwrap().remove(0);
    for (path, word) in [(Path::Stored, "stored"), (Path::Relay, "relay"), (Path::Direct, "direct")]
    {
        let contact = ContactView { path, ..bob.clone() };
        scene.answer(Asked::Contacts, Answer::Contacts(vec![contact]));
        assert!(bar(&mut scene).contains(&format!(" {word} ")), "{}", bar(&mut scene));
    }
    scene.alt('2');
    assert!(bar(&mut scene).contains(" relay "), "a group is reached through the hub");
    scene.alt('1');
    let down =
        || LinkState::Down { code: crate::api::Code::Invite, why: "x".into(), retry_at: None };
    scene.status(down(), 0);
    assert!(bar(&mut scene).contains(" direct "), "nothing is between the two");
    let effects = scene.app.update(Msg::Event(Event::Link(down())), NOON);
    assert!(effects.contains(&Effect::Query(Query::Contacts, Asked::Contacts)));
}

#[test]
fn who_asks_to_be_let_in_stands_below_the_list_and_in_a_panel() {
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]);
    scene.waiting();
    assert_snapshot!("asking", scene.screen(80, 14));
    scene.press(KeyCode::F(3), KeyModifiers::NONE);
    scene.press(KeyCode::Down, KeyModifiers::NONE);
    let screen = scene.screen(80, 14);
    assert!(!screen.contains('\x1b'), "{screen:?}");
    assert_snapshot!("requests", screen);
    assert!(scene.screen(40, 10).contains("asking") || scene.screen(40, 10).contains("requests"));
}

#[test]
fn a_contacts_title_says_what_is_known_and_that_the_name_is_disputed() {
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]);
    let mut bob = scene.app.contacts.clone().unwrap().remove(0);
    bob.display_name = "Bob the Builder".to_owned();
    bob.last_heard = Some(NOON);
    bob.status = "back on \x1b[2JMonday".to_owned();
    scene.answer(Asked::Contacts, Answer::Contacts(vec![bob.clone()]));
    let title = scene.screen(100, 8).lines().next().unwrap().to_owned();
    assert_eq!(title, " @bob (Bob the Builder) - active now - back on ␛[2JMonday");
    bob.namesakes = vec![person("carol").node];
    bob.person.verified = true;
    bob.blocked = true;
    bob.last_heard = None;
    scene.answer(Asked::Contacts, Answer::Contacts(vec![bob.clone()]));
    let title = scene.screen(100, 8).lines().next().unwrap().to_owned();
    let disputed = " @bob (Bob the Builder) verified BLOCKED ! another key goes by this name";
    assert!(title.starts_with(disputed), "{title}");
    let at = NOON;
    let past = vec![
        PastView { at, what: Past::Pinned },
        PastView { at, what: Past::Claimed { by: person("carol").node, name: "bob".to_owned() } },
    ];
    let mark = key_mark(&bob.person.node.0);
    let info = ContactInfoView { contact: bob, mark, past, picture: None };
    scene.answer(Asked::Contact, Answer::Contact(Box::new(info)));
    assert_snapshot!("contact", scene.screen(100, 16));
}

#[test]
fn what_was_said_before_stands_above_the_oldest_line_with_whose_word_it_is() {
    let mut scene = Scene::of(vec![conversation(TEAM, "team", 0)]);
    scene.history(TEAM, vec![text(TEAM, 1, "alice", "hello everybody")]);
    assert!(scene.app.want_older().is_some());
    let page = vec![
        told(2, "bob", "the author says so", [None, None]),
        told(2, "carol", "carol is not there", [Some("bob"), None]),
        told(1, "bob", "bob's own words", [None, Some("mallory")]),
        told(1, "carol", "\u{1b}[2Jnever said", [Some("mallory"), Some("mallory")]),
    ];
    scene.answer(Asked::Older(TEAM), Answer::Past(page));
    assert_snapshot!("past", scene.screen(80, 16));
    assert_snapshot!("past_narrow", scene.screen(40, 20));
}
