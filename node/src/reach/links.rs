//! Which of the connections to a peer is kept (PROTOCOL.md, Direct connections).
//!
//! Both sides dial, so two usually come about. Both know who has the smaller name: the connection
//! that one dialled is kept, and it alone closes the other, since whoever dialled knows that its
//! own works both ways.

use hubbub_shared::id::NodeId;

/// A connection, by the number its shell gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A connection to a peer that has proven itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which.
    pub id: LinkId,
    /// Whether this node dialled it.
    pub dialled: bool,
}

/// Connections to one peer at once: one each way, and their successors while a node moves.
const LINKS: usize = 4;

/// Connections to one peer, the newest last.
#[derive(Default)]
pub(super) struct Links {
    links: Vec<Link>,
    kept: Option<LinkId>,
}

impl Links {
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// What the peer is reached by.
    pub(super) fn kept(&self) -> Option<LinkId> {
        self.kept
    }

    /// Forgets all of them, and gives them to be closed.
    pub(super) fn clear(&mut self) -> Vec<LinkId> {
        let links = core::mem::take(self).links;
        links.into_iter().map(|link| link.id).collect()
    }

    pub(super) fn has(&self, id: LinkId) -> bool {
        self.links.iter().any(|link| link.id == id)
    }

    /// One more came about. Gives those that are to be closed, and forgets them.
    pub(super) fn add(&mut self, link: Link, (me, peer): (&NodeId, &NodeId)) -> Vec<LinkId> {
        self.links.push(link);
        self.choose(me, peer);
        let ours_to_close = me < peer && self.is_preferred(self.kept, me, peer);
        let stay = if ours_to_close { 1 } else { LINKS };
        let mut surplus = self.links.len().saturating_sub(stay);
        let mut close = Vec::new();
        let kept = self.kept;
        self.links.retain(|link| {
            let stays = surplus == 0 || Some(link.id) == kept;
            if !stays {
                surplus -= 1;
                close.push(link.id);
            }
            stays
        });
        close
    }

    /// One is gone.
    pub(super) fn remove(&mut self, id: LinkId, (me, peer): (&NodeId, &NodeId)) {
        self.links.retain(|link| link.id != id);
        self.choose(me, peer);
    }

    /// The newest that the smaller one dialled, or else the newest.
    fn choose(&mut self, me: &NodeId, peer: &NodeId) {
        let preferred = |link: &&Link| link.dialled == (me < peer);
        let best = self.links.iter().rev().find(preferred).or(self.links.last());
        self.kept = best.map(|link| link.id);
    }

    fn is_preferred(&self, id: Option<LinkId>, me: &NodeId, peer: &NodeId) -> bool {
        self.links.iter().any(|link| Some(link.id) == id && link.dialled == (me < peer))
    }
}
