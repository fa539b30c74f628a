//! Sets of counts and ends of conversations, as receipts, requests and heads carry them.

use super::ContentError;
use super::count::Ranges;
use crate::crypto::{RecordReader, RecordWriter};
use crate::id::GroupId;
use crate::limits::HEADS_MAX;

/// How far an author's messages in one conversation go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// In which group; none for the direct conversation.
    pub conversation: Option<GroupId>,
    /// The first count that the recipient has not acknowledged.
    pub from: u64,
    /// The last one.
    pub to: u64,
}

pub(super) fn write_conversation(
    w: &mut RecordWriter,
    group: Option<GroupId>,
) -> &mut RecordWriter {
    w.bool(group.is_some());
    if let Some(gid) = group {
        w.fixed(&gid.0);
    }
    w
}

pub(super) fn read_conversation(r: &mut RecordReader<'_>) -> Result<Option<GroupId>, ContentError> {
    Ok(if r.bool()? { Some(GroupId(r.array()?)) } else { None })
}

pub(super) fn write_ranges<'w>(
    w: &'w mut RecordWriter,
    ranges: &[(u64, u64)],
) -> &'w mut RecordWriter {
    w.count(ranges.len());
    for (from, to) in ranges {
        w.u64(*from).u64(*to);
    }
    w
}

/// At most `most`. Refused unless they rise and are apart.
pub(super) fn read_ranges(r: &mut RecordReader<'_>, most: usize) -> Result<Ranges, ContentError> {
    let count = r.count(most).map_err(|_| ContentError::BadRanges)?;
    let mut ranges = Vec::with_capacity(count);
    let mut last = 0;
    for _ in 0..count {
        let (from, to) = (r.u64()?, r.u64()?);
        if from <= last || to < from {
            return Err(ContentError::BadRanges);
        }
        last = to;
        ranges.push((from, to));
    }
    Ok(ranges)
}

pub(super) fn write_heads<'w>(w: &'w mut RecordWriter, heads: &[Head]) -> &'w mut RecordWriter {
    w.count(heads.len());
    for Head { conversation, from, to } in heads {
        write_conversation(w, *conversation).u64(*from).u64(*to);
    }
    w
}

pub(super) fn read_heads(r: &mut RecordReader<'_>) -> Result<Vec<Head>, ContentError> {
    let count = r.count(HEADS_MAX).map_err(|_| ContentError::BadHeads(HEADS_MAX + 1))?;
    if count == 0 {
        return Err(ContentError::BadHeads(0));
    }
    let mut heads = Vec::with_capacity(count);
    for _ in 0..count {
        let conversation = read_conversation(r)?;
        let (from, to) = (r.u64()?, r.u64()?);
        if from == 0 || to < from {
            return Err(ContentError::BadRanges);
        }
        heads.push(Head { conversation, from, to });
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::PairPlain;

    #[test]
    fn heads_that_are_none_too_many_or_backwards_are_refused() {
        let refused = |heads: Vec<Head>| {
            PairPlain::decode(PairPlain::Heads(heads).encode().expose()).err().unwrap()
        };
        let head = |from, to| Head { conversation: None, from, to };
        assert_eq!(refused(vec![]), ContentError::BadHeads(0));
        assert_eq!(refused(vec![head(1, 1); 33]), ContentError::BadHeads(33));
        assert_eq!(refused(vec![head(0, 1)]), ContentError::BadRanges);
        assert_eq!(refused(vec![head(2, 1)]), ContentError::BadRanges);
    }
}
