//! The invite of the hub we run ourselves, to hand out.

use super::app::{App, Effect};
use crate::display::{Charset, qr_lines};

/// What somebody needs to come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteCard {
    /// The link.
    pub link: String,
    /// The hub's fingerprint, to read out.
    pub fingerprint: String,
}

impl InviteCard {
    /// As lines for a terminal that wraps and selects by itself: the link is one of them, whole.
    fn page(&self, charset: Charset) -> Vec<String> {
        let mut lines = vec![String::new()];
        lines.extend(qr_lines(self.link.as_bytes(), charset).unwrap_or_default());
        lines.push("Send this to whoever should come in:".to_owned());
        lines.extend([String::new(), self.link.clone(), String::new()]);
        lines.push("They run: hubbub join '<invite>'".to_owned());
        lines.push(format!("Hub's fingerprint, to compare by voice: {}", self.fingerprint));
        lines.push("Select and copy as usual. Any key: back to the chat.".to_owned());
        lines
    }
}

/// A link into a group, likewise.
fn link_page(link: &str, charset: Charset) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(qr_lines(link.as_bytes(), charset).unwrap_or_default());
    lines.push("Whoever has this line can come into the group:".to_owned());
    lines.extend([String::new(), link.to_owned(), String::new()]);
    lines.push("They run: hubbub group join '<line>', or /group join <line>".to_owned());
    lines.push("Select and copy as usual. Any key: back to the chat.".to_owned());
    lines
}

impl App {
    /// Shows a link into a group so that it can be copied.
    pub(super) fn show_link(&self, link: &str) -> Vec<Effect> {
        vec![Effect::Aside(link_page(link, self.theme.charset))]
    }

    /// Shows the invite so that it can be copied, or says who has one.
    pub(super) fn show_invite(&mut self) -> Vec<Effect> {
        if let Some(invite) = &self.invite {
            return vec![Effect::Aside(invite.page(self.theme.charset))];
        }
        let text = "this hub is run by somebody else: ask whoever runs it for an invite";
        self.say(text, true);
        Vec::new()
    }
}
