//! What keys and events do.

use crossterm::event::{KeyCode, KeyModifiers};

use super::super::app::{Asked, Did, Effect, Msg};
use super::super::history::PAGE;
use super::super::overlay::Overlay;
use super::scene::*;
use crate::api::view::{Body, Delivery, LinkState, MessageView};
use crate::api::{Answer, ApiError, Code, Command, Event, Query, Reply};

fn sent(effects: &[Effect]) -> Option<(&str, &str)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Command(Command::Send { to, text, .. }, _) => Some((to.as_str(), text.as_str())),
        _ => None,
    })
}

fn two() -> Scene {
    Scene::of(vec![conversation(BOB, "bob", 0), conversation(TEAM, "team", 2)])
}

#[test]
fn enter_sends_and_alt_enter_breaks_the_line() {
    let mut scene = two();
    scene.write("one");
    scene.press(KeyCode::Enter, KeyModifiers::ALT);
    scene.write("two");
    let effects = scene.enter();
    assert_eq!(sent(&effects), Some((BOB.to_string().as_str(), "one\ntwo")));
    assert_eq!(sent(&scene.enter()), None);
}

#[test]
fn a_refused_message_comes_back_in_front_of_what_was_written_since() {
    let mut scene = two();
    scene.write("first");
    let effects = scene.enter();
    let Some(Effect::Command(_, did)) = effects.into_iter().next() else { panic!("nothing sent") };
    scene.write("second");
    let full = ApiError::new(Code::Full, "the outbox is full", "wait");
    scene.app.update(Msg::Replied(did, Err(full)), NOON);
    assert_eq!(scene.app.composer().text(), "first\nsecond");
}

#[test]
fn a_pasted_text_is_cleaned_and_never_sent_by_its_line_breaks() {
    let mut scene = two();
    let effects = scene.app.update(Msg::Paste("a\rb\x1b[2J\r\n".to_owned()), NOON);
    assert_eq!(effects, []);
    assert_eq!(scene.app.composer().text(), "a\nb␛[2J\n");
}

#[test]
fn what_is_being_written_before_the_list_comes_stays_whole() {
    let mut scene = Scene::loading();
    scene.write("/");
    scene.answer(Asked::Conversations, Answer::Conversations(vec![conversation(TEAM, "team", 0)]));
    scene.write("msg bob");
    let effects = scene.enter();
    let open = Command::Open { to: "bob".to_owned() };
    assert!(effects.contains(&Effect::Command(open, Did::Opened)), "{effects:?}");
}

#[test]
fn a_missing_message_is_shown_as_such_and_its_line_can_go() {
    let missing = message(BOB, 2, "bob", Body::Missing);
    let id = missing.id;
    let page = vec![text(BOB, 1, "bob", "one"), missing, text(BOB, 3, "bob", "three")];
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]).says(page);
    assert!(scene.screen(80, 20).contains("a message is missing here"));
    scene.app.update(Msg::Event(Event::Message(Box::new(text(BOB, 2, "bob", "two")))), NOON);
    let screen = scene.screen(80, 20);
    let at = |text: &str| screen.find(text).unwrap();
    assert!(at("one") < at("two") && at("two") < at("three") && !screen.contains("missing"));
    let messages = vec![id];
    scene
        .app
        .update(Msg::Event(Event::Gone { conversation: BOB, messages: messages.clone() }), NOON);
    assert!(scene.screen(80, 20).contains("two"), "what has come stays");
    let again = MessageView { order: 4, ..message(BOB, 2, "bob", Body::Missing) };
    scene.app.update(Msg::Event(Event::Message(Box::new(again))), NOON);
    assert!(scene.screen(80, 20).contains("missing"));
    scene.app.update(Msg::Event(Event::Gone { conversation: BOB, messages }), NOON);
    assert!(!scene.screen(80, 20).contains("missing"));
}

