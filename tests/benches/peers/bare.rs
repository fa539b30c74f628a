//! Bare ends: a stream of quinn's from a file to a file, as it is or sealed piece by piece.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, UnboundKey};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce, Tag};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_tests::echo;
use hubbub_tests::near;
use hubbub_tests::process::Stage;
use hubbub_tests::raw_node::dial_with;
use hubbub_tests::splicer::Splicer;
use quinn::{Connection, RecvStream, SendStream, TransportConfig, VarInt};

use crate::costs::{Taken, timed};

/// Text in a piece, and what sealing adds.
const BODY: usize = 65_520;
const TAG: usize = 16;
/// What a bare end reads and writes at once.
const GATHERED: usize = 256 * 1024;
/// Windows of direct connections (`node/src/net/tls.rs`).
const STREAM_WINDOW: u32 = 1 << 20;
const WINDOW: u32 = 8 << 20;
/// The others' turns may take longer than a hub waits for a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// What a taker is told to take.
pub(crate) const BARE: u8 = b'b';
pub(crate) const SEALED: u8 = b's';
pub(crate) const ALIKE: u8 = b'a';

/// A source and a taker, with a splice between them or without.
pub(crate) struct Ends {
    processes: Vec<Role>,
    pipe: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    target: PathBuf,
}

/// A process that ends with the comparison: this program in one of its roles, or another one.
pub(crate) struct Role(pub(crate) Child);

impl Drop for Role {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Role {
    /// Starts it, and gives what it says first.
    fn start(args: &[&str]) -> (Self, ChildStdin, BufReader<ChildStdout>, String) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut stdout, mut said) = (BufReader::new(stdout), String::new());
        stdout.read_line(&mut said).unwrap();
        (Self(child), stdin, stdout, said.trim().to_owned())
    }
}

impl Ends {
    pub(crate) fn straight(stage: &Stage, content: &Path) -> Self {
        let (source, _, _, at) = Role::start(&["source", "", content.to_str().unwrap()]);
        Self::taking(vec![source], &at, stage.path("bare"))
    }

    pub(crate) fn spliced(stage: &Stage, content: &Path) -> Self {
        let (splice, _, _, at) = Role::start(&["splice"]);
        let (source, ..) = Role::start(&["source", &at, content.to_str().unwrap()]);
        Self::taking(vec![source, splice], &at, stage.path("spliced"))
    }

    fn taking(mut processes: Vec<Role>, at: &str, target: PathBuf) -> Self {
        let (taker, stdin, stdout, _) = Role::start(&["taker", at, target.to_str().unwrap()]);
        processes.push(taker);
        Self { processes, pipe: RefCell::new((stdin, stdout)), target }
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        self.processes.iter().map(|role| role.0.id()).collect()
    }

    pub(crate) fn take(&self, what: u8) -> Taken {
        let mut pipe = self.pipe.borrow_mut();
        let took = timed(|| {
            pipe.0.write_all(&[what, b'\n']).unwrap();
            pipe.0.flush().unwrap();
            let mut said = String::new();
            pipe.1.read_line(&mut said).unwrap();
            assert_eq!(said, "done\n");
        });
        fs::remove_file(&self.target).unwrap();
        took.into()
    }
}

