//! How many streams are served at once, of one peer and of all, and whose turn it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hubbub_shared::id::NodeId;

/// Streams of one peer: as many files as it fetches side by side, and as many that are just ending.
pub const OF_ONE: usize = 8;
/// Streams of all: each holds two batches, 160 MiB at worst.
pub const OF_ALL: usize = 64;

/// Who sits where.
#[derive(Default)]
pub struct Seats(Mutex<BTreeMap<NodeId, Peer>>);

struct Peer {
    streams: usize,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A stream's right to be served; given back when dropped.
pub struct Seat {
    seats: Arc<Seats>,
    peer: NodeId,
    /// Held by the one stream of a peer that waits for anything others wait for, too.
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

impl Seats {
    /// A seat for one more stream of this peer, if there is one.
    pub fn take(seats: &Arc<Self>, peer: NodeId) -> Option<Seat> {
        let mut peers = seats.lock();
        let taken: usize = peers.values().map(|peer| peer.streams).sum();
        let of_one = peers.get(&peer).map_or(0, |peer| peer.streams);
        if taken >= OF_ALL || of_one >= OF_ONE {
            return None;
        }
        let new = || Peer { streams: 0, turn: Arc::default() };
        let entry = peers.entry(peer).or_insert_with(new);
        entry.streams += 1;
        let turn = Arc::clone(&entry.turn);
        Some(Seat { seats: Arc::clone(seats), peer, turn })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut peers = self.seats.lock();
        if let Some(peer) = peers.get_mut(&self.peer) {
            peer.streams -= 1;
            if peer.streams == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        hubbub_shared::crypto::Identity::from_seed(hubbub_shared::crypto::Secret32::from_bytes(
            [n; 32],
        ))
        .id()
    }

    #[test]
    fn one_peer_takes_no_more_than_its_seats_and_gives_them_back() {
        let seats = Arc::new(Seats::default());
        let hers: Vec<_> = (0..OF_ONE).map(|_| Seats::take(&seats, node(1)).unwrap()).collect();
        assert!(Seats::take(&seats, node(1)).is_none());
        assert!(Seats::take(&seats, node(2)).is_some(), "and others have theirs");
        drop(hers);
        assert!(Seats::take(&seats, node(1)).is_some());
    }

    #[test]
    fn all_peers_together_take_no_more_than_there_are() {
        let seats = Arc::new(Seats::default());
        let taken: Vec<_> = (0..100)
            .flat_map(|n| (0..OF_ONE).map(move |_| n))
            .filter_map(|n| Seats::take(&seats, node(n)))
            .collect();
        assert_eq!(taken.len(), OF_ALL);
    }
}
