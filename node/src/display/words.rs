//! Notices, states and roles in words. Names in them are already cleaned.

use std::borrow::Cow;

use hubbub_shared::time::Timestamp;

use super::clean::{block, line};
use super::clock::Clock;
use crate::api::people::{ACTIVE_NOW, Past, Wanted};
use crate::api::view::{Body, LinkState, Notice, Path, PersonView, Role, SpreadView};

/// Said wherever the lobby is shown: its members are whoever the hub admits.
pub const LOBBY_LABEL: &str = "open: anyone this hub admits can read this";

/// What becomes of what is written while the hub is not reached.
pub const WAITS: &str = "waits here, and goes as soon as the hub is reached";

/// What a message says, over as many lines as it has.
#[must_use]
pub fn body<'a>(body: &'a Body, sender: &PersonView) -> Cow<'a, str> {
    match body {
        Body::Text(text) => block(text),
        Body::File(what) => Cow::Owned(super::files::file(what)),
        Body::Notice(what) => Cow::Owned(notice(what, sender)),
        Body::Unsupported => Cow::Borrowed("(written by a newer version: update to read this)"),
        Body::Missing => Cow::Borrowed("(a message is missing here; it has been asked for)"),
    }
}

/// What a message says in one line of at most `chars` characters.
#[must_use]
pub fn excerpt(text: &str, chars: usize) -> String {
    let text = line(text);
    if text.chars().count() <= chars {
        return text.into_owned();
    }
    let mut cut: String = text.chars().take(chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// How far the own key has spread in a group.
#[must_use]
pub fn spread(spread: &SpreadView) -> String {
    let SpreadView { title, left, of, .. } = spread;
    format!("on their way to {left} of {of} members of {}", line(title))
}

/// What happened, in one line. `sender` did it.
#[must_use]
pub fn notice(notice: &Notice, sender: &PersonView) -> String {
    let by = line(&sender.name);
    match notice {
        Notice::Created => format!("{by} founded this group"),
        Notice::Added(who) => format!("{by} added {}", line(&who.name)),
        Notice::Joined(who) => format!("{} came in", line(&who.name)),
        Notice::JoinedBy(who, maker) => {
            format!("{} came in by {}'s link", line(&who.name), line(&maker.name))
        }
        Notice::Banned(who) => format!("{by} banned {}", line(&who.name)),
        Notice::Unbanned(who) => format!("{by} ended the ban of {}", line(&who.name)),
        Notice::Set(change) => super::govern::settings(&by, change),
        Notice::LinkMade(uses) => format!("{by} made an invite link for {uses}"),
        Notice::LinkRevoked => format!("{by} took an invite link back"),
        Notice::Removed(who) => format!("{by} removed {}", line(&who.name)),
        Notice::Left(who) => format!("{} left", line(&who.name)),
        Notice::RoleChanged(who, to) => format!("{by} made {} {}", line(&who.name), role(*to)),
        Notice::Described { name, topic } if topic.is_empty() => {
            format!("{by} named this {}", line(name))
        }
        Notice::Described { name, topic } => {
            format!("{by} described this: {}: {}", line(name), line(topic))
        }
        Notice::Refused { reason, explanation } => {
            format!("REFUSED ({}): {}", line(reason), line(explanation))
        }
    }
}

/// Whether a notice warns of tampering or a broken rule.
#[must_use]
pub fn notice_is_warning(body: &Body) -> bool {
    matches!(body, Body::Notice(Notice::Refused { .. }))
}

/// A name with letters of its key, unless they stand there already.
#[must_use]
pub fn with_mark(name: &str, mark: &str) -> String {
    let name = line(name);
    if name.ends_with(&format!("#{mark}")) || name.starts_with(mark) {
        return name.into_owned();
    }
    format!("{name}#{}", line(mark))
}

/// What a request is for, in one line.
#[must_use]
pub fn wants(wants: &Wanted) -> String {
    match wants {
        Wanted::Talk(text) if text.is_empty() => {
            "wrote something this version cannot show".to_owned()
        }
        Wanted::Talk(text) => format!("wrote: {}", line(text)),
        Wanted::Join(name) if name.is_empty() => "wants you in a group without a name".to_owned(),
        Wanted::Join(name) => format!("wants you in #{}", line(name)),
    }
}

/// What happened to a contact's name or keys, in one line.
#[must_use]
pub fn past(past: &Past) -> String {
    match past {
        Past::Pinned => "became a contact: this key is pinned".to_owned(),
        Past::Renamed { from, to } => format!("was {}, is {} now", line(from), line(to)),
        Past::Claimed { by, name } => {
            format!("another key goes by {}: {}", line(name), String::from(*by))
        }
        Past::SessionKey { number } => format!("has a new key for sessions, number {number}"),
        Past::Verified => "verified: the safety number was compared".to_owned(),
        Past::Unverified => "not verified any more".to_owned(),
        Past::Blocked => "blocked".to_owned(),
        Past::Unblocked => "not blocked any more".to_owned(),
    }
}

/// When somebody was last heard from.
#[must_use]
pub fn presence(last_heard: Timestamp, now: Timestamp, clock: &Clock) -> String {
    if now.since(last_heard).0 < ACTIVE_NOW {
        "active now".to_owned()
    } else {
        format!("last heard {}", clock.brief(last_heard, now))
    }
}

/// A role as a word.
#[must_use]
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

/// A path as a word.
#[must_use]
pub fn path(path: Path) -> &'static str {
    match path {
        Path::Direct => "direct",
        Path::Relay => "relay",
        Path::Stored => "stored",
    }
}

/// The hub link in a few words.
#[must_use]
pub fn link(state: &LinkState, now: Timestamp) -> String {
    match state {
        LinkState::Connecting => "connecting".to_owned(),
        LinkState::Up { rtt_ms, .. } => format!("up, {rtt_ms} ms"),
        LinkState::Down { why, retry_at, .. } => {
            let again = retry_at.map(|at| at.since(now).0.div_ceil(1000));
            match again {
                Some(0) => format!("down: {}; trying again", line(why)),
                Some(secs) => format!("down: {}; next try in {secs} s", line(why)),
                None => format!("down: {}", line(why)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::id::NodeId;

    use super::*;
    use crate::api::view::NodeText;

    fn person(name: &str) -> PersonView {
        PersonView { node: NodeText(NodeId([1; 32])), name: name.to_owned(), verified: false }
    }

    #[test]
    fn notices_say_who_did_what_to_whom() {
        let alice = person("alice");
        assert_eq!(notice(&Notice::Added(person("bob")), &alice), "alice added bob");
        assert_eq!(
            notice(&Notice::RoleChanged(person("bob"), Role::Admin), &alice),
            "alice made bob admin"
        );
    }

    #[test]
    fn a_hostile_name_is_cleaned_in_a_notice() {
        let mallory = person("mal\x1b[31mlory");
        assert_eq!(notice(&Notice::Left(mallory.clone()), &mallory), "mal␛[31mlory left");
    }

    #[test]
    fn a_link_that_is_down_says_why_and_when_it_is_tried_again() {
        let code = crate::api::Code::HubUnreachable;
        let down =
            LinkState::Down { code, why: "no answer".to_owned(), retry_at: Some(Timestamp(5_500)) };
        assert_eq!(link(&down, Timestamp(1_000)), "down: no answer; next try in 5 s");
        assert_eq!(link(&down, Timestamp(9_000)), "down: no answer; trying again");
    }

    #[test]
    fn an_excerpt_is_cut_and_kept_to_one_line() {
        assert_eq!(excerpt("one\ntwo", 20), "one⏎two");
        assert_eq!(excerpt("abcdef", 4), "abc…");
    }
}
