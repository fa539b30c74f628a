//! A file's way from one node to others, and everything that may be done to it on the way.

use core::convert::Infallible;

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::open::{OpenFault, Opener};
use super::seal::{Scratch, SealError, Sealing};
use super::serve::{ServeError, Source};
use super::*;
use crate::crypto::Secret32;
use crate::crypto::stream::FileKey;
use crate::limits::{PIECE, SPAN_PIECES};

/// Somebody who has the whole file.
struct Alice {
    content: Vec<u8>,
    blob: Blob,
    key: FileKey,
    nodes: MemoryNodes,
}

impl Alice {
    fn with(content: Vec<u8>, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let size = content.len() as u64;
        let mut sealing = Sealing::begin::<Infallible>(size, &mut rng).unwrap();
        let (mut nodes, mut scratch) = (MemoryNodes::default(), Scratch::default());
        for index in 0..last(sealing.shape()) + 1 {
            let (from, len) = sealing.content(index).unwrap();
            let part = part(&content, from, len);
            let leaf = sealing.leaf::<Infallible>(index, part, &mut scratch).unwrap();
            sealing.push(&leaf, &mut nodes).unwrap();
        }
        let (blob, key) = sealing.finish::<Infallible>().unwrap();
        Self { content, blob, key, nodes }
    }

    fn of(size: usize) -> Self {
        let mut content = vec![0; size];
        ChaCha20Rng::seed_from_u64(size as u64).fill_bytes(&mut content);
        Self::with(content, 1)
    }

    fn source(&self) -> Source {
        Source::new(self.blob, &self.key, self.content.len() as u64).unwrap()
    }

    fn opener(&self) -> Opener {
        Opener::new(&self.blob, &self.key, self.content.len() as u64).unwrap()
    }

    /// Parents and piece, as they travel.
    fn answer(&self, index: u32, known: u8) -> (Vec<u8>, Vec<u8>) {
        let source = self.source();
        let (from, len) = source.content(index).unwrap();
        let content = part(&self.content, from, len);
        let mut parents = Vec::new();
        self.blob.prove(&self.nodes, index, known, &mut parents).unwrap();
        let mut whole = Vec::new();
        source.answer(&self.nodes, (index, known), content, &mut whole).unwrap();
        let piece = whole.split_off(parents.len());
        assert_eq!(whole, parents);
        (parents, piece)
    }

    /// The whole blob.
    fn sealed(&self) -> Vec<u8> {
        (0..=last(self.blob.shape)).flat_map(|index| self.answer(index, 0).1).collect()
    }
}

fn part(content: &[u8], from: u64, len: usize) -> &[u8] {
    let from = usize::try_from(from).unwrap();
    &content[from..from + len]
}

fn last(shape: Shape) -> u32 {
    u32::try_from(shape.pieces() - 1).unwrap()
}

/// Somebody who fetches it.
struct Bob {
    blob: Blob,
    opener: Opener,
    nodes: MemoryNodes,
    have: HaveMap,
    file: Vec<u8>,
}

impl Bob {
    /// With the reference alice sent.
    fn of(alice: &Alice) -> Self {
        let have = HaveMap::none(alice.blob.shape.pieces());
        let (blob, opener, file) = (alice.blob, alice.opener(), vec![0; alice.content.len()]);
        Self { blob, opener, nodes: MemoryNodes::default(), have, file }
    }

    fn takes(&mut self, index: u32, parents: &[u8], piece: &[u8]) -> Result<(), Fault> {
        let piece = match self.blob.accept(&mut self.nodes, index, parents, piece) {
            Ok(piece) => piece,
            Err(Refused::Fault(fault)) => return Err(fault),
            Err(Refused::Store(never)) => match never {},
        };
        let mut content = Vec::new();
        let from = usize::try_from(self.opener.open(&piece, &mut content).unwrap()).unwrap();
        self.file[from..from + content.len()].copy_from_slice(&content);
        self.have.insert(index);
        Ok(())
    }

    fn fetches(&mut self, from: &Alice, index: u32) {
        let known = self.blob.known(&self.nodes, index).unwrap();
        let (parents, piece) = from.answer(index, known);
        self.takes(index, &parents, &piece).unwrap();
    }
}

