//! A small world of people who put, break off, take back and wait, drawn from one seed, held to a
//! model that only counts; and the decisions one by one.

use std::collections::BTreeSet;

use hubbub_shared::time::Millis;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::bounds::AHEAD;
use super::*;

const ALICE: NodeId = NodeId([1; 32]);
const BOB: NodeId = NodeId([2; 32]);
const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// The smallest blob there is, and one of two pieces.
const SMALL: u64 = 4_144;
const LARGE: u64 = 65_600;
const PLENTY: u64 = u64::MAX;

fn bounds() -> Bounds {
    let (each, total, keep) = (4 * SMALL, 10 * SMALL, Millis::days(14));
    Bounds { on: true, largest: LARGE, each, total, keep, reserve: 0, ahead: AHEAD }
}

fn id(n: u8) -> BlobId {
    BlobId([n; 32])
}

fn put(book: &mut Book, node: NodeId, n: u8) -> Put {
    book.put(node, (id(n), SMALL), NOW, PLENTY)
}

fn wanted(put: Put) -> Claim {
    match put {
        Put::Wanted(claim) => claim,
        other => panic!("not wanted: {other:?}"),
    }
}

/// All of a blob comes.
fn keep(book: &mut Book, node: NodeId, n: u8) -> Timestamp {
    let claim = wanted(put(book, node, n));
    book.arrived(&claim, NOW).unwrap().1
}

fn dropped(node: NodeId, n: u8) -> Change {
    Change::Drop(node, Blob { address: id(n), shape: Shape::of_sealed(SMALL).unwrap() })
}

