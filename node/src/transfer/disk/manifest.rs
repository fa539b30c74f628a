//! The list in front of a folder that is sent as one file (PROTOCOL.md, Folders).
//!
//! ```text
//! u32be length of what follows | 01 | for each entry, rising by path:
//!     u8 kind | u64be size | u16be length of path | path
//! ```
//!
//! What somebody else wrote is hostile. Invariant: in a list that was read each path is relative,
//! made of harmless names, there once, and below no file; the sizes are those of the whole. So
//! whoever makes files by it makes them in one folder, each where no other is.

use hubbub_shared::content::file_name::FileName;

/// Most entries of a list: a large photo collection, or a small checkout; who has more packs it.
pub const ENTRIES: usize = 100_000;
/// Longest list in bytes: those entries with paths of 160 bytes.
pub const BYTES: usize = 16 * 1024 * 1024;
/// Deepest an entry may be: what people make; deeper, some systems refuse paths.
pub const DEPTH: usize = 32;
/// Longest path in bytes, for the same reason.
const PATH: usize = 1_024;
const VERSION: u8 = 1;
/// Bytes before the list.
pub const LENGTH: usize = 4;
/// Bytes of an entry before its path.
const HEAD: usize = 11;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder. Those of files need no entry.
    Folder,
    /// A file.
    File,
    /// One that is a program.
    Program,
}

/// One file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its names, from the top.
    pub path: Vec<FileName>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its content; of a folder, none.
    pub size: u64,
}

/// Why bytes are no list, or a folder has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// Cut off, of another version, or with bytes too many.
    #[error("the list of what is in the folder cannot be read")]
    Malformed,
    /// Too many entries, too long, or too deep.
    #[error("the folder holds more than one may")]
    TooLarge,
    /// A name that is not harmless, or a path twice, or below a file.
    #[error("the folder holds names that are not safe")]
    Path,
    /// It is not as long as the message said that offered the folder.
    #[error("the folder's list is not as long as was said")]
    Length,
    /// The sizes are not those of the whole.
    #[error("the folder is not as large as its list says")]
    Size,
}

impl Entry {
    fn order(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map(FileName::as_str)
    }

    fn path(&self) -> String {
        self.order().collect::<Vec<_>>().join("/")
    }

    /// Whether it may follow this one: behind it, and not inside a file.
    fn follows(&self, before: &Self) -> bool {
        let inside = self.path.starts_with(&before.path) && before.kind != Kind::Folder;
        before.order().lt(self.order()) && !inside
    }
}

/// Puts entries in the order they have in a list.
pub fn sort(entries: &mut [impl AsRef<Entry>]) {
    entries.sort_by(|a, b| a.as_ref().order().cmp(b.as_ref().order()));
}