#[test]
fn drafts_stay_with_their_conversation() {
    let mut scene = two();
    scene.write("for bob");
    scene.press(KeyCode::Down, KeyModifiers::ALT);
    assert_eq!(scene.app.current, Some(TEAM));
    assert!(scene.app.composer().is_empty());
    scene.alt('1');
    assert_eq!(scene.app.composer().text(), "for bob");
}

#[test]
fn alt_a_goes_to_what_is_unread_and_says_that_it_was_seen() {
    let mut scene = two();
    let effects = scene.alt('a');
    assert_eq!(scene.app.current, Some(TEAM));
    let read = Effect::Command(Command::MarkRead { conversation: TEAM }, Did::Marked(TEAM));
    assert!(effects.contains(&read), "{effects:?}");
}

#[test]
fn the_palette_goes_where_a_few_letters_say() {
    let mut scene = two();
    scene.ctrl('k');
    scene.write("tm");
    scene.enter();
    assert_eq!(scene.app.current, Some(TEAM));
    assert!(scene.app.overlay.is_none());
}

#[test]
fn quitting_with_unsent_messages_says_so_and_asks_once_more() {
    let mut scene = two();
    scene.status(LinkState::Connecting, 3);
    assert_eq!(scene.ctrl('c'), []);
    assert!(scene.screen(80, 20).contains("3 messages are not at the hub yet"));
    assert_eq!(scene.ctrl('c'), [Effect::Quit]);
    let mut scene = two();
    assert_eq!(scene.ctrl('q'), [Effect::Quit]);
}

#[test]
fn the_invite_is_shown_by_key_command_and_palette_with_its_link_on_a_line_of_its_own() {
    let mut scene = two().invited();
    let link = scene.app.invite.clone().map(|invite| invite.link).unwrap();
    let shows = |effects: &[Effect]| match effects {
        [Effect::Aside(lines)] => lines.contains(&link),
        _ => false,
    };
    assert!(shows(&scene.press(KeyCode::F(2), KeyModifiers::NONE)));
    scene.write("/invite");
    assert!(shows(&scene.enter()));
    scene.ctrl('p');
    scene.write("/invite");
    scene.enter();
    assert!(shows(&scene.enter()));
}

#[test]
fn without_a_hub_of_ones_own_it_is_said_who_has_an_invite() {
    let mut scene = two();
    assert_eq!(scene.press(KeyCode::F(2), KeyModifiers::NONE), []);
    assert!(scene.screen(100, 20).contains("ask whoever runs it for an invite"));
}

#[test]
fn all_sent_is_never_shown_while_a_message_is_queued() {
    let up = LinkState::Up { since: NOON, rtt_ms: 12 };
    let mut scene = two();
    assert!(scene.screen(100, 10).contains("all sent"));
    scene.write("hi");
    let effects = scene.enter();
    let Some(Effect::Command(_, did)) = effects.into_iter().next() else { panic!("nothing sent") };
    assert!(scene.screen(100, 10).contains("1 unsent"), "handed to the node");
    let mut message = text(BOB, 1, "alice", "hi");
    message.delivery = Some(Delivery::Queued);
    let id = message.id;
    let effects = scene.app.update(Msg::Event(Event::Message(Box::new(message))), NOON);
    assert!(effects.contains(&Effect::Query(Query::Status, Asked::Status)));
    let queued = Reply::Queued { message: id, conversation: BOB, delivery: Delivery::Queued };
    scene.app.update(Msg::Replied(did, Ok(queued)), NOON);
    assert!(scene.screen(100, 10).contains("1 unsent"), "queued");
    scene.status(up.clone(), 0);
    assert!(scene.screen(100, 10).contains("1 unsent"), "the node's count was older");
    let stored = Event::Delivery {
        message: id,
        conversation: BOB,
        delivery: Delivery::Stored,
        reached: (0, 1),
    };
    scene.app.update(Msg::Event(stored), NOON);
    scene.status(up, 0);
    assert!(scene.screen(100, 10).contains("all sent"));
}