#[test]
fn files_of_every_size_around_a_boundary_arrive() {
    // Padmé's steps, pieces that end where the content does, and files with pieces of padding.
    let sizes = [
        0, 1, 4_095, 4_096, 4_097, 4_352, 65_487, 65_488, 65_489, 65_519, 65_520, 65_521, 65_535,
        65_536, 65_537, 67_584, 67_585, 131_007, 131_008, 131_009, 1_048_288, 1_048_289, 1_113_809,
    ];
    for size in sizes {
        let alice = Alice::of(size);
        let mut bob = Bob::of(&alice);
        for index in 0..=last(alice.blob.shape) {
            bob.fetches(&alice, index);
        }
        assert!(bob.have.is_complete() && bob.file == alice.content, "{size}");
    }
}

#[test]
fn the_address_is_the_plain_hash_of_the_blob() {
    for size in [0, 65_488, 65_489, 200_000, 1_100_000, 2_200_000] {
        let alice = Alice::of(size);
        let sealed = alice.sealed();
        assert_eq!(sealed.len() as u64, alice.blob.shape.sealed());
        assert_eq!(crate::crypto::blake3(&sealed).0, alice.blob.address.0, "{size}");
    }
}

#[test]
fn pieces_from_several_sources_in_any_order_make_the_file() {
    let alice = Alice::of(20 * PIECE);
    let carol = Alice::of(20 * PIECE);
    let mut bob = Bob::of(&alice);
    let count = last(alice.blob.shape) + 1;
    for turn in 0..count {
        let index = turn * 13 % count;
        bob.fetches(if turn % 2 == 0 { &alice } else { &carol }, index);
        let again = alice.answer(index, 0);
        assert_eq!(bob.takes(index, &again.0, &again.1), Ok(()), "twice is no harm");
    }
    assert!(bob.have.is_complete() && bob.file == alice.content);
    // What bob has kept makes him a source of every piece.
    assert_eq!((1..count).filter(|at| bob.nodes.parent(*at).unwrap().is_none()).count(), 0);
    let dave = Alice { nodes: bob.nodes, ..carol };
    assert_eq!(dave.sealed(), alice.sealed());
}

#[test]
fn a_span_brings_each_parent_once_and_costs_a_thousandth() {
    let alice = Alice::of(35 * PIECE);
    let mut bob = Bob::of(&alice);
    for first in [16, 0, 32] {
        let mut brought = 0;
        let end = (first + SPAN_PIECES).min(last(alice.blob.shape) + 1);
        let known = bob.blob.known(&bob.nodes, first).unwrap();
        for index in first..end {
            let known = if index == first { known } else { bob.blob.shape.shared(index) };
            let (parents, piece) = alice.answer(index, known);
            bob.takes(index, &parents, &piece).unwrap();
            brought += parents.len() / nodes::PARENT;
        }
        // In a span of n pieces there are n - 1 parents; above it, those nobody had brought yet.
        let above = if first == 16 { 2 } else { 0 };
        assert_eq!(brought, (end - first - 1 + above) as usize);
    }
    assert!(bob.have.is_complete());
}

#[test]
fn every_flipped_bit_of_a_piece_or_a_parent_is_refused() {
    let alice = Alice::of(131_009);
    let (parents, piece) = alice.answer(2, 0);
    for bit in 0..parents.len() * 8 {
        let mut bent = parents.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let mut bob = Bob::of(&alice);
        let fault = bob.takes(2, &bent, &piece).unwrap_err();
        assert_eq!(fault, Fault::WrongParent, "bit {bit}");
        assert_eq!(bob.have.count(), 0);
    }
    for bit in 0..piece.len() * 8 {
        let mut bent = piece.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let mut bob = Bob::of(&alice);
        assert_eq!(bob.takes(2, &parents, &bent), Err(Fault::WrongPiece), "bit {bit}");
        assert_eq!(bob.takes(2, &parents, &piece), Ok(()), "and the right one is taken");
    }
}

#[test]
fn a_wrong_piece_of_one_source_does_not_keep_the_right_one_of_another_out() {
    let alice = Alice::of(5 * PIECE);
    let mut bob = Bob::of(&alice);
    let (parents, mut piece) = alice.answer(3, 0);
    piece[100] ^= 1;
    assert_eq!(bob.takes(3, &parents, &piece), Err(Fault::WrongPiece));
    bob.fetches(&alice, 3);
    // A source that bends the parents is noticed before anything below them is believed.
    let (mut parents, piece) = alice.answer(0, 0);
    parents[70] ^= 1;
    assert_eq!(bob.takes(0, &parents, &piece), Err(Fault::WrongParent));
    bob.fetches(&alice, 0);
}

