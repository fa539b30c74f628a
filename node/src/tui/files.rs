//! Files in the chat: offering one, deciding about one, seeing how far one is.

use std::collections::BTreeMap;
use std::path::absolute;

use super::app::{App, Did, Effect};
use super::history::Room;
use crate::api::file::{FileStatus, FileView};
use crate::api::view::Body;
use crate::api::{Command, FileDeed, FileState, SendFile};
use crate::display::line;

/// Files of which it is remembered how it was with them; of more, the oldest is forgotten.
const HEARD: usize = 1_024;

/// What `/file`, `/pause` and the like ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileCall {
    /// Offer this one here.
    Send(String),
    /// Do this with the file of this number, or else with the newest one it can be done with.
    Deed(FileDeed, Option<u64>),
}

/// Understands the commands about files. Two of them are about people, too, and then name one.
pub(super) fn parse(verb: &str, rest: &str) -> Option<FileCall> {
    let number = || rest.parse().ok();
    let deed = match verb {
        "file" => return (!rest.is_empty()).then(|| FileCall::Send(rest.to_owned())),
        "accept" => FileDeed::Accept { to: None },
        "decline" => FileDeed::Decline,
        "pause" => FileDeed::Pause,
        "resume" => FileDeed::Resume,
        "first" => FileDeed::First,
        "cancel" => FileDeed::Cancel,
        _ => return None,
    };
    match number() {
        None if rest.is_empty() => Some(FileCall::Deed(deed, None)),
        None => None,
        found => Some(FileCall::Deed(deed, found)),
    }
}

/// Whether there is anything to do with a file of this state.
fn can(deed: &FileDeed, state: FileState) -> bool {
    use FileState as State;
    match deed {
        FileDeed::Accept { .. } => matches!(
            state,
            State::Offered | State::Declined | State::Withdrawn | State::Failed | State::Gone
        ),
        FileDeed::Decline => matches!(state, State::Offered | State::Queued | State::Fetching),
        FileDeed::Pause => matches!(state, State::Fetching | State::Queued | State::Serving),
        FileDeed::Resume => matches!(state, State::Paused | State::Failed),
        FileDeed::First => matches!(state, State::Queued | State::Fetching | State::Paused),
        FileDeed::Cancel => matches!(
            state,
            State::Sealing | State::Serving | State::Queued | State::Fetching | State::Paused
        ),
    }
}

/// How it was with the files that something was heard of last, by their number.
#[derive(Default)]
pub(super) struct Heard(BTreeMap<u64, FileState>);

impl Heard {
    /// Whether it is otherwise with it than when it was heard of before.
    fn is_news(&mut self, status: &FileStatus) -> bool {
        let before = self.0.insert(status.file, status.state);
        if self.0.len() > HEARD {
            self.0.pop_first();
        }
        // One that somebody takes has been here before.
        before != Some(status.state) && status.takers.is_empty()
    }
}

impl App {
    /// Carries a command about files out.
    pub(super) fn file_call(&mut self, call: FileCall) -> Vec<Effect> {
        match call {
            FileCall::Send(path) => self.offer(&path),
            FileCall::Deed(deed, number) => {
                let Some(file) = number.or_else(|| self.newest_for(&deed)) else {
                    self.say("there is no such file here; give its number", true);
                    return Vec::new();
                };
                let said = match deed {
                    FileDeed::Accept { .. } => "is wanted",
                    FileDeed::Decline => "is declined",
                    FileDeed::Pause => "is paused",
                    FileDeed::Resume => "goes on",
                    FileDeed::First => "goes first",
                    FileDeed::Cancel => "is withdrawn",
                };
                let said = Did::Said(format!("file {file} {said}"));
                vec![Effect::Command(Command::File { file, deed }, said)]
            }
        }
    }

    fn offer(&mut self, path: &str) -> Vec<Effect> {
        let Some(here) = self.current else {
            self.say("open a conversation first: /msg <nickname>", true);
            return Vec::new();
        };
        let whole = absolute(path).ok().and_then(|path| path.to_str().map(str::to_owned));
        let Some(path) = whole else {
            self.say("that is no path", true);
            return Vec::new();
        };
        let (to, caption, name) = (here.to_string(), String::new(), None);
        let send = SendFile { to, path, caption, name, no_preview: false, strip: false };
        let said = Did::Said("the file is being prepared".to_owned());
        vec![Effect::Command(Command::SendFile(send), said)]
    }

    /// The newest file of the conversation shown that this can be done with.
    fn newest_for(&self, deed: &FileDeed) -> Option<u64> {
        let room = self.rooms.get(&self.current?)?;
        let statuses = room.iter().rev().filter_map(|message| match &message.body {
            Body::File(file) if !message.own || !matches!(deed, FileDeed::Accept { .. }) => {
                file.status.as_ref()
            }
            _ => None,
        });
        let mut fit = statuses.filter(|status| can(deed, status.state));
        fit.next().map(|status| status.file)
    }

    /// It is otherwise with a file than before.
    pub(super) fn file_changed(&mut self, view: &FileView) {
        if let Some(room) = self.rooms.get_mut(&view.conversation) {
            room.file_changed(view);
        }
        let Some(status) = &view.body.status else { return };
        if !self.files.is_news(status) {
            return;
        }
        let FileStatus { state, why, path, .. } = status;
        let name = line(&view.body.name);
        match (state, why, path) {
            (FileState::Whole, _, Some(path)) => {
                self.say(format!("{name} is here: {}", line(path)), false);
            }
            (FileState::Failed | FileState::Gone | FileState::Changed, Some(why), _) => {
                self.say(format!("{name}: {}", line(why)), true);
            }
            _ => {}
        }
    }
}

impl Room {
    /// A file that a message here offers is otherwise than before.
    pub(super) fn file_changed(&mut self, view: &FileView) {
        let by = view.sender.node;
        let of =
            |m: &&mut crate::api::view::MessageView| m.id == view.message && m.sender.node == by;
        if let Some(message) = self.iter_mut().rev().find(of)
            && let Body::File(file) = &mut message.body
        {
            file.status.clone_from(&view.body.status);
        }
    }
}