#[test]
fn what_is_written_while_the_hub_is_not_reached_is_said_to_wait_and_for_what() {
    let mut scene = two();
    let queued = |to, n| {
        let mut message = text(to, n, "alice", "hi");
        message.delivery = Some(Delivery::Queued);
        Msg::Event(Event::Message(Box::new(message)))
    };
    scene.status(LinkState::Connecting, 0);
    scene.app.update(queued(TEAM, 1), NOON);
    let screen = scene.screen(120, 10);
    let told = "it waits here, and goes as soon as the hub is reached";
    assert!(screen.contains(told), "{screen}");
    assert!(screen.contains("1 unsent, waiting here"), "{screen}");
    // Bob is connected directly. What is said to him needs no hub that has spoken once.
    for spoke in [false, true] {
        let mut scene = two();
        scene.app.hub_spoke = spoke;
        scene.status(LinkState::Connecting, 0);
        scene.app.update(queued(BOB, 1), NOON);
        assert_eq!(scene.screen(120, 10).contains("waits here"), !spoke);
    }
    let mut scene = two();
    scene.status(LinkState::Up { since: NOON, rtt_ms: 12 }, 0);
    scene.app.update(queued(TEAM, 1), NOON);
    let screen = scene.screen(120, 10);
    assert!(screen.contains("1 unsent ") && !screen.contains("waits here"), "{screen}");
}

#[test]
fn escape_closes_one_thing_at_a_time() {
    let mut scene = two();
    scene.write("draft");
    scene.press(KeyCode::F(1), KeyModifiers::NONE);
    assert!(matches!(scene.app.overlay, Some(Overlay::Help(_))));
    scene.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(scene.app.overlay.is_none());
    assert_eq!(scene.app.composer().text(), "draft");
}

#[test]
fn a_question_mark_helps_only_while_nothing_is_written() {
    let mut scene = two();
    scene.write("really?");
    assert_eq!(scene.app.composer().text(), "really?");
    assert!(scene.app.overlay.is_none());
}

#[test]
fn scrolling_to_the_oldest_asks_for_the_page_before_once() {
    let page = (1..=100).map(|n| text(BOB, n, "bob", "x")).collect::<Vec<_>>();
    assert_eq!(page.len(), PAGE as usize);
    let list = vec![conversation(TEAM, "team", 0), conversation(BOB, "bob", 0)];
    let mut scene = Scene::of(list);
    scene.alt('2');
    scene.history(BOB, page);
    scene.screen(80, 20);
    assert!(!scene.app.places.at_top);
    scene.press(KeyCode::Home, KeyModifiers::CONTROL);
    scene.screen(80, 20);
    assert!(scene.app.places.at_top);
    let query = Query::History { conversation: BOB, after: None, before: Some(1), limit: PAGE };
    assert_eq!(scene.app.want_older(), Some(Effect::Query(query, Asked::Older(BOB))));
    assert_eq!(scene.app.want_older(), None);
    scene.answer(Asked::Older(BOB), Answer::History(Vec::new()));
    assert_eq!(scene.app.want_older(), None);
}

#[test]
fn above_the_first_message_of_a_group_the_past_is_asked_for_and_again_when_more_is_told() {
    let mut scene = Scene::of(vec![conversation(TEAM, "team", 0)]);
    let past = |before| {
        let query = Query::Past { conversation: TEAM, before, limit: PAGE };
        Some(Effect::Query(query, Asked::Older(TEAM)))
    };
    scene.history(TEAM, vec![text(TEAM, 1, "alice", "x")]);
    assert_eq!(scene.app.want_older(), past(None));
    assert_eq!(scene.app.want_older(), None, "it is on its way");
    let more = || Msg::Event(Event::Past { conversation: TEAM });
    scene.app.update(more(), NOON);
    let page = vec![told(1, "bob", "early", [None, None])];
    scene.answer(Asked::Older(TEAM), Answer::Past(page.clone()));
    assert!(!scene.screen(60, 9).contains("early"), "more was told since it was asked for");
    assert_eq!(scene.app.want_older(), past(None));
    scene.answer(Asked::Older(TEAM), Answer::Past(page));
    assert!(scene.screen(60, 9).contains("history since"));
    assert_eq!(scene.app.want_older(), None);
    scene.app.update(more(), NOON);
    assert_eq!(scene.app.want_older(), past(None));
}

