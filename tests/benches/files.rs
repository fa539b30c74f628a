//! What a file costs the processor, beside the sum of its primitives.
//!
//! 256 MiB in memory, one thread: sealed for the first time, given (sealed again, compared, with
//! its parents), taken (verified, opened). `primitives` does the same encryption and hashing over
//! as many bytes in the same pieces with the crates alone: no tree, no parents, no comparison, no
//! frames. `ChaCha20` has the cipher of messages, by its crate, in the place of that of files.
//!
//! `cargo bench -p hubbub-tests --bench files`

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use core::convert::Infallible;
use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, UnboundKey};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use hubbub_shared::blob::open::Opener;
use hubbub_shared::blob::seal::{Scratch, Sealing};
use hubbub_shared::blob::serve::Source;
use hubbub_shared::blob::{Blob, MemoryNodes};
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::wire::pieces::PieceGiven;
use hubbub_tests::measure::{Case, Rounds, each, in_turn, machine};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const SIZE: usize = 256 * 1024 * 1024;
const ROUNDS: usize = 21;
/// Text in a piece.
const BODY: usize = 65_520;
/// What stands before the parents in a frame.
const HEAD: usize = 14;

fn main() {
    println!("{}\n", machine());
    let mut content = vec![0; SIZE];
    ChaCha20Rng::seed_from_u64(1).fill_bytes(&mut content);
    let file = File::seal(&content);
    println!("| | GiB/s | primitives | ChaCha20 | ours as a part of the primitives' rate |");
    println!("|---|---|---|---|---|");
    row("seal", &content, || drop(black_box(File::seal(&content))), &[seal, hash]);
    row("give", &content, || file.give(&content, |_| {}), &[seal, hash]);
    let frames = Frames::of(&file, &content);
    row("take", &content, || frames.take(&file), &[hash, open]);
    let both = || {
        let mut taker = Taker::of(&file);
        file.give(&content, |frame| taker.take(frame));
    };
    row("give and take", &content, both, &[seal, hash, hash, open]);
    println!("\n{}", machine());
}

struct File {
    blob: Blob,
    key: FileKey,
    nodes: MemoryNodes,
}

impl File {
    fn seal(content: &[u8]) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut sealing = Sealing::begin::<Infallible>(SIZE as u64, &mut rng).unwrap();
        let (mut nodes, mut scratch) = (MemoryNodes::default(), Scratch::default());
        for index in 0..u32::try_from(sealing.shape().pieces()).unwrap() {
            let part = part(content, sealing.content(index).unwrap());
            let leaf = sealing.leaf::<Infallible>(index, part, &mut scratch).unwrap();
            sealing.push(&leaf, &mut nodes).unwrap();
        }
        let (blob, key) = sealing.finish::<Infallible>().unwrap();
        Self { blob, key, nodes }
    }

    /// Every piece as the frame it travels in.
    fn give(&self, content: &[u8], mut to: impl FnMut(&[u8])) {
        let source = Source::new(self.blob, &self.key, SIZE as u64).unwrap();
        let (shape, mut frame) = (self.blob.shape, Vec::new());
        for index in 0..u32::try_from(shape.pieces()).unwrap() {
            let part = part(content, source.content(index).unwrap());
            let known = shape.shared(index);
            let (parents, len) = (shape.depth(index) - known, shape.piece_len(index).unwrap());
            frame.clear();
            frame.extend_from_slice(&PieceGiven::head(1, index, parents, len));
            source.answer(&self.nodes, (index, known), part, &mut frame).unwrap();
            to(black_box(&frame));
        }
    }
}

struct Taker {
    blob: Blob,
    opener: Opener,
    nodes: MemoryNodes,
    out: Vec<u8>,
}

impl Taker {
    fn of(file: &File) -> Self {
        let opener = Opener::new(&file.blob, &file.key, SIZE as u64).unwrap();
        Self { blob: file.blob, opener, nodes: MemoryNodes::default(), out: Vec::new() }
    }

    fn take(&mut self, frame: &[u8]) {
        let given = PieceGiven::parse(&frame[5..]).unwrap();
        let (index, parents) = (given.index, given.parents);
        let piece = self.blob.accept(&mut self.nodes, index, parents, given.piece).unwrap();
        self.opener.open(&piece, &mut self.out).unwrap();
        black_box(&self.out);
    }
}

