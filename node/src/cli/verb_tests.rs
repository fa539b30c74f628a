//! Verbs against a pretend node: what they ask, what they print, how they end.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use clap::Parser;
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::time::Timestamp;
use jiff::tz::TimeZone;

use super::args::{Typed, Verb};
use super::out::{Done, Failure, Out};
use super::render::Look;
use super::{file, group, join, lists, read, send};
use crate::api::command::MessageText;
use crate::api::file::{FileBody, FileProgress, FileStatus, FileView};
use crate::api::view::{
    Body, ConversationKind, ConversationView, Delivery, LinkState, MessageView, NodeText,
    PersonView, StatusView, WhoamiView,
};
use crate::api::{
    Answer, ApiError, Code, Command, ConversationId, Event, Events, FileChoice, FileDeed, FileRule,
    FileSettings, FileState, Later, Node, Query, Reply,
};
use crate::display::{Charset, Clock};
use crate::paths::ProfileDir;

const GROUP: ConversationId = ConversationId::Group(GroupId([1; 32]));
const ID: MessageText = MessageText(MessageId([7; 16]));

/// Queues whatever it is told, then lets these events happen.
#[derive(Default)]
struct Pretend {
    told: Mutex<Vec<Command>>,
    events: Mutex<VecDeque<Event>>,
    /// Whether it stops after these.
    ends: AtomicBool,
}

struct Happening(VecDeque<Event>, bool);

impl Node for Pretend {
    fn command(&self, command: Command) -> Later<'_, Result<Reply, ApiError>> {
        let reply = match &command {
            Command::Send { .. } => {
                Ok(Reply::Queued { message: ID, conversation: GROUP, delivery: Delivery::Queued })
            }
            Command::SendFile(_) => Ok(Reply::File { file: 7, message: ID, conversation: GROUP }),
            Command::GroupInvite { member, .. } if member == "nobody" => {
                Err(ApiError::new(Code::NotFound, "nobody here is called nobody", "look again"))
            }
            _ => Ok(Reply::Done),
        };
        self.told.lock().unwrap().push(command);
        Box::pin(async { reply })
    }

    fn query(&self, query: Query) -> Later<'_, Result<Answer, ApiError>> {
        let answer = match query {
            Query::Whoami => Answer::Whoami(alice()),
            Query::Resolve { .. } => Answer::Conversation(team()),
            Query::History { after, limit, .. } => Answer::History(said(after, limit)),
            Query::Files => Answer::Files(vec![offer(FileState::Fetching, 5), stray()]),
            Query::FileSettings => Answer::FileSettings(FileSettings::default()),
            Query::Status => Answer::Status(cut_off()),
            Query::FileRules => Answer::FileRules(Vec::new()),
            Query::GroupFileRules => Answer::GroupFileRules(Vec::new()),
            _ => Answer::Conversations(Vec::new()),
        };
        Box::pin(async { Ok(answer) })
    }

    fn subscribe(&self) -> Box<dyn Events> {
        let events = core::mem::take(&mut *self.events.lock().unwrap());
        Box::new(Happening(events, self.ends.load(Ordering::Relaxed)))
    }
}

impl Events for Happening {
    fn next(&mut self) -> Later<'_, Option<Event>> {
        Box::pin(async {
            match self.0.pop_front() {
                Some(event) => Some(event),
                None if self.1 => None,
                None => std::future::pending().await,
            }
        })
    }
}

fn cut_off() -> StatusView {
    let (code, why) = (Code::HubUnreachable, "192.0.2.7:4433 does not answer".to_owned());
    StatusView {
        link: LinkState::Down { code, why, retry_at: None },
        unsent: 1,
        undelivered: 0,
        waiting_for_keys: 0,
        spreading: Vec::new(),
        refused: Vec::new(),
    }
}

/// Messages there are in the pretend conversation.
const SAID: u64 = 350;

fn team() -> ConversationView {
    ConversationView {
        id: GROUP,
        title: "team".to_owned(),
        kind: ConversationKind::Group,
        topic: String::new(),
        unread: 0,
        last_at: Timestamp(0),
        last: None,
        members: 2,
        active: true,
        undelivered: 0,
    }
}

/// A page of them; while nobody asks for what follows something, there is only the first.
fn said(after: Option<u64>, limit: u32) -> Vec<MessageView> {
    let last = if after.is_some() { SAID } else { 1 };
    let message = |order| MessageView {
        id: ID,
        conversation: GROUP,
        order,
        sender: PersonView {
            node: NodeText(NodeId([2; 32])),
            name: "bob".to_owned(),
            verified: false,
        },
        sent_at: Timestamp(0),
        received_at: Timestamp(0),
        body: Body::Text(format!("word {order}")),
        own: false,
        delivery: None,
        reached: None,
    };
    let page = (1..=last).filter(|order| *order > after.unwrap_or(0));
    page.take(usize::try_from(limit).unwrap()).map(message).collect()
}

