//! Who keeps what here, pure: decisions about blobs, and what they change on the disk.
//!
//! A blob is stored once, whoever put it, and charged whole to each. It is forgotten when its time
//! is over for the last of them. What is on its way belongs to who puts it, apart from what others
//! put under the same address: nobody can be in somebody's way by an address alone. To who puts it
//! it is charged whole from the first byte on. Of the hub's room it takes what came of it, and
//! while somebody sends also some ahead of that: whoever would fill it has to send. Invariant: what
//! is charged and what is taken never exceeds the bounds; and nothing is given before all of it has
//! come and made its address.
//!
//! The caller carries out each [`Change`] before anything is answered that rests on it.

pub(crate) mod bounds;
pub(crate) mod owed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hubbub_shared::blob::{Blob, Shape};
use hubbub_shared::id::{BlobId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::files::{FileRefusal, FileRefused, FilesTold};

use bounds::{
    BLOBS_EACH, BUSY_PAUSE, Bounds, HOLDERS, HOLDS, LONGER_BY, PART_KEPT, PARTS_EACH, PARTS_PAUSE,
};

/// Until when a blob is kept for whom.
pub(crate) type Holders = BTreeMap<NodeId, Timestamp>;

/// What to do on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Write down who a whole blob is kept for.
    Record(Blob, Holders),
    /// Delete a whole blob.
    Forget(BlobId),
    /// Delete what came of a blob from somebody.
    Drop(NodeId, Blob),
}

/// The right to write one blob on its way. Whoever got a later one for the same blob has taken it
/// over, and this one is worth nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) node: NodeId,
    pub(crate) blob: Blob,
    number: u64,
}

/// What to answer to somebody who puts a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// Its bytes.
    Wanted(Claim),
    /// It is here, until then.
    Kept(Timestamp, Vec<Change>),
    /// No.
    Refused(FileRefused),
}

/// What there is of a blob on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    pub(crate) bytes: u64,
    /// When the last of them came.
    pub(crate) at: Timestamp,
}

/// How much is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Whole blobs.
    pub(crate) blobs: usize,
    /// Bytes of these, and those set aside for what is on its way.
    pub(crate) bytes: u64,
}

/// A whole blob.
#[derive(Debug)]
struct Whole {
    shape: Shape,
    holders: Holders,
}

/// A blob on its way from somebody.
#[derive(Debug)]
struct Part {
    shape: Shape,
    /// The claim of who writes it, if somebody does.
    writer: Option<u64>,
    /// When its last bytes came, or else when it was begun.
    touched: Timestamp,
    /// Bytes that came of it.
    here: u64,
    /// Bytes it takes of the hub's room: these, and more while somebody writes it.
    room: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    bytes: u64,
    blobs: usize,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Book {
    bounds: Bounds,
    whole: BTreeMap<BlobId, Whole>,
    parts: BTreeMap<(NodeId, BlobId), Part>,
    accounts: BTreeMap<NodeId, Account>,
    /// Of whole blobs once each, and what parts take.
    stored: u64,
    holds: usize,
    /// Of the next claim.
    next: u64,
}

impl Book {
    /// Nothing is here.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (whole, parts, accounts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { bounds, whole, parts, accounts, stored: 0, holds: 0, next: 0 }
    }

    /// A whole blob was found at the start.
    pub(crate) fn found(&mut self, blob: Blob, holders: Holders) {
        let sealed = blob.shape.sealed();
        holders.keys().for_each(|node| self.charge(*node, sealed));
        self.stored += sealed;
        self.whole.insert(blob.address, Whole { shape: blob.shape, holders });
    }

    /// What came of a blob was found at the start.
    pub(crate) fn found_part(&mut self, node: NodeId, blob: Blob, came: Came) {
        let (shape, here) = (blob.shape, came.bytes.min(blob.shape.sealed()));
        let part = Part { shape, writer: None, touched: came.at, here, room: here };
        self.set_aside(node, blob, part);
    }

    /// How much is here.
    pub(crate) fn held(&self) -> Held {
        Held { blobs: self.whole.len(), bytes: self.stored }
    }

    /// A whole blob, if it is here and files are given.
    pub(crate) fn whole(&self, address: &BlobId) -> Option<Blob> {
        let found = self.whole.get(address).filter(|_| self.bounds.on)?;
        Some(Blob { address: *address, shape: found.shape })
    }