fn refused(put: Put) -> (FileRefusal, Option<u64>) {
    match put {
        Put::Refused(refused) => (refused.code, refused.limit),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_is_too_large_or_no_blob_is_refused_before_a_byte_is_set_aside() {
    let mut book = Book::new(bounds());
    let of = |book: &mut Book, sealed| refused(book.put(ALICE, (id(1), sealed), NOW, PLENTY));
    assert_eq!(of(&mut book, LARGE + 1), (FileRefusal::TooLarge, Some(LARGE)));
    assert_eq!(of(&mut book, SMALL + 1), (FileRefusal::NoBlob, None));
    assert_eq!(of(&mut book, LARGE), (FileRefusal::NoQuota, Some(4 * SMALL)));
    let mut off = Book::new(Bounds { on: false, ..bounds() });
    assert_eq!(refused(put(&mut off, ALICE, 1)), (FileRefusal::Off, None));
    assert!(!off.limits(&ALICE, PLENTY).on && off.limits(&ALICE, PLENTY).left == 0);
    assert_eq!(book.held(), Held::default());
}

#[test]
fn one_identity_cannot_take_more_than_its_share_not_even_with_blobs_on_their_way() {
    let mut book = Book::new(bounds());
    keep(&mut book, ALICE, 1);
    keep(&mut book, ALICE, 2);
    let open = [3, 4].map(|n| wanted(put(&mut book, ALICE, n)));
    assert_eq!(refused(put(&mut book, ALICE, 5)), (FileRefusal::NoQuota, Some(0)));
    assert_eq!(book.limits(&ALICE, PLENTY).left, 0);
    keep(&mut book, BOB, 6);
    assert_eq!(book.failed(&open[0]), Some(dropped(ALICE, 3)));
    wanted(put(&mut book, ALICE, 5));
}

#[test]
fn a_full_hub_and_a_nearly_full_disk_refuse_what_is_new_and_say_what_is_left() {
    let mut book = Book::new(Bounds { reserve: 100, ..bounds() });
    let free = 100 + 2 * SMALL;
    let of = |book: &mut Book, n, free| book.put(ALICE, (id(n), SMALL), NOW, free);
    wanted(of(&mut book, 1, free));
    // What is on its way takes its room beforehand.
    assert_eq!(refused(of(&mut book, 2, free - 1)), (FileRefusal::Full, Some(SMALL - 1)));
    assert_eq!(book.limits(&BOB, free).left, SMALL);
    assert_eq!(refused(of(&mut book, 2, 99)), (FileRefusal::Full, Some(0)));
    wanted(of(&mut book, 2, free));
}

#[test]
fn a_blob_of_two_is_stored_once_charged_to_each_and_gone_with_the_last() {
    let mut book = Book::new(bounds());
    keep(&mut book, ALICE, 1);
    let Put::Kept(until, changes) = put(&mut book, BOB, 1) else {
        panic!("bob's copy is asked for again");
    };
    let [Change::Record(blob, holders)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((blob.address, until), (id(1), NOW + bounds().keep));
    assert_eq!(holders.keys().copied().collect::<Vec<_>>(), [ALICE, BOB]);
    assert_eq!(book.held(), Held { blobs: 1, bytes: SMALL });
    for node in [ALICE, BOB] {
        assert_eq!(book.limits(&node, PLENTY).left, 3 * SMALL);
    }
    let left = book.take_back(ALICE, id(1));
    assert!(matches!(&left[..], [Change::Record(_, holders)] if !holders.contains_key(&ALICE)));
    assert_eq!(book.take_back(ALICE, id(1)), []);
    assert!(book.whole(&id(1)).is_some());
    assert_eq!(book.take_back(BOB, id(1)), [Change::Forget(id(1))]);
    assert_eq!((book.whole(&id(1)), book.held()), (None, Held::default()));
}

#[test]
fn two_who_put_one_blob_at_once_are_in_nobodys_way_and_it_is_stored_once() {
    let mut book = Book::new(bounds());
    // Mallory says that the blob has another length: alice's is taken all the same.
    let mallory = wanted(book.put(BOB, (id(1), 4_400), NOW, PLENTY));
    let alice = wanted(put(&mut book, ALICE, 1));
    let (new, _, _) = book.arrived(&alice, NOW).unwrap();
    assert!(new && book.whole(&id(1)).is_some());
    assert_eq!(book.failed(&mallory), Some(Change::Drop(BOB, mallory.blob)));
    let of = book.put(BOB, (id(1), 4_400), NOW, PLENTY);
    assert_eq!(refused(of).0, FileRefusal::WrongBytes);
    let mut book = Book::new(bounds());
    let both = [ALICE, BOB].map(|node| wanted(put(&mut book, node, 1)));
    assert!(both.iter().map(|claim| book.arrived(claim, NOW).unwrap().0).eq([true, false]));
    assert_eq!(book.held(), Held { blobs: 1, bytes: SMALL });
}

#[test]
fn what_came_of_a_blob_that_another_brought_meanwhile_is_charged_once_and_goes() {
    // Three quarters of the share: nothing could be charged for the same once more.
    let sealed = 3 * SMALL;
    let sealed = Shape::of(sealed).unwrap().sealed();
    let mut book = Book::new(Bounds { each: sealed + SMALL, ..bounds() });
    let of = |book: &mut Book, node| book.put(node, (id(1), sealed), NOW, PLENTY);
    let resting = wanted(of(&mut book, ALICE));
    assert!(book.came(&resting, SMALL) && book.rest(&resting, Some(NOW)));
    let bob = wanted(of(&mut book, BOB));
    book.arrived(&bob, NOW).unwrap();
    let Put::Kept(until, changes) = of(&mut book, ALICE) else { panic!("she has no room for it") };
    assert_eq!((until, changes.len()), (NOW + bounds().keep, 2));
    assert!(matches!(&changes[0], Change::Drop(ALICE, blob) if blob.address == id(1)));
    assert!(matches!(&changes[1], Change::Record(_, holders) if holders.contains_key(&ALICE)));
    assert_eq!(book.limits(&ALICE, PLENTY).left, SMALL);
    assert_eq!(book.held(), Held { blobs: 1, bytes: sealed });
    assert!(!book.rest(&resting, Some(NOW)));
    book.take_back(ALICE, id(1));
    assert_eq!(book.limits(&ALICE, PLENTY).left, sealed + SMALL);
}

#[test]
fn a_blob_is_written_by_one_stream_at_once_and_a_claim_that_was_lost_is_worth_nothing() {
    let mut book = Book::new(bounds());
    let first = wanted(put(&mut book, ALICE, 1));
    assert_eq!(refused(put(&mut book, ALICE, 1)).0, FileRefusal::Busy);
    assert!(book.rest(&first, Some(NOW)));
    let second = wanted(put(&mut book, ALICE, 1));
    assert!(!book.holds(&first) && book.holds(&second));
    assert_eq!((book.failed(&first), book.arrived(&first, NOW)), (None, None));
    assert_eq!(book.take_back(ALICE, id(1)), [dropped(ALICE, 1)]);
    let third = wanted(put(&mut book, ALICE, 1));
    assert!(!book.rest(&second, Some(NOW)) && book.arrived(&second, NOW).is_none());
    assert!(book.arrived(&third, NOW).is_some());
}

#[test]
fn a_blob_that_is_put_again_is_kept_longer_and_one_put_again_at_once_costs_no_write() {
    let mut book = Book::new(bounds());
    let until = keep(&mut book, ALICE, 1);
    assert_eq!(put(&mut book, ALICE, 1), Put::Kept(until, Vec::new()));
    let later = NOW + Millis::days(1);
    let again = book.put(ALICE, (id(1), SMALL), later, PLENTY);
    assert!(matches!(&again, Put::Kept(longer, changes)
        if *longer == until + Millis::days(1) && changes.len() == 1));
    assert_eq!(book.limits(&ALICE, PLENTY).left, 3 * SMALL, "and is charged once");
}

#[test]
fn each_holds_a_blob_for_its_own_time_and_parts_wait_for_theirs() {
    let mut book = Book::new(bounds());
    let until = keep(&mut book, ALICE, 1);
    book.put(BOB, (id(1), SMALL), NOW + Millis::days(2), PLENTY);
    let resting = wanted(put(&mut book, ALICE, 2));
    book.rest(&resting, Some(NOW));
    wanted(put(&mut book, ALICE, 3));
    assert_eq!(book.expire(NOW + PART_KEPT - Millis(1)), []);
    assert_eq!(book.expire(NOW + PART_KEPT), [dropped(ALICE, 2)], "not what is written");
    let one = book.expire(until);
    assert!(matches!(&one[..], [Change::Record(_, holders)] if holders.len() == 1));
    assert_eq!(book.expire(until + Millis::days(2)), [Change::Forget(id(1))]);
}

/// One of many addresses.
fn one_of(n: usize) -> BlobId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    BlobId(bytes)
}

#[test]
fn however_small_they_are_an_identity_has_a_bounded_number_of_blobs() {
    let mut book = Book::new(Bounds { each: PLENTY, total: PLENTY, ..bounds() });
    let mut come = |n: usize| {
        let put = book.put(ALICE, (one_of(n), SMALL), NOW, PLENTY);
        if let Put::Wanted(claim) = &put {
            book.arrived(claim, NOW).unwrap();
        }
        put
    };
    assert!((0..BLOBS_EACH).all(|n| matches!(come(n), Put::Wanted(_))));
    assert_eq!(refused(come(BLOBS_EACH)), (FileRefusal::NoQuota, Some(0)));
    assert!(matches!(book.put(BOB, (id(9), SMALL), NOW, PLENTY), Put::Wanted(_)));
}

#[test]
fn an_identity_has_a_few_blobs_on_their_way_and_goes_on_with_each_of_them() {
    let mut book = Book::new(Bounds { each: PLENTY, total: PLENTY, ..bounds() });
    let begin = |book: &mut Book, n| book.put(ALICE, (one_of(n), SMALL), NOW, PLENTY);
    let mut claims: Vec<_> = (0..PARTS_EACH).map(|n| wanted(begin(&mut book, n))).collect();
    assert_eq!(refused(begin(&mut book, PARTS_EACH)), (FileRefusal::TooMany, None));
    assert!(matches!(put(&mut book, BOB, 9), Put::Wanted(_)), "she is in nobody's way");
    let (first, second) = (claims.remove(0), claims.remove(0));
    book.rest(&first, Some(NOW));
    assert_eq!(refused(begin(&mut book, PARTS_EACH)), (FileRefusal::TooMany, None));
    wanted(begin(&mut book, 0));
    book.arrived(&second, NOW).unwrap();
    wanted(begin(&mut book, PARTS_EACH));
}

#[test]
fn whoever_comes_again_and_brings_nothing_does_not_make_a_part_wait_longer() {
    let mut book = Book::new(bounds());
    let day = |n| NOW + Millis::days(n);
    let begun = wanted(put(&mut book, ALICE, 1));
    book.rest(&begun, Some(day(1)));
    let again = wanted(book.put(ALICE, (id(1), SMALL), day(3), PLENTY));
    assert_eq!(book.expire(day(5)), [], "it is written just now");
    book.rest(&again, None);
    assert_eq!(book.expire(day(4)), [dropped(ALICE, 1)]);
}

// --- Room that nothing came for ---

const MIB: u64 = 1024 * 1024;

/// A hub as operators have it, and a blob of about so many MiB.
fn usual() -> Book {
    let gib = 1024 * MIB;
    let (largest, each, total) = (2 * gib, 10 * gib, 50 * gib);
    Book::new(Bounds { largest, each, total, ..bounds() })
}

fn sealed(mib: u64) -> u64 {
    let sealed = Shape::of(mib * MIB).unwrap().sealed();
    assert!((mib * MIB..(mib + 65) * MIB).contains(&sealed));
    sealed
}

#[test]
fn with_a_piece_of_each_large_file_nobody_takes_a_hubs_room_but_all_of_their_own_share() {
    let (mut book, large) = (usual(), sealed(1_900));
    let mut open = Vec::new();
    for mallory in 10..20 {
        for n in 0..5 {
            let name = NodeId([mallory; 32]);
            let claim = wanted(book.put(name, (one_of(n), large), NOW, PLENTY));
            assert!(book.came(&claim, 65_536));
            open.push(claim);
        }
        let more = book.put(NodeId([mallory; 32]), (one_of(9), large), NOW, PLENTY);
        assert_eq!(refused(more).0, FileRefusal::NoQuota);
    }
    // Fifty streams more than an identity may have, and they lapse when nothing comes on them.
    assert_eq!(book.held().bytes, 50 * AHEAD);
    assert!(open.iter().all(|claim| book.rest(claim, Some(NOW))));
    assert_eq!(book.held().bytes, 50 * 65_536);
    for n in 0..5 {
        wanted(book.put(ALICE, (one_of(n), large), NOW, PLENTY));
    }
}

/// Bytes come until they are not taken any more; how many did, and why no more.
fn comes(book: &mut Book, claim: &Claim) -> (u64, Result<(), FileRefused>) {
    let (mut here, step) = (0, MIB / 4);
    while here < claim.blob.shape.sealed() {
        let upto = (here + step).min(claim.blob.shape.sealed());
        assert!(book.came(claim, here));
        if !book.reaches(claim, upto)
            && let Err(refused) = book.reserve(claim, upto, PLENTY)
        {
            return (here, Err(refused));
        }
        here = upto;
    }
    assert!(book.came(claim, here));
    (here, Ok(()))
}

#[test]
fn of_two_who_send_more_than_there_is_room_for_one_goes_on_when_the_other_waits() {
    let (large, gib) = (sealed(700), 1024 * MIB);
    let mut book = Book::new(Bounds { largest: gib, each: gib, total: gib, ..bounds() });
    let [first, second] =
        [ALICE, BOB].map(|node| wanted(book.put(node, (one_of(1), large), NOW, PLENTY)));
    assert!(book.came(&first, 400 * MIB));
    assert_eq!(book.reserve(&first, 401 * MIB, PLENTY), Ok(()));
    let (came, why) = comes(&mut book, &second);
    assert_eq!(why.map_err(|refused| refused.code), Err(FileRefusal::Full));
    assert!(came >= AHEAD && book.held().bytes <= gib, "{came} bytes came");
    assert!(book.rest(&second, Some(NOW)));
    assert_eq!(comes(&mut book, &first), (large, Ok(())));
    assert!(book.arrived(&first, NOW).is_some());
    let again = book.put(BOB, (one_of(2), large), NOW, PLENTY);
    assert_eq!(refused(again).0, FileRefusal::NoQuota, "what waits is charged whole to him");
}

#[test]
fn what_is_still_to_come_takes_its_room_of_the_disk_and_what_came_is_on_it() {
    let (mut book, large) = (usual(), sealed(300));
    let claim = wanted(book.put(ALICE, (one_of(1), large), NOW, large));
    assert_eq!(book.limits(&BOB, large).left, large - AHEAD);
    assert!(book.came(&claim, AHEAD));
    assert_eq!(book.limits(&BOB, large - AHEAD).left, large - AHEAD);
    assert_eq!(book.reserve(&claim, AHEAD + 1, large - AHEAD), Ok(()));
    assert_eq!(book.limits(&BOB, large - AHEAD).left, large - 2 * AHEAD);
}

// --- A world ---

/// What a model that only counts knows: pairs of who and which, and who is writing.
#[derive(Default)]
struct Model {
    kept: BTreeMap<(NodeId, BlobId), Timestamp>,
    /// And how much came.
    parts: BTreeMap<(NodeId, BlobId), u64>,
    claims: Vec<Claim>,
}

impl Model {
    fn used(&self, node: NodeId) -> u64 {
        let kept = self.kept.keys().filter(|(who, _)| *who == node).count();
        let parts = self.parts.keys().filter(|(who, _)| *who == node).count();
        (kept + parts) as u64 * SMALL
    }

    fn stored(&self) -> u64 {
        let whole: BTreeSet<_> = self.kept.keys().map(|(_, blob)| blob).collect();
        let part = |(key, came): (&(NodeId, BlobId), &u64)| match self.writes(*key) {
            true => SMALL,
            false => *came,
        };
        whole.len() as u64 * SMALL + self.parts.iter().map(part).sum::<u64>()
    }

    fn writes(&self, key: (NodeId, BlobId)) -> bool {
        self.claims.iter().any(|claim| (claim.node, claim.blob.address) == key)
    }

    fn agree(&self, book: &Book) {
        assert_eq!(book.held().bytes, self.stored());
        for n in 0..5 {
            let node = NodeId([n; 32]);
            assert!(self.used(node) <= bounds().each);
            let left = (bounds().each - self.used(node)).min(bounds().total - self.stored());
            assert_eq!(book.limits(&node, PLENTY).left, left);
        }
        for n in 0..6 {
            let whole = self.kept.keys().any(|(_, blob)| *blob == id(n));
            assert_eq!(book.whole(&id(n)).is_some(), whole);
        }
        assert!(self.stored() <= bounds().total);
    }

    fn put(&mut self, book: &mut Book, key: (NodeId, BlobId), now: Timestamp) {
        let fits = self.used(key.0) + SMALL <= bounds().each;
        let (part, writing) = (self.parts.get(&key).copied(), self.writes(key));
        let room = self.stored() + SMALL - part.unwrap_or(0) <= bounds().total;
        let whole = self.kept.keys().any(|(_, blob)| *blob == key.1);
        match book.put(key.0, (key.1, SMALL), now, PLENTY) {
            Put::Wanted(claim) => {
                assert!(!whole && !writing);
                assert!(room && (part.is_some() || fits));
                self.parts.entry(key).or_default();
                self.claims.push(claim);
            }
            Put::Kept(until, _) => {
                assert!(whole && (self.kept.contains_key(&key) || part.is_some() || fits));
                self.kept.insert(key, until);
                // What came of it is of no use any more, also to who writes it.
                self.parts.remove(&key);
                self.claims.retain(|claim| book.holds(claim));
            }
            Put::Refused(refused) => match refused.code {
                FileRefusal::Busy => assert!(writing),
                FileRefusal::NoQuota => assert!(!fits),
                FileRefusal::Full => assert!(!room && (part.is_some() || fits)),
                other => panic!("{other:?}"),
            },
        }
    }

    /// One of those who write comes to an end.
    fn end(&mut self, book: &mut Book, how: u32, now: Timestamp) {
        let Some(claim) = self.claims.pop() else { return };
        let key = (claim.node, claim.blob.address);
        let holds = book.holds(&claim);
        match how % 3 {
            0 => {
                if let Some((_, until, _)) = book.arrived(&claim, now) {
                    self.parts.remove(&key);
                    self.kept.insert(key, until);
                }
            }
            1 => {
                let came = SMALL / 4 * u64::from(how / 3 % 4);
                assert_eq!(book.came(&claim, came), holds);
                assert_eq!(book.rest(&claim, Some(now)), holds);
                if holds {
                    self.parts.insert(key, came);
                }
            }
            _ => {
                if book.failed(&claim).is_some() {
                    self.parts.remove(&key);
                }
            }
        }
    }

    fn expire(&mut self, book: &mut Book, now: Timestamp) {
        for change in book.expire(now) {
            if let Change::Drop(node, blob) = change {
                let writing = |c: &Claim| (c.node, c.blob) == (node, blob);
                assert!(!self.claims.iter().any(writing), "somebody writes it");
                assert!(self.parts.remove(&(node, blob.address)).is_some());
            }
        }
        self.kept.retain(|_, until| *until > now);
    }
}

fn live(seed: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (mut book, mut model, mut now) = (Book::new(bounds()), Model::default(), NOW);
    for _ in 0..400 {
        let [who, which] = [5, 6].map(|n| u8::try_from(rng.next_u32() % n).unwrap());
        let key = (NodeId([who; 32]), id(which));
        match rng.next_u32() % 8 {
            0..=3 => model.put(&mut book, key, now),
            4 | 5 => model.end(&mut book, rng.next_u32(), now),
            6 => {
                book.take_back(key.0, key.1);
                model.kept.remove(&key);
                model.parts.remove(&key);
                // Its writer finds out with its next mebibyte.
                model.claims.retain(|claim| book.holds(claim));
            }
            _ => {
                now = now + Millis::hours(u64::from(rng.next_u32() % 48));
                model.expire(&mut book, now);
            }
        }
        model.agree(&book);
    }
    // When everybody has gone and all time is over, nothing is left of anything.
    while !model.claims.is_empty() {
        model.end(&mut book, 1, now);
    }
    book.expire(now + Millis::days(30));
    assert_eq!((book.held(), book.holds, book.accounts.len()), (Held::default(), 0, 0), "{seed}");
}

#[test]
fn whatever_people_do_nobody_has_more_than_its_share_and_nothing_is_left_over() {
    for seed in 0..200 {
        live(seed);
    }
}
