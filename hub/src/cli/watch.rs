//! `hubbub-hub status` and `hubbub-hub log`: questions to the running hub.

use std::io::{self, Write as _};
use std::path::Path;

use hubbub_hub::admin::{self, Asked, Reply, Request, Status};
use hubbub_hub::journal::Line;
use hubbub_hub::keys;
use hubbub_shared::time::Timestamp;
use jiff::tz::TimeZone;

use super::Failure;
use crate::args::Log;

/// Prints how the running hub is doing.
pub(super) async fn status(dir: &Path, json: bool) -> Result<(), Failure> {
    let status = read_status(&mut ask(dir, &Request::Status).await?).await?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(&status).map_err(io::Error::from)?)?;
        return Ok(());
    }
    let Status { hub, listen, since, connections, streams, files, file_bytes, version } = status;
    writeln!(out, "hub          {hub}\nversion      {version}\nlistens on   UDP {listen}")?;
    writeln!(out, "since        {}\nconnected    {connections}", local(since))?;
    let mib = file_bytes.div_ceil(1024 * 1024);
    writeln!(out, "streams      {streams}\nfiles        {files}, {mib} MiB")?;
    Ok(())
}

/// The answer to the question for it.
pub(super) async fn read_status(asked: &mut Asked) -> Result<Status, Failure> {
    match asked.next().await? {
        Some(Reply::Status(status)) => Ok(status),
        Some(Reply::Failed { why }) => Err(Failure::Refused(why)),
        _ => Err(Failure::Refused("nothing".to_owned())),
    }
}

/// Prints the running hub's lines as they come.
pub(super) async fn follow(dir: &Path, args: &Log) -> Result<(), Failure> {
    let mut asked = ask(dir, &Request::Follow).await?;
    while let Some(reply) = asked.next().await? {
        let mut out = io::stdout().lock();
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&reply).map_err(io::Error::from)?)?;
            continue;
        }
        match reply {
            Reply::Line(Line { at, said, sealed, .. }) => {
                let hex = sealed.filter(|_| args.sealed).map(|hex| format!("  {hex}…"));
                writeln!(out, "{} {said}{}", local(at), hex.unwrap_or_default())?;
            }
            Reply::Missed { lines } => writeln!(out, "({lines} lines missed)")?,
            Reply::Failed { why } => return Err(Failure::Refused(why)),
            reply => drop(reply), // answers no follower gets
        }
    }
    Ok(())
}

async fn ask(dir: &Path, request: &Request) -> Result<Asked, Failure> {
    keys::load(dir)?;
    admin::ask(dir, request).await?.ok_or_else(|| Failure::NotRunning(dir.to_owned()))
}

/// Date and time where the operator is.
pub(super) fn local(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map_or_else(
        |_| at.0.to_string(),
        |at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
