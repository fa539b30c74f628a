//! Files in the chat: offering one, deciding about one, seeing how far one is.

use std::collections::BTreeMap;

use super::app::{App, Did, Effect};
use super::history::Room;
use crate::api::file::{FileStatus, FileView};
use crate::api::view::Body;
use crate::api::{ApiError, Code, Command, FileDeed, FileState};
use crate::display::line;
use crate::typed::{Offered, meant, whole};

/// Files of which it is remembered how it was with them; of more, the oldest is forgotten.
const HEARD: usize = 1_024;

/// What `/file`, `/pause` and the like ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileCall {
    /// Offer the file at this path here, like this.
    Send(String, Offered),
    /// Fetch the file of this number, or else the newest one, into this folder, if one is named.
    Accept(Option<u64>, Option<String>),
    /// Do this with the file of this number, or else with the newest one it can be done with.
    Deed(FileDeed, Option<u64>),
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
        let done = match call {
            FileCall::Send(path, how) => self.offer(&path, how),
            FileCall::Accept(number, to) => {
                let to = to.map(|to| self.whole_path(&to)).transpose();
                to.and_then(|to| self.decide(FileDeed::Accept { to }, number))
            }
            FileCall::Deed(deed, number) => self.decide(deed, number),
        };
        done.map_or_else(
            |error| {
                self.complain(&error);
                Vec::new()
            },
            |effect| vec![effect],
        )
    }

    fn decide(&self, deed: FileDeed, number: Option<u64>) -> Result<Effect, ApiError> {
        let file = number.or_else(|| self.newest_for(&deed)).ok_or_else(|| {
            let what = "there is no such file here";
            ApiError::new(Code::NotFound, what, "give its number")
        })?;
        let said = match &deed {
            FileDeed::Accept { to: None } => "is wanted".to_owned(),
            FileDeed::Accept { to: Some(to) } => format!("is wanted in {}", line(to)),
            FileDeed::Decline => "is declined".to_owned(),
            FileDeed::Pause => "is paused".to_owned(),
            FileDeed::Resume => "goes on".to_owned(),
            FileDeed::First => "goes first".to_owned(),
            FileDeed::Cancel => "is withdrawn".to_owned(),
        };
        let said = Did::Said(format!("file {file} {said}"));
        Ok(Effect::Command(Command::File { file, deed }, said))
    }

    fn offer(&self, path: &str, how: Offered) -> Result<Effect, ApiError> {
        let here = self.current.ok_or_else(|| {
            let what = "no conversation is open to offer a file in";
            ApiError::new(Code::Usage, what, "/msg <nickname> opens one")
        })?;
        let send = how.send(here.to_string(), self.whole_path(path)?);
        let said = Did::Said("the file is being prepared".to_owned());
        Ok(Effect::Command(Command::SendFile(send), said))
    }

    fn whole_path(&self, typed: &str) -> Result<String, ApiError> {
        whole(&meant(typed, self.home.as_deref())?)
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
