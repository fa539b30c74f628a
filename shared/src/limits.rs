//! Every bound of the protocol, each once, with its reason (PROTOCOL.md, Limits).
//!
//! A hostile peer may send anything; these numbers are what it can make us hold, parse or compute.

use crate::time::Millis;

// --- Frames between node and hub ---

/// Largest sealed envelope in bytes: a page of text with room for padding; files travel as blobs.
pub const ENVELOPE_MAX: usize = 256 * 1024;
/// Largest control entry in bytes: one membership change; 1,024 members fit in 2 MiB of log.
pub const CONTROL_ENTRY_MAX: usize = 2 * 1024;
/// Largest frame body in bytes: a delivery page of [`DELIVER_PAGE_BYTES`] plus one envelope.
pub const FRAME_MAX: usize = 1024 * 1024;
/// Largest frame a hub reads before the node has proven who it is.
pub const HELLO_MAX: usize = 1024;
/// Deepest MessagePack nesting either side follows.
pub const DECODE_DEPTH: usize = 16;
/// Envelope bytes a hub puts into one `Deliver` frame before it starts the next.
pub const DELIVER_PAGE_BYTES: usize = 256 * 1024;
/// Items in one `Deliver` frame.
pub const DELIVER_PAGE_ITEMS: usize = 256;
/// Control entries in one `ControlPage` frame (at most 512 KiB).
pub const CONTROL_PAGE_ENTRIES: usize = 256;
/// Longest payload of a relayed datagram in bytes: fits the smallest QUIC path with our header.
pub const DATAGRAM_PAYLOAD_MAX: usize = 1_100;
/// Largest packet in bytes, to addresses of this machine or of a private network, where links may
/// take more than the internet does. QUIC hands ten packets of a connection to the system at once,
/// which takes less than 64 KiB and refuses what is more.
pub const PACKET_MAX: u16 = 6_500;
/// Until it is tried again whether such a link takes them: mostly it is what it was.
pub const PACKET_SEARCH: Millis = Millis::hours(1);
/// Addresses in one word of where somebody can be dialled: a few networks in two families, and as
/// seen from outside. Each is a handshake for whoever dials.
pub const REACH_ADDRESSES: usize = 8;
/// Appends a node keeps unanswered at once; more wait in its outbox.
pub const APPENDS_IN_FLIGHT: usize = 64;

// --- Names and texts ---

/// Longest nickname in Unicode scalar values, after preparation.
pub const NICKNAME_CHARS: usize = 32;
/// Longest nickname in bytes as sent.
pub const NICKNAME_BYTES: usize = 128;
/// Longest text of one message in bytes of UTF-8.
pub const TEXT_MAX: usize = 16 * 1024;
/// Longest group name or topic or status in bytes of UTF-8.
pub const TITLE_MAX: usize = 512;
/// Longest display name in Unicode scalar values: it stands beside a nickname in a line.
pub const DISPLAY_NAME_CHARS: usize = 64;
/// Longest display name in bytes of UTF-8.
pub const DISPLAY_NAME_BYTES: usize = 256;
/// Largest picture of a person in bytes: it goes to every contact, in one envelope.
pub const PICTURE_MAX: usize = 32 * 1024;
/// Longest side of such a picture in pixels: bounds what showing it costs (4 MiB).
pub const PICTURE_SIDE_MAX: u32 = 1_024;

// --- Prekeys ---

/// One-time prekeys a node keeps at its hub.
pub const ONE_TIME_PREKEYS: usize = 50;
/// Below this many left, the hub asks for more.
pub const ONE_TIME_PREKEYS_LOW: usize = 20;
/// Largest signed prekey or identity statement in bytes (ML-KEM-768 keys are 1,184).
pub const SIGNED_MAX: usize = 2 * 1024;

// --- Sessions and ratchets ---