#[test]
fn a_piece_of_another_number_blob_or_length_is_refused() {
    let (alice, other) = (Alice::of(5 * PIECE), Alice::of(5 * PIECE + 70_000));
    let mut bob = Bob::of(&alice);
    let (parents, piece) = alice.answer(3, 0);
    assert_eq!(bob.takes(2, &parents, &piece), Err(Fault::WrongPiece));
    assert_eq!(bob.takes(1, &parents, &piece), Err(Fault::WrongParent));
    assert_eq!(bob.takes(last(bob.blob.shape) + 1, &parents, &piece), Err(Fault::Number));
    assert_eq!(bob.takes(u32::MAX, &parents, &piece), Err(Fault::Number));
    assert_eq!(bob.takes(3, &parents, &piece[1..]), Err(Fault::Length));
    assert_eq!(bob.takes(3, &parents, &[&piece[..], &[0]].concat()), Err(Fault::Length));
    assert_eq!(bob.takes(3, &parents[1..], &piece), Err(Fault::Parents));
    assert_eq!(bob.takes(3, &[&parents[..], &[7; 64]].concat(), &piece), Err(Fault::Parents));
    let (parents, piece) = other.answer(3, 0);
    assert_eq!(bob.takes(3, &parents, &piece), Err(Fault::WrongParent));
}

#[test]
fn a_piece_without_the_parents_that_show_it_belongs_is_refused() {
    let alice = Alice::of(5 * PIECE);
    let mut bob = Bob::of(&alice);
    let (parents, piece) = alice.answer(3, 1);
    assert_eq!(bob.takes(3, &parents, &piece), Err(Fault::Gap));
    let (_, piece) = alice.answer(3, alice.blob.shape.depth(3));
    assert_eq!(bob.takes(3, &[], &piece), Err(Fault::Gap));
    bob.fetches(&alice, 3);
    assert_eq!(bob.takes(3, &[], &piece), Ok(()), "now they are known");
}

#[test]
fn a_truncated_blob_is_refused_at_its_end_and_is_none_of_its_length() {
    let alice = Alice::of(200_000);
    let mut bob = Bob::of(&alice);
    let end = last(alice.blob.shape);
    let (parents, piece) = alice.answer(end, 0);
    for cut in [0, 1, 16, 100, piece.len() - 1] {
        assert_eq!(bob.takes(end, &parents, &piece[..cut]), Err(Fault::Length));
    }
    assert_eq!(bob.takes(end, &parents, &[]), Err(Fault::Length));
}

#[test]
fn a_size_that_lies_about_the_length_opens_nothing() {
    let alice = Alice::of(200_000);
    for lie in [0, 65_488, 201_000, 300_000, 1 << 40] {
        let shape = Shape::of(lie).unwrap();
        assert_ne!(shape, alice.blob.shape);
        assert!(Source::new(alice.blob, &alice.key, lie).is_none());
        assert!(Opener::new(&alice.blob, &alice.key, lie).is_none());
        // Bob believes it. Where the trees are alike, pieces verify and do not open; the last one
        // never verifies.
        let blob = Blob { address: alice.blob.address, shape };
        let opener = Opener::new(&blob, &alice.key, lie).unwrap();
        let mut nodes = MemoryNodes::default();
        for index in 0..=last(alice.blob.shape) {
            let (parents, piece) = alice.answer(index, 0);
            let accepted = blob.accept(&mut nodes, index, &parents, &piece);
            assert!(accepted.is_err() || index < 3 && lie == 201_000, "{lie} {index}");
            if let Ok(piece) = accepted {
                let fault = if index == 0 { OpenFault::Key } else { OpenFault::Seal };
                assert_eq!(opener.open(&piece, &mut Vec::new()), Err(fault));
            }
        }
    }
}

#[test]
fn a_size_that_lies_within_the_same_length_is_noticed_where_the_content_goes_on() {
    let alice = Alice::of(200_000);
    let opened = |lie| {
        let opener = Opener::new(&alice.blob, &alice.key, lie).unwrap();
        let (parents, piece) = alice.answer(3, 0);
        let mut nodes = MemoryNodes::default();
        let piece = alice.blob.accept(&mut nodes, 3, &parents, &piece).unwrap();
        opener.open(&piece, &mut Vec::new())
    };
    assert_eq!(opened(199_999), Err(OpenFault::Size));
    let from = 3 * 65_520 - 32;
    assert_eq!(opened(200_000), Ok(from));
    // A byte more is a byte of zeros: there is no telling, and no harm.
    assert_eq!(opened(200_001), Ok(from));
}

