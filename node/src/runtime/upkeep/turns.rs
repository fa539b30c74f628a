//! Whose turn it is with the hub. No I/O, and no clock of its own.
//!
//! Invariant: one that fails keeps no other waiting: each is tried once and goes behind the others
//! then, until a time of its own. Nothing is put while the same is being taken back, so that the
//! hub never takes back what was just left there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hubbub_shared::blob::Blob;
use hubbub_shared::id::BlobId;
use hubbub_shared::time::Timestamp;
use tokio::time::Instant;

use crate::engine::file::order::Told;
use crate::net::FilesError;

/// First and longest pause of a file after the way to the hub broke.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// When it is tried again after the hub had no room for it: shares and room change by days.
const NO_ROOM: Duration = Duration::from_secs(3_600);

/// See the top of the file.
#[derive(Default)]
pub(super) struct Turns {
    /// Every own or whole file that is served.
    served: BTreeMap<u64, Blob>,
    waiting: VecDeque<u64>,
    later: BTreeMap<u64, Instant>,
    /// The last pause of each whose way broke.
    pauses: BTreeMap<u64, Duration>,
    /// Told that the hub does not keep it.
    refused: BTreeSet<u64>,
    /// The one that is put now; whether that still counts.
    going: Option<(u64, bool)>,
    /// What is being taken back.
    leaving: BTreeSet<BlobId>,
}

impl Turns {
    pub(super) fn serves(&mut self, file: u64, blob: Blob) {
        self.served.insert(file, blob);
    }

    pub(super) fn put(&mut self, file: u64) {
        let known = self.going == Some((file, true)) || self.waiting.contains(&file);
        if self.served.contains_key(&file) && !known && !self.later.contains_key(&file) {
            self.waiting.push_back(file);
        }
    }

    /// Nobody is to fetch it there any more: what to take back, and whether it is being put.
    pub(super) fn take_back(&mut self, file: u64) -> Option<(BlobId, bool)> {
        self.waiting.retain(|waiting| *waiting != file);
        self.later.remove(&file);
        self.pauses.remove(&file);
        self.refused.remove(&file);
        let blob = self.served.remove(&file)?.address;
        let going = self.going.as_mut().filter(|(going, _)| *going == file);
        let is_going = going.is_some();
        if let Some((_, counts)) = going {
            *counts = false;
        }
        Some((blob, is_going))
    }

    /// This is taken back now.
    pub(super) fn leaves(&mut self, blob: BlobId) {
        self.leaving.insert(blob);
    }

    /// It was, or could not be.
    pub(super) fn left(&mut self, blob: &BlobId) {
        self.leaving.remove(blob);
    }

    /// What to put now, if anything; it is going then.
    pub(super) fn next(&mut self) -> Option<Blob> {
        if self.going.is_some() {
            return None;
        }
        let (served, leaving) = (&self.served, &self.leaving);
        self.waiting.retain(|file| served.contains_key(file));
        let free =
            |file: &u64| served.get(file).is_some_and(|blob| !leaving.contains(&blob.address));
        let at = self.waiting.iter().position(free)?;
        let file = self.waiting.remove(at)?;
        self.going = Some((file, true));
        self.served.get(&file).copied()
    }

    /// When the next one waits no longer.
    pub(super) fn due(&self) -> Option<Instant> {
        self.later.values().min().copied()
    }

    /// Those that waited long enough wait for their turn again.
    pub(super) fn wake(&mut self, now: Instant) {
        let due = self.later.iter().filter(|(_, at)| **at <= now);
        let due: Vec<u64> = due.map(|(file, _)| *file).collect();
        for file in due {
            self.later.remove(&file);
            self.put(file);
        }
    }

    /// The hub is reached again: those whose way broke need not wait.
    pub(super) fn hub_is_back(&mut self) {
        for file in core::mem::take(&mut self.pauses).into_keys() {
            if self.later.remove(&file).is_some() {
                self.put(file);
            }
        }
    }

    /// What came of the one that was going; none where nobody knows. What there is to tell.
    pub(super) fn ended(
        &mut self,
        done: Option<Result<Timestamp, FilesError>>,
        now: Instant,
    ) -> Option<Told> {
        let (file, counts) = self.going.take()?;
        if !counts {
            return None;
        }
        let error = match done {
            Some(Ok(until)) => {
                self.pauses.remove(&file);
                self.refused.remove(&file);
                return Some(Told::Kept { file, until });
            }
            Some(Err(error)) if !passes(&error) => error,
            passing => {
                if let Some(Err(error)) = passing {
                    tracing::debug!("a file does not get to the hub yet: {error}");
                }
                let pause = self.pauses.get(&file).map_or(PAUSE.0, |last| (*last * 2).min(PAUSE.1));
                self.pauses.insert(file, pause);
                self.later.insert(file, now + pause);
                return None;
            }
        };
        if matches!(error, FilesError::NoQuota { .. } | FilesError::Full { .. }) {
            self.later.insert(file, now + NO_ROOM);
        }
        self.refused.insert(file).then(|| Told::NotKept { file, why: error.to_string() })
    }
}