#[test]
fn whoever_follows_and_missed_much_is_shown_all_of_it_page_by_page() {
    let node = Pretend::default();
    node.events.lock().unwrap().push_back(Event::Missed(2_000));
    node.ends.store(true, Ordering::Relaxed);
    let (done, printed, _) = typed(&node, &["read", "team", "--follow", "--peek"]);
    assert!(done.is_ok());
    let words: Vec<&str> =
        printed.lines().filter_map(|l| l.split_once("word ")).map(|(_, n)| n).collect();
    let expected: Vec<String> = (1..=SAID).map(|n| n.to_string()).collect();
    assert_eq!(words, expected);
}

/// File 7 as it is now.
fn offer(state: FileState, bytes: u64) -> FileView {
    let progress = FileProgress { bytes, ..FileProgress::default() };
    let progress = (state == FileState::Fetching).then_some(progress);
    let status = FileStatus {
        file: 7,
        state,
        why: None,
        caution: None,
        path: None,
        progress,
        takers: Vec::new(),
        kept_until: None,
    };
    FileView {
        message: ID,
        conversation: GROUP,
        sender: said(None, 1).remove(0).sender,
        own: false,
        since: Timestamp(0),
        body: FileBody {
            name: "notes.txt".to_owned(),
            size: 10,
            media: String::new(),
            caption: String::new(),
            folder: false,
            preview: false,
            status: Some(status),
        },
    }
}

/// A file of somebody who chose the same id for their message.
fn stray() -> FileView {
    let mut view = offer(FileState::Offered, 0);
    view.body.status.iter_mut().for_each(|status| status.file = 8);
    view
}

fn happens(node: &Pretend, state: FileState) {
    node.events.lock().unwrap().push_back(Event::File(Box::new(offer(state, 10))));
}

#[test]
fn a_file_that_is_waited_for_is_told_when_it_is_here_and_an_error_when_it_never_will_be() {
    let node = Pretend::default();
    happens(&node, FileState::Fetching);
    happens(&node, FileState::Whole);
    let (done, printed, _) = typed(&node, &["file", "accept", "7", "--to", "/tmp", "--wait"]);
    assert!(done.is_ok() && printed.contains("notes.txt, 10 B, here"), "{printed}");
    let deed = FileDeed::Accept { to: Some("/tmp".to_owned()) };
    assert_eq!(*node.told.lock().unwrap(), [Command::File { file: 7, deed }]);
    happens(&node, FileState::Failed);
    let (done, printed, _) = typed(&node, &["file", "accept", "7", "--wait", "--json"]);
    let Err(Failure::Error(error)) = done else { panic!("{printed}") };
    assert_eq!((error.code, printed.contains("\"failed\"")), (Code::NotYetDelivered, true));
}

#[test]
fn a_file_is_sent_by_its_whole_path_and_one_of_two_with_an_id_is_never_guessed() {
    let node = Pretend::default();
    let (done, printed, _) = typed(&node, &["file", "send", "notes.txt", "team", "--no-preview"]);
    assert!(done.is_ok() && printed == "file 7 is being prepared\n", "{printed}");
    let Command::SendFile(send) = node.told.lock().unwrap().pop().unwrap() else { panic!() };
    assert!(send.path.starts_with('/') && send.path.ends_with("/notes.txt") && send.no_preview);
    let id = String::from(ID);
    let (done, ..) = typed(&node, &["file", "decline", &id]);
    let Err(Failure::Error(error)) = done else { panic!("declined one of two") };
    assert_eq!(error.code, Code::Usage);
    let (done, printed, _) = typed(&node, &["file", "limit", "2M"]);
    assert!(done.is_ok() && printed.contains("2.0 MiB"));
    let choice = FileChoice { rate: Some(2 << 20), ..FileChoice::default() };
    assert_eq!(*node.told.lock().unwrap(), [Command::SetFiles(choice)]);
    node.told.lock().unwrap().clear();
    let (done, ..) = typed(&node, &["file", "rules", "--contact", "bob", "always"]);
    assert!(done.is_ok());
    let rule = Command::SetFileRule { contact: "bob".to_owned(), rule: FileRule::Always };
    assert_eq!(*node.told.lock().unwrap(), [rule]);
    node.told.lock().unwrap().clear();
    assert!(typed(&node, &["file", "rules", "--group", "team", "never"]).0.is_ok());
    let rule = Command::SetGroupFileRule { group: "team".to_owned(), rule: FileRule::Never };
    assert_eq!(*node.told.lock().unwrap(), [rule]);
}

