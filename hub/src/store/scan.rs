//! Looks through the engine's journals before it opens them.
//!
//! The engine cuts a journal where it can read no further: a crash leaves such an end. Only the
//! last batch can be half written, because each is synced before the next begins. So a whole batch
//! behind the end means that what lies between was durable once and is damaged: cutting there would
//! lose what was acknowledged, and give its numbers again.
//!
//! A journal is a sequence of batches and then nothing, or zeros: a start (tag 1, u32 number of
//! changes, u64 place in history), its changes (tag 2, kind, compression, u64 keyspace, u16 key's
//! length, twice u32 value's length, key, value; or tag 4, u64 keyspace), an end (tag 3, u64
//! checksum, four bytes). Little-endian. The checksum is the engine's to look at.

use std::fs;
use std::path::Path;

use super::StoreError;

const START: u8 = 1;
const CHANGE: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// Journals are laid out in zeros far beyond what is in them; that part is passed over in these.
const BLOCK: usize = 4_096;
/// What every batch ends with.
const TRAILER: &[u8] = b"FJL\x03";

/// Refuses a store with a journal that is damaged before its end.
///
/// # Errors
/// [`StoreError`]; nothing was changed.
pub(super) fn check(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl")
            && let Some(at) = hole(&fs::read(&path)?)
        {
            let name = path.file_name().unwrap_or_default().display();
            return Err(StoreError::damaged(&format!("{name} cannot be read at byte {at}")));
        }
    }
    Ok(())
}

/// Where a journal cannot be read although more follows.
fn hole(journal: &[u8]) -> Option<usize> {
    let zeros = [0; BLOCK];
    let used = journal.chunks(BLOCK).rposition(|block| !zeros.starts_with(block));
    let used = used.map_or(0, |last| (last + 1) * BLOCK).min(journal.len());
    let journal = journal.get(..used).unwrap_or_default();
    let mut at = 0;
    let broken = loop {
        match batch(journal, at) {
            Ok(end) => at = end,
            Err(broken) => break broken,
        }
    };
    let candidates = journal.iter().enumerate().skip(broken + 1);
    let mut starts = candidates.filter(|(_, byte)| **byte == START).map(|(start, _)| start);
    starts.any(|start| batch(journal, start).is_ok()).then_some(broken)
}

/// The end of the batch that begins at `at`, or where it stops being one.
fn batch(journal: &[u8], at: usize) -> Result<usize, usize> {
    let mut reader = Reader { journal, at };
    let (Some(START), Some(count), Some(_)) = (reader.u8(), reader.u32(), reader.skip(8)) else {
        return Err(at);
    };
    for _ in 0..count {
        let begin = reader.at;
        reader.change().ok_or(begin)?;
    }
    let begin = reader.at;
    reader.end().ok_or(begin)
}

struct Reader<'a> {
    journal: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.journal.get(self.at..)?.first_chunk().copied()?;
        self.at += N;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        let to = self.at.checked_add(bytes).filter(|to| *to <= self.journal.len())?;
        self.at = to;
        Some(())
    }

    fn change(&mut self) -> Option<()> {
        match self.u8()? {
            CLEAR => self.skip(8),
            CHANGE => {
                let plain = self.u8()? <= 2 && self.u8()? == 0;
                self.skip(8)?;
                let key = self.take().map(u16::from_le_bytes)?;
                let (value, stored) = (self.u32()?, self.u32()?);
                let length = usize::from(key).checked_add(usize::try_from(stored).ok()?)?;
                (plain && value == stored).then_some(())?;
                self.skip(length)
            }
            _ => None,
        }
    }

    fn end(&mut self) -> Option<usize> {
        let tag = self.u8()?;
        self.skip(8)?;
        let trailer: [u8; 4] = self.take()?;
        (tag == END && trailer == TRAILER).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(batches: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        for n in 0..batches {
            let value = vec![n; 50];
            bytes.extend([&[START, 1, 0, 0, 0], &[n, 0, 0, 0, 0, 0, 0, 0][..]].concat());
            bytes.extend([CHANGE, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 50, 0, 0, 0, 50, 0, 0, 0]);
            bytes.extend([&[7, 7, 7], value.as_slice()].concat());
            bytes.extend([&[END, 9, 9, 9, 9, 9, 9, 9, 9], TRAILER].concat());
        }
        bytes
    }

    #[test]
    fn a_journal_that_ends_early_or_in_zeros_is_what_a_crash_leaves() {
        let whole = journal(5);
        assert_eq!(hole(&[]), None);
        for end in 0..whole.len() {
            assert_eq!(hole(&whole[..end]), None, "{end}");
            let padded = [&whole[..end], &[0; 500]].concat();
            assert_eq!(hole(&padded), None, "{end}, then zeros");
        }
    }

    #[test]
    fn a_journal_broken_before_its_last_batch_is_damaged() {
        let whole = journal(5);
        let one = whole.len() / 5;
        // The tag of the start, of a change, of the end, a length, the trailer.
        for at in [0, 13, 24, one - 13, one - 1] {
            let mut damaged = whole.clone();
            damaged[one + at] ^= 0x70;
            assert!(hole(&damaged).is_some(), "{at}");
        }
    }
}
