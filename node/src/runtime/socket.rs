//! The local socket: the node API for other processes of the same person.
//!
//! Whoever can open the socket acts as this person; only the file's mode and its directory's stand
//! in between. Invariant: bounded connections, bounded lines, bounded queues; a client that does
//! not read is not waited for: events it misses are counted to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::crypto::blake3;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::handle::{Events, Handle, WeakHandle};
use super::lines::{Line, Outcome, Read, Request, Wanted, read_line, to_line};
use crate::api::{ApiError, Code};
use crate::paths;

/// Clients at once.
const CLIENTS: usize = 64;
/// Requests of one client whose answers it has not taken; reading waits beyond that.
const REQUESTS: usize = 32;
/// Lines waiting for one client.
const LINES: usize = 64;
/// How long clients have to hear that the node has stopped.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// Longest path every Unix takes for a socket.
const PATH_MAX: usize = 100;

/// Where the socket of the profile in `dir` is: inside, or where such a long path cannot be bound,
/// under a short name in this person's runtime directory.
#[must_use]
pub fn path_of(dir: &Path) -> PathBuf {
    let inside = dir.join("api.sock");
    if inside.as_os_str().len() <= PATH_MAX {
        return inside;
    }
    let name = blake3(dir.as_os_str().as_encoded_bytes()).to_text();
    let short: String = name.chars().take(16).collect();
    runtime_dir().join(format!("{short}.sock"))
}

fn runtime_dir() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("hubbub"),
        None => PathBuf::from(format!("/tmp/hubbub-{}", own_uid())),
    }
}

/// The system's number for this person, as the owner of this process's entry; 0 where there is
/// none.
fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").map_or(0, |meta| std::os::unix::fs::MetadataExt::uid(&meta))
}

/// The listening socket and its clients.
pub(super) struct Listening {
    closing: Arc<Notify>,
    closed: oneshot::Receiver<()>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Takes no more clients and removes the socket; those that are connected stay for now. To be
    /// called while the profile's lock is held: the next owner makes its own socket.
    pub(super) async fn close(&mut self) {
        self.closing.notify_one();
        // An error means that the task has ended, and the socket is gone with it.
        (&mut self.closed).await.ok();
    }

