//! What was said in a group before somebody came, as it is told to them (PROTOCOL.md, History for
//! newcomers). Words, not envelopes: no key of before is needed to read them, and none is given.

use super::ContentError;
use super::count::is_count;
use crate::crypto::{RecordError, RecordReader, RecordWriter};
use crate::id::MessageId;
use crate::limits::{ENVELOPE_MAX, TEXT_MAX, TOLD_BYTES, TOLD_MAX};
use crate::time::Timestamp;

/// A text of before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// As its author named it.
    pub id: MessageId,
    /// Its author's count.
    pub n: u64,
    /// When it was written, by its author's clock.
    pub sent_at: Timestamp,
    /// At most [`TEXT_MAX`] bytes.
    pub text: String,
}

pub(super) fn write_past<'w>(w: &'w mut RecordWriter, items: &[Past]) -> &'w mut RecordWriter {
    w.count(items.len());
    for Past { id, n, sent_at, text } in items {
        w.fixed(&id.0).u64(*n).u64(sent_at.0).bytes(text.as_bytes());
    }
    w
}

/// Refused unless the counts rise and there is room for all of it.
pub(super) fn read_past(r: &mut RecordReader<'_>) -> Result<Vec<Past>, ContentError> {
    let count = r.count(TOLD_MAX).map_err(|_| ContentError::BadTold)?;
    let mut items: Vec<Past> = Vec::with_capacity(count);
    let mut bytes = 0;
    for _ in 0..count {
        let (id, n, sent_at) = (MessageId(r.array()?), r.u64()?, Timestamp(r.u64()?));
        let text = read_text(r)?;
        bytes += text.len();
        let rises = items.last().is_none_or(|before| before.n < n);
        if !is_count(n) || !rises || bytes > TOLD_BYTES {
            return Err(ContentError::BadTold);
        }
        items.push(Past { id, n, sent_at, text });
    }
    if items.is_empty() { Err(ContentError::BadTold) } else { Ok(items) }
}

fn read_text(r: &mut RecordReader<'_>) -> Result<String, ContentError> {
    let bytes = r.bytes(ENVELOPE_MAX)?;
    if bytes.len() > TEXT_MAX {
        return Err(ContentError::TextTooLong(bytes.len()));
    }
    let text = core::str::from_utf8(bytes).map_err(|_| RecordError::Range)?;
    Ok(text.to_owned())
}

#[cfg(test)]
pub(super) fn sample() -> Vec<Past> {
    let past = |n, text: &str| Past {
        id: MessageId([7; 16]),
        n,
        sent_at: Timestamp(1_790_000_000_000),
        text: text.to_owned(),
    };
    vec![past(1, "hello"), past(3, "")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::PairPlain;
    use crate::id::{GroupId, NodeId};

    fn told(items: Vec<Past>) -> PairPlain {
        PairPlain::Told { gid: GroupId([1; 32]), author: NodeId([2; 32]), items }
    }

    fn refused(items: Vec<Past>) -> ContentError {
        PairPlain::decode(told(items).encode().expose()).err().unwrap()
    }

    fn past(n: u64, bytes: usize) -> Past {
        Past { n, text: "x".repeat(bytes), ..sample().remove(0) }
    }

    #[test]
    fn a_page_without_texts_with_too_many_or_out_of_order_is_refused() {
        assert_eq!(refused(vec![]), ContentError::BadTold);
        assert_eq!(refused((1..=65).map(|n| past(n, 1)).collect()), ContentError::BadTold);
        for counts in [[0, 1], [2, 2], [3, 2], [1, 1 << 32], [1, 1 << 63]] {
            let page = counts.into_iter().map(|n| past(n, 1)).collect();
            assert_eq!(refused(page), ContentError::BadTold, "{counts:?}");
        }
    }

    #[test]
    fn a_page_holds_three_of_the_longest_texts_and_not_a_byte_more() {
        let full: Vec<Past> = (1..=3).map(|n| past(n, TEXT_MAX)).collect();
        assert!(PairPlain::decode(told(full.clone()).encode().expose()).is_ok());
        assert_eq!(refused([full, vec![past(4, 1)]].concat()), ContentError::BadTold);
        assert_eq!(refused(vec![past(1, TEXT_MAX + 1)]), ContentError::TextTooLong(TEXT_MAX + 1));
    }

    #[test]
    fn a_full_page_fits_into_an_envelope_with_room_to_spare() {
        let texts = (1..=64).map(|n| past(n, TOLD_BYTES / TOLD_MAX)).collect();
        assert!(told(texts).encode().len() < ENVELOPE_MAX / 4);
    }
}
