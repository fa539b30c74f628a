//! Letting somebody in who knows the group's passphrase (PROTOCOL.md, Passphrase rooms).
//!
//! A **joiner** knocks at one member who may add people, a **keeper**. Three messages inside their
//! session tell each whether the other knows the passphrase, and nothing more:
//!
//! ```text
//! joiner -> keeper   Knock        a share
//! keeper -> joiner   KnockAnswer  a share, and proof that the keeper knows the passphrase
//! joiner -> keeper   KnockProof   proof that the joiner does
//! ```
//!
//! * [`message`]: what travels; [`passphrase`]: from what people type to what the exchange takes
//! * [`joiner`] and [`door`]: the two sides; [`budget`]: how many guesses a keeper allows
//!
//! The hub sees sealed bytes alone. Invariant: an exchange tests one guess of whoever takes part
//! with a wrong passphrase. What a keeper answered and nobody proved is counted, also over
//! restarts, and at ten of them the door is locked.

pub mod budget;
pub mod door;
pub mod joiner;
pub mod message;
pub mod passphrase;

#[cfg(test)]
mod tests;

pub use door::{Door, DoorError};
pub use joiner::{Joiner, JoinerError};
pub use message::{How, Knock, KnockAnswer, KnockProof, KnockRefused, Reason};
pub use passphrase::{Passphrase, Prs};

use crate::crypto::cpace::Inputs;
use crate::crypto::{Label, RecordError, RecordReader, RecordWriter, lp};
use crate::id::{GroupId, HubId, KnockId, NodeId};

/// Which group, and at which hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The pinned hub both sides are at.
    pub hub: HubId,
    /// The group.
    pub gid: GroupId,
}

impl Room {
    /// The channel identifier: who wants to be let in by whom, where.
    fn channel(&self, joiner: &NodeId, keeper: &NodeId) -> Channel {
        let (hub, gid) = (self.hub.as_bytes(), self.gid.as_bytes());
        Channel(lp(Label::CpaceCi, &[hub, gid, joiner.as_bytes(), keeper.as_bytes()]))
    }

    fn save(&self, to: &mut RecordWriter) {
        to.fixed(self.hub.as_bytes()).fixed(self.gid.as_bytes());
    }

    fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        Ok(Self { hub: HubId(from.array()?), gid: GroupId(from.array()?) })
    }
}

/// The bytes both sides must agree on besides passphrase and shares.
struct Channel(Vec<u8>);

impl Channel {
    fn inputs<'a>(&'a self, prs: &'a Prs, sid: &'a KnockId) -> Inputs<'a> {
        Inputs { prs: prs.secret(), ci: &self.0, sid: sid.as_bytes() }
    }
}