    /// What somebody may put, when so much of the disk is free.
    pub(crate) fn limits(&self, node: &NodeId, free: u64) -> FilesTold {
        let Bounds { on, largest, each, keep, .. } = self.bounds;
        let left = if on { self.left(node).min(self.room(free)) } else { 0 };
        FilesTold { on, largest, quota: each, left, keep }
    }

    /// Somebody puts a blob of so many bytes.
    pub(crate) fn put(
        &mut self,
        node: NodeId,
        (address, sealed): (BlobId, u64),
        now: Timestamp,
        free: u64,
    ) -> Put {
        let shape = match self.fits(sealed) {
            Ok(shape) => shape,
            Err(refused) => return Put::Refused(refused),
        };
        let blob = Blob { address, shape };
        if let Some(whole) = self.whole.get(&address) {
            // One address has one length: the other one is not what it says.
            if whole.shape != shape {
                return Put::Refused(FileRefusal::WrongBytes.plain());
            }
            return self.keep_for(node, blob, now);
        }
        self.next += 1;
        let (number, writer) = (self.next, Some(self.next));
        let known = self.parts.get(&(node, address)).filter(|part| part.shape == shape);
        let may = match known {
            Some(part) if part.writer.is_some() => Err(busy()),
            Some(part) => self.has_room(sealed - part.room, free),
            None => self.may_take(&node, address, sealed, free),
        };
        let is_new = known.is_none();
        if let Err(refused) = may {
            return Put::Refused(refused);
        }
        if is_new {
            let part = Part { shape, writer, touched: now, here: 0, room: 0 };
            self.set_aside(node, blob, part);
        }
        let ahead = self.bounds.ahead;
        if let Some(part) = self.parts.get_mut(&(node, address)) {
            part.writer = writer;
            self.stored += part.widen(part.ahead(ahead));
        }
        Put::Wanted(Claim { node, blob, number })
    }

    /// So much of a blob is here now; whether the claim still holds.
    pub(crate) fn came(&mut self, claim: &Claim, here: u64) -> bool {
        let Some(part) = self.written(claim) else { return false };
        part.here = here.min(part.shape.sealed());
        // There is more than anybody knew of only behind a crash.
        let more = part.widen(part.here);
        self.stored += more;
        true
    }

    /// Whether there is room set aside for a blob up to there.
    pub(crate) fn reaches(&self, claim: &Claim, upto: u64) -> bool {
        let part = self.parts.get(&(claim.node, claim.blob.address));
        part.is_some_and(|part| part.writer == Some(claim.number) && upto <= part.room)
    }

    /// Sets room aside for a blob up to there at least, when so much of the disk is free.
    pub(crate) fn reserve(
        &mut self,
        claim: &Claim,
        upto: u64,
        free: u64,
    ) -> Result<(), FileRefused> {
        let (left, ahead) = (self.room(free), self.bounds.ahead);
        let part = self.written(claim).ok_or(FileRefusal::TakenBack.plain())?;
        if upto > part.room.saturating_add(left) {
            return Err(FileRefusal::Full.about(left));
        }
        let wanted = part.ahead(ahead).max(upto).min(part.room.saturating_add(left));
        let more = part.widen(wanted);
        self.stored += more;
        Ok(())
    }

    fn written(&mut self, claim: &Claim) -> Option<&mut Part> {
        let part = self.parts.get_mut(&(claim.node, claim.blob.address));
        part.filter(|part| part.writer == Some(claim.number))
    }

    /// Whoever wrote a blob does not write any more; when the last bytes came, if any did. Whether
    /// what came waits for another time.
    pub(crate) fn rest(&mut self, claim: &Claim, came: Option<Timestamp>) -> bool {
        let Some(part) = self.written(claim) else { return false };
        (part.writer, part.touched) = (None, came.unwrap_or(part.touched));
        let ahead = part.room - part.here;
        part.room = part.here;
        self.stored -= ahead;
        true
    }

    /// Whether a claim still holds.
    pub(crate) fn holds(&self, claim: &Claim) -> bool {
        let part = self.parts.get(&(claim.node, claim.blob.address));
        part.is_some_and(|part| part.writer == Some(claim.number))
    }

    /// All of a blob came and makes its address. None when it was taken back meanwhile; whether the
    /// blob is new here, otherwise.
    pub(crate) fn arrived(
        &mut self,
        claim: &Claim,
        now: Timestamp,
    ) -> Option<(bool, Timestamp, Change)> {
        if !self.holds(claim) {
            return None;
        }
        let (node, address) = (claim.node, claim.blob.address);
        let part = self.let_go(node, address)?;
        let (sealed, until) = (part.shape.sealed(), now + self.bounds.keep);
        let known = self.whole.contains_key(&address);
        let entry = self.whole.entry(address);
        let whole = entry.or_insert(Whole { shape: part.shape, holders: Holders::new() });
        let fresh = whole.holders.insert(node, until).is_none();
        let change = Change::Record(claim.blob, whole.holders.clone());
        if fresh {
            self.charge(node, sealed);
        }
        if !known {
            self.stored += sealed;
        }
        Some((!known, until, change))
    }

