//! How a group is governed, in words: who may write, who lets people in, by which doors.

use super::clean::line;
use super::clock::Clock;
use crate::api::group::{DoorsView, LinkView, SettingsChange, Who};
use crate::api::view::PersonView;

/// People named in one line.
const NAMED: usize = 8;

/// What somebody changed about a group, in one line.
#[must_use]
pub(super) fn settings(by: &str, change: &SettingsChange) -> String {
    let door = |what: &str, open: bool| format!("{what} {}", if open { "on" } else { "off" });
    let mut parts = Vec::new();
    parts.extend(change.posting.map(|who| format!("{} write here", all_or_admins(who))));
    parts.extend(change.adding.map(|who| format!("{} let people in", all_or_admins(who))));
    parts.extend(change.history.map(|told| door("history for newcomers", told)));
    parts.extend(change.passphrase.map(|open| door("coming in by passphrase", open)));
    parts.extend(change.requests.map(|open| door("asking to be let in", open)));
    parts.extend(change.alias.as_ref().map(|alias| match alias.as_str() {
        "" => "no public name".to_owned(),
        name => format!("public name {}", line(name)),
    }));
    format!("{by} changed this group: {}", parts.join(", "))
}

fn all_or_admins(who: Who) -> &'static str {
    match who {
        Who::Admins => "only admins",
        Who::Members => "all members",
    }
}

/// The ways into a group, one line each. It begins with who can let people in.
#[must_use]
pub fn doors(doors: &DoorsView, clock: &Clock) -> Vec<String> {
    let names = people(&doors.keepers);
    let mut lines = vec![
        format!("{} let people in: {names}", all_or_admins(doors.adding)),
        format!("{} write here", all_or_admins(doors.posting)),
    ];
    lines.push(match (doors.passphrase, doors.alias.as_str()) {
        (false, _) => "passphrase: off".to_owned(),
        (true, "") => "passphrase: on, but the group has no public name to join it by".to_owned(),
        (true, alias) => format!("passphrase: whoever knows it comes in by {}", line(alias)),
    });
    lines.push(match doors.requests {
        false => "requests: off".to_owned(),
        true => "requests: strangers may ask; those who let people in decide".to_owned(),
    });
    if !doors.alias.is_empty() {
        lines.push(format!("public name: {} (the hub and everybody on it see it)", doors.alias));
    }
    lines.push(match (doors.history, doors.history_since) {
        (false, _) => "newcomers see nothing from before they came".to_owned(),
        (true, None) => "newcomers are told what was said before they came".to_owned(),
        (true, Some(since)) => {
            let since = clock.date_time(since);
            format!("newcomers are told what was said before they came: history since {since}")
        }
    });
    lines.extend(doors.links.iter().map(|link| one_link(link, clock)));
    lines.extend(doors.asking.iter().map(|request| {
        let note = line(&request.note);
        let says = if note.is_empty() { String::new() } else { format!(": {note}") };
        format!("{} asks to be let in{says}", line(&request.person.name))
    }));
    if !doors.banned.is_empty() {
        lines.push(format!("banned: {}", people(&doors.banned)));
    }
    lines
}

fn one_link(link: &LinkView, clock: &Clock) -> String {
    let key: String = String::from(link.key).chars().take(8).collect();
    let left = if link.left == 1 { "1 person".to_owned() } else { format!("{} people", link.left) };
    let until = clock.date_time(link.expires);
    let line = format!("link {key} by {}: {left} until {until}", line(&link.by.name));
    match &link.link {
        Some(whole) => format!("{line}\n  {whole}"),
        None => line,
    }
}

fn people(people: &[PersonView]) -> String {
    let names: Vec<_> = people.iter().take(NAMED).map(|p| line(&p.name).into_owned()).collect();
    match people.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
