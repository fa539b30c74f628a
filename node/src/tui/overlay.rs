//! What can lie on top of the chat: one panel at a time, closed by Esc.

use super::palette::Palette;
use super::passphrase::Typing;
use crate::api::people::ContactInfoView;
use crate::api::view::{MemberView, RecipientView, SafetyView};

/// A panel.
#[derive(Debug)]
pub(super) enum Overlay {
    /// All keys and commands, from this line on.
    Help(usize),
    /// Go anywhere, do anything.
    Palette(Palette),
    /// Who is in the group.
    Members(Vec<MemberView>),
    /// The ways into the group.
    Doors(Vec<String>),
    /// A safety number to compare.
    Safety(SafetyView),
    /// A message in one line, and how far it got for each recipient.
    Info(String, Vec<RecipientView>),
    /// Who asks to be let in; which of them is chosen.
    Requests(usize),
    /// A passphrase being typed.
    Passphrase(Typing),
    /// What is known of a contact.
    Contact(Box<ContactInfoView>),
    /// Quitting with unsent messages: once more to go.
    Quit,
}
