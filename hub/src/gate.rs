//! Who may come in at all: bounds on connections before anything about them is known.
//!
//! Invariant: every admitted connection holds a [`Ticket`]; dropping it gives the place back.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Limits;

/// Counts connections, proven and not.
pub(crate) struct Gate {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    unproven: usize,
    per_address: HashMap<IpAddr, usize>,
}

/// A place. Unproven until [`Ticket::proven`].
pub(crate) struct Ticket {
    gate: Arc<Gate>,
    unproven: Option<IpAddr>,
}

/// What to do with somebody at the door.
pub(crate) enum Admission {
    /// Come in.
    Enter(Ticket),
    /// Prove first that this is your address.
    ProveAddress,
    /// No room.
    Refuse,
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// Decides about a connection from `from`. Under load, in all or in one address's name, an
    /// address must be proven first: that costs an honest node one round trip and a forged flood
    /// everything.
    pub(crate) fn ask(self: &Arc<Self>, from: SocketAddr, validated: bool) -> Admission {
        let address = subnet(from.ip());
        let mut counts = self.counts();
        let here = counts.per_address.get(&address).copied().unwrap_or(0);
        let busy = counts.unproven >= self.limits.unproven / 2
            || here >= self.limits.unproven_per_address / 2;
        if !validated && busy {
            return Admission::ProveAddress;
        }
        let full = counts.all >= self.limits.connections
            || counts.unproven >= self.limits.unproven
            || here >= self.limits.unproven_per_address;
        if full {
            return Admission::Refuse;
        }
        counts.all += 1;
        counts.unproven += 1;
        counts.per_address.insert(address, here + 1);
        Admission::Enter(Ticket { gate: Arc::clone(self), unproven: Some(address) })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Plain counters: nothing in here can be left half done by a panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_unproven(counts: &mut Counts, address: IpAddr) {
        counts.unproven = counts.unproven.saturating_sub(1);
        let left = counts.per_address.get(&address).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            counts.per_address.remove(&address);
        } else {
            counts.per_address.insert(address, left);
        }
    }
}

impl Ticket {
    /// The node has proven who it is: its place no longer counts against strangers.
    pub(crate) fn proven(&mut self) {
        if let Some(address) = self.unproven.take() {
            Gate::forget_unproven(&mut self.gate.counts(), address);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.proven();
        let mut counts = self.gate.counts();
        counts.all = counts.all.saturating_sub(1);
    }
}

/// What counts as one address: one host in IPv4, one /64 network in IPv6.
fn subnet(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: usize, unproven: usize, unproven_per_address: usize) -> Arc<Gate> {
        Gate::new(Limits { connections, unproven, unproven_per_address, ..Limits::default() })
    }

    fn enter(gate: &Arc<Gate>, from: &str) -> Option<Ticket> {
        match gate.ask(from.parse().unwrap(), true) {
            Admission::Enter(ticket) => Some(ticket),
            Admission::ProveAddress | Admission::Refuse => None,
        }
    }

    #[test]
    fn one_address_cannot_take_every_place_of_the_unproven() {
        let gate = gate(100, 100, 2);
        let held = [enter(&gate, "10.0.0.1:1"), enter(&gate, "10.0.0.1:2")];
        assert!(held.iter().all(Option::is_some));
        assert!(enter(&gate, "10.0.0.1:3").is_none());
        assert!(enter(&gate, "10.0.0.2:3").is_some());
        drop(held);
        assert!(enter(&gate, "10.0.0.1:3").is_some());
    }

    #[test]
    fn a_whole_ipv6_network_counts_as_one_address() {
        let gate = gate(100, 100, 1);
        let _held = enter(&gate, "[2001:db8::1]:1").unwrap();
        assert!(enter(&gate, "[2001:db8::ffff]:1").is_none());
        assert!(enter(&gate, "[2001:db8:0:1::1]:1").is_some());
    }

    #[test]
    fn a_proven_connection_counts_in_all_but_no_longer_against_strangers() {
        let gate = gate(2, 1, 1);
        let mut alice = enter(&gate, "10.0.0.1:1").unwrap();
        assert!(enter(&gate, "10.0.0.2:1").is_none());
        alice.proven();
        let _bob = enter(&gate, "10.0.0.1:2").unwrap();
        assert!(enter(&gate, "10.0.0.3:1").is_none());
        drop(alice);
        assert_eq!(gate.counts().all, 1);
    }

    #[test]
    fn under_load_an_address_must_be_proven_first() {
        let gate = gate(100, 4, 4);
        let from = "10.0.0.1:1".parse().unwrap();
        let _held = [enter(&gate, "10.0.0.2:1"), enter(&gate, "10.0.0.2:2")];
        assert!(matches!(gate.ask(from, false), Admission::ProveAddress));
        assert!(matches!(gate.ask(from, true), Admission::Enter(_)));
    }

    #[test]
    fn forged_packets_in_somebodys_name_do_not_lock_that_address_out() {
        let gate = gate(100, 100, 4);
        let from = "10.0.0.1:1".parse().unwrap();
        let forged: Vec<_> = (0..9).map(|_| gate.ask(from, false)).collect();
        assert!(matches!(forged.last(), Some(Admission::ProveAddress)));
        assert!(enter(&gate, "10.0.0.1:2").is_some());
    }
}
