//! An event as it is sealed for a conversation: named, counted, linked to the author's last one.
//!
//! Invariant: an author's messages in one conversation are numbered from 1 without gaps, each
//! naming the one before. Whoever holds two of them can tell what is missing in between.
//!
//! No kind of key material has a form here; see [`super::pair_plain`].

use serde::{Deserialize, Serialize};

use super::ContentError;
use super::count::{is_count, is_first};
use super::event::{ChatEvent, WireEvent};
use crate::crypto::SecretBytes;
use crate::id::MessageId;
use crate::limits::SEEN_MAX;
use crate::time::Timestamp;
use crate::wire::codec::{decode, encode_within};
use crate::wire::version::VERSION;
use crate::wire::versioned::version_of;

/// What a message adds to the fields of its event: ids, numbers, their lengths.
const AROUND: usize = 256;
/// What follows no message.
pub const NO_MESSAGE: MessageId = MessageId([0; 16]);

/// One message of a conversation as its author sealed it (PROTOCOL.md, Content).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlain {
    /// Its name, random.
    pub id: MessageId,
    /// When, by the author's clock.
    pub ts: Timestamp,
    /// The author's count of messages in this conversation, this one included (see
    /// [`super::count`]).
    pub n: u64,
    /// The author's message before this one; zeros in the first of an era.
    pub prev: MessageId,
    /// The newest messages of others that the author had seen, at most [`SEEN_MAX`].
    pub seen: Vec<MessageId>,
    /// What happened.
    pub event: ChatEvent,
}

/// A message of a direct conversation: the same form, sealed in the pairwise session.
pub type ChatPlain = GroupPlain;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u8,
    id: MessageId,
    ts: Timestamp,
    n: u64,
    prev: MessageId,
    seen: Vec<MessageId>,
    event: WireEvent,
}

impl GroupPlain {
    /// The bytes to seal.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let event = self.event.to_wire();
        let room = event.len() + AROUND;
        let wire = Wire {
            v: VERSION,
            id: self.id,
            ts: self.ts,
            n: self.n,
            prev: self.prev,
            seen: self.seen.clone(),
            event,
        };
        SecretBytes::from_vec(encode_within(&wire, room))
    }

    /// Reads opened bytes.
    ///
    /// # Errors
    /// [`ContentError`] when they are no message, or one of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        let v = version_of(bytes)?;
        if v != VERSION {
            return Err(ContentError::Newer(v));
        }
        let Wire { v: _, id, ts, n, prev, seen, event } = decode(bytes)?;
        if seen.len() > SEEN_MAX {
            return Err(ContentError::TooManySeen(seen.len()));
        }
        if !is_count(n) || is_first(n) != (prev == NO_MESSAGE) {
            return Err(ContentError::BadCounter);
        }
        Ok(Self { id, ts, n, prev, seen, event: ChatEvent::from_wire(event)? })
    }
}

#[cfg(test)]
pub(super) fn sample(text: &str) -> GroupPlain {
    GroupPlain {
        id: MessageId([7; 16]),
        ts: Timestamp(1_700_000_000_000),
        n: 3,
        prev: MessageId([6; 16]),
        seen: vec![MessageId([1; 16]), MessageId([2; 16])],
        event: ChatEvent::text(text).unwrap(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::PairPlain;
    use crate::wire::codec::encode;

    #[test]
    fn a_message_survives_a_round_trip() {
        let plain = sample("hello");
        assert_eq!(GroupPlain::decode(plain.encode().expose()), Ok(plain));
    }

    #[test]
    fn pairwise_content_is_no_group_content_and_the_other_way_round() {
        let group = sample("hello").encode();
        assert!(PairPlain::decode(group.expose()).is_err());
        for pair in crate::content::pair_plain::samples() {
            let refused = GroupPlain::decode(pair.encode().expose());
            assert_eq!(refused.map_err(|e| e.reason()), Err("malformed"));
        }
    }

    #[test]
    fn a_newer_version_is_called_newer() {
        let newer = encode(&(2u8, "anything"));
        assert_eq!(GroupPlain::decode(&newer), Err(ContentError::Newer(2)));
    }

    #[test]
    fn counters_and_references_out_of_bounds_are_refused() {
        let refused = |change: &dyn Fn(&mut GroupPlain)| {
            let mut plain = sample("x");
            change(&mut plain);
            GroupPlain::decode(plain.encode().expose()).unwrap_err()
        };
        assert_eq!(refused(&|p| p.n = 0), ContentError::BadCounter);
        assert_eq!(refused(&|p| p.n = 1), ContentError::BadCounter);
        assert_eq!(refused(&|p| p.n = 1 << 32), ContentError::BadCounter);
        assert_eq!(refused(&|p| p.n = (1 << 32) + 1), ContentError::BadCounter);
        assert_eq!(refused(&|p| p.n = u64::MAX), ContentError::BadCounter);
        assert_eq!(refused(&|p| p.prev = NO_MESSAGE), ContentError::BadCounter);
        assert_eq!(refused(&|p| p.seen = vec![p.id; 5]), ContentError::TooManySeen(5));
    }

    proptest! {
        #[test]
        fn garbage_and_cut_messages_are_refused_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..90
        ) {
            prop_assert!(GroupPlain::decode(&bytes).is_err());
            let whole = sample("hello").encode();
            prop_assert!(GroupPlain::decode(&whole.expose()[..cut.min(whole.len() - 1)]).is_err());
        }
    }
}