#[test]
fn a_mark_never_goes_back() {
    let mut scene = two().says(vec![text(BOB, 1, "alice", "hi")]);
    let id = text(BOB, 1, "alice", "").id;
    let further = |delivery| {
        Msg::Event(Event::Delivery { message: id, conversation: BOB, delivery, reached: (1, 1) })
    };
    scene.app.update(further(Delivery::Delivered), NOON);
    scene.app.update(further(Delivery::Stored), NOON);
    assert!(scene.screen(80, 10).contains("hi ✓✓"));
}

#[test]
fn a_message_that_arrives_twice_is_shown_once() {
    let mut scene = two().says(vec![text(BOB, 1, "bob", "only once")]);
    let again = Event::Message(Box::new(text(BOB, 1, "bob", "only once")));
    scene.app.update(Msg::Event(again), NOON);
    assert_eq!(scene.screen(80, 20).matches("only once").count(), 1);
}

#[test]
fn missed_events_make_the_screen_look_again() {
    let mut scene = two().says(vec![text(BOB, 1, "bob", "hi")]);
    let effects = scene.app.update(Msg::Event(Event::Missed(7)), NOON);
    let asks =
        |q: &Query| effects.iter().any(|e| matches!(e, Effect::Query(asked, _) if asked == q));
    assert!(asks(&Query::Conversations) && asks(&Query::Status));
    let newest = Query::History { conversation: BOB, after: None, before: None, limit: PAGE };
    assert!(asks(&newest), "{effects:?}");
}

#[test]
fn slash_commands_reach_the_node() {
    let mut scene = two();
    scene.write("/group new book-club carol");
    let effects = scene.enter();
    let new = Command::GroupNew { name: "book-club".to_owned(), members: vec!["carol".to_owned()] };
    assert_eq!(effects, [Effect::Command(new, Did::Opened)]);
    scene.write("/verify");
    let effects = scene.enter();
    let safety = Query::Safety { contact: BOB.to_string() };
    assert_eq!(effects, [Effect::Query(safety, Asked::Safety)]);
}

#[test]
fn a_click_on_the_list_goes_there() {
    let mut scene = two();
    scene.screen(80, 20);
    let click = crossterm::event::MouseEvent {
        kind: crossterm::event::MouseEventKind::Down(crossterm::event::MouseButton::Left),
        column: 3,
        row: 2,
        modifiers: KeyModifiers::NONE,
    };
    scene.app.update(Msg::Mouse(click), NOON);
    assert_eq!(scene.app.current, Some(TEAM));
}

#[test]
fn nothing_is_sent_where_we_are_no_member_any_more() {
    let mut left = conversation(TEAM, "team", 0);
    left.active = false;
    let mut scene = Scene::of(vec![left]);
    scene.write("hello?");
    assert_eq!(sent(&scene.enter()), None);
    assert_eq!(scene.app.composer().text(), "hello?");
}

#[test]
fn requests_are_decided_by_key_and_by_command() {
    let mut scene = two();
    assert_eq!(scene.press(KeyCode::F(3), KeyModifiers::NONE).len(), 1);
    assert!(scene.app.overlay.is_none(), "nobody asks");
    scene.waiting();
    scene.press(KeyCode::F(3), KeyModifiers::NONE);
    let mallory = scene.app.requests[0].id.to_string();
    let decided = |effects: Vec<Effect>| match effects.into_iter().next() {
        Some(Effect::Command(command, _)) => command,
        other => panic!("{other:?}"),
    };
    let accept = Command::Accept { request: mallory.clone() };
    assert_eq!(decided(scene.press(KeyCode::Char('a'), KeyModifiers::NONE)), accept);
    let decline = Command::Decline { request: mallory.clone() };
    assert_eq!(decided(scene.press(KeyCode::Char('d'), KeyModifiers::NONE)), decline);
    let block = Command::Block { contact: mallory };
    assert_eq!(decided(scene.press(KeyCode::Char('b'), KeyModifiers::NONE)), block);
    scene.answer(Asked::Requests, Answer::Requests(Vec::new()));
    assert!(scene.app.overlay.is_none(), "all is decided");
    scene.write("/accept mallory");
    let accept = Command::Accept { request: "mallory".to_owned() };
    assert_eq!(decided(scene.enter()), accept);
    scene.write("/block");
    assert_eq!(decided(scene.enter()), Command::Block { contact: BOB.to_string() });
    scene.write("/unblock bob");
    assert_eq!(decided(scene.enter()), Command::Unblock { contact: "bob".to_owned() });
    scene.write("/contact");
    let contact = Query::Contact { contact: BOB.to_string() };
    assert_eq!(scene.enter(), [Effect::Query(contact, Asked::Contact)]);
}