/// The list of these entries, with its length.
///
/// # Errors
/// [`BadList`] for what is more than a list may have, or is not in order.
pub fn encode<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<Vec<u8>, BadList> {
    let mut out = vec![0; LENGTH];
    out.push(VERSION);
    let (mut count, mut before) = (0, None::<&Entry>);
    for entry in entries {
        count += 1;
        let path = entry.path();
        if count > ENTRIES || entry.path.len() > DEPTH || path.len() > PATH || out.len() > BYTES {
            return Err(BadList::TooLarge);
        }
        if before.is_some_and(|before| !entry.follows(before)) {
            return Err(BadList::Path);
        }
        before = Some(entry);
        out.push(entry.kind as u8);
        out.extend_from_slice(&entry.size.to_be_bytes());
        out.extend_from_slice(&u16::try_from(path.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(path.as_bytes());
    }
    let length = u32::try_from(out.len() - LENGTH).map_err(|_| BadList::TooLarge)?;
    match out.first_chunk_mut() {
        Some(head) if length as usize <= BYTES => *head = length.to_be_bytes(),
        _ => return Err(BadList::TooLarge),
    }
    Ok(out)
}

/// How long the list is that such bytes stand in front of.
///
/// # Errors
/// [`BadList::TooLarge`].
pub fn length(head: [u8; LENGTH]) -> Result<usize, BadList> {
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > BYTES { Err(BadList::TooLarge) } else { Ok(length) }
}

/// Reads a list, without its length. `left` is how many bytes of content stand behind it.
///
/// # Errors
/// [`BadList`].
pub fn decode(bytes: &[u8], left: u64) -> Result<Vec<Entry>, BadList> {
    if bytes.len() > BYTES {
        return Err(BadList::TooLarge);
    }
    let (&[VERSION], mut rest) = bytes.split_first_chunk().ok_or(BadList::Malformed)? else {
        return Err(BadList::Malformed);
    };
    let (mut entries, mut sum) = (Vec::<Entry>::new(), 0u64);
    while !rest.is_empty() {
        let (entry, behind) = read(rest)?;
        if entries.len() >= ENTRIES {
            return Err(BadList::TooLarge);
        }
        if entries.last().is_some_and(|before| !entry.follows(before)) {
            return Err(BadList::Path);
        }
        sum = sum.checked_add(entry.size).ok_or(BadList::Size)?;
        entries.push(entry);
        rest = behind;
    }
    if sum == left { Ok(entries) } else { Err(BadList::Size) }
}

fn read(bytes: &[u8]) -> Result<(Entry, &[u8]), BadList> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(BadList::Malformed)?;
    let [kind, a, b, c, d, e, f, g, h, i, j] = *head;
    let size = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let kind = match kind {
        0 if size == 0 => Kind::Folder,
        1 => Kind::File,
        2 => Kind::Program,
        _ => return Err(BadList::Malformed),
    };
    let length = usize::from(u16::from_be_bytes([i, j]));
    let (path, rest) = rest.split_at_checked(length).ok_or(BadList::Malformed)?;
    if path.len() > PATH {
        return Err(BadList::TooLarge);
    }
    let path = core::str::from_utf8(path).map_err(|_| BadList::Path)?;
    let names: Option<Vec<_>> = path.split('/').map(FileName::harmless).collect();
    let path = names.ok_or(BadList::Path)?;
    if path.len() > DEPTH {
        return Err(BadList::TooLarge);
    }
    Ok((Entry { path, kind, size }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind, size: u64) -> Entry {
        Entry { path: path.split('/').map(FileName::clean).collect(), kind, size }
    }

    fn raw(entries: &[(u8, u64, &str)]) -> Vec<u8> {
        let mut out = vec![VERSION];
        for (kind, size, path) in entries {
            out.push(*kind);
            out.extend(size.to_be_bytes());
            out.extend(u16::try_from(path.len()).unwrap().to_be_bytes());
            out.extend(path.bytes());
        }
        out
    }

    #[test]
    fn a_list_survives_a_round_trip_and_no_cut_is_one() {
        let entries = [
            entry("a", Kind::Folder, 0),
            entry("a/b", Kind::File, 3),
            entry("a/c/d", Kind::Program, 4),
            entry("a.txt", Kind::File, 1),
        ];
        let bytes = encode(entries.iter()).unwrap();
        let (head, list) = bytes.split_first_chunk().unwrap();
        assert_eq!(length(*head), Ok(list.len()));
        assert_eq!(decode(list, 8).unwrap(), entries);
        for end in 0..list.len() {
            assert!(decode(&list[..end], 8).is_err(), "{end}");
        }
        assert_eq!(decode(list, 7), Err(BadList::Size));
        assert_eq!(encode(entries.iter().rev()), Err(BadList::Path));
        assert_eq!(decode(&[VERSION], 0), Ok(Vec::new()), "an empty folder");
    }

    /// The bytes of PROTOCOL.md.
    #[test]
    fn a_list_looks_as_the_protocol_says() {
        let entries = [entry("a", Kind::File, 3), entry("b/c", Kind::Program, 1)];
        let hex = data_encoding::HEXLOWER.encode(&encode(entries.iter()).unwrap());
        let said = "0000001b01 010000000000000003000161 0200000000000000010003622f63";
        assert_eq!(hex, said.replace(' ', ""));
        assert_eq!(encode([].iter()).unwrap(), [0, 0, 0, 1, 1]);
    }

    #[test]
    fn paths_that_leave_the_folder_or_meet_are_refused() {
        for path in
            ["", "..", "../x", "/x", "x/", "a//b", "a/../b", "a\\b", "C:x", "a/.b", "nul", "a/\0"]
        {
            assert_eq!(decode(&raw(&[(1, 0, path)]), 0), Err(BadList::Path), "{path:?}");
        }
        for twice in [["a", "a"], ["a", "a/b"], ["b", "a"], ["a/b", "a"]] {
            let bytes = raw(&twice.map(|path| (1, 0, path)));
            assert_eq!(decode(&bytes, 0), Err(BadList::Path), "{twice:?}");
        }
        assert!(decode(&raw(&[(0, 0, "a"), (1, 0, "a/b")]), 0).is_ok());
    }

    #[test]
    fn what_is_more_than_a_folder_may_hold_is_refused() {
        let deep = vec!["a"; DEPTH + 1].join("/");
        assert_eq!(decode(&raw(&[(1, 0, &deep)]), 0), Err(BadList::TooLarge));
        assert!(decode(&raw(&[(1, 0, &deep[2..])]), 0).is_ok());
        let names: Vec<_> = (0..=ENTRIES).map(|n| format!("{n:06}")).collect();
        let many: Vec<_> = names.iter().map(|name| (1, 0, &**name)).collect();
        assert_eq!(decode(&raw(&many), 0), Err(BadList::TooLarge));
        assert!(decode(&raw(&many[1..]), 0).is_ok());
        assert_eq!(length([1, 0, 0, 1]), Err(BadList::TooLarge));
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        let huge = raw(&[(1, u64::MAX, "a"), (1, 2, "b")]);
        assert_eq!(decode(&huge, 1), Err(BadList::Size));
        assert_eq!(decode(&raw(&[(0, 1, "a")]), 1), Err(BadList::Malformed), "a folder of bytes");
        assert_eq!(decode(&raw(&[(3, 1, "a")]), 1), Err(BadList::Malformed));
    }
}
