//! People as they are read: requests, keys, profiles. Pure, like `render`.

use super::render::{Look, fields, table, verified};
use crate::api::people::{ContactInfoView, PictureFactsView, RequestView};
use crate::api::view::{PersonView, WhoamiView};
use crate::api::{Addresses, Settings, Strangers};
use crate::display::{line, past, presence, wants, with_mark};

/// Who waits to be let in.
pub(super) fn requests(list: &[RequestView], look: &Look) -> String {
    let row = |request: &RequestView| {
        vec![
            with_mark(&request.from.name, &request.mark),
            look.clock.brief(request.since, look.now),
            wants(&request.wants),
        ]
    };
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// Who is blocked.
pub(super) fn blocked(list: &[PersonView], _: &Look) -> String {
    let row =
        |person: &PersonView| vec![line(&person.name).into_owned(), String::from(person.node)];
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// A contact, with its past.
pub(super) fn info(info: &ContactInfoView, look: &Look) -> String {
    let contact = &info.contact;
    let mut rows = vec![
        ("name", line(&contact.person.name).into_owned()),
        ("key", String::from(contact.person.node)),
        ("safety", verified(contact.person.verified).to_owned()),
        ("known since", look.clock.date_time(contact.since)),
    ];
    rows.extend(profile_rows(info, look));
    if contact.blocked {
        rows.push(("blocked", "yes".to_owned()));
    }
    for other in &contact.namesakes {
        rows.push(("namesake", format!("another key goes by this name: {}", String::from(*other))));
    }
    let head = fields(&rows);
    let line = |entry: &crate::api::people::PastView| {
        vec![format!("  {}", look.clock.date_time(entry.at)), past(&entry.what)]
    };
    let lines: Vec<_> = info.past.iter().map(line).collect();
    if lines.is_empty() { head } else { format!("{head}\nhistory\n{}", table(&lines)) }
}

fn profile_rows(info: &ContactInfoView, look: &Look) -> Vec<(&'static str, String)> {
    let contact = &info.contact;
    let mut rows = Vec::new();
    if !contact.display_name.is_empty() {
        rows.push(("calls itself", line(&contact.display_name).into_owned()));
    }
    if !contact.status.is_empty() {
        rows.push(("status", line(&contact.status).into_owned()));
    }
    if let Some(at) = contact.last_heard {
        rows.push(("presence", presence(at, look.now, &look.clock)));
    }
    if let Some(facts) = &info.picture {
        rows.push(("picture", picture(facts)));
    }
    rows
}

/// What a contact says of themselves.
pub(super) fn profile(info: &ContactInfoView, look: &Look) -> String {
    let mut rows = vec![("nickname", line(&info.contact.person.name).into_owned())];
    rows.extend(profile_rows(info, look));
    fields(&rows)
}

/// What contacts see of us.
pub(super) fn own_profile(me: &WhoamiView, facts: Option<&PictureFactsView>) -> String {
    let or_none =
        |text: &str| if text.is_empty() { "(none)".to_owned() } else { line(text).into_owned() };
    fields(&[
        ("nickname", or_none(me.nickname.as_deref().unwrap_or_default())),
        ("name", or_none(&me.display_name)),
        ("status", or_none(&me.status)),
        ("picture", facts.map_or_else(|| "(none)".to_owned(), picture)),
    ])
}

fn picture(facts: &PictureFactsView) -> String {
    let PictureFactsView { kind, width, height, size } = facts;
    format!("{}, {width} x {height}, {size} bytes", line(kind))
}

/// The settings, as they are changed.
pub(super) fn settings(settings: &Settings, _: &Look) -> String {
    let on = |yes: bool| if yes { "on" } else { "off" }.to_owned();
    let strangers = match settings.strangers {
        Strangers::Ask => "ask",
        Strangers::Welcome => "welcome",
    };
    let addresses = match settings.addresses {
        Addresses::Groups => "groups",
        Addresses::Contacts => "contacts",
        Addresses::Verified => "verified",
        Addresses::Never => "never",
    };
    fields(&[
        ("read-receipts", on(settings.read_receipts)),
        ("presence", on(settings.presence)),
        ("strangers", strangers.to_owned()),
        ("addresses", addresses.to_owned()),
        ("lan", on(settings.lan)),
    ])
}

#[cfg(test)]
#[path = "people_render_tests.rs"]
mod tests;