/// Whether it may work with the same hub and the same file in a while.
fn passes(error: &FilesError) -> bool {
    matches!(
        error,
        FilesError::NoHub
            | FilesError::Broken(_)
            | FilesError::Silent
            | FilesError::NotNow(_)
            | FilesError::Busy { .. }
            | FilesError::HubStore
    )
}

#[cfg(test)]
mod tests {
    use hubbub_shared::blob::Shape;

    use super::*;

    fn blob(file: u64) -> Blob {
        let address = BlobId([u8::try_from(file).unwrap(); 32]);
        Blob { address, shape: Shape::of(5).unwrap() }
    }

    /// Two files that wait to be left at the hub.
    fn two() -> Turns {
        let mut turns = Turns::default();
        for file in [1, 2] {
            turns.serves(file, blob(file));
            turns.put(file);
        }
        turns
    }

    fn kept(turns: &mut Turns, now: Instant) -> Option<u64> {
        match turns.ended(Some(Ok(Timestamp(9))), now)? {
            Told::Kept { file, .. } => Some(file),
            _ => None,
        }
    }

    #[test]
    fn one_that_fails_keeps_no_other_waiting_and_is_tried_again_ever_later() {
        let (mut turns, mut now) = (two(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert_eq!(turns.next(), Some(blob(1)));
            assert!(turns.next().is_none(), "one at a time");
            assert!(turns.ended(Some(Err(FilesError::Silent)), now).is_none());
            if pauses.is_empty() {
                assert_eq!(turns.next(), Some(blob(2)), "the other has its turn at once");
                assert_eq!(kept(&mut turns, now), Some(2));
            }
            assert!(turns.next().is_none());
            let due = turns.due().unwrap();
            turns.wake(due - Duration::from_millis(1));
            assert!(turns.next().is_none());
            pauses.push((due - now).as_secs());
            now = due;
            turns.wake(now);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(turns.next(), Some(blob(1)));
        assert_eq!(kept(&mut turns, now), Some(1));
        assert!(turns.due().is_none());
    }

    #[test]
    fn what_waits_for_the_hub_goes_on_when_that_is_back_and_what_has_no_room_there_does_not() {
        let (mut turns, now) = (two(), Instant::now());
        turns.next();
        turns.ended(Some(Err(FilesError::NoHub)), now);
        turns.next();
        turns.ended(Some(Err(FilesError::Full { left: 0 })), now);
        turns.hub_is_back();
        assert_eq!(turns.next(), Some(blob(1)));
        assert_eq!(kept(&mut turns, now), Some(1));
        assert!(turns.next().is_none());
    }

    #[test]
    fn what_is_taken_back_and_offered_again_is_put_when_it_is_gone_from_there() {
        let (mut turns, now) = (two(), Instant::now());
        assert_eq!(turns.next(), Some(blob(1)));
        assert_eq!(turns.take_back(1), Some((blob(1).address, true)));
        turns.leaves(blob(1).address);
        // Offered again before the hub has heard anything of it.
        turns.serves(1, blob(1));
        turns.put(1);
        assert!(turns.next().is_none());
        assert_eq!(kept(&mut turns, now), None, "what came of the one that was given up is void");
        assert_eq!(turns.next(), Some(blob(2)), "others need not wait for it");
        assert_eq!(kept(&mut turns, now), Some(2));
        assert!(turns.next().is_none(), "it would be taken back at once");
        turns.left(&blob(1).address);
        assert_eq!(turns.next(), Some(blob(1)));
        assert_eq!(kept(&mut turns, now), Some(1));
    }

    #[test]
    fn what_is_given_up_while_it_is_put_is_put_again_even_if_it_never_answers() {
        let (mut turns, now) = (two(), Instant::now());
        assert_eq!(turns.next(), Some(blob(1)));
        turns.take_back(1);
        turns.serves(1, blob(1));
        turns.put(1);
        assert!(turns.ended(None, now).is_none());
        assert_eq!(turns.next(), Some(blob(2)));
        assert_eq!(kept(&mut turns, now), Some(2));
        assert_eq!(turns.next(), Some(blob(1)));
    }

    #[test]
    fn what_the_hub_refuses_is_told_once_and_tried_again_when_there_may_be_room() {
        let (mut turns, now) = (two(), Instant::now());
        let full = || Some(Err(FilesError::Full { left: 0 }));
        turns.next();
        assert!(matches!(turns.ended(full(), now), Some(Told::NotKept { file: 1, .. })));
        turns.next();
        assert!(matches!(
            turns.ended(Some(Err(FilesError::Off)), now),
            Some(Told::NotKept { file: 2, .. })
        ));
        assert_eq!(turns.due(), Some(now + NO_ROOM));
        turns.wake(now + NO_ROOM);
        assert_eq!(turns.next(), Some(blob(1)));
        assert!(turns.ended(full(), now).is_none());
        assert!(turns.next().is_none());
    }
}
