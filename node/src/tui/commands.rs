//! Slash commands: what they are called, what they mean, how Tab completes them.

use super::app::{App, Asked, Did, Effect};
use super::file_words;
use super::files::FileCall;
use super::overlay::Overlay;
use super::passphrase::Purpose;
use super::people::{self, PeopleCall};
use crate::api::{Command, ConversationId, Query};
use crate::display::spread;

/// Every command, what follows it, and what it does.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    ("/msg", "<nickname> [text]", "write to somebody"),
    ("/group new", "<name> [nickname…]", "found a group"),
    ("/group invite", "<nickname>", "add somebody to this group"),
    ("/group remove", "<nickname>", "remove somebody from this group"),
    ("/group leave", "", "leave this group"),
    ("/group members", "", "who is in this group"),
    ("/group doors", "", "who can let people in, and how"),
    ("/group link", "", "an invite link; its holder can come in"),
    ("/group ban", "<nickname>", "keep somebody out, and remove them"),
    ("/group unban", "<nickname>", "end a ban"),
    ("/group accept", "<nickname>", "let somebody in who asks"),
    ("/group decline", "<nickname>", "turn somebody away who asks"),
    ("/group ask", "<name>", "ask to be let into a group by its public name"),
    ("/group join", "<link>", "come in by an invite link"),
    ("/group knock", "<name>", "come in by a passphrase, which it asks for"),
    ("/group passphrase", "[off]", "let in whoever knows a passphrase, or no more"),
    ("/topic", "<text>", "set this group's topic"),
    ("/nick", "<nickname>", "take another nickname"),
    ("/verify", "[nickname]", "compare safety numbers"),
    ("/contact", "[nickname]", "what is known of somebody and of their keys"),
    ("/requests", "", "who asks to be let in"),
    ("/accept", "[nickname]", "let somebody in; alone: fetch the newest file"),
    ("/decline", "[nickname]", "turn a request down; alone: the newest file"),
    ("/file send", "<path> [caption] [--strip] [--name NAME]", "offer a file here"),
    ("/file accept", "[number] [--to DIR]", "fetch a file, into that folder"),
    ("/pause", "[number]", "stop the newest file, or that one, for now"),
    ("/resume", "[number]", "go on with it"),
    ("/first", "[number]", "fetch it before others"),
    ("/cancel", "[number]", "give it up, or take your offer back"),
    ("/block", "[nickname]", "neither hear nor be heard by somebody"),
    ("/unblock", "<nickname>", "take that back"),
    ("/invite", "", "show the invite to this hub, to copy it"),
    ("/status", "[text]", "what contacts see beside your name; without text, the link's state"),
    ("/help", "", "all keys and commands"),
    ("/quit", "", "leave; what is unsent goes out later"),
];

/// What `/group link` makes: for ten people, for a week.
const LINK_USES: u16 = 10;
const LINK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// A command with its arguments, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    Message(String, Option<String>),
    GroupNew(String, Vec<String>),
    GroupInvite(String),
    GroupRemove(String),
    GroupLeave,
    GroupMembers,
    GroupDoors,
    GroupLink,
    GroupBan(String),
    GroupUnban(String),
    GroupJoin(String),
    GroupAsk(String),
    GroupKnock(String),
    GroupPassphrase(bool),
    GroupDecide(String, bool),
    Topic(String),
    Nick(String),
    Verify(Option<String>),
    People(PeopleCall),
    File(FileCall),
    Invite,
    Status(Option<String>),
    Help,
    Quit,
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A message. `//` in front sends a text that starts with one slash.
    Text(String),
    /// A command.
    Call(Call),
    /// A slash and nothing we know.
    Wrong(String),
}

