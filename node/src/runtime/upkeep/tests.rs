//! Turns at the hub, with a hub that is a few words.

use std::time::Duration;

use hubbub_shared::blob::{Blob, Shape};
use hubbub_shared::id::BlobId;
use hubbub_shared::limits::FILE_STREAMS_EACH;
use hubbub_shared::time::{Millis, Timestamp};
use tokio::time::Instant;

use super::lanes::{Errand, Lane};
use super::turns::{AFTER_LOSS, Outcome, RENEW, Turns};
use crate::engine::file::order::Told;
use crate::net::FilesError;
use crate::transfer::plan::limits::SIDE_BY_SIDE;

const HOUR: Duration = Duration::from_secs(3_600);

fn blob(file: u64) -> Blob {
    let address = BlobId([u8::try_from(file).unwrap(); 32]);
    Blob { address, shape: Shape::of(5).unwrap() }
}

fn puts(file: u64) -> Option<Errand> {
    Some(Errand::Put(blob(file)))
}

fn takes(file: u64) -> Option<Errand> {
    Some(Errand::TakeBack(blob(file).address))
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

fn next(turns: &mut Turns) -> Option<Errand> {
    turns.next(Lane::Short)
}

/// The hub keeps what was going: which it was.
fn kept(turns: &mut Turns, now: Instant) -> Option<u64> {
    let kept = Some(Ok(Outcome::Kept(Timestamp(9))));
    match turns.ended(Lane::Short, kept, now)? {
        Told::Kept { file, .. } => Some(file),
        _ => None,
    }
}

/// The hub has taken back what was going: which it was.
fn taken(turns: &mut Turns, now: Instant) -> Option<u64> {
    match turns.ended(Lane::Short, Some(Ok(Outcome::TakenBack)), now)? {
        Told::TakenBack { file } => Some(file),
        _ => None,
    }
}

/// It came to nothing: the file of which that is told.
fn fails(turns: &mut Turns, error: FilesError, now: Instant) -> Option<u64> {
    match turns.ended(Lane::Short, Some(Err(error)), now)? {
        Told::NotKept { file, .. } => Some(file),
        _ => None,
    }
}

#[test]
fn one_that_fails_keeps_no_other_waiting_and_is_tried_again_ever_later() {
    let (mut turns, mut now) = (two(), Instant::now());
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert_eq!(next(&mut turns), puts(1));
        assert!(next(&mut turns).is_none(), "one at a time");
        assert!(fails(&mut turns, FilesError::Silent, now).is_none());
        if pauses.is_empty() {
            assert_eq!(next(&mut turns), puts(2), "the other has its turn at once");
            assert_eq!(kept(&mut turns, now), Some(2));
        }
        assert!(next(&mut turns).is_none());
        let due = turns.due().unwrap();
        turns.wake(due - Duration::from_millis(1));
        assert!(next(&mut turns).is_none());
        pauses.push((due - now).as_secs());
        now = due;
        turns.wake(now);
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(next(&mut turns), puts(1));
    assert_eq!(kept(&mut turns, now), Some(1));
    assert!(turns.due().unwrap() > now + HOUR);
}

#[test]
fn what_waits_for_the_hub_goes_on_when_that_is_back_and_what_has_no_room_there_does_not() {
    let (mut turns, now) = (two(), Instant::now());
    next(&mut turns);
    fails(&mut turns, FilesError::NoHub, now);
    next(&mut turns);
    fails(&mut turns, FilesError::Full { left: 0 }, now);
    turns.hub_is_back(now);
    assert_eq!(next(&mut turns), puts(1));
    assert_eq!(kept(&mut turns, now), Some(1));
    assert!(next(&mut turns).is_none());
}

#[test]
fn with_too_many_on_their_way_the_next_waits_until_it_is_taken_and_nobody_is_bothered() {
    let (mut turns, now) = (two(), Instant::now());
    next(&mut turns);
    let error = FilesError::TooMany { retry_after: Millis::secs(10) };
    assert_eq!(fails(&mut turns, error, now), None);
    assert_eq!(next(&mut turns), puts(2), "one that is on its way goes on");
    assert_eq!(kept(&mut turns, now), Some(2));
    assert_eq!(turns.due(), Some(now + Duration::from_secs(10)), "not sooner than asked");
    turns.wake(now + Duration::from_secs(10));
    assert_eq!(next(&mut turns), puts(1));
    assert_eq!(kept(&mut turns, now), Some(1));
}

#[test]
fn what_is_taken_back_and_offered_again_is_put_when_it_is_gone_from_there() {
    let (mut turns, now) = (two(), Instant::now());
    assert_eq!(next(&mut turns), puts(1));
    assert_eq!(turns.take_back(1, blob(1).address), Some(Lane::Short));
    assert!(next(&mut turns).is_none(), "what was given up has to end first");
    assert_eq!(kept(&mut turns, now), None, "what came of it is void");
    assert_eq!(next(&mut turns), takes(1), "before others");
    // Offered again before the hub has heard anything of it.
    turns.serves(1, blob(1));
    turns.put(1);
    assert!(next(&mut turns).is_none(), "it would be taken back at once");
    assert_eq!(taken(&mut turns, now), Some(1));
    for file in [2, 1] {
        assert_eq!(next(&mut turns), puts(file));
        assert_eq!(kept(&mut turns, now), Some(file));
    }
    assert!(next(&mut turns).is_none());
}

#[test]
fn what_is_offered_again_before_its_turn_to_be_taken_back_is_not_taken_back() {
    let (mut turns, now) = (two(), Instant::now());
    assert_eq!(next(&mut turns), puts(1));
    turns.take_back(2, blob(2).address);
    turns.serves(2, blob(2));
    turns.put(2);
    assert_eq!(kept(&mut turns, now), Some(1));
    assert_eq!(next(&mut turns), puts(2));
}

#[test]
fn what_is_given_up_while_it_is_put_is_put_again_even_if_it_never_answers() {
    let (mut turns, now) = (two(), Instant::now());
    assert_eq!(next(&mut turns), puts(1));
    assert_eq!(turns.unserves(1), Some(Lane::Short));
    turns.serves(1, blob(1));
    turns.put(1);
    assert!(turns.ended(Lane::Short, None, now).is_none());
    assert_eq!(next(&mut turns), puts(2));
    assert_eq!(kept(&mut turns, now), Some(2));
    assert_eq!(next(&mut turns), puts(1));
}

#[test]
fn what_the_hub_refuses_is_told_once_and_tried_again_when_there_may_be_room() {
    let (mut turns, now) = (two(), Instant::now());
    let full = || FilesError::Full { left: 0 };
    next(&mut turns);
    assert_eq!(fails(&mut turns, full(), now), Some(1));
    next(&mut turns);
    assert_eq!(fails(&mut turns, FilesError::Off, now), Some(2));
    assert_eq!(turns.due(), Some(now + HOUR));
    turns.wake(now + HOUR);
    for file in [1, 2] {
        assert_eq!(next(&mut turns), puts(file));
        assert!(fails(&mut turns, full(), now + HOUR).is_none());
    }
    assert!(next(&mut turns).is_none());
}

#[test]
fn a_file_that_was_not_to_be_read_once_is_told_of_and_tried_again() {
    let (mut turns, mut now) = (two(), Instant::now());
    let gone = || FilesError::Source(std::io::Error::other("the disk was pulled out"));
    next(&mut turns);
    assert_eq!(fails(&mut turns, gone(), now), Some(1));
    next(&mut turns);
    assert_eq!(kept(&mut turns, now), Some(2));
    now = turns.due().expect("it is not given up");
    turns.wake(now);
    assert_eq!(next(&mut turns), puts(1));
    assert!(fails(&mut turns, gone(), now).is_none(), "told once");
    now = turns.due().unwrap();
    turns.wake(now);
    assert_eq!(next(&mut turns), puts(1));
    assert_eq!(kept(&mut turns, now), Some(1));
}

#[test]
fn what_is_to_be_taken_back_is_tried_until_it_is_however_much_there_is_of_it() {
    let (mut turns, mut now) = (Turns::default(), Instant::now());
    let many = 200;
    (0..many).for_each(|file| assert!(turns.take_back(file, blob(file).address).is_none()));
    let mut gone = Vec::new();
    for round in 0..3 {
        while let Some(errand) = next(&mut turns) {
            assert!(matches!(errand, Errand::TakeBack(_)));
            // The hub is away, then busy, then there.
            match round {
                0 => assert!(fails(&mut turns, FilesError::NoHub, now).is_none()),
                1 => assert!(fails(&mut turns, FilesError::HubStore, now).is_none()),
                _ => gone.extend(taken(&mut turns, now)),
            }
        }
        if round == 0 {
            turns.hub_is_back(now);
        } else {
            now = turns.due().unwrap_or(now);
            turns.wake(now);
        }
    }
    gone.sort_unstable();
    assert_eq!(gone, (0..many).collect::<Vec<_>>());
    assert!(turns.due().is_none());
}

#[test]
fn a_large_file_keeps_neither_a_small_one_nor_what_is_taken_back_waiting() {
    let (mut turns, now) = (Turns::default(), Instant::now());
    let large = Blob { shape: Shape::of(2 << 30).unwrap(), ..blob(9) };
    turns.serves(9, large);
    turns.put(9);
    for lane in Lane::ALL {
        let expected = (lane == Lane::Long).then_some(Errand::Put(large));
        assert_eq!(turns.next(lane), expected);
    }
    turns.serves(1, blob(1));
    turns.put(1);
    assert_eq!(next(&mut turns), puts(1));
    turns.take_back(2, blob(2).address);
    assert_eq!(kept(&mut turns, now), Some(1));
    assert_eq!(next(&mut turns), takes(2));
    assert_eq!(taken(&mut turns, now), Some(2));
    // Taken back itself, it does not count any more, and goes by the short way.
    assert_eq!(turns.take_back(9, large.address), Some(Lane::Long));
    assert!(next(&mut turns).is_none());
    assert!(turns.ended(Lane::Long, None, now).is_none());
    assert_eq!(next(&mut turns), takes(9));
}

#[test]
fn what_the_hub_keeps_is_asked_for_each_day_and_soon_after_the_hub_was_away() {
    let (mut turns, start) = (two(), Instant::now());
    for file in [1, 2] {
        next(&mut turns);
        assert_eq!(kept(&mut turns, start), Some(file));
    }
    let mut now = start + RENEW;
    assert_eq!(turns.due(), Some(now));
    turns.wake(now);
    for file in [1, 2] {
        assert_eq!(next(&mut turns), puts(file));
        assert_eq!(kept(&mut turns, now), Some(file));
    }
    // The link breaks again and again: it is not asked each time.
    for _ in 0..3 {
        turns.hub_is_back(now);
        assert!(next(&mut turns).is_none());
    }
    now += AFTER_LOSS;
    assert_eq!(turns.due(), Some(now));
    now += HOUR;
    turns.wake(now);
    for file in [1, 2] {
        next(&mut turns);
        assert_eq!(kept(&mut turns, now), Some(file));
    }
    now += HOUR;
    turns.hub_is_back(now);
    assert_eq!(turns.due(), Some(now), "it was long ago");
    turns.unserves(1);
    turns.wake(now);
    assert_eq!(next(&mut turns), puts(2));
    assert_eq!(kept(&mut turns, now), Some(2));
    assert!(next(&mut turns).is_none(), "what is offered no more is not kept there");
}

#[test]
fn what_is_fetched_from_the_hub_leaves_a_stream_for_each_lane() {
    let all = SIDE_BY_SIDE + Lane::ALL.len();
    assert!(all <= usize::try_from(FILE_STREAMS_EACH).unwrap());
}
