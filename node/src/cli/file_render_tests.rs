//! Golden outputs about files.

use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::time::Timestamp;
use insta::assert_snapshot;
use jiff::tz::TimeZone;

use super::*;
use crate::api::command::MessageText;
use crate::api::file::{FileBody, FileProgress, FileSource, FileStatus, FileTaker};
use crate::api::view::{NodeText, Path, PersonView};
use crate::api::{ConversationId, FileState};
use crate::display::{Charset, Clock, bytes};

/// Sunday, 22 November 2026, 12:00 UTC.
const NOON: Timestamp = Timestamp(1_795_348_800_000);

fn person(name: &str) -> PersonView {
    PersonView { node: NodeText(NodeId([1; 32])), name: name.to_owned(), verified: false }
}

fn view(number: u64, name: &str, state: FileState) -> FileView {
    let status = FileStatus {
        file: number,
        state,
        why: None,
        caution: None,
        path: None,
        progress: None,
        takers: Vec::new(),
        kept_until: None,
    };
    FileView {
        message: MessageText(MessageId([1; 16])),
        conversation: ConversationId::Group(GroupId([1; 32])),
        sender: person("bob"),
        own: false,
        since: NOON,
        body: FileBody {
            name: name.to_owned(),
            size: 3 << 20,
            media: "application/pdf".to_owned(),
            caption: "for you".to_owned(),
            folder: false,
            preview: false,
            status: Some(status),
        },
    }
}

fn none() -> FileProgress {
    FileProgress::default()
}

fn with(mut view: FileView, change: impl FnOnce(&mut FileStatus)) -> FileView {
    if let Some(status) = &mut view.body.status {
        change(status);
    }
    view
}

#[test]
fn files_say_what_they_are_and_how_it_is_with_each() {
    let sources = vec![
        FileSource { person: Some(person("bob")), path: Path::Direct },
        FileSource { person: Some(person("carol")), path: Path::Relay },
    ];
    let moving =
        FileProgress { bytes: 1 << 20, rate: 1 << 20, eta_ms: Some(2_000), sources, ..none() };
    let waits = Some("nobody who has it is connected; it goes on when somebody is".to_owned());
    let waiting = FileProgress { bytes: 1 << 20, waits, asked: vec![person("bob")], ..none() };
    let bob = FileTaker {
        person: Some(person("bob")),
        path: Path::Direct,
        bytes: 1 << 20,
        rate: 3 << 20,
    };
    let hub = FileTaker { person: None, path: Path::Stored, bytes: 2 << 20, rate: 1 << 20 };
    let plan = FileView { own: true, ..view(6, "plan.odt", FileState::Serving) };
    let list = [
        with(view(9, "notes\x1b[31m.pdf", FileState::Offered), |s| {
            s.caution = Some("its name only looks like that of file 3, notes.pdf".to_owned());
        }),
        with(view(8, "film.mkv", FileState::Fetching), |s| s.progress = Some(moving)),
        with(view(7, "cat.png", FileState::Whole), |s| s.path = Some("/home/a/cat.png".to_owned())),
        with(plan.clone(), |s| s.takers = vec![bob, hub]),
        with(view(5, "old.zip", FileState::Failed), |s| {
            s.why = Some("the disk is full".to_owned());
        }),
        with(view(4, "song.ogg", FileState::Fetching), |s| s.progress = Some(waiting)),
        view(3, "song2.ogg", FileState::Queued),
        with(plan, |s| s.kept_until = Some(NOON)),
    ];
    let clock = Clock::new(TimeZone::UTC);
    let look = Look { colour: false, charset: Charset::Unicode, clock, now: NOON };
    assert_snapshot!(files(&list, &look));
    assert_snapshot!(list.iter().map(one).collect::<Vec<_>>().join("\n"));
    assert_snapshot!(list.iter().map(super::moving).collect::<Vec<_>>().join("\n"));
}

#[test]
fn rules_are_shown_as_they_are_typed() {
    let of = |name, rule| FileRuleView { person: person(name), rule };
    let files_of = vec![of("bob", FileRule::Always), of("mallory", FileRule::Never)];
    let conversation = ConversationId::Group(GroupId([1; 32]));
    let there = GroupFileRuleView { conversation, title: "team".to_owned(), rule: FileRule::Never };
    let (settings, files_in) = (FileSettings::default(), vec![there]);
    assert_snapshot!(rules(&Rules { settings, files_of, files_in }, bytes));
}
