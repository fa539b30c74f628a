//! Which receiver has the hub carry which pieces.
//!
//! Receivers of one file that reach one another directly need each piece by way of the hub once,
//! not once each. Each of them can tell without a word who is to fetch which: the one whose number
//! for the piece is highest. When two see different partners, one waits for the other, and that
//! one at most for somebody with a higher number still; so somebody fetches it. Invariant: nobody
//! is waited for that brings nothing new; see `Source::is_partner`.

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::SPAN_PIECES;

/// Parts a file is dealt out in, at least, if it has as many pieces.
const PARTS: u64 = 256;

/// Who shares.
pub(super) struct Share {
    me: u64,
    others: Vec<u64>,
    /// Pieces dealt out together.
    unit: u32,
}

impl Share {
    pub(super) fn new<'a>(
        me: &NodeId,
        others: impl Iterator<Item = &'a NodeId>,
        pieces: u64,
    ) -> Self {
        let unit = (pieces / PARTS).clamp(1, u64::from(SPAN_PIECES));
        // A power of two, so that a run is a whole number of them.
        let unit = u32::try_from(unit).map_or(1, |unit| 1 << unit.ilog2());
        Self { me: number(me), others: others.map(number).collect(), unit }
    }

    /// Whose piece this is, of the others; none if it is this node's.
    pub(super) fn owner(&self, index: u32) -> Option<usize> {
        let part = mix(u64::from(index / self.unit * self.unit));
        let of = |other: &u64| mix(other ^ part);
        let (at, most) = self.others.iter().map(of).enumerate().max_by_key(|(_, n)| *n)?;
        (most > mix(self.me ^ part)).then_some(at)
    }

    pub(super) fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// Of the sixteen pieces of a run, those that are for this node to fetch.
    pub(super) fn span(&self, run: u32) -> u16 {
        if self.is_alone() {
            return u16::MAX;
        }
        let mut span = 0;
        for at in (0..SPAN_PIECES).step_by(self.unit as usize) {
            let part = mix(u64::from(run) * u64::from(SPAN_PIECES) + u64::from(at));
            let mine = mix(self.me ^ part);
            if self.others.iter().all(|other| mix(other ^ part) <= mine) {
                span |= ((1u32 << self.unit) - 1) << at;
            }
        }
        u16::try_from(span).unwrap_or(u16::MAX)
    }
}

fn number(node: &NodeId) -> u64 {
    node.0.chunks(8).fold(0, |all, part| {
        mix(all ^ part.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    })
}

/// Spreads a number over all 64 bits (the finisher of SplitMix64). No secret depends on it: whoever
/// chooses its id so that it wins is waited for no longer than anybody.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_for_exactly_one_of_those_who_share() {
        for pieces in [10, 700, 100_000] {
            let nodes: Vec<NodeId> = (1..=8).map(|n| NodeId([n; 32])).collect();
            let share =
                |me: &NodeId| Share::new(me, nodes.iter().filter(|node| *node != me), pieces);
            let shares: Vec<Share> = nodes.iter().map(share).collect();
            let mut counts = [0; 8];
            for run in 0..1_000 {
                let spans: Vec<u16> = shares.iter().map(|share| share.span(run)).collect();
                assert_eq!(spans.iter().fold(0, |all, span| all ^ span), u16::MAX);
                assert_eq!(spans.iter().map(|span| span.count_ones()).sum::<u32>(), 16);
                counts.iter_mut().zip(&spans).for_each(|(count, s)| *count += s.count_ones());
            }
            assert!(counts.iter().all(|count| (1_500..2_500).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn it_is_dealt_as_the_protocol_says() {
        // Made by a script of a few lines from the text of PROTOCOL.md.
        let dealt = [1, 1, 1, 2, 0, 0, 0, 1, 0, 1, 1, 0];
        let nodes = [NodeId([1; 32]), NodeId([2; 32]), NodeId([3; 32])];
        assert_eq!(number(&nodes[0]), 0x930d_4321_07cf_dbb7);
        let share = Share::new(&nodes[0], nodes[1..].iter(), 1_100);
        for (part, node) in (0..).zip(dealt) {
            assert_eq!(share.owner(part * 4 + 3).map_or(0, |at| at + 1), node);
            assert_eq!(share.span(part / 4) >> (part % 4 * 4) & 0b1111 == 0b1111, node == 0);
        }
    }

    #[test]
    fn whoever_is_alone_fetches_everything() {
        assert_eq!(Share::new(&NodeId([1; 32]), [].iter(), 100).span(7), u16::MAX);
    }
}