fn alice() -> WhoamiView {
    WhoamiView {
        node: NodeText(NodeId([1; 32])),
        nickname: Some("alice".to_owned()),
        display_name: String::new(),
        status: String::new(),
        has_picture: false,
        hub: String::new(),
        addresses: Vec::new(),
        profile: String::new(),
    }
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs what was typed; gives its outcome and what it printed.
fn typed(node: &Pretend, line: &[&str]) -> (Done, String, String) {
    let typed = Typed::try_parse_from([&["hubbub"], line].concat()).unwrap();
    let (results, asides) = (Paper::default(), Paper::default());
    let look = Look {
        colour: false,
        charset: Charset::Ascii,
        clock: Clock::new(TimeZone::UTC),
        now: Timestamp(0),
    };
    let modes = (typed.global.json, typed.global.quiet);
    let mut out = Out::onto(Box::new(results.clone()), Box::new(asides.clone()), modes, look);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(async {
        match typed.verb.unwrap() {
            Verb::Send(args) => send::run(node, args, &mut out).await,
            Verb::Group(args) => group::run(node, args, &mut out).await,
            Verb::Read(args) => read::run(node, args, &mut out).await,
            Verb::Conversations => lists::conversations(node, &mut out).await,
            Verb::File(args) => {
                let dir = ProfileDir::at("/nonexistent".into());
                file::run(node, args, &dir, &mut out).await
            }
            verb => panic!("not tried here: {verb:?}"),
        }
    });
    let text = |paper: Paper| String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    (done, text(results), text(asides))
}

fn reached(delivery: Delivery) -> Event {
    Event::Delivery { message: ID, conversation: GROUP, delivery, reached: (0, 1) }
}

#[test]
fn a_message_that_gets_stuck_is_reported_queued_with_exit_code_75() {
    let node = Pretend::default();
    let (done, results, _) = typed(&node, &["send", "bob", "hi", "--timeout", "10ms"]);
    let Err(Failure::Error(error)) = done else { panic!("{done:?}") };
    assert_eq!(error.code.exit(), 75);
    assert_eq!(results, format!("o queued  {}\n", String::from(ID)));
}

#[test]
fn whoever_sends_while_the_hub_is_not_reached_is_told_before_the_wait_is_over() {
    let node = Pretend::default();
    let (done, _, asides) = typed(&node, &["send", "bob", "hi", "--timeout", "1500ms"]);
    let Err(Failure::Error(error)) = done else { panic!("{done:?}") };
    assert!(error.hint.contains("when the hub is reached"), "{error:?}");
    let told = "the hub is not reached (192.0.2.7:4433 does not answer): what you write waits here";
    assert!(asides.contains(told), "{asides}");
    // Whoever asked for no more than that it is safe here knows that it waits.
    let (done, _, asides) = typed(&node, &["send", "bob", "hi", "--wait", "queued"]);
    assert!(done.is_ok() && asides.is_empty(), "{asides}");
}

#[test]
fn waiting_for_delivery_ends_when_it_is_delivered_and_not_before() {
    let node = Pretend::default();
    node.events.lock().unwrap().extend([reached(Delivery::Stored), reached(Delivery::Delivered)]);
    let (done, results, _) = typed(&node, &["send", "bob", "hi", "--wait", "delivered"]);
    assert!(done.is_ok(), "{done:?}");
    assert!(results.starts_with("vv delivered"), "{results}");

    node.events.lock().unwrap().push_back(reached(Delivery::Stored));
    let line = ["send", "bob", "hi", "--wait", "delivered", "--timeout", "10ms", "--json"];
    let (done, results, _) = typed(&node, &line);
    assert!(matches!(done, Err(Failure::Error(e)) if e.code == Code::NotYetDelivered));
    let said: Reply = serde_json::from_str(&results).unwrap();
    assert!(matches!(said, Reply::Queued { delivery: Delivery::Stored, .. }), "{results}");
}

#[test]
fn nothing_to_list_is_a_hint_and_no_output() {
    let (done, results, asides) = typed(&Pretend::default(), &["conversations"]);
    assert!(done.is_ok());
    assert_eq!(results, "");
    assert!(asides.contains("no conversations yet"), "{asides}");
    let (_, _, asides) = typed(&Pretend::default(), &["conversations", "--quiet"]);
    assert_eq!(asides, "");
}

#[test]
fn inviting_stops_at_the_first_who_cannot_be_and_says_who_was() {
    let node = Pretend::default();
    let line = ["group", "invite", "team", "bob", "nobody", "carol"];
    let (done, results, _) = typed(&node, &line);
    assert!(matches!(done, Err(Failure::Error(e)) if e.code == Code::NotFound));
    assert_eq!(results, "bob is invited\n");
    assert_eq!(node.told.lock().unwrap().len(), 2);
}

#[test]
fn a_nickname_one_has_is_kept_unless_another_is_given() {
    let node = Pretend::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name = |given: Option<&str>| {
        let given = given.map(str::to_owned);
        runtime.block_on(join::nickname(&node, given, Some("root".to_owned()))).unwrap()
    };
    assert_eq!(name(None), "alice");
    assert_eq!(name(Some("ally")), "ally");
    let told = node.told.lock().unwrap();
    assert_eq!(*told, [Command::SetNickname { nickname: "ally".to_owned() }]);
}
