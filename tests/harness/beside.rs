//! Connections of two devices without the hub between them.

use hubbub_node::api::Event;
use hubbub_node::runtime::uncommitted::Uncommitted;
use hubbub_shared::content::Signal;
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::ToPeer;

use crate::network::Packet;
use crate::world::World;

impl World {
    /// Connects two devices that run, unless they are connected already.
    pub fn join(&mut self, one: usize, other: usize) {
        let pair = (one.min(other), one.max(other));
        let runs = |who: usize| self.devices[who].engine.is_some();
        if one == other || !runs(one) || !runs(other) || self.beside.contains_key(&pair) {
            return;
        }
        let conn = self.network.dial();
        self.beside.insert(pair, conn);
        for (who, peer) in [(one, other), (other, one)] {
            let (peer, now) = (self.id(peer), self.local(who));
            if let Some(engine) = &mut self.devices[who].engine {
                engine.handle_peer_up(peer, now);
                self.settle(who);
            }
        }
    }

    /// Of two connections of two devices they used a different one each, and now both use the same:
    /// what `late` had on its way on the one that is closed is lost. Nothing happens where they are
    /// not connected.
    pub fn switch(&mut self, late: usize, other: usize) {
        let pair = (late.min(other), late.max(other));
        if !self.beside.contains_key(&pair) {
            return;
        }
        let conn = self.network.dial();
        let Some(old) = self.beside.insert(pair, conn) else { return };
        self.network.lose_of(old, late);
        let (peer, now) = (self.id(other), self.local(late));
        if let Some(engine) = &mut self.devices[late].engine {
            engine.handle_peer_up(peer, now);
            self.settle(late);
        }
    }

    /// Ends the connection of two devices; what is on its way is lost.
    pub fn part(&mut self, one: usize, other: usize) {
        let pair = (one.min(other), one.max(other));
        let Some(conn) = self.beside.remove(&pair) else { return };
        self.network.cut(conn);
        for (who, peer) in [(one, other), (other, one)] {
            self.hubs.remove(&(peer, who));
            let (peer, now) = (self.id(peer), self.local(who));
            self.devices[who].uncommitted.parted(&peer);
            if let Some(engine) = &mut self.devices[who].engine {
                engine.handle_peer_down(peer, now);
                self.settle(who);
            }
        }
    }

    /// A device is gone: so are its connections, and what it kept of them.
    pub(crate) fn part_from_all(&mut self, who: usize) {
        self.devices[who].uncommitted = Uncommitted::default();
        self.devices[who].again_at = None;
        let theirs = self.beside.keys().filter(|(one, other)| *one == who || *other == who);
        for (one, other) in theirs.copied().collect::<Vec<_>>() {
            self.part(one, other);
        }
    }

    pub(crate) fn say_beside(&mut self, who: usize, peer: &NodeId, frame: ToPeer) {
        let pairs = self.beside.iter().filter(|((one, other), _)| *one == who || *other == who);
        let there = |(one, other): &(usize, usize)| if *one == who { *other } else { *one };
        let found: Vec<_> = pairs.map(|(pair, conn)| (there(pair), *conn)).collect();
        let Some((to, conn)) = found.into_iter().find(|(to, _)| self.id(*to) == *peer) else {
            return;
        };
        self.post(Packet::Peer(who, to, conn, frame));
    }

    /// What a device did last could not be committed, so it has not happened. As the shipped
    /// runtime does, the device drops its engine and its link, builds both anew, and tells the new
    /// engine who is connected, for connections hold; a while later, what they carried.
    pub(crate) fn go_on_from_disk(&mut self, who: usize) {
        self.devices[who].engine = None;
        self.devices[who].uncommitted.failed();
        self.cut(who);
        self.revive(who);
        let pairs = self.beside.keys().filter(|(one, other)| *one == who || *other == who);
        let peers: Vec<usize> =
            pairs.map(|(one, other)| if *one == who { *other } else { *one }).collect();
        for by in peers {
            let (peer, now, hub) = (self.id(by), self.local(who), self.hubs.get(&(by, who)));
            if let Some(engine) = &mut self.devices[who].engine {
                engine.handle_peer_up(peer, now);
                if let Some(hub) = hub {
                    engine.handle_peer_frame(peer, ToPeer::Hub(*hub), now);
                }
            }
        }
        if self.devices[who].engine.is_some() {
            self.devices[who].again_at = Some(self.now + Millis(self.below(1_000)));
        }
        self.settle(who);
    }

    /// An engine that was built after a commit had failed hears what was undone with the last one.
    pub(crate) fn give_again(&mut self, who: usize) {
        let now = self.local(who);
        let device = &mut self.devices[who];
        device.again_at = None;
        let Some(engine) = &mut device.engine else { return };
        for (peer, carry) in device.uncommitted.again() {
            engine.handle_peer_frame(peer, ToPeer::Carry(carry), now);
        }
        self.settle(who);
    }

    /// What a device's faces are told when a signal says that somebody is writing.
    pub fn hear_typing(&mut self, who: usize, by: NodeId, group: Option<GroupId>) -> Option<Event> {
        let now = self.local(who);
        let engine = self.devices[who].engine.as_mut()?;
        // The clock is read when a signal comes, be it one or not.
        engine.open_signal(by, &[], now);
        engine.typing(&by, group)
    }

    /// A device opens a signal of another, and does what a runtime does with it; what faces are
    /// told.
    pub fn hear_signal(&mut self, who: usize, by: NodeId, signal: &Signal) -> Option<Event> {
        let now = self.local(who);
        let engine = self.devices[who].engine.as_mut()?;
        engine.open_signal(by, &[], now);
        let event = match signal {
            Signal::Typing { conversation } => engine.typing(&by, *conversation),
            Signal::Here => engine.is_here(&by),
            Signal::Read { conversation, ranges } => {
                engine.read_in_passing(by, *conversation, ranges);
                None
            }
            Signal::Reach { .. } | Signal::Unreachable { .. } => None,
        };
        self.settle(who);
        event
    }

    /// A device hears a frame of another, be it that the other sent one or not.
    pub fn hear_beside(&mut self, from: usize, to: usize, frame: ToPeer) {
        let (peer, now) = (self.id(from), self.local(to));
        let device = &mut self.devices[to];
        let Some(engine) = &mut device.engine else { return };
        let frame = match frame {
            ToPeer::Carry(carry) => device.uncommitted.take(peer, carry).map(ToPeer::Carry),
            ToPeer::Hub(hub) => {
                self.hubs.insert((from, to), hub);
                Some(ToPeer::Hub(hub))
            }
            ToPeer::Seen(_) => None,
        };
        if let Some(frame) = frame {
            engine.handle_peer_frame(peer, frame, now);
            self.settle(to);
        }
    }
}
