//! `hubbub profile` and `hubbub settings`: what others see of us, and we of them.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use hubbub_shared::limits::PICTURE_MAX;

use super::out::{Done, Out};
use super::people_args::{Profile, ProfileSet, Setting};
use super::{open, people_render as render};
use crate::api::people::PictureView;
use crate::api::{Answer, ApiError, Choice, Code, Command, Node, Query};
use crate::paths;

/// `hubbub profile`.
pub(super) async fn run(node: &dyn Node, args: Profile, out: &mut Out) -> Done {
    match args {
        Profile::Set(set) => change(node, set, out).await,
        Profile::Show { contact, picture_out } => show(node, contact, picture_out, out).await,
    }
}

async fn change(node: &dyn Node, set: ProfileSet, out: &mut Out) -> Done {
    let picture = match (&set.picture, set.no_picture) {
        (Some(path), _) => Some(read(path).await?),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    let command = Command::SetProfile { name: set.name, status: set.status, picture };
    let reply = node.command(command).await?;
    out.result(&reply, |_, _| "profile set".to_owned())
}

/// A file as base64; no more of it is read than a picture may have.
async fn read(path: &Path) -> Result<String, ApiError> {
    let unreadable = |error: String| {
        let what = format!("cannot read {}: {error}", path.display());
        ApiError::new(Code::Usage, what, "check the file's name")
    };
    let limit = u64::try_from(PICTURE_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let file = path.to_path_buf();
    let reading = tokio::task::spawn_blocking(move || {
        use std::io::Read;
        let mut bytes = Vec::new();
        std::fs::File::open(file)?.take(limit).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = reading.await.map_err(|error| unreadable(error.to_string()))?;
    let bytes = bytes.map_err(|error| unreadable(error.to_string()))?;
    if bytes.is_empty() {
        return Err(unreadable("it is empty".to_owned()));
    }
    Ok(BASE64.encode(&bytes))
}

async fn show(
    node: &dyn Node,
    contact: Option<String>,
    picture_out: Option<PathBuf>,
    out: &mut Out,
) -> Done {
    let picture = node.query(Query::Picture { contact: contact.clone() }).await?;
    let Answer::Picture(picture) = picture else { return Err(open::unexpected().into()) };
    match contact {
        None => {
            let Answer::Whoami(me) = node.query(Query::Whoami).await? else {
                return Err(open::unexpected().into());
            };
            let facts = picture.as_ref().map(|picture| &picture.facts);
            out.result(&me, |me, _| render::own_profile(me, facts))?;
        }
        Some(contact) => {
            let Answer::Contact(info) = node.query(Query::Contact { contact }).await? else {
                return Err(open::unexpected().into());
            };
            out.result(&*info, render::profile)?;
        }
    }
    match (picture_out, picture) {
        (Some(path), Some(picture)) => write(&path, &picture, out),
        (Some(_), None) => {
            let what = "there is no picture";
            Err(ApiError::new(Code::NotFound, what, "leave --picture-out away").into())
        }
        (None, _) => Ok(()),
    }
}

fn write(path: &Path, picture: &PictureView, out: &mut Out) -> Done {
    let bytes = BASE64.decode(picture.bytes.as_bytes()).map_err(|_| open::unexpected())?;
    paths::write_for_person(path, &bytes).map_err(|error| {
        let what = format!("cannot write {}: {error}", path.display());
        ApiError::new(Code::Usage, what, "choose another place")
    })?;
    out.hint(&format!("the picture is in {}", path.display()));
    Ok(())
}

/// `hubbub settings`.
pub(super) async fn settings(node: &dyn Node, setting: Option<Setting>, out: &mut Out) -> Done {
    let unchanged = Choice::default();
    let choice = setting.map(|setting| match setting {
        Setting::ReadReceipts { on } => Choice { read_receipts: Some(on), ..unchanged },
        Setting::Presence { on } => Choice { presence: Some(on), ..unchanged },
        Setting::Strangers { how } => Choice { strangers: Some(how.into()), ..unchanged },
        Setting::Lan { on } => Choice { lan: Some(on), ..unchanged },
        Setting::Addresses { to } => Choice { addresses: Some(to.into()), ..unchanged },
    });
    if let Some(choice) = choice {
        node.command(Command::Set(choice)).await?;
    }
    let Answer::Settings(settings) = node.query(Query::Settings).await? else {
        return Err(open::unexpected().into());
    };
    out.result(&settings, render::settings)
}
