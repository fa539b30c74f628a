//! `hubbub file`: offering files, deciding about them, and watching them come.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::file_args::{File, FileAccept, FileRules, FileSend, FileWhich};
use super::out::{Done, Failure, Out, is_terminal};
use super::{file_render as render, open, stop};
use crate::api::file::{FileStatus, FileView};
use crate::api::{
    Answer, ApiError, Code, Command, Event, Events, FileChoice, FileDeed, FileState, Node, Query,
    Reply,
};
use crate::display::bytes;
use crate::paths::{self, ProfileDir};
use crate::runtime::sent;
use crate::typed::whole;

/// Carries one of them out.
pub(super) async fn run(node: &dyn Node, args: File, dir: &ProfileDir, out: &mut Out) -> Done {
    match args {
        File::Send(args) => send(node, args, dir, out).await,
        File::List => list(node, out).await,
        File::Accept(args) => accept(node, args, out).await,
        File::Decline(which) => decide(node, &which, FileDeed::Decline, out).await,
        File::Pause(which) => decide(node, &which, FileDeed::Pause, out).await,
        File::Resume(which) => decide(node, &which, FileDeed::Resume, out).await,
        File::First(which) => decide(node, &which, FileDeed::First, out).await,
        File::Cancel(which) => decide(node, &which, FileDeed::Cancel, out).await,
        File::Preview { which, out: path } => preview(node, &which, &path, out).await,
        File::Limit { rate } => {
            let choice = FileChoice { rate: Some(rate), ..FileChoice::default() };
            change(node, choice, out).await
        }
        File::Rules(mut rules) => {
            if let Some(command) = own_rule(&mut rules) {
                node.command(command).await?;
            }
            change(node, choice(rules)?, out).await
        }
    }
}

async fn send(node: &dyn Node, args: FileSend, dir: &ProfileDir, out: &mut Out) -> Done {
    let FileSend { path, to, mut how, wait } = args;
    let from_stdin = path.as_os_str() == "-";
    let path = if from_stdin {
        how.name.get_or_insert_with(|| "file".to_owned());
        written_down(dir.sent()).await?
    } else {
        path
    };
    let path = whole(&path)?;
    let events = node.subscribe();
    let reply = node.command(Command::SendFile(how.send(to, path.clone()))).await;
    if from_stdin && reply.is_err() {
        // What was refused is not offered, so nobody else takes it away.
        paths::remove(Path::new(&path)).map_err(|error| wrong_disk(&error))?;
    }
    let reply = reply?;
    let Reply::File { file, .. } = &reply else { return Err(open::unexpected().into()) };
    let file = *file;
    if !wait {
        return out.result(&reply, |_, _| format!("file {file} is being prepared"));
    }
    let offered = |state| !matches!(state, FileState::Sealing);
    let view = watch(node, events, file, offered, out).await?;
    ended(view, FileState::Serving, out)
}

/// Keeps what comes from stdin, as long as it is offered: it is read again whenever somebody
/// fetches it.
async fn written_down(folder: PathBuf) -> Result<PathBuf, ApiError> {
    let written =
        tokio::task::spawn_blocking(move || sent::write_down(&folder, std::io::stdin().lock()));
    written.await.map_err(|error| wrong_disk(&std::io::Error::other(error)))?
}

fn wrong_disk(error: &std::io::Error) -> ApiError {
    let what = format!("cannot write down what is to be sent: {error}");
    ApiError::new(Code::Full, what, "look at the free space, or send a file")
}

async fn accept(node: &dyn Node, args: FileAccept, out: &mut Out) -> Done {
    let to = args.landing.to.as_deref().map(whole).transpose()?;
    let file = meant(node, &args.which).await?;
    let events = node.subscribe();
    let deed = FileDeed::Accept { to };
    let reply = node.command(Command::File { file, deed }).await?;
    if !args.wait {
        return out.result(&reply, |_, _| format!("file {file} is wanted"));
    }
    let through = |state| !matches!(state, FileState::Queued | FileState::Fetching);
    let view = watch(node, events, file, through, out).await?;
    ended(view, FileState::Whole, out)
}

async fn decide(node: &dyn Node, which: &FileWhich, deed: FileDeed, out: &mut Out) -> Done {
    let said = match deed {
        FileDeed::Decline => "declined",
        FileDeed::Pause => "paused",
        FileDeed::Resume => "goes on",
        FileDeed::First => "goes first",
        FileDeed::Cancel => "withdrawn",
        FileDeed::Accept { .. } => "wanted",
    };
    let file = meant(node, which).await?;
    let reply = node.command(Command::File { file, deed }).await?;
    out.result(&reply, |_, _| format!("file {file}: {said}"))
}

async fn all(node: &dyn Node) -> Result<Vec<FileView>, Failure> {
    match node.query(Query::Files).await? {
        Answer::Files(files) => Ok(files),
        _ => Err(open::unexpected().into()),
    }
}

async fn list(node: &dyn Node, out: &mut Out) -> Done {
    let files = all(node).await?;
    if files.is_empty() {
        out.hint("no file was offered to you or by you");
    }
    out.results(&files, render::files)
}