/// All frames in memory, one behind the other.
struct Frames(Vec<u8>);

impl Frames {
    fn of(file: &File, content: &[u8]) -> Self {
        let mut all = Vec::with_capacity(SIZE + SIZE / 64);
        file.give(content, |frame| all.extend_from_slice(frame));
        Self(all)
    }

    fn take(&self, file: &File) {
        let (mut taker, mut rest) = (Taker::of(file), &self.0[..]);
        while let Some(head) = rest.first_chunk::<HEAD>() {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize + 4;
            let (frame, behind) = rest.split_at(length);
            taker.take(frame);
            rest = behind;
        }
    }
}

fn part(content: &[u8], (from, len): (u64, usize)) -> &[u8] {
    let from = usize::try_from(from).unwrap();
    &content[from..from + len]
}

/// Two buffers and two ciphers; a primitive works on one part of the content at a time.
struct Bare {
    cipher: LessSafeKey,
    chacha: ChaCha20Poly1305,
    sealed: Vec<u8>,
    opened: Vec<u8>,
    tag: Tag,
    nonce: [u8; 12],
}

type Step = fn(&mut Bare, &[u8], bool);

impl Bare {
    fn new() -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap();
        Self {
            cipher: LessSafeKey::new(key),
            chacha: ChaCha20Poly1305::new(&[7; 32].into()),
            sealed: vec![0; BODY],
            opened: vec![0; BODY],
            tag: Tag::default(),
            nonce: [0; 12],
        }
    }

    fn run(&mut self, content: &[u8], steps: &[Step], chacha: bool) {
        for part in content.chunks_exact(BODY) {
            steps.iter().for_each(|step| step(self, part, chacha));
        }
    }
}

fn seal(bare: &mut Bare, part: &[u8], chacha: bool) {
    if chacha {
        let (nonce, buffer) = (Nonce::from(bare.nonce), InOutBuf::new(part, &mut bare.sealed));
        bare.tag = bare.chacha.encrypt_inout_detached(&nonce, b"", buffer.unwrap()).unwrap();
        return;
    }
    bare.sealed.copy_from_slice(part);
    let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key(bare.nonce);
    let sealed = bare.cipher.seal_in_place_separate_tag(nonce, Aad::empty(), &mut bare.sealed);
    bare.tag.copy_from_slice(sealed.unwrap().as_ref());
}

fn hash(bare: &mut Bare, _: &[u8], _: bool) {
    black_box(blake3::hash(black_box(&bare.sealed)));
}

fn open(bare: &mut Bare, _: &[u8], chacha: bool) {
    if chacha {
        let (nonce, tag) = (Nonce::from(bare.nonce), &bare.tag);
        let buffer = InOutBuf::new(&bare.sealed, &mut bare.opened).unwrap();
        bare.chacha.decrypt_inout_detached(&nonce, b"", buffer, tag).unwrap();
        return;
    }
    let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key(bare.nonce);
    let (sealed, tag) = (&bare.sealed, &bare.tag);
    bare.cipher.open_separate_gather(nonce, Aad::empty(), sealed, tag, &mut bare.opened).unwrap();
}

fn row(name: &str, content: &[u8], mut ours: impl FnMut(), steps: &[Step]) {
    let (mut bare, mut chacha) = (Bare::new(), Bare::new());
    // What an opening without a sealing before it is given.
    seal(&mut bare, &content[..BODY], false);
    seal(&mut chacha, &content[..BODY], true);
    let mut cases = [
        Case::new("ours", || each(vec![()], |()| ours())),
        Case::new("primitives", || each(vec![()], |()| bare.run(content, steps, false))),
        Case::new("ChaCha20", || each(vec![()], |()| chacha.run(content, steps, true))),
    ];
    print(name, &in_turn(ROUNDS, &mut cases));
}

fn print(name: &str, rounds: &Rounds) {
    let rate = |case| format!("{:.2}", 0.25 / rounds.figure(case).median);
    let (ours, bare, chacha) = (rate(0), rate(1), rate(2));
    println!("| {name} | {ours} | {bare} | {chacha} | {} |", rounds.ratio(1, 0));
}
