//! Files as people read them on the command line. Pure.

use serde::Serialize;

use super::render::{Look, fields, table};
use crate::api::file::{
    AcceptFrom, FileRule, FileRuleView, FileSettings, FileView, GroupFileRuleView,
};
use crate::display::{caution, file, file_facts, file_state, how_it_is, line, progress};

/// Columns by which what is said about a file is moved in below it.
const INDENT: &str = "    ";

/// Files, one a line, and below each what more there is to say about it.
pub(super) fn files(list: &[FileView], look: &Look) -> String {
    let row = |view: &FileView| {
        let status = view.body.status.as_ref();
        let number = status.map_or_else(String::new, |status| status.file.to_string());
        let from = if view.own { "(you)".into() } else { line(&view.sender.name) };
        vec![
            number,
            look.clock.brief(view.since, look.now),
            from.into_owned(),
            line(&view.body.name).into_owned(),
            crate::display::bytes(view.body.size),
            status.map_or_else(String::new, how_it_is),
        ]
    };
    let rows = table(&list.iter().map(row).collect::<Vec<_>>());
    let below = |view: &FileView| {
        let Some(status) = &view.body.status else { return String::new() };
        let lines = caution(status).into_iter().chain(file_facts(status, view.body.size));
        lines.map(|line| format!("\n{INDENT}{line}")).collect::<String>()
    };
    let rows = rows.lines().zip(list).map(|(row, view)| format!("{row}{}", below(view)));
    rows.collect::<Vec<_>>().join("\n")
}

/// One file with how it is with it.
pub(super) fn one(view: &FileView) -> String {
    file(&view.body)
}

/// The line of a file that moves.
pub(super) fn moving(view: &FileView) -> String {
    let name = line(&view.body.name);
    let status = view.body.status.as_ref();
    let state = status.map_or("", |status| file_state(status.state));
    match status.and_then(|status| status.progress.as_ref()) {
        Some(moving) => format!("{name}  {}", progress(moving, view.body.size)),
        None => format!("{name}  {state}"),
    }
}

/// The settings about files, and whose files, or in which groups, have a rule of their own.
#[derive(Serialize)]
pub(super) struct Rules {
    #[serde(flatten)]
    pub(super) settings: FileSettings,
    pub(super) files_of: Vec<FileRuleView>,
    pub(super) files_in: Vec<GroupFileRuleView>,
}

/// All of these, as they are changed.
pub(super) fn rules(rules: &Rules, bytes: impl Fn(u64) -> String) -> String {
    let Rules { settings, files_of, files_in } = rules;
    let from = match settings.from {
        AcceptFrom::Nobody => "nobody",
        AcceptFrom::Verified => "verified",
        AcceptFrom::Contacts => "contacts",
        AcceptFrom::Members => "members",
    };
    let types = settings.types.iter().map(|kind| match kind.as_str() {
        "" => "(every)".to_owned(),
        kind => line(kind).into_owned(),
    });
    let types = types.collect::<Vec<_>>().join(" ");
    let folder = match settings.folder.as_str() {
        "" => "Hubbub, among your downloads".to_owned(),
        folder => line(folder).into_owned(),
    };
    let rate = match settings.rate {
        0 => "off".to_owned(),
        rate => format!("{}/s", bytes(rate)),
    };
    let mut all = vec![
        ("from", from.to_owned()),
        ("up-to", bytes(settings.up_to)),
        ("type", if types.is_empty() { "(none)".to_owned() } else { types }),
        ("folder", folder),
        ("limit", rate),
    ];
    let own = |name: &str, rule| format!("{} {}", line(name), rule_word(rule));
    all.extend(files_of.iter().map(|of| ("contact", own(&of.person.name, of.rule))));
    all.extend(files_in.iter().map(|there| ("group", own(&there.title, there.rule))));
    fields(&all)
}

fn rule_word(rule: FileRule) -> &'static str {
    match rule {
        FileRule::Default => "default",
        FileRule::Always => "always",
        FileRule::Never => "never",
    }
}

#[cfg(test)]
#[path = "file_render_tests.rs"]
mod tests;