/// The number of the file that is meant. Others choose the ids of their messages, so an id that
/// names several files names none.
async fn meant(node: &dyn Node, which: &FileWhich) -> Result<u64, Failure> {
    if let Ok(number) = which.file.parse() {
        return Ok(number);
    }
    let files = all(node).await?;
    let of = |file: &&FileView| String::from(file.message) == which.file;
    let mut found = files.iter().filter(of).filter_map(|file| file.body.status.as_ref());
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.file),
        (Some(_), Some(_)) => {
            let what = "several files have this message's id";
            Err(ApiError::new(Code::Usage, what, "give the file's number").into())
        }
        (None, _) => {
            let what = format!("no file here is {}", which.file);
            let hint = "`hubbub file list` shows their numbers";
            Err(ApiError::new(Code::NotFound, what, hint).into())
        }
    }
}

/// Shows how far a file is until `end` says that it is there, or somebody interrupts.
async fn watch(
    node: &dyn Node,
    mut events: Box<dyn Events>,
    file: u64,
    end: impl Fn(FileState) -> bool,
    out: &mut Out,
) -> Result<FileView, Failure> {
    let interrupted = stop::asked()?;
    tokio::pin!(interrupted);
    let mut line = Line { shown: is_terminal() && !out.json, out };
    let mut looked = false;
    loop {
        if !looked {
            looked = true;
            let found = all(node).await?.into_iter().find(|view| is(view, file));
            if let Some(view) = found.filter(|view| reached(view, &end)) {
                line.over();
                return Ok(view);
            }
        }
        let event = tokio::select! {
            biased;
            () = &mut interrupted => {
                line.over();
                return Err(interruption().into());
            }
            event = events.next() => event,
        };
        match event {
            Some(Event::File(view)) if is(&view, file) && reached(&view, &end) => {
                line.over();
                return Ok(*view);
            }
            Some(Event::File(view)) if is(&view, file) => line.show(&view),
            Some(Event::Missed(_)) => looked = false,
            Some(_) => {}
            None => return Err(open::unexpected().into()),
        }
    }
}

fn is(view: &FileView, file: u64) -> bool {
    view.body.status.as_ref().is_some_and(|status| status.file == file)
}

fn reached(view: &FileView, end: &impl Fn(FileState) -> bool) -> bool {
    view.body.status.as_ref().is_some_and(|status| end(status.state))
}

fn interruption() -> ApiError {
    let what = "interrupted before the file was through";
    ApiError::new(Code::Interrupted, what, "it goes on by itself while hubbub runs")
}

/// The line that shows how far it is, over and over in the same place.
struct Line<'a> {
    shown: bool,
    out: &'a mut Out,
}

impl Line<'_> {
    fn show(&mut self, view: &FileView) {
        if self.shown {
            self.out.progress(&render::moving(view));
        }
    }

    fn over(&mut self) {
        if self.shown {
            self.out.progress("");
        }
    }
}

/// Says how it is with a file now, and whether that is what was waited for.
fn ended(view: FileView, wanted: FileState, out: &mut Out) -> Done {
    let status = view.body.status.clone();
    out.result(&view, |view, _| render::one(view))?;
    match status {
        Some(FileStatus { state, .. }) if state == wanted => Ok(()),
        Some(FileStatus { why, state, .. }) => {
            let what = why.unwrap_or_else(|| crate::display::file_state(state).to_owned());
            Err(ApiError::new(Code::NotYetDelivered, what, "`hubbub file list` shows it").into())
        }
        None => Err(open::unexpected().into()),
    }
}

async fn preview(node: &dyn Node, which: &FileWhich, path: &Path, out: &mut Out) -> Done {
    let file = meant(node, which).await?;
    let Answer::Preview(picture) = node.query(Query::Preview { file }).await? else {
        return Err(open::unexpected().into());
    };
    let Some(picture) = picture else {
        let what = "no small picture came with this file";
        return Err(ApiError::new(Code::NotFound, what, "fetch the file itself").into());
    };
    let bytes = BASE64.decode(picture.bytes.as_bytes()).map_err(|_| open::unexpected())?;
    paths::write_for_person(path, &bytes).map_err(|error| {
        let what = format!("cannot write {}: {error}", path.display());
        ApiError::new(Code::Usage, what, "choose another place")
    })?;
    out.result(&picture.facts, |_, _| format!("the picture is in {}", path.display()))
}

/// The rule for one contact, or for one group.
fn own_rule(rules: &mut FileRules) -> Option<Command> {
    let rule = rules.rule?.into();
    match (rules.contact.take(), rules.group.take()) {
        (Some(contact), _) => Some(Command::SetFileRule { contact, rule }),
        (None, Some(group)) => Some(Command::SetGroupFileRule { group, rule }),
        (None, None) => None,
    }
}

async fn change(node: &dyn Node, choice: FileChoice, out: &mut Out) -> Done {
    if choice != FileChoice::default() {
        node.command(Command::SetFiles(choice)).await?;
    }
    let Answer::FileSettings(settings) = node.query(Query::FileSettings).await? else {
        return Err(open::unexpected().into());
    };
    let Answer::FileRules(files_of) = node.query(Query::FileRules).await? else {
        return Err(open::unexpected().into());
    };
    let Answer::GroupFileRules(files_in) = node.query(Query::GroupFileRules).await? else {
        return Err(open::unexpected().into());
    };
    let rules = render::Rules { settings, files_of, files_in };
    out.result(&rules, |rules, _| render::rules(rules, bytes))
}

fn choice(rules: FileRules) -> Result<FileChoice, ApiError> {
    Ok(FileChoice {
        from: rules.from.map(Into::into),
        up_to: rules.up_to,
        types: Some(rules.types).filter(|types| !types.is_empty()),
        folder: rules.folder.as_deref().map(whole).transpose()?,
        rate: None,
    })
}