#[test]
fn one_blob_opens_under_one_key_only() {
    let alice = Alice::of(200_000);
    let mut nodes = MemoryNodes::default();
    let mut opened = |key: &FileKey, index| {
        let (parents, piece) = alice.answer(index, 0);
        let piece = alice.blob.accept(&mut nodes, index, &parents, &piece).unwrap();
        let mut out = vec![1];
        let opener = Opener::new(&alice.blob, key, 200_000).unwrap();
        let result = opener.open(&piece, &mut out);
        assert!(result.is_ok() || out.is_empty());
        result
    };
    assert_eq!(opened(&alice.key, 0), Ok(0));
    let (secret, salt) = (*alice.key.secret().expose(), *alice.key.salt());
    let key = |secret, salt| FileKey::from_parts(Secret32::from_bytes(secret), salt);
    for other in [key([9; 32], salt), key(secret, [9; 16])] {
        assert_eq!(opened(&other, 0), Err(OpenFault::Key));
        assert_eq!(opened(&other, 1), Err(OpenFault::Seal));
    }
}

#[test]
fn what_a_disk_damaged_never_leaves_and_is_nobodys_lie() {
    let mut alice = Alice::of(11 * PIECE);
    let index = 6;
    let (source, path) = (alice.source(), alice.blob.shape.path(index).collect::<Vec<_>>());
    let (from, len) = source.content(index).unwrap();
    let content = part(&alice.content, from, len).to_vec();
    let mut damaged = 0;
    for step in &path {
        let right = alice.nodes.parent(step.split).unwrap().unwrap();
        for half in [true, false] {
            let mut wrong = right;
            (if half { &mut wrong.left } else { &mut wrong.right })[9] ^= 1;
            for known in 0..=alice.blob.shape.depth(index) {
                let true_answer = alice.answer(index, known);
                alice.nodes.keep(step.split, &wrong).unwrap();
                let mut out = vec![7];
                let given = source.answer(&alice.nodes, (index, known), &content, &mut out);
                alice.nodes.keep(step.split, &right).unwrap();
                match given {
                    Ok(()) => assert_eq!(out[1..], [true_answer.0, true_answer.1].concat()),
                    Err(why) => {
                        assert_eq!((why, &out[..]), (ServeError::Damaged, &[7][..]));
                        damaged += 1;
                    }
                }
            }
        }
    }
    assert!(damaged > path.len() * 2, "{damaged}");
}

/// A blob whose maker did not keep to the form: it has an address, and verifies.
#[test]
fn what_verifies_and_does_not_open_is_the_fault_of_the_reference() {
    let alice = Alice::of(100);
    let mut sealed = alice.sealed();
    sealed[40] ^= 1;
    let address = BlobId(crate::crypto::blake3(&sealed).0);
    let blob = Blob { address, shape: alice.blob.shape };
    let mut nodes = MemoryNodes::default();
    let piece = blob.accept(&mut nodes, 0, &[], &sealed).unwrap();
    let opener = Opener::new(&blob, &alice.key, 100).unwrap();
    assert_eq!(opener.open(&piece, &mut Vec::new()), Err(OpenFault::Seal));
    // The same content, called shorter: what follows its end is no padding.
    let piece = alice.sealed();
    let piece = alice.blob.accept(&mut nodes, 0, &[], &piece).unwrap();
    let opener = Opener::new(&alice.blob, &alice.key, 99).unwrap();
    assert_eq!(opener.open(&piece, &mut Vec::new()), Err(OpenFault::Size));
}

#[test]
fn of_a_file_that_changed_nothing_leaves() {
    let alice = Alice::of(200_000);
    let source = alice.source();
    for index in 0..=last(alice.blob.shape) {
        let (from, len) = source.content(index).unwrap();
        let mut content = part(&alice.content, from, len).to_vec();
        let mut out = b"before".to_vec();
        let mut gives = |content: &[u8]| {
            let given = source.answer(&alice.nodes, (index, 0), content, &mut out);
            assert_eq!(given, Err(ServeError::Changed));
            assert_eq!(out, b"before");
        };
        gives(&content[1..]);
        gives(&[&content[..], &[0]].concat());
        content[len / 2] ^= 1;
        gives(&content);
    }
}

#[test]
fn a_piece_that_was_never_here_is_not_given() {
    let alice = Alice::of(5 * PIECE);
    let mut bob = Bob::of(&alice);
    bob.fetches(&alice, 1);
    let source = alice.source();
    let give = |index| {
        let (from, len) = source.content(index).unwrap();
        source.answer(&bob.nodes, (index, 0), part(&alice.content, from, len), &mut Vec::new())
    };
    assert_eq!(give(1), Ok(()));
    assert_eq!(give(4), Err(ServeError::Lacking), "not even the parents are known");
    assert_eq!(source.piece(&bob.nodes, 99, &[], &mut Vec::new()), Err(ServeError::Lacking));
}