    /// Ends the clients, giving them a moment to hear their last answers.
    pub(super) async fn end(mut self) {
        if tokio::time::timeout(LAST_ANSWERS, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Listens for clients. The caller holds the profile's lock, so a socket left over is nobody's.
pub(super) fn listen(dir: &Path, node: WeakHandle) -> std::io::Result<Listening> {
    let path = path_of(dir);
    if let Some(parent) = path.parent().filter(|parent| *parent != dir) {
        paths::private_dir(parent)?;
    }
    paths::remove(&path)?;
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let closing = Arc::new(Notify::new());
    let (told, closed) = oneshot::channel();
    let bound = Bound(path, listener);
    let task = tokio::spawn(accept(bound, node, Arc::clone(&closing), told));
    Ok(Listening { closing, closed, task })
}

/// Removes the socket's file when the node stops.
struct Bound(PathBuf, UnixListener);

impl Drop for Bound {
    fn drop(&mut self) {
        if let Err(error) = paths::remove(&self.0) {
            tracing::debug!("cannot remove the socket: {error}");
        }
    }
}

async fn accept(bound: Bound, node: WeakHandle, closing: Arc<Notify>, closed: oneshot::Sender<()>) {
    let mut clients = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = bound.1.accept() => stream,
            Some(_) = clients.join_next() => continue,
            () = closing.notified() => break,
        };
        match stream {
            Ok((stream, _)) if clients.len() < CLIENTS => {
                clients.spawn(serve(stream, node.clone()));
            }
            Ok(_) => tracing::warn!("more than {CLIENTS} clients at once; one was turned away"),
            Err(error) => {
                tracing::warn!("cannot accept a client: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(bound);
    // Nobody listens when the node was dropped without a stop.
    closed.send(()).ok();
    while clients.join_next().await.is_some() {}
}

/// One client, from its first line to its last.
async fn serve(stream: UnixStream, node: WeakHandle) {
    let (from, to) = stream.into_split();
    let (lines, queued) = mpsc::channel(LINES);
    let writing = write(to, queued);
    tokio::pin!(writing);
    tokio::select! {
        () = answer(from, &node, lines) => {}
        () = &mut writing => return,
    }
    // Whoever asked and closed its end is still told what was answered.
    writing.await;
}

async fn answer(from: OwnedReadHalf, node: &WeakHandle, lines: mpsc::Sender<Vec<u8>>) {
    let mut from = BufReader::new(from);
    let mut running = JoinSet::new();
    let room = Arc::new(Semaphore::new(REQUESTS));
    let mut line = Vec::new();
    let mut subscribed: Option<AbortHandle> = None;
    loop {
        match read_line(&mut from, &mut line).await {
            Read::Line => {}
            Read::End => break,
            Read::Broken => {
                // A client that is gone needs no reason.
                lines.send(to_line(&unreadable("a line is too long or cut off"))).await.ok();
                break;
            }
        }
        while running.try_join_next().is_some() {}
        match serde_json::from_slice::<Request>(&std::mem::take(&mut line)) {
            Err(error) => {
                if lines.send(to_line(&unreadable(&error.to_string()))).await.is_err() {
                    break;
                }
            }
            Ok(Request { id, ask: Wanted::Subscribe {} }) => {
                let Ok(node) = node.upgrade() else { break };
                if lines.send(to_line(&done(id))).await.is_err() {
                    break;
                }
                let forwarding = running.spawn(forward(node.subscribe(), lines.clone()));
                // Everything is told once, however often it was asked for.
                subscribed.replace(forwarding).inspect(AbortHandle::abort);
            }
            Ok(Request { id, ask }) => {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
                let (node, lines) = (node.upgrade(), lines.clone());
                running.spawn(async move {
                    let line = match node {
                        Ok(node) => carry_out(&node, id, ask).await,
                        Err(error) => Line::Error { id: Some(id), error },
                    };
                    // A client that is gone needs no answer.
                    lines.send(to_line(&line)).await.ok();
                    drop(permit);
                });
            }
        }
    }
    // Whoever writes and then closes its end still gets its answers; events end with it.
    while room.available_permits() < REQUESTS {
        if running.join_next().await.is_none() {
            break;
        }
    }
}

async fn carry_out(node: &Handle, id: u64, ask: Wanted) -> Line {
    let outcome = match ask {
        Wanted::Command(command) => node.command(command).await.map(Outcome::Reply),
        Wanted::Query(query) => node.query(query).await.map(Outcome::Answer),
        Wanted::Reconnect {} => {
            node.reconnect().await;
            return done(id);
        }
        Wanted::Stop {} => {
            node.stop().await;
            return done(id);
        }
        Wanted::Subscribe {} => return done(id),
    };
    match outcome {
        Ok(ok) => Line::Ok { id, ok },
        Err(error) => Line::Error { id: Some(id), error },
    }
}

async fn forward(mut events: Events, lines: mpsc::Sender<Vec<u8>>) {
    while let Some(event) = events.next().await {
        if lines.send(to_line(&Line::Event { event })).await.is_err() {
            return;
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut queued: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = queued.recv().await {
        if to.write_all(&line).await.is_err() {
            return;
        }
    }
}

fn done(id: u64) -> Line {
    Line::Ok { id, ok: Outcome::Reply(crate::api::Reply::Done) }
}

fn unreadable(why: &str) -> Line {
    let what = format!("the request cannot be read: {why}");
    let error = ApiError::new(Code::Usage, what, "docs/API.md has an example of every request");
    Line::Error { id: None, error }
}
