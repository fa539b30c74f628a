//! The operator's local socket: invites, status and the live log of a running hub, as JSON lines.
//!
//! One request a connection: one line in, one line out, or for `follow` lines until either side
//! leaves. Invariant: only the hub's own user can open it (the socket and its directory are
//! private), and a slow follower is told how many lines it missed instead of holding anything up.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::address::is_private;
use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::check::Health;
use crate::intake::{Arrival, Ask, Seen};
use crate::invites::Held;
use crate::journal::Line;
use crate::serve::Operator;
use crate::server::{now, stopped};

const FILE: &str = "admin.sock";
/// Longest request in bytes.
const REQUEST_MAX: u64 = 4_096;
/// Operators at once.
const OPERATORS: usize = 32;

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Make an invite.
    Invite {
        /// For how many identities.
        uses: u32,
        /// For how long.
        ttl: Millis,
    },
    /// Which invites are there?
    Invites,
    /// Take an invite back.
    Revoke {
        /// Its id.
        id: String,
    },
    /// How is it going?
    Status,
    /// How are you and your process?
    Health,
    /// Send the log's lines from now on.
    Follow,
}

/// What the hub answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Reply {
    /// The invite's token in hex; it is durable.
    Invited {
        /// Sixteen bytes.
        token: String,
    },
    /// The invites that have not ended.
    Invites {
        /// All of them.
        invites: Vec<Held>,
    },
    /// The invite is taken back, durably; `false` when there is none of that id.
    Revoked {
        /// Whether there was one.
        found: bool,
    },
    /// How it is going.
    Status(Status),
    /// What the hub knows of itself and its process.
    Health(Health),
    /// A line of the log.
    Line(Line),
    /// Lines this follower was too slow for.
    Missed {
        /// How many.
        lines: u64,
    },
    /// It could not be done.
    Failed {
        /// Why, for people.
        why: String,
    },
}

/// How a hub is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its identity, whole.
    pub hub: String,
    /// Where it listens.
    pub listen: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: Timestamp,
    /// Connected nodes.
    pub connections: usize,
    /// Streams being relayed, and those about files.
    pub streams: usize,
    /// Files kept; 0 from a hub of a version that keeps none.
    #[serde(default)]
    pub files: usize,
    /// Bytes these take, and those set aside for files on their way.
    #[serde(default)]
    pub file_bytes: u64,
    /// The program's version.
    pub version: String,
}

/// Serves the socket until the hub stops. Without it the hub runs all the same.
pub(crate) async fn listen(dir: PathBuf, operator: Operator, mut stop: watch::Receiver<bool>) {
    let path = dir.join(FILE);
    let listener = match bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            let path = path.display();
            tracing::warn!("no operator's socket at {path}: {error}; the hub runs without it");
            return;
        }
    };
    let mut operators = JoinSet::new();
    while !stopped(&stop) {
        tokio::select! {
            Ok((stream, _)) = listener.accept(), if operators.len() < OPERATORS => {
                operators.spawn(serve(stream, operator.clone()));
            }
            Some(_) = operators.join_next() => {}
            _ = stop.changed() => {}
        }
    }
    // A socket left behind would only be replaced by the next start.
    std::fs::remove_file(&path).ok();
}

/// Binds the socket for its owner alone. A leftover is replaced: the store's lock, held already,
/// says that no other hub uses this directory.
fn bind(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn serve(stream: UnixStream, operator: Operator) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    if (&mut read).take(REQUEST_MAX).read_line(&mut line).await.is_err() {
        return;
    }
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Invite { uses, ttl }) => invite(&operator, uses, ttl).await,
        Ok(Request::Invites) => {
            operator.invites().await.map_or_else(stopping, |invites| Reply::Invites { invites })
        }
        Ok(Request::Revoke { id }) => {
            operator.revoke(&id).await.map_or_else(stopping, |found| Reply::Revoked { found })
        }
        Ok(Request::Status) => status(&operator).await,
        Ok(Request::Health) => health(&operator).await,
        Ok(Request::Follow) => return follow(&operator, read, write).await,
        Err(error) => Reply::Failed { why: format!("not a request: {error}") },
    };
    // Whoever asked may have gone away.
    say(&mut write, &reply).await.ok();
}

