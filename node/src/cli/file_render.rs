//! Files as people read them on the command line. Pure.

use super::render::{Look, fields, table};
use crate::api::file::{AcceptFrom, FileSettings, FileView};
use crate::display::{file, file_state, line, progress};

/// Files, one a line.
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
            status.map_or_else(String::new, |status| file_state(status.state).to_owned()),
            detail(view),
        ]
    };
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// How far it got; or why it does not go on; or where it is.
fn detail(view: &FileView) -> String {
    let Some(status) = &view.body.status else { return String::new() };
    match (&status.progress, &status.why, &status.path) {
        (Some(moving), ..) => progress(moving, view.body.size),
        (None, Some(why), _) => line(why).into_owned(),
        (None, None, Some(path)) => line(path).into_owned(),
        (None, None, None) => String::new(),
    }
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

/// The settings about files, as they are changed.
pub(super) fn rules(settings: &FileSettings, bytes: impl Fn(u64) -> String) -> String {
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
    fields(&[
        ("from", from.to_owned()),
        ("up-to", bytes(settings.up_to)),
        ("type", if types.is_empty() { "(none)".to_owned() } else { types }),
        ("folder", folder),
        ("limit", rate),
    ])
}

#[cfg(test)]
#[path = "file_render_tests.rs"]
mod tests;
