//! What is typed, pasted and sent.

use crossterm::event::{KeyCode, KeyEvent};

use super::app::{App, Did, Effect};
use super::commands::{self, Parsed};
use super::overlay::Overlay;
use crate::api::Command;

impl App {
    /// Enter: a command is carried out, anything else is sent to the conversation shown.
    pub(super) fn submit(&mut self) -> Vec<Effect> {
        let text = self.composer().text();
        if text.trim().is_empty() {
            return Vec::new();
        }
        match commands::parse(&text) {
            Parsed::Text(text) => self.send(text),
            Parsed::Wrong(why) => {
                self.say(why, true);
                Vec::new()
            }
            Parsed::Call(call) => {
                self.composer().take();
                self.call(call)
            }
        }
    }

    fn send(&mut self, text: String) -> Vec<Effect> {
        let Some(id) = self.current else {
            self.say("nowhere to send that yet: /msg <nickname> starts a conversation", true);
            return Vec::new();
        };
        if self.shown().is_some_and(|c| !c.active) {
            self.say("you are no member here any more: the history stays, sending does not", true);
            return Vec::new();
        }
        self.composer().take();
        if let Some(room) = self.rooms.get_mut(&id) {
            room.scroll = 0;
            room.left();
        }
        self.sending = self.sending.saturating_add(1);
        let command = Command::Send { to: id.to_string(), text: text.clone(), id: None };
        vec![Effect::Command(command, Did::Sent(id, text))]
    }

    /// Text pasted as a whole goes into whatever is being written; line breaks do not send.
    /// Terminals paste a carriage return where a line ends.
    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        match &mut self.overlay {
            Some(Overlay::Palette(palette)) => palette.insert(&text),
            Some(Overlay::Passphrase(typing)) => typing.insert(&text),
            Some(_) => {}
            None => self.composer().insert(&text),
        }
        Vec::new()
    }

    /// Tab: completes a command, a path or a name in front of the cursor's end.
    pub(super) fn complete(&mut self) -> Vec<Effect> {
        let text = self.composer().text();
        if let Some(effects) = self.complete_path(&text) {
            return effects;
        }
        let names = self.names();
        match commands::complete(&text, &names) {
            commands::Completion::None => {}
            commands::Completion::One(text) => self.composer().set(&text),
            commands::Completion::Many(text, choices) => {
                self.composer().set(&text);
                self.say(choices.join("  "), false);
            }
        }
        Vec::new()
    }

    /// Everybody and every group that can be named.
    fn names(&self) -> Vec<String> {
        let contacts = self.contacts.iter().flatten().map(|c| c.person.name.clone());
        let groups = self.conversations.iter().flatten().map(|c| c.title.clone());
        let mut names: Vec<String> = contacts.chain(groups).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A key while the safety number is shown: `y` marks the contact verified.
    pub(super) fn safety_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(Overlay::Safety(safety)) = self.overlay.take() else { return Vec::new() };
        match key.code {
            KeyCode::Char('y' | 'Y') => {
                let contact = safety.person.node;
                let said = Did::Said(format!("{} is verified", safety.person.name));
                let id = crate::api::ConversationId::Direct(contact.0);
                let command = Command::Verify { contact: id.to_string(), verified: true };
                vec![Effect::Command(command, said)]
            }
            _ => Vec::new(),
        }
    }
}
