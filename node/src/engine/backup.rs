//! Which records a backup holds.
//!
//! What says who there is and what was said. Not what seals or opens: sessions, chains and prekeys
//! stay out, so that a stolen backup opens nothing that is under way, and a restored node cannot
//! use a key again even at a hub that hides its beacon (`epoch`). Nor what is only true of
//! one life of a node: where it was in each log, what it held for a key, where files are.

use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::codec::encode;

use super::file;
use super::output::Table;
use super::record::{Own, read};

/// A record as a backup holds it; none when it does not. Gives the key and the value.
#[must_use]
pub fn kept(table: Table, key: &[u8], value: &[u8]) -> Option<(Vec<u8>, SecretBytes)> {
    let as_it_is = || Some((key.to_vec(), SecretBytes::from_vec(value.to_vec())));
    match table {
        Table::Contact | Table::Group | Table::Control | Table::Outbox => as_it_is(),
        Table::Request | Table::Picture | Table::Past => as_it_is(),
        // How far authors were heard, not how far logs were read.
        Table::Cursor if read::<(u8, LogId)>(key).is_ok_and(|(kind, _)| kind == 0) => None,
        Table::Cursor => as_it_is(),
        Table::Own if key == [0] => Some((key.to_vec(), restored(value)?)),
        Table::File => Some((key.to_vec(), file::restored(value)?)),
        Table::Own
        | Table::Prekeys
        | Table::Session
        | Table::Outbound
        | Table::Inbound
        | Table::Held
        | Table::Early => None,
    }
}

/// What a restored node knows of itself: that it left a beacon, and not which.
fn restored(own: &[u8]) -> Option<SecretBytes> {
    let own: Own = read(own).ok()?;
    let own = Own { restored: true, beacon: None, next_beacon: None, store: None, ..own };
    Some(SecretBytes::from_vec(encode(&own)))
}

#[cfg(test)]
mod tests {
    use hubbub_shared::id::NodeId;

    use super::*;
    use crate::api::ConversationId;

    #[test]
    fn nothing_that_seals_or_opens_is_kept_and_everything_that_was_said_is() {
        let mailbox = encode(&(0u8, LogId::Mailbox(NodeId([1; 32]))));
        let author = encode(&(1u8, ConversationId::Direct(NodeId([1; 32])), NodeId([1; 32])));
        let is_kept = |table, key: &[u8]| kept(table, key, b"value").is_some();
        let kept = [Table::Contact, Table::Group, Table::Control, Table::Outbox];
        for table in kept.into_iter().chain([Table::Request, Table::Picture, Table::Past]) {
            assert!(is_kept(table, b"key"), "{table:?}");
        }
        assert!(is_kept(Table::Cursor, &author) && !is_kept(Table::Cursor, &mailbox));
        let lost = [
            Table::Prekeys,
            Table::Session,
            Table::Outbound,
            Table::Inbound,
            Table::Held,
            Table::Early,
        ];
        for table in lost {
            assert!(!is_kept(table, b"key"), "{table:?}");
        }
    }

    #[test]
    fn a_restored_node_knows_that_it_is_one() {
        let own = Own { beacon: Some(vec![1].into()), generation: 7, era: 3, ..Own::default() };
        let (_, value) = kept(Table::Own, &[0], &encode(&own)).unwrap();
        let back: Own = read(value.expose()).unwrap();
        assert!(back.restored && back.beacon.is_none());
        assert_eq!((back.generation, back.era), (7, 3));
        assert!(kept(Table::Own, &[1], &encode(&5u64)).is_none());
    }
}