fn one() -> Identity {
    Identity::from_seed(Secret32::from_bytes([1; 32]))
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(None);
    near::search(&mut transport);
    transport
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

#[tokio::main]
pub(crate) async fn splice() {
    say(&Splicer::listen(&one()).local_addr.to_string());
    std::future::pending::<()>().await;
}

/// Serves a file to whoever asks, on a connection that it waits for or dials.
#[tokio::main]
pub(crate) async fn source(dial: Option<SocketAddr>, content: &Path) {
    let content = Arc::new(File::open(content).unwrap());
    let connection = if let Some(to) = dial {
        let connection = dial_with(to, one().hub_id(), transport()).await;
        say("here");
        connection
    } else {
        let mut config = echo::config(&one());
        config.transport_config(Arc::new(transport()));
        let endpoint = near::endpoint(Some(config));
        say(&endpoint.local_addr().unwrap().to_string());
        endpoint.accept().await.unwrap().await.unwrap()
    };
    while let Ok((send, mut recv)) = connection.accept_bi().await {
        let mut what = [0];
        recv.read_exact(&mut what).await.unwrap();
        let content = Arc::clone(&content);
        match what[0] {
            BARE => tokio::spawn(async move { give(&content, send).await }),
            what => tokio::spawn(async move { give_sealed(&content, what, send).await }),
        };
    }
}

async fn give(from: &File, mut send: SendStream) {
    let (mut part, mut at) = (vec![0; GATHERED], 0);
    loop {
        let length = from.read_at(&mut part, at).unwrap();
        if length == 0 {
            break;
        }
        at += length as u64;
        send.write_all(&part[..length]).await.unwrap();
    }
    send.finish().unwrap();
}

async fn give_sealed(from: &File, what: u8, mut send: SendStream) {
    let (mut part, mut out, mut at) = (vec![0; BODY], vec![0; BODY + TAG], 0);
    let cipher = Cipher::of(what);
    loop {
        let length = from.read_at(&mut part, at).unwrap();
        if length == 0 {
            break;
        }
        cipher.seal(at, &part[..length], &mut out[..length + TAG]);
        std::hint::black_box(blake3::hash(&out[..length + TAG]));
        at += length as u64;
        send.write_all(&out[..length + TAG]).await.unwrap();
    }
    send.finish().unwrap();
}

/// Takes the file as often and in the form as it is told.
#[tokio::main]
pub(crate) async fn taker(from: SocketAddr, target: &Path) {
    let connection = dial_with(from, one().hub_id(), transport()).await;
    say("here");
    for line in std::io::stdin().lines() {
        let what = line.unwrap().as_bytes()[0];
        let part = target.with_extension("part");
        let file = File::create_new(&part).unwrap();
        let (connection, taking) = (connection.clone(), file.try_clone().unwrap());
        tokio::spawn(async move { take(&connection, what, &taking).await }).await.unwrap();
        file.sync_all().unwrap();
        fs::rename(&part, target).unwrap();
        say("done");
    }
}

async fn take(connection: &Connection, what: u8, to: &File) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&[what]).await.unwrap();
    let (mut wave, mut at) = (vec![0; if what == BARE { GATHERED } else { BODY + TAG }], 0);
    let cipher = Cipher::of(what);
    let (mut plain, mut plain_len) = (vec![0; 4 * BODY], 0);
    loop {
        let length = gather(&mut recv, &mut wave).await;
        if what == BARE {
            to.write_all_at(&wave[..length], at).unwrap();
            at += length as u64;
        } else if length > 0 {
            std::hint::black_box(blake3::hash(&wave[..length]));
            let out = &mut plain[plain_len..plain_len + length - TAG];
            cipher.open(at + plain_len as u64, &wave[..length], out);
            plain_len += length - TAG;
        }
        if plain_len == plain.len() || length < wave.len() {
            to.write_all_at(&plain[..plain_len], at).unwrap();
            at += plain_len as u64;
            plain_len = 0;
        }
        if length < wave.len() {
            break;
        }
    }
}

/// Fills `wave`, or as much of it as there is.
async fn gather(recv: &mut RecvStream, wave: &mut [u8]) -> usize {
    let mut length = 0;
    while let Some(count) = recv.read(&mut wave[length..]).await.unwrap() {
        length += count;
        if length == wave.len() {
            break;
        }
    }
    length
}

/// The cipher of messages by its crate, or that of files.
enum Cipher {
    ChaCha(ChaCha20Poly1305),
    Aes(LessSafeKey),
}

impl Cipher {
    fn of(what: u8) -> Self {
        if what == ALIKE {
            Self::Aes(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap()))
        } else {
            Self::ChaCha(ChaCha20Poly1305::new(&[7; 32].into()))
        }
    }

    fn seal(&self, at: u64, part: &[u8], out: &mut [u8]) {
        let (body, tag) = out.split_at_mut(part.len());
        match self {
            Self::ChaCha(cipher) => {
                let buffer = InOutBuf::new(part, body).unwrap();
                let made = cipher.encrypt_inout_detached(&nonce(at), b"", buffer).unwrap();
                tag.copy_from_slice(&made);
            }
            Self::Aes(cipher) => {
                body.copy_from_slice(part);
                let nonce = aws_lc_rs::aead::Nonce::from(<&[u8; 12]>::from(&nonce(at)));
                let made = cipher.seal_in_place_separate_tag(nonce, Aad::empty(), body).unwrap();
                tag.copy_from_slice(made.as_ref());
            }
        }
    }

    fn open(&self, at: u64, sealed: &[u8], out: &mut [u8]) {
        let (body, tag) = sealed.split_at(out.len());
        match self {
            Self::ChaCha(cipher) => {
                let (tag, buffer) = (Tag::try_from(tag).unwrap(), InOutBuf::new(body, out));
                cipher.decrypt_inout_detached(&nonce(at), b"", buffer.unwrap(), &tag).unwrap();
            }
            Self::Aes(cipher) => {
                let nonce = aws_lc_rs::aead::Nonce::from(<&[u8; 12]>::from(&nonce(at)));
                cipher.open_separate_gather(nonce, Aad::empty(), body, tag, out).unwrap();
            }
        }
    }
}

fn nonce(at: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&at.to_be_bytes());
    nonce.into()
}