#[test]
fn a_passphrase_is_typed_unseen_and_goes_to_the_node_alone() {
    let mut scene = two();
    scene.write("/group knock tearoom");
    scene.enter();
    scene.write("seven green kettlez");
    scene.press(KeyCode::Backspace, KeyModifiers::NONE);
    scene.press(KeyCode::Char('w'), KeyModifiers::CONTROL);
    scene.app.update(Msg::Paste("s sing\nat dawn".to_owned()), NOON);
    let screen = scene.screen(80, 20);
    assert!(screen.contains("The passphrase of tearoom:") && screen.contains("****"), "{screen}");
    assert!(!screen.contains("kettles") && !format!("{:?}", scene.app.overlay).contains("kettles"));
    let effects = scene.enter();
    let Some(Effect::Command(Command::GroupKnock { room, passphrase, .. }, _)) = effects.first()
    else {
        panic!("{effects:?}")
    };
    let typed = passphrase.as_ref().and_then(|secret| secret.as_str());
    assert_eq!((room.as_str(), typed), ("tearoom", Some("seven green kettles sing")));
    assert!(scene.app.overlay.is_none() && scene.app.composer().is_empty());
}

#[test]
fn an_admin_sets_a_passphrase_for_the_group_shown_and_takes_it_back() {
    let mut scene = Scene::of(vec![conversation(TEAM, "team", 0), conversation(BOB, "bob", 0)]);
    scene.write("/group passphrase");
    scene.enter();
    assert_eq!(scene.enter(), [], "nothing is no passphrase");
    scene.write("one two three four");
    let effects = scene.enter();
    let set = |effect: &Effect| match effect {
        Effect::Command(Command::GroupPassphrase { group, passphrase }, _) => {
            let typed = passphrase.as_ref().and_then(|secret| secret.as_str());
            Some((group.clone(), typed.map(str::to_owned)))
        }
        _ => None,
    };
    let typed = Some("one two three four".to_owned());
    assert_eq!(effects.first().and_then(set), Some((TEAM.to_string(), typed)));
    scene.write("/group passphrase off");
    assert_eq!(scene.enter().first().and_then(set), Some((TEAM.to_string(), None)));
    scene.press(KeyCode::Down, KeyModifiers::ALT);
    scene.write("/group passphrase");
    scene.enter();
    assert!(scene.app.overlay.is_none(), "a direct chat takes none");
}

#[test]
fn whoever_writes_is_named_and_the_node_is_told_that_we_write() {
    let mut scene = two();
    let here = scene.app.current.unwrap();
    let typing = Event::Typing { conversation: here, person: person("bob") };
    scene.app.update(Msg::Event(typing), NOON);
    assert!(scene.screen(60, 12).contains("bob is writing"));
    let told = scene.press(KeyCode::Char('h'), KeyModifiers::NONE);
    let tells = |effects: &[Effect]| {
        let typing = Command::Typing { conversation: here };
        effects.iter().any(|e| matches!(e, Effect::Command(c, _) if *c == typing))
    };
    assert!(tells(&told));
    assert!(!tells(&scene.press(KeyCode::Char('i'), KeyModifiers::NONE)));
}