/// Message keys skipped over in one receiving chain: a longer jump resets the session instead.
pub const SKIP_PER_CHAIN: u32 = 1024;
/// Skipped message keys kept per session, oldest forgotten first.
pub const SKIPPED_PER_SESSION: usize = 2048;
/// How long a skipped message key is kept.
pub const SKIPPED_AGE: Millis = Millis::days(14);
/// Sessions kept per peer: two for a simultaneous start, two for resets still in flight.
pub const SESSIONS_PER_PEER: usize = 4;
/// A signed prekey is replaced after this long.
pub const SIGNED_PREKEY_AGE: Millis = Millis::days(7);
/// A replaced signed prekey still opens first messages for this long; longer than a hub keeps one.
pub const SIGNED_PREKEY_GRACE: Millis = Millis::days(21);
/// A one-time prekey nobody used is forgotten after this long.
pub const ONE_TIME_PREKEY_AGE: Millis = Millis::days(60);
/// Messages in one direction after which the ratchet mixes in a fresh ML-KEM secret.
pub const KEM_STEP_MESSAGES: u32 = 50;
/// Time after which the ratchet mixes in a fresh ML-KEM secret.
pub const KEM_STEP_AGE: Millis = Millis::hours(24);

/// Random part of the above, either way, so that nodes do not rotate in step.
pub const SIGNED_PREKEY_JITTER: Millis = Millis::hours(12);
/// How far two nodes' clocks may disagree about a prekey's end.
pub const PREKEY_SKEW: Millis = Millis::hours(24);
/// Replaced signed prekeys kept: one a week for three weeks, and room for moved clocks.
pub const SIGNED_PREKEYS_KEPT: usize = 8;
/// One-time prekey secrets kept, oldest forgotten first: a hub that claims to have none left again
/// and again cannot make a node grow.
pub const ONE_TIME_PREKEYS_KEPT: usize = 400;
/// Accepted handshakes remembered against replay per signed prekey, while that lives. When all of
/// them lack a one-time prekey, further ones without are refused until the next rotation.
pub const HANDSHAKES_REMEMBERED: usize = 4096;
/// Ratchet keys of the peer remembered, so that a late copy is known as one and costs nothing.
pub const PAST_RATCHET_KEYS: usize = 32;
/// A session silent for this long is no longer used for sending.
pub const SESSION_SILENCE: Millis = Millis::days(30);
/// Highest message number in a chain.
pub const RATCHET_INDEX_MAX: u32 = 1 << 31;
/// Largest pairwise header in bytes: two ML-KEM-768 values (1,184 and 1,088) and room.
pub const PAIR_HEADER_MAX: usize = 2560;

// --- Groups ---

/// Largest group message header in bytes.
pub const GROUP_HEADER_MAX: usize = 256;

/// Members in one group.
pub const MEMBERS_MAX: usize = 1024;
/// Control entries in one group over its life: bounds what a newcomer replays.
pub const CONTROL_ENTRIES_MAX: u64 = 65_536;
/// Invite links of one group that are good at the same time; each is an entry of the log.
pub const INVITES_MAX: usize = 64;
/// Members a hub names to a stranger who asks about a group: enough that one is awake.
pub const KEEPERS_MAX: usize = 8;
/// Messages one sender chain seals before it must be replaced.
pub const CHAIN_MESSAGES: u32 = 100;
/// Hard cap a receiver puts on a chain's index and on a jump inside it.
pub const CHAIN_INDEX_MAX: u32 = 1024;
/// Age after which a sender chain must be replaced.
pub const CHAIN_AGE: Millis = Millis::hours(24);
/// Bytes one sender chain seals before it must be replaced.
pub const CHAIN_BYTES: u64 = 8 * 1024 * 1024;
/// Receiving chains kept per sender and group, oldest dropped first: 25,600 messages that somebody
/// away has yet to read, at some hundred bytes a chain.
pub const CHAINS_PER_SENDER: usize = 256;
/// Messages held per sender and group while their key is on its way.
pub const HELD_PER_SENDER: usize = 64;
/// How long a message is held for its key, and a hub keeps an unread entry.
pub const LOG_TTL: Millis = Millis::days(14);
/// Foreign message ids a group message refers to, for transcript consistency.
pub const SEEN_MAX: usize = 4;
/// Ranges of counts one acknowledgement, request or answer carries.
pub const ACK_RANGES_MAX: usize = 32;
/// Ranges of counts a signal says were read: as many as fit the smallest padding.
pub const READ_RANGES: usize = 7;
/// Conversations one word of heads names.
pub const HEADS_MAX: usize = 32;
/// Texts of the past that one content tells a newcomer.
pub const TOLD_MAX: usize = 64;
/// Their bytes of UTF-8 together: three of the longest, far below an envelope's limit.
pub const TOLD_BYTES: usize = 48 * 1024;

