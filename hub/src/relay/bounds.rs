//! What one relay may hold, and what one identity may ask of it (PROTOCOL.md, Limits).
//!
//! Everything the relay keeps in memory is bounded by a number here or in `hubbub_shared::limits`.

use hubbub_shared::limits::FILE_STREAMS_EACH;
use hubbub_shared::time::Millis;

use super::quota::Rate;

/// Sealed bytes sent to one connection and not yet acknowledged: a slow reader holds this much of
/// the hub's send buffers and no more.
pub const WINDOW_BYTES: usize = 1024 * 1024;
/// What an entry counts for beside its bytes, so that a window of tiny entries is bounded too.
pub const ITEM_OVERHEAD: usize = 64;
/// Pages being read from the store at once, over all connections: 16 MiB, however many nodes come
/// back together after a restart.
pub const LOADS_OUTSTANDING: usize = 64;
/// Traces of recent appends kept per log, to answer a repeated append with its first number. Four
/// times what a node keeps unanswered.
pub const SEEN_PER_LOG: usize = 256;
/// A log without an append for this long forgets its traces.
pub const SEEN_AGE: Millis = Millis::hours(1);
/// How often entries, invites and idle accounts are looked through for what has ended.
pub const SWEEP_EVERY: Millis = Millis::minutes(10);
/// Entries kept in memory besides the byte bound: bounds the list of them.
pub const RECENT_ITEMS: usize = 65_536;
/// One requester gets one one-time prekey of a target per this time; further bundles come without.
pub const ONE_TIME_AGAIN: Millis = Millis::hours(24);
/// Pairs of requester and target remembered for [`ONE_TIME_AGAIN`]; beyond, bundles come without a
/// one-time prekey rather than without a limit.
pub const ONE_TIME_PAIRS: usize = 65_536;
/// One-time prekeys of one target handed out, whoever asks: a flood cannot drain them.
pub const ONE_TIME_RATE: Rate = Rate { tokens: 20, per: Millis::hours(1), burst: 20 };

/// Control entries read for everybody in one batch: 32 MiB of the largest.
pub const CONTROL_READ_PER_BATCH: u64 = 16_384;
/// When to ask again for a control log that was too much for the batch.
pub const CONTROL_READ_PAUSE: Millis = Millis::secs(1);
/// What a control entry that is read counts for in an account of bytes: about its usual size.
pub const CONTROL_READ_COST: u64 = 512;
/// Times one identity may let itself into the lobby: its log has an end, and nobody alone reaches
/// that.
pub const LOBBY_JOINS: usize = 16;

/// What asking for a stream to another node counts for, in questions: both connections are widened
/// and narrowed again, and the other node makes a TLS handshake. 50 a second, and 200 at once for
/// somebody who has asked nothing else: far above what a node opens that fetches from many.
pub const STREAM_COST: u64 = 10;
/// The same for a stream about files: it concerns the hub alone.
pub const FILE_STREAM_COST: u64 = 1;
/// Streams about files one identity may have open, beside the relayed ones: as many as a node makes
/// use of.
pub const FILE_STREAMS_PER_NODE: u32 = FILE_STREAMS_EACH;
/// Streams about files of all: each may hold a mebibyte in hand and a window of 1.5 MiB.
pub const FILE_STREAMS: usize = 128;

/// How much a log may hold before senders are pushed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// Sealed bytes.
    pub bytes: u64,
    /// Entries.
    pub items: usize,
}

/// What the operator decides about a relay. The defaults suit a hub of some thousand nodes on a
/// small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// Admit whoever comes (default: no, an invite is needed).
    pub open: bool,
    /// Identities admitted (default 100,000: about 100 MiB with names and prekey numbers).
    pub nodes: usize,
    /// One mailbox (default 64 MiB, 20,000 entries: two weeks of a busy person's messages).
    pub mailbox: LogBounds,
    /// One channel (default 256 MiB, 100,000 entries: 4 MiB of memory).
    pub channel: LogBounds,
    /// What one sender may have waiting in one mailbox (default 16 MiB, 5,000 entries: a quarter,
    /// so that one flooding does not silence everybody else).
    pub mailbox_share: LogBounds,
    /// What one member may have waiting in one channel (default 128 MiB, 50,000 entries: half).
    pub channel_share: LogBounds,
    /// All logs together (default 64 GiB, 4,000,000 entries: 160 MiB of memory).
    pub total: LogBounds,
    /// Groups one identity may have created (default 256: far above use, below mischief).
    pub groups_per_node: usize,
    /// Control logs together, which are never forgotten and are replayed at every start (default
    /// 1 GiB, 1,000,000 entries: some 100 MiB of memory and a minute).
    pub control: LogBounds,
    /// Control entries of all groups one identity created (default 65,536, a whole log).
    pub control_per_node: usize,
    /// Questions one identity may ask (default 500 a second, 2,000 at once: a node emptying a
    /// week's outbox is never held up, one flooding takes half a percent of what the store
    /// commits).
    pub frames: Rate,
    /// Sealed bytes one identity may append (default 8 MiB a second, 32 MiB at once; a file does
    /// not go through logs).
    pub bytes: Rate,
    /// Relayed streams one identity may have open (default 8: files from some at once).
    pub streams_per_node: u32,
    /// Relayed streams of all (default 512: each may hold two windows of 1 MiB a direction, so that
    /// they keep the hub within 2 GiB though nobody reads and everybody writes).
    pub streams: u32,
    /// Newest entries kept in memory for readers who are nearly up to date (default 32 MiB).
    pub recent_bytes: usize,
}

impl Default for RelayConfig {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            open: false,
            nodes: 100_000,
            mailbox: LogBounds { bytes: 64 * MIB, items: 20_000 },
            channel: LogBounds { bytes: 256 * MIB, items: 100_000 },
            mailbox_share: LogBounds { bytes: 16 * MIB, items: 5_000 },
            channel_share: LogBounds { bytes: 128 * MIB, items: 50_000 },
            total: LogBounds { bytes: 64 * 1024 * MIB, items: 4_000_000 },
            groups_per_node: 256,
            control: LogBounds { bytes: 1024 * MIB, items: 1_000_000 },
            control_per_node: 65_536,
            frames: Rate { tokens: 500, per: Millis::secs(1), burst: 2_000 },
            bytes: Rate { tokens: 8 * MIB, per: Millis::secs(1), burst: 32 * MIB },
            streams_per_node: 8,
            streams: 512,
            recent_bytes: 32 * 1024 * 1024,
        }
    }
}
