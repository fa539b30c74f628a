//! Being told to stop: ctrl-c, SIGTERM, or the terminal going away.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell says of a program that ctrl-c ended.
const INTERRUPTED: i32 = 130;

/// The signals that ask the hub to stop. From when this is made on, none of them ends the process
/// by itself.
pub(super) struct Stop([Signal; 3]);

impl Stop {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// The next of them.
    pub(super) async fn asked(&mut self) {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// Does `last` to its end, or ends the process when asked to stop again meanwhile. Nothing is
    /// lost by that either: it is a crash, and crashes are survived.
    pub(super) async fn unless_asked_again(mut self, last: impl Future<Output = ()>) {
        tokio::select! {
            () = last => {}
            () = self.asked() => {
                tracing::warn!("stopped at once; nothing is lost, nodes are not told");
                std::process::exit(INTERRUPTED);
            }
        }
    }
}