/// Understands what was typed.
pub(super) fn parse(text: &str) -> Parsed {
    let Some(rest) = text.strip_prefix('/') else { return Parsed::Text(text.to_owned()) };
    if rest.starts_with('/') {
        return Parsed::Text(rest.to_owned());
    }
    let mut words = rest.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let rest = rest.strip_prefix(verb).unwrap_or_default().trim();
    let call = match verb {
        "msg" => message(rest),
        "group" => group(rest),
        "topic" if !rest.is_empty() => Some(Call::Topic(rest.to_owned())),
        "nick" if !rest.is_empty() => Some(Call::Nick(rest.to_owned())),
        "verify" => Some(Call::Verify(some(rest))),
        "invite" => Some(Call::Invite),
        "status" => Some(Call::Status(some(rest))),
        "help" => Some(Call::Help),
        "quit" | "exit" => Some(Call::Quit),
        _ => match file_words::parse(verb, rest) {
            Some(Err(why)) => return Parsed::Wrong(why),
            Some(Ok(call)) => Some(Call::File(call)),
            None => people::parse(verb, rest).map(Call::People),
        },
    };
    call.map_or_else(|| Parsed::Wrong(usage(verb)), Parsed::Call)
}

fn some(rest: &str) -> Option<String> {
    (!rest.is_empty()).then(|| rest.to_owned())
}

fn message(rest: &str) -> Option<Call> {
    let (to, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let text = text.trim();
    (!to.is_empty()).then(|| Call::Message(to.to_owned(), some(text)))
}

fn group(rest: &str) -> Option<Call> {
    let (verb, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let mut words = rest.split_whitespace().map(str::to_owned);
    match verb {
        "new" => words.next().map(|name| Call::GroupNew(name, words.collect())),
        "invite" => words.next().map(Call::GroupInvite),
        "remove" => words.next().map(Call::GroupRemove),
        "leave" => Some(Call::GroupLeave),
        "members" => Some(Call::GroupMembers),
        "doors" => Some(Call::GroupDoors),
        "link" => Some(Call::GroupLink),
        "ban" => words.next().map(Call::GroupBan),
        "unban" => words.next().map(Call::GroupUnban),
        "join" => words.next().map(Call::GroupJoin),
        "ask" => words.next().map(Call::GroupAsk),
        "knock" => words.next().map(Call::GroupKnock),
        "passphrase" => match words.next().as_deref() {
            None => Some(Call::GroupPassphrase(true)),
            Some("off") => Some(Call::GroupPassphrase(false)),
            Some(_) => None,
        },
        "accept" => words.next().map(|who| Call::GroupDecide(who, true)),
        "decline" => words.next().map(|who| Call::GroupDecide(who, false)),
        _ => None,
    }
}

fn usage(verb: &str) -> String {
    let prefix = format!("/{verb}");
    let mut known = COMMANDS.iter().filter(|(name, ..)| name.split(' ').next() == Some(&prefix));
    match known.next() {
        Some((name, arguments, _)) => format!("usage: {name} {arguments}"),
        None => format!("no command {prefix}; F1 lists them, // sends a text that starts with /"),
    }
}

/// What Tab makes of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Completion {
    /// Nothing fits.
    None,
    /// This is meant.
    One(String),
    /// As far as all agree, and what they are.
    Many(String, Vec<String>),
}

/// Completes a command, or the last word to a name.
pub(super) fn complete(text: &str, names: &[String]) -> Completion {
    if text.is_empty() {
        return Completion::None;
    }
    if text.starts_with('/') {
        let commands = COMMANDS.iter().map(|(name, ..)| (*name).to_owned());
        let found: Vec<String> = commands.filter(|c| c.starts_with(text)).collect();
        if !found.is_empty() {
            return agree("", text, found);
        }
    }
    let start = text.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, word) = text.split_at_checked(start).unwrap_or((text, ""));
    let (sigil, word) = match word.chars().next() {
        Some(c @ ('@' | '#' | '~')) => word.split_at_checked(c.len_utf8()).unwrap_or(("", word)),
        _ => ("", word),
    };
    if word.is_empty() {
        return Completion::None;
    }
    let low = word.to_lowercase();
    let found = names.iter().filter(|n| n.to_lowercase().starts_with(&low)).cloned().collect();
    agree(&format!("{before}{sigil}"), word, found)
}

fn agree(before: &str, typed: &str, mut found: Vec<String>) -> Completion {
    found.sort();
    match found.as_slice() {
        [] => Completion::None,
        [one] => Completion::One(format!("{before}{one} ")),
        [first, rest @ ..] => {
            let shared = rest.iter().fold(first.as_str(), |a, b| common(a, b));
            let shared = if shared.len() < typed.len() { typed } else { shared };
            Completion::Many(format!("{before}{shared}"), found)
        }
    }
}