    /// What came of a blob is worth nothing.
    pub(crate) fn failed(&mut self, claim: &Claim) -> Option<Change> {
        self.holds(claim).then(|| self.drop_part(claim.node, claim.blob.address))?
    }

    /// Somebody takes a blob back, or what came of it.
    pub(crate) fn take_back(&mut self, node: NodeId, address: BlobId) -> Vec<Change> {
        let part = self.drop_part(node, address);
        part.into_iter().chain(self.release(node, address)).collect()
    }

    /// Ends what has ended by now.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Change> {
        let ended = |(address, whole): (&BlobId, &Whole)| {
            let over = whole.holders.iter().filter(|(_, until)| **until <= now);
            over.map(|(node, _)| (*node, *address)).collect::<Vec<_>>()
        };
        let whole: Vec<_> = self.whole.iter().flat_map(ended).collect();
        let old = |part: &Part| part.writer.is_none() && part.touched + PART_KEPT <= now;
        let parts = self.parts.iter().filter(|(_, part)| old(part)).map(|(key, _)| *key);
        let mut changes = Vec::new();
        for (node, address) in parts.collect::<Vec<_>>() {
            changes.extend(self.drop_part(node, address));
        }
        for (node, address) in whole {
            changes.extend(self.release(node, address));
        }
        last_of_each(changes)
    }

    fn fits(&self, sealed: u64) -> Result<Shape, FileRefused> {
        if !self.bounds.on {
            return Err(FileRefusal::Off.plain());
        }
        if sealed > self.bounds.largest {
            return Err(FileRefusal::TooLarge.about(self.bounds.largest));
        }
        Shape::of_sealed(sealed).ok_or(FileRefusal::NoBlob.plain())
    }

    /// A blob that is here is kept for one more, or longer. What came of it from them is of no use
    /// any more, and what was charged for that is charged for the whole.
    fn keep_for(&mut self, node: NodeId, blob: Blob, now: Timestamp) -> Put {
        let (address, sealed) = (blob.address, blob.shape.sealed());
        let until = now + self.bounds.keep;
        let holders = self.whole.get(&address).map_or(0, |whole| whole.holders.len());
        let held = self.whole.get(&address).and_then(|whole| whole.holders.get(&node)).copied();
        let may = match held {
            Some(_) => Ok(()),
            None if holders >= HOLDERS => Err(FileRefusal::Full.about(0)),
            None => self.may_keep(&node, address, sealed),
        };
        if let Err(refused) = may {
            return Put::Refused(refused);
        }
        let mut changes: Vec<_> = self.drop_part(node, address).into_iter().collect();
        match held {
            Some(held) if until < held + LONGER_BY => return Put::Kept(held, changes),
            Some(_) => {}
            None => self.charge(node, sealed),
        }
        let Some(whole) = self.whole.get_mut(&address) else {
            return Put::Refused(FileRefusal::StoreFailing.plain());
        };
        whole.holders.insert(node, until);
        changes.push(Change::Record(blob, whole.holders.clone()));
        Put::Kept(until, changes)
    }

    /// Whether a whole blob may be charged, in the place of what came of it.
    fn may_keep(&self, node: &NodeId, address: BlobId, sealed: u64) -> Result<(), FileRefused> {
        let Some(part) = self.parts.get(&(*node, address)) else {
            return self.may_charge(node, sealed);
        };
        let used = self.accounts.get(node).map_or(0, |account| account.bytes);
        let left = self.bounds.each.saturating_sub(used.saturating_sub(part.shape.sealed()));
        if sealed > left { Err(FileRefusal::NoQuota.about(left)) } else { Ok(()) }
    }

    /// Whether bytes may be set aside for a blob that is not here.
    fn may_take(
        &self,
        node: &NodeId,
        address: BlobId,
        sealed: u64,
        free: u64,
    ) -> Result<(), FileRefused> {
        // One that says now this length and now that: the bytes it brought are of no length yet.
        if self.parts.contains_key(&(*node, address)) {
            return Err(busy());
        }
        let all = (*node, BlobId([0; 32]))..=(*node, BlobId([u8::MAX; 32]));
        if self.parts.range(all).count() >= PARTS_EACH {
            let (code, retry_after) = (FileRefusal::TooMany, Some(PARTS_PAUSE));
            return Err(FileRefused { code, limit: None, retry_after });
        }
        self.may_charge(node, sealed)?;
        self.has_room(sealed, free)
    }

    fn has_room(&self, bytes: u64, free: u64) -> Result<(), FileRefused> {
        let room = self.room(free);
        if bytes > room { Err(FileRefusal::Full.about(room)) } else { Ok(()) }
    }

    fn may_charge(&self, node: &NodeId, sealed: u64) -> Result<(), FileRefused> {
        let blobs = self.accounts.get(node).map_or(0, |account| account.blobs);
        if blobs >= BLOBS_EACH {
            return Err(FileRefusal::NoQuota.about(0));
        }
        if self.holds >= HOLDS {
            return Err(FileRefusal::Full.about(0));
        }
        let left = self.left(node);
        if sealed > left { Err(FileRefusal::NoQuota.about(left)) } else { Ok(()) }
    }

    fn left(&self, node: &NodeId) -> u64 {
        let used = self.accounts.get(node).map_or(0, |account| account.bytes);
        self.bounds.each.saturating_sub(used)
    }

    /// What new blobs may take: of the hub's room, and of the disk when all that is set aside has
    /// come.
    fn room(&self, free: u64) -> u64 {
        let coming: u64 = self.parts.values().map(|part| part.room - part.here).sum();
        let disk = free.saturating_sub(self.bounds.reserve).saturating_sub(coming);
        self.bounds.total.saturating_sub(self.stored).min(disk)
    }

    fn set_aside(&mut self, node: NodeId, blob: Blob, part: Part) {
        self.charge(node, part.shape.sealed());
        self.stored += part.room;
        self.parts.insert((node, blob.address), part);
    }

    fn let_go(&mut self, node: NodeId, address: BlobId) -> Option<Part> {
        let part = self.parts.remove(&(node, address))?;
        self.discharge(node, part.shape.sealed());
        self.stored -= part.room;
        Some(part)
    }

    fn drop_part(&mut self, node: NodeId, address: BlobId) -> Option<Change> {
        let part = self.let_go(node, address)?;
        Some(Change::Drop(node, Blob { address, shape: part.shape }))
    }

    /// A blob is no longer kept for somebody.
    fn release(&mut self, node: NodeId, address: BlobId) -> Option<Change> {
        let whole = self.whole.get_mut(&address)?;
        whole.holders.remove(&node)?;
        let (shape, holders) = (whole.shape, whole.holders.clone());
        self.discharge(node, shape.sealed());
        if !holders.is_empty() {
            return Some(Change::Record(Blob { address, shape }, holders));
        }
        self.whole.remove(&address);
        self.stored -= shape.sealed();
        Some(Change::Forget(address))
    }

    fn charge(&mut self, node: NodeId, sealed: u64) {
        let account = self.accounts.entry(node).or_default();
        account.bytes += sealed;
        account.blobs += 1;
        self.holds += 1;
    }

    fn discharge(&mut self, node: NodeId, sealed: u64) {
        self.holds -= 1;
        let Some(account) = self.accounts.get_mut(&node) else { return };
        account.bytes -= sealed;
        account.blobs -= 1;
        if account.blobs == 0 {
            self.accounts.remove(&node);
        }
    }
}

impl Part {
    /// How far room is set aside while it is written: as much again as came, so that nobody takes
    /// more than twice what they sent, and a bit to begin with.
    fn ahead(&self, ahead: u64) -> u64 {
        self.here.saturating_add(self.here.max(ahead)).min(self.shape.sealed())
    }

    /// Takes room up to there, if it has less; how much that is.
    fn widen(&mut self, upto: u64) -> u64 {
        let more = upto.saturating_sub(self.room);
        self.room += more;
        more
    }
}

fn busy() -> FileRefused {
    FileRefused { code: FileRefusal::Busy, limit: None, retry_after: Some(BUSY_PAUSE) }
}

/// Of several changes to one blob only the last counts.
fn last_of_each(changes: Vec<Change>) -> Vec<Change> {
    let mut whole = BTreeMap::new();
    let mut out = Vec::new();
    for change in changes {
        match change {
            Change::Record(blob, _) => drop(whole.insert(blob.address, change)),
            Change::Forget(address) => drop(whole.insert(address, change)),
            Change::Drop(..) => out.push(change),
        }
    }
    out.extend(whole.into_values());
    out
}
