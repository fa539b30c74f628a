//! `hubbub backup` and `hubbub restore`: a profile in one sealed file, and back.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::Path;

use hubbub_shared::crypto::SecretBytes;

use super::args::{Backup, Global, Restore};
use super::out::{Done, Out, is_terminal};
use super::{ask, open, secret};
use crate::api::{ApiError, Code};
use crate::display::Clock;
use crate::paths::{self, ProfileDir};
use crate::runtime::backup::{self, About};
use crate::runtime::profile;

/// Makes a backup of the profile.
pub(super) async fn make(global: &Global, args: Backup, out: &mut Out) -> Done {
    let dir = open::profile_dir(global)?;
    if !profile::exists(&dir) {
        return Err(open::no_profile(&dir).into());
    }
    let to_file = args.file.as_os_str() != "-";
    if to_file && args.file.exists() && !args.force {
        let what = format!("{} is there already; it is left alone", args.file.display());
        return Err(ApiError::new(Code::Usage, what, "choose another name, or give --force").into());
    }
    let lock = match open::is_locked(global)? {
        true => Some(secret::needed(global).await?),
        false => None,
    };
    let passphrase = match &args.backup_passphrase_file {
        Some(file) => secret::first_line(file)?,
        None if is_terminal() => secret::chosen().await?,
        None => return Err(no_passphrase().into()),
    };
    let file = args.file.clone();
    let about = blocking(move || match to_file {
        true => into_file(&dir, lock.as_ref(), &passphrase, &file),
        false => {
            let (lock, out) = (lock.as_ref().map(SecretBytes::expose), io::stdout().lock());
            backup::make(&dir, lock, passphrase.expose(), BufWriter::new(out))
        }
    });
    let about = about.await?;
    if to_file {
        out.result(&about, |about, look| summary(about, &look.clock))?;
    }
    out.hint("Whoever has the file and its passphrase has this profile. `hubbub restore --verify`");
    out.hint("reads it through. A hub of your own is not in it.");
    Ok(())
}

/// Makes a profile of a backup, or only reads it through.
pub(super) async fn restore(global: &Global, args: Restore, out: &mut Out) -> Done {
    let dir = open::profile_dir(global)?;
    let passphrase = match &args.backup_passphrase_file {
        Some(file) => secret::first_line(file)?,
        None if is_terminal() => asked().await?,
        None => return Err(no_passphrase().into()),
    };
    let lock = secret::given(global)?;
    let verify = args.verify;
    let about = blocking(move || {
        let from = source(&args.file)?;
        let lock = lock.as_ref().map(SecretBytes::expose);
        match verify {
            true => backup::look(from, passphrase.expose()),
            false => backup::restore(&dir, from, passphrase.expose(), lock),
        }
    });
    let about = about.await?;
    out.result(&about, |about, look| summary(about, &look.clock))?;
    if !verify {
        out.hint(
            "`hubbub` opens it. It makes new keys when it first reaches the hub; what was said",
        );
        out.hint(
            "since the backup is asked of those who said it. Do not use the old one any more.",
        );
    }
    Ok(())
}

/// Whole, or not at all.
fn into_file(
    dir: &ProfileDir,
    lock: Option<&SecretBytes>,
    passphrase: &SecretBytes,
    path: &Path,
) -> Result<About, ApiError> {
    let failed = |error: io::Error| {
        let what = format!("cannot write {}: {error}", path.display());
        ApiError::new(Code::Full, what, "check its directory and the free space")
    };
    let fresh = path.with_extension("unfinished");
    let file = paths::private_file(&fresh).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    let lock = lock.map(SecretBytes::expose);
    let made = backup::make(dir, lock, passphrase.expose(), BufWriter::new(&file));
    let about = made.inspect_err(|_| {
        // What is left of it is of no use, and no harm either.
        std::fs::remove_file(&fresh).unwrap_or_default();
    })?;
    let kept = file.sync_all().and_then(|()| std::fs::rename(&fresh, path));
    kept.and_then(|()| paths::sync_parent(path)).map_err(failed)?;
    Ok(about)
}

fn source(file: &Path) -> Result<Box<dyn Read>, ApiError> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| {
        let what = format!("cannot read {}: {error}", file.display());
        ApiError::new(Code::NotFound, what, "check the name")
    });
    Ok(Box::new(BufReader::new(opened?)))
}

async fn asked() -> Result<SecretBytes, ApiError> {
    let typed = ask::secret("Passphrase of the backup: ").await?;
    Ok(SecretBytes::from_vec(typed.into_bytes()))
}

/// Deriving a key and writing files take their time.
async fn blocking(
    work: impl FnOnce() -> Result<About, ApiError> + Send + 'static,
) -> Result<About, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(ApiError::new(Code::Internal, "the backup failed", "please report this"))
    })
}

fn summary(about: &About, clock: &Clock) -> String {
    let (at, lines) = (clock.date_time(about.made_at), about.messages);
    format!("backup of {} made {at}: {lines} messages and notices", about.node)
}

fn no_passphrase() -> ApiError {
    let hint = "give --backup-passphrase-file, or run it in a terminal";
    ApiError::new(Code::Usage, "no passphrase for the backup", hint)
}