/// What two texts begin with alike.
pub(super) fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8());
    a.get(..same.sum()).unwrap_or_default()
}

impl App {
    /// Carries a command out.
    pub(super) fn call(&mut self, call: Call) -> Vec<Effect> {
        match call {
            Call::Message(to, None) => vec![Effect::Command(Command::Open { to }, Did::Opened)],
            Call::Message(to, Some(text)) => {
                vec![Effect::Command(Command::Send { to, text, id: None }, Did::Opened)]
            }
            Call::GroupNew(name, members) => {
                vec![Effect::Command(Command::GroupNew { name, members }, Did::Opened)]
            }
            Call::GroupInvite(_)
            | Call::GroupRemove(_)
            | Call::GroupLeave
            | Call::GroupMembers
            | Call::GroupDoors
            | Call::GroupLink
            | Call::GroupBan(_)
            | Call::GroupUnban(_)
            | Call::GroupDecide(..)
            | Call::GroupPassphrase(_)
            | Call::Topic(_) => self.group_call(call),
            Call::GroupKnock(room) => self.ask_passphrase(Purpose::Enter(room)),
            Call::GroupAsk(room) => {
                let said = format!("{room} was asked; a member of it decides");
                let command = Command::GroupKnock { room, passphrase: None, note: String::new() };
                vec![Effect::Command(command, Did::Said(said))]
            }
            Call::GroupJoin(link) => {
                vec![Effect::Command(Command::GroupJoin { link }, Did::Opened)]
            }
            Call::Nick(nickname) => {
                vec![Effect::Command(Command::SetNickname { nickname }, Did::Quiet)]
            }
            Call::Verify(contact) => self.verify(contact),
            Call::People(call) => self.people_call(call),
            Call::File(call) => self.file_call(call),
            Call::Status(Some(status)) => {
                let said = Did::Said("status set".to_owned());
                vec![Effect::Command(Command::SetStatus { status }, said)]
            }
            Call::Status(None) => {
                self.say(self.status_words(), false);
                Vec::new()
            }
            Call::Invite => self.show_invite(),
            Call::Help => self.show(Overlay::Help(0)),
            Call::Quit => self.quit(),
        }
    }

    fn show(&mut self, overlay: Overlay) -> Vec<Effect> {
        self.overlay = Some(overlay);
        Vec::new()
    }

    fn group_call(&mut self, call: Call) -> Vec<Effect> {
        let Some(id @ ConversationId::Group(_)) = self.current else {
            self.say("this is no group: /group new <name> founds one", true);
            return Vec::new();
        };
        let group = id.to_string();
        let (command, said) = match call {
            Call::GroupInvite(member) => {
                let said = format!("{member} is invited");
                (Command::GroupInvite { group, member }, said)
            }
            Call::GroupRemove(member) => {
                let said = format!("{member} is removed");
                (Command::GroupRemove { group, member }, said)
            }
            Call::GroupBan(member) => {
                let said = format!("{member} is banned");
                (Command::GroupBan { group, member }, said)
            }
            Call::GroupUnban(member) => {
                let said = format!("{member} is not banned any more");
                (Command::GroupUnban { group, member }, said)
            }
            Call::GroupDecide(member, accept) => {
                let said = if accept { "is let in" } else { "is turned away" };
                let said = format!("{member} {said}");
                (Command::GroupDecide { group, member, accept }, said)
            }
            Call::GroupLink => {
                let command = Command::GroupLink { group, uses: LINK_USES, expires_in_ms: LINK_MS };
                return vec![Effect::Command(command, Did::Linked)];
            }
            Call::GroupPassphrase(true) => return self.ask_passphrase(Purpose::Set(group)),
            Call::GroupPassphrase(false) => {
                let command = Command::GroupPassphrase { group, passphrase: None };
                (command, "no passphrase lets anybody in any more".to_owned())
            }
            Call::GroupDoors => return vec![Effect::Query(Query::Doors { group }, Asked::Doors)],
            Call::GroupLeave => (Command::GroupLeave { group }, "you left".to_owned()),
            Call::Topic(topic) => {
                let command = Command::GroupDescribe { group, name: None, topic: Some(topic) };
                (command, "topic set".to_owned())
            }
            _ => return vec![Effect::Query(Query::Members { group }, Asked::Members)],
        };
        vec![Effect::Command(command, Did::Said(said))]
    }