#[test]
fn a_file_that_changes_while_it_is_sealed_has_no_address() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let begin = |rng: &mut ChaCha20Rng| Sealing::begin::<Infallible>(200_000, rng).unwrap();
    let (mut scratch, mut nodes) = (Scratch::default(), MemoryNodes::default());
    let mut sealing = begin(&mut rng);
    for len in [0, 65_487, 65_489] {
        let leaf = sealing.leaf::<Infallible>(0, &vec![0; len], &mut scratch);
        assert_eq!(leaf.err(), Some(SealError::Changed));
    }
    let second = sealing.leaf::<Infallible>(1, &[0; 65_520], &mut scratch).unwrap();
    assert_eq!(sealing.push(&second, &mut nodes), Err(SealError::OutOfTurn));
    let first = sealing.leaf::<Infallible>(0, &[0; 65_488], &mut scratch).unwrap();
    assert_eq!(sealing.push(&first, &mut nodes), Ok(()));
    assert_eq!(sealing.push(&first, &mut nodes), Err(SealError::OutOfTurn));
    assert_eq!(sealing.finish::<Infallible>().err(), Some(SealError::Changed), "half of it");
    let too_large = Sealing::begin::<Infallible>(1 << 60, &mut rng).err();
    assert_eq!(too_large, Some(SealError::TooLarge));
}

#[test]
fn the_same_content_sealed_twice_has_nothing_in_common() {
    let (one, two) = (Alice::with(vec![7; 200_000], 1), Alice::with(vec![7; 200_000], 2));
    assert_ne!(one.blob.address, two.blob.address);
    assert_ne!(one.sealed()[..32], two.sealed()[..32]);
}

#[test]
fn parents_that_were_damaged_here_are_made_good_by_asking_as_if_there_were_none() {
    let alice = Alice::of(5 * PIECE);
    let mut bob = Bob::of(&alice);
    bob.fetches(&alice, 3);
    let rotten = Parent { left: [1; 32], right: [2; 32] };
    alice.blob.shape.path(3).for_each(|step| bob.nodes.keep(step.split, &rotten).unwrap());
    let (_, piece) = alice.answer(3, alice.blob.shape.depth(3));
    assert_eq!(bob.takes(3, &[], &piece), Err(Fault::WrongPiece), "it looks like alice's fault");
    let (parents, piece) = alice.answer(3, 0);
    assert_eq!(bob.takes(3, &parents, &piece), Ok(()));
    assert_eq!(bob.takes(3, &[], &piece), Ok(()));
}

/// A store on a disk that fails.
struct Failing;

impl Nodes for Failing {
    type Error = &'static str;

    fn parent(&self, _: u32) -> Result<Option<Parent>, &'static str> {
        Err("no disk")
    }

    fn keep(&mut self, _: u32, _: &Parent) -> Result<(), &'static str> {
        Err("no disk")
    }
}

#[test]
fn a_disk_that_fails_is_nobody_elses_fault() {
    let alice = Alice::of(200_000);
    let (parents, piece) = alice.answer(0, 0);
    let refused = alice.blob.accept(&mut Failing, 0, &parents, &piece).map(drop);
    assert_eq!(refused, Err(Refused::Store("no disk")));
    let given = alice.source().piece(&Failing, 0, &[], &mut Vec::new());
    assert_eq!(given, Err(ServeError::Store("no disk")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_file_arrives_in_any_order(size in 0usize..700_000, step in 1u32..12) {
        let alice = Alice::of(size);
        let mut bob = Bob::of(&alice);
        let count = last(alice.blob.shape) + 1;
        for start in 0..step {
            for index in (start..count).step_by(step as usize) {
                bob.fetches(&alice, index);
            }
        }
        prop_assert!(bob.have.is_complete());
        prop_assert_eq!(bob.file, alice.content);
    }

    #[test]
    fn garbage_is_refused_without_panic(
        parents in prop::collection::vec(any::<u8>(), 0..300),
        piece in prop::collection::vec(any::<u8>(), 0..200),
        index in prop_oneof![0u32..6, any::<u32>()],
        sealed: u64, shift in 0u32..64,
    ) {
        let shape = Shape::of_sealed(sealed >> shift).or(Shape::of(sealed >> shift));
        let Some(shape) = shape else { return Ok(()) };
        let blob = Blob { address: BlobId([1; 32]), shape };
        let mut nodes = MemoryNodes::default();
        prop_assert!(blob.accept(&mut nodes, index, &parents, &piece).is_err());
        prop_assert_eq!(blob.known(&nodes, index), Ok(0));
    }
}
