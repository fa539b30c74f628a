//! Which addresses of this node are worth telling a peer, and what they say of its router.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use hubbub_shared::limits::REACH_ADDRESSES;

/// Orders and bounds what is told: where the hub sees this node, then its interfaces. Addresses
/// that mean something on this machine alone are left out, unless the hub itself is on it, when
/// the peer may be, too.
#[must_use]
pub fn worth_telling(observed: Option<SocketAddr>, local: &[SocketAddr]) -> Vec<SocketAddr> {
    let here = observed.is_some_and(|address| address.ip().is_loopback());
    let mut told = Vec::new();
    for address in observed.into_iter().chain(local.iter().copied()).map(canonical) {
        let far = is_of_use(address.ip()) || here && address.ip().is_loopback();
        if far && address.port() != 0 && !told.contains(&address) {
            told.push(address);
        }
    }
    told.truncate(REACH_ADDRESSES);
    told
}

/// What of the addresses that a peer tells is worth dialling: not this node itself, and nothing
/// that means another machine to whoever wrote it than to whoever reads it.
#[must_use]
pub(super) fn worth_dialling(
    theirs: &[SocketAddr],
    observed: Option<SocketAddr>,
    local: &[SocketAddr],
) -> Vec<SocketAddr> {
    let ours = worth_telling(observed, local);
    let here = observed.is_some_and(|address| address.ip().is_loopback());
    let of_use =
        |address: &SocketAddr| is_of_use(address.ip()) || here && address.ip().is_loopback();
    theirs
        .iter()
        .map(|address| canonical(*address))
        .filter(|address| of_use(address) && !ours.contains(address))
        .take(REACH_ADDRESSES)
        .collect()
}

/// What stands between this node and the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// Nothing is known: the hub has not said where it sees this node.
    Unknown,
    /// Nothing: the hub sees an address of this machine.
    None,
    /// One that translates addresses, how is not known yet.
    Behind,
    /// One that gives the same outer port for everybody: peers get through.
    Steady,
    /// One that gives another outer port for everybody: few peers get through.
    PerPeer,
}

/// Judges by where the hub and peers see this node.
pub(super) fn router(
    observed: Option<SocketAddr>,
    local: &[SocketAddr],
    seen: impl Iterator<Item = SocketAddr>,
) -> Router {
    let Some(observed) = observed.map(canonical) else { return Router::Unknown };
    let here = |address: &SocketAddr| local.iter().any(|own| canonical(*own) == *address);
    if here(&observed) {
        return Router::None;
    }
    // A peer in the same network sees what is inside.
    let outside: Vec<SocketAddr> = seen.map(canonical).filter(|address| !here(address)).collect();
    if outside.contains(&observed) {
        Router::Steady
    } else if outside.is_empty() {
        Router::Behind
    } else {
        Router::PerPeer
    }
}

/// An IPv4 address is written as one, however the socket saw it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_of_use(ip: IpAddr) -> bool {
    let somewhere = !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast();
    match ip {
        IpAddr::V4(ip) => somewhere && !ip.is_link_local() && !ip.is_broadcast(),
        // Without its zone a link-local address leads nowhere.
        IpAddr::V6(ip) => somewhere && !is_link_local(ip),
    }
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_hubs_view_comes_first_and_what_leads_nowhere_is_left_out() {
        let local = ["192.168.1.5:7000", "127.0.0.1:7000", "169.254.3.4:7000", "[fe80::1]:7000"];
        let more = ["[2001:db8::5]:7000", "192.168.1.5:7000", "10.0.0.1:0", "[::1]:7000"];
        let local: Vec<_> = local.iter().chain(&more).map(|text| at(text)).collect();
        let told = worth_telling(Some(at("[::ffff:203.0.113.7]:4711")), &local);
        let expected = ["203.0.113.7:4711", "192.168.1.5:7000", "[2001:db8::5]:7000"];
        assert_eq!(told, expected.map(at));
    }

    #[test]
    fn nobody_makes_a_node_dial_itself_or_what_is_on_its_own_machine() {
        let (observed, local) = (Some(at("203.0.113.7:4711")), [at("192.168.1.5:7000")]);
        let theirs = ["127.0.0.1:53", "203.0.113.7:4711", "192.168.1.5:7000", "198.51.100.2:9"];
        let theirs: Vec<_> = theirs.map(at).into_iter().collect();
        assert_eq!(worth_dialling(&theirs, observed, &local), [at("198.51.100.2:9")]);
        // Where the hub is on this machine, peers are as well.
        let theirs = [at("127.0.0.1:53"), at("127.0.0.1:7000")];
        let observed = Some(at("127.0.0.1:7000"));
        assert_eq!(worth_dialling(&theirs, observed, &local), [at("127.0.0.1:53")]);
    }

    #[test]
    fn a_router_is_known_by_what_it_shows_to_whom() {
        let (outer, inner) = (at("203.0.113.7:4711"), at("192.168.1.5:7000"));
        let (other, nobody) = (at("203.0.113.7:9999"), [].into_iter());
        let kind = |observed, seen: &[SocketAddr]| router(observed, &[inner], seen.iter().copied());
        assert_eq!(router(None, &[inner], nobody), Router::Unknown);
        assert_eq!(kind(Some(inner), &[]), Router::None);
        assert_eq!(kind(Some(outer), &[]), Router::Behind);
        assert_eq!(kind(Some(outer), &[inner]), Router::Behind);
        assert_eq!(kind(Some(outer), &[outer, inner]), Router::Steady);
        assert_eq!(kind(Some(outer), &[other]), Router::PerPeer);
    }

    #[test]
    fn on_one_machine_with_the_hub_loopback_is_a_way() {
        let told = worth_telling(Some(at("127.0.0.1:7000")), &[at("192.168.1.5:7000")]);
        assert_eq!(told, [at("127.0.0.1:7000"), at("192.168.1.5:7000")]);
    }

    #[test]
    fn there_are_never_more_than_the_frame_takes() {
        let local: Vec<_> = (1..=40).map(|n| at(&format!("192.168.1.{n}:7000"))).collect();
        assert_eq!(worth_telling(None, &local).len(), REACH_ADDRESSES);
    }
}