    fn verify(&mut self, contact: Option<String>) -> Vec<Effect> {
        let here = match self.current {
            Some(id @ ConversationId::Direct(_)) => Some(id.to_string()),
            _ => None,
        };
        match contact.or(here) {
            Some(contact) => vec![Effect::Query(Query::Safety { contact }, Asked::Safety)],
            None => {
                self.say("whom? /verify <nickname>", true);
                Vec::new()
            }
        }
    }

    fn status_words(&self) -> String {
        let link = self.link.as_ref().map_or_else(
            || "hub: not known yet".to_owned(),
            |state| format!("hub {}", crate::display::link(state, self.now)),
        );
        let waiting = self.status.as_ref().map_or_else(String::new, |s| {
            format!(
                "; {} unsent, {} not yet delivered, {} waiting for a key",
                s.unsent, s.undelivered, s.waiting_for_keys
            )
        });
        let keys = self.status.iter().flat_map(|status| &status.spreading);
        let keys: String = keys.map(|group| format!("; keys {}", spread(group))).collect();
        format!("{link}{waiting}{keys}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_texts() {
        assert_eq!(parse("hello /msg"), Parsed::Text("hello /msg".to_owned()));
        assert_eq!(parse("//etc is a folder"), Parsed::Text("/etc is a folder".to_owned()));
        let message = Call::Message("bob".to_owned(), Some("hi there".to_owned()));
        assert_eq!(parse("/msg bob hi there"), Parsed::Call(message));
        let group = Call::GroupNew("team".to_owned(), vec!["bob".to_owned(), "carol".to_owned()]);
        assert_eq!(parse("/group new team bob carol"), Parsed::Call(group));
    }

    #[test]
    fn files_and_people_are_accepted_by_the_same_word() {
        use crate::typed::Offered;
        let file = |number| Parsed::Call(Call::File(FileCall::Accept(number, None)));
        assert_eq!((parse("/accept"), parse("/accept 7")), (file(None), file(Some(7))));
        let bob = Parsed::Call(Call::People(PeopleCall::Accept("bob".to_owned())));
        assert_eq!(parse("/accept bob"), bob);
        let plain = Offered::default();
        let path = Parsed::Call(Call::File(FileCall::Send("/tmp/a b.txt".to_owned(), plain)));
        assert_eq!(parse("/file /tmp/a b.txt"), path);
    }

    #[test]
    fn a_wrong_command_is_never_sent_as_a_message() {
        assert!(matches!(parse("/mgs bob secret"), Parsed::Wrong(_)));
        assert_eq!(parse("/nick"), Parsed::Wrong("usage: /nick <nickname>".to_owned()));
    }

    #[test]
    fn every_listed_command_is_understood() {
        for (name, arguments, _) in COMMANDS {
            let needed = arguments.starts_with('<');
            let text = format!("{name} {}", if needed { "bob" } else { "" });
            assert!(matches!(parse(&text), Parsed::Call(_)), "{text}");
        }
    }

    #[test]
    fn tab_completes_commands_and_names() {
        let names = ["bob".to_owned(), "Bobby".to_owned(), "carol".to_owned()];
        assert_eq!(complete("/ni", &names), Completion::One("/nick ".to_owned()));
        assert_eq!(complete("/msg @ca", &names), Completion::One("/msg @carol ".to_owned()));
        assert_eq!(
            complete("hi bo", &names),
            Completion::Many("hi bo".to_owned(), vec!["Bobby".to_owned(), "bob".to_owned()])
        );
        assert_eq!(complete("/msg ~bobb", &names), Completion::One("/msg ~Bobby ".to_owned()));
        assert_eq!(complete("zzz", &names), Completion::None);
    }
}