async fn invite(operator: &Operator, uses: u32, ttl: Millis) -> Reply {
    match operator.invite(uses, ttl).await {
        Ok(token) => Reply::Invited { token: data_encoding::HEXLOWER.encode(&token) },
        Err(error) => Reply::Failed { why: error.to_string() },
    }
}

async fn status(operator: &Operator) -> Reply {
    let (done, answer) = oneshot::channel();
    let asked = operator.intake.send(Arrival::Ask(Ask::Status(done))).await;
    let counts = if asked.is_ok() { answer.await.ok() } else { None };
    let Some((connections, streams)) = counts else { return stopping() };
    let held = operator.files.held();
    Reply::Status(Status {
        hub: operator.hub.to_text(),
        listen: operator.listen.to_string(),
        since: operator.since,
        connections,
        streams,
        files: held.blobs,
        file_bytes: held.bytes,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

async fn health(operator: &Operator) -> Reply {
    let (done, answer) = oneshot::channel();
    let asked = operator.intake.send(Arrival::Ask(Ask::Health(done))).await;
    let seen = if asked.is_ok() { answer.await.ok() } else { None };
    let Some(Seen { from, versions, newest, held }) = seen else { return stopping() };
    let nodes = from.len();
    let addresses: BTreeSet<IpAddr> = from.into_iter().collect();
    Reply::Health(Health {
        nodes,
        addresses: addresses.len(),
        private: addresses.into_iter().filter(|ip| is_private(*ip)).count(),
        newest,
        now: now(),
        held,
        buffers: operator.buffers,
        open_files: getrlimit(Resource::Nofile).current,
        versions,
    })
}

fn stopping() -> Reply {
    Reply::Failed { why: "the hub is stopping, or could not store it; see its log".to_owned() }
}

async fn follow(operator: &Operator, mut read: BufReader<OwnedReadHalf>, mut out: OwnedWriteHalf) {
    let mut lines = operator.journal.follow();
    loop {
        let reply = tokio::select! {
            line = lines.recv() => match line {
                Ok(line) => Reply::Line(line),
                Err(RecvError::Lagged(lines)) => Reply::Missed { lines },
                Err(RecvError::Closed) => return,
            },
            // The follower says nothing more: this is how its leaving shows.
            _ = read.read_u8() => return,
        };
        if say(&mut out, &reply).await.is_err() {
            return;
        }
    }
}

async fn say(out: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    out.write_all(&line).await
}

/// The other end: a question to a running hub.
pub struct Asked {
    replies: Lines<BufReader<OwnedReadHalf>>,
    /// Kept open: closing it would end a `follow`.
    _out: OwnedWriteHalf,
}

/// Asks the hub that runs on `dir`; `None` when none runs there.
///
/// # Errors
/// Any I/O error but there being nobody.
pub async fn ask(dir: &Path, request: &Request) -> io::Result<Option<Asked>> {
    let stream = match UnixStream::connect(dir.join(FILE)).await {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
            _ => return Err(error),
        },
    };
    let (read, mut out) = stream.into_split();
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    out.write_all(&line).await?;
    Ok(Some(Asked { replies: BufReader::new(read).lines(), _out: out }))
}

/// Where the hub in `dir` listens; `None` when none runs there.
///
/// # Errors
/// Any I/O error but there being nobody.
pub async fn listening(dir: &Path) -> io::Result<Option<SocketAddr>> {
    let Some(mut asked) = ask(dir, &Request::Status).await? else { return Ok(None) };
    match asked.next().await? {
        Some(Reply::Status(status)) => Ok(status.listen.parse().ok()),
        _ => Ok(None),
    }
}

impl Asked {
    /// The next answer; `None` when the hub has no more.
    ///
    /// # Errors
    /// An I/O error, or a line that is no answer.
    pub async fn next(&mut self) -> io::Result<Option<Reply>> {
        let line = self.replies.next_line().await?;
        line.map(|line| serde_json::from_str(&line).map_err(io::Error::other)).transpose()
    }
}
