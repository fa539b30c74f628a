//! What may be kept of files, by whom and for how long (PROTOCOL.md, Files at the hub).

use hubbub_shared::time::Millis;

/// Blobs of one identity, those on their way included: each is three files and an entry in memory,
/// however small it is. Far above use.
pub(crate) const BLOBS_EACH: usize = 4_096;
/// Pairs of a blob and somebody it is kept for, in all: some 20 MiB of memory.
pub(crate) const HOLDS: usize = 65_536;
/// Identities that one blob is kept for: as many as a group has members. It bounds the record that
/// is written anew with each of them.
pub(crate) const HOLDERS: usize = 1_024;
/// Of these, blobs on their way, writing or resting: a node sends one after the other, and each is
/// charged whole although next to nothing of it may be here.
pub(crate) const PARTS_EACH: usize = 16;
/// When to ask again with so many on their way: one of them may have come by then.
pub(crate) const PARTS_PAUSE: Millis = Millis::secs(10);
/// What is set aside of the hub's room for a blob that is sent, before half of that has come: with
/// the six streams about files that an identity may have, it keeps 384 MiB from others without
/// sending anything, and for a minute.
pub(crate) const AHEAD: u64 = 64 * 1024 * 1024;
/// Changes that the disk refused and that are tried again; with so many, nothing new is begun. What
/// ends by itself comes on top, so that there are never more than this and [`HOLDS`].
pub(crate) const OWED: usize = 1_024;
/// How long what came of a blob waits for the rest.
pub(crate) const PART_KEPT: Millis = Millis::days(3);
/// A blob that is put again is kept from then on, if that is so much longer: a step is a write.
pub(crate) const LONGER_BY: Millis = Millis::hours(1);
/// When to ask again about a blob that is being put on another stream: about as long as the end of
/// a broken stream takes to be noticed.
pub(crate) const BUSY_PAUSE: Millis = Millis::secs(1);

/// What the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Whether files are taken and given at all.
    pub(crate) on: bool,
    /// Bytes of one blob.
    pub(crate) largest: u64,
    /// Bytes of one identity.
    pub(crate) each: u64,
    /// Bytes in all.
    pub(crate) total: u64,
    /// How long a blob is kept.
    pub(crate) keep: Millis,
    /// Bytes that stay free on the disk.
    pub(crate) reserve: u64,
    /// Bytes set aside beyond those that came; [`AHEAD`], and not the operator's to choose.
    pub(crate) ahead: u64,
}
