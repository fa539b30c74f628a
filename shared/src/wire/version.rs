//! Protocol versions (PROTOCOL.md, Versions).
//!
//! One byte selects everything: primitives, labels, frames. There is no negotiation inside a
//! version; a hello names the highest and lowest a node speaks and the hub picks or refuses.

/// The version spoken here.
pub const VERSION: u8 = 1;
/// The oldest version still spoken here.
pub const MIN_VERSION: u8 = 1;
/// ALPN protocol name offered and demanded on every connection.
pub const ALPN: &[u8] = b"hubbub/1";
/// The same between two nodes, inside a stream that a hub relays.
pub const PEER_ALPN: &[u8] = b"hubbub-peer/1";
/// The same on a connection of two nodes.
pub const DIRECT_ALPN: &[u8] = b"hubbub-direct/1";

/// The version both sides speak, or `None` when their ranges do not meet.
#[must_use]
pub fn agree(their_max: u8, their_min: u8) -> Option<u8> {
    let version = their_max.min(VERSION);
    (version >= their_min && version >= MIN_VERSION).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_wins_and_disjoint_ranges_do_not_meet() {
        assert_eq!(agree(9, 1), Some(1));
        assert_eq!(agree(9, 2), None);
        assert_eq!(agree(0, 0), None);
    }
}