// --- Passphrase rooms ---

/// Longest a knock may wait for its answer, and an answer for its proof.
pub const KNOCK_AGE: Millis = Millis::hours(72);
/// Keepers one attempt to come in knocks at: each can be a false one, who gets one guess.
pub const KNOCK_ATTEMPTS: usize = 8;
/// Knocks a keeper answers within [`KNOCK_WINDOW`] without a proof: each tests one guess.
pub const KNOCK_ANSWERS: usize = 5;
/// The stretch of time the above is counted over.
pub const KNOCK_WINDOW: Millis = Millis::minutes(10);
/// Answers that no proof followed before a keeper locks the door: what a guesser gets in all.
pub const KNOCK_FAILURES: usize = 10;
/// How long a keeper remembers a knock it answered.
pub const KNOCK_MEMORY: Millis = Millis::hours(24);
/// Knocks remembered: a whole group that comes in within a day; beyond it the door is busy.
pub const KNOCKS_KEPT: usize = 1_024;
/// Bits below which a passphrase chosen by a person is refused: with every keeper of the largest
/// group, a guesser tests ten thousand of a million millions.
pub const PASSPHRASE_BITS: u32 = 40;

// --- Files ---

/// Bytes of a sealed piece, the last one excepted: 64 chunks of BLAKE3, so that a piece is one
/// subtree of the hash, and small enough to be lost without regret.
pub const PIECE: usize = 64 * 1024;
/// Pieces of one file: 256 TiB, and a piece's number fits four bytes.
pub const PIECES_MAX: u64 = 1 << 32;
/// What a file's content is padded to at least: below it, Padmé would tell the size almost exactly.
pub const FILE_PADDED_MIN: u64 = 4 * 1024;
/// Pieces of one span: a mebibyte, what one request line asks for, from a boundary of as many.
pub const SPAN_PIECES: u32 = 16;
/// Spans one request names: 16 MiB, a second at 128 Mbit/s, all a source owes on one word.
pub const ASK_SPANS: usize = 16;
/// Parents one piece brings: as many as the deepest tree has levels.
pub const PIECE_PARENTS: usize = 32;
/// Runs in one have-map (32 KiB): bounds what a map of few bytes can make a reader hold.
pub const HAVE_RUNS: usize = 4 * 1024;
/// Bytes of a have-map as bits: files up to 128 GiB; of larger ones a map tells runs.
pub const HAVE_BITS: usize = 256 * 1024;
/// Longest name of a file in bytes: what file systems take.
pub const FILE_NAME_BYTES: usize = 255;
/// Longest media type of a file in bytes: two names of the 63 that RFC 6838 advises, and the slash.
pub const MEDIA_TYPE_BYTES: usize = 127;
/// Largest preview of a file in bytes: it travels inside the message.
pub const FILE_PREVIEW_MAX: usize = 16 * 1024;
/// Longest manifest of a folder in bytes: some hundred thousand names, and what a reader may have
/// to hold of it.
pub const FILE_MANIFEST_MAX: u32 = 16 * 1024 * 1024;
/// Streams about files that a hub lets one identity have at once: blobs that are fetched, and
/// beside them a large and a small thing that is left there or taken back.
pub const FILE_STREAMS_EACH: u32 = 6;
