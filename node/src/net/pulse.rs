//! Noticing soon that nobody is at the other end of a connection in use.
//!
//! QUIC itself waits for its idle timeout, half a minute: right for a connection at rest, too long
//! for one that somebody waits on.

use std::convert::Infallible;
use std::time::Duration;

use quinn::Connection;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often a connection is looked at; one in use is asked for a sign of life as often.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks without one it is dead. Looks are counted, not time: whoever was asleep for
/// a while has not asked for any.
const DEAD: u32 = 3;
/// A connection is in use for so many looks after anything moved on a stream, or somebody doubted
/// it.
const IN_USE: u32 = 10;

/// Notes how long after now something was heard on a connection, to a look. A fresh one is in use,
/// so [`lost`] asks it for signs of life.
pub(super) async fn heard(connection: &Connection, lived: &mut Duration) -> Infallible {
    let (began, mut heard) = (Instant::now(), connection.stats().udp_rx.datagrams);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = connection.stats().udp_rx.datagrams;
        if now != heard {
            (heard, *lived) = (now, began.elapsed());
        }
    }
}

/// Ends when a connection in use, or in doubt, gives no sign of life.
pub(super) async fn lost(connection: &Connection, doubt: &Notify) {
    let (mut heard, mut silent) = (0, 0);
    let (mut moved, mut unused) = (0, 0_u32);
    loop {
        let doubted = tokio::select! {
            () = doubt.notified() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let stats = connection.stats();
        let streams = stats.frame_tx.stream.wrapping_add(stats.frame_rx.stream);
        if stats.udp_rx.datagrams != heard {
            (heard, silent) = (stats.udp_rx.datagrams, 0);
        } else if !doubted {
            silent += 1;
        }
        if streams != moved || doubted {
            if unused >= IN_USE {
                // It was at rest, and silent for that alone.
                silent = 0;
            }
            (moved, unused) = (streams, 0);
        } else {
            unused = unused.saturating_add(1);
        }
        if unused >= IN_USE {
            continue;
        }
        if silent >= DEAD {
            return;
        }
        // An empty datagram has to be acknowledged, and means nothing.
        if let Err(error) = connection.send_datagram(Vec::new().into()) {
            tracing::trace!("no sign of life was asked for: {error}");
        }
    }
}
