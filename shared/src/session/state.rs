//! A session: everything two nodes share, and which of several sessions is used for sending.
//!
//! Until the other side has answered, a session is unconfirmed: every message repeats the
//! handshake, and nothing about the other side is taken as proven.

use std::collections::VecDeque;

use super::chain::Chain;
use super::skipped::Skipped;
use crate::crypto::exchange::{DhPublic, DhSecret, KemCiphertext, KemPublic, KemSecret};
use crate::crypto::{Secret32, SignalKey};
use crate::id::{NodeId, SessionId};
use crate::limits;
use crate::time::Timestamp;
use crate::wire::envelope::PairInit;

/// The end-to-end state between this node and one peer (PROTOCOL.md, Double ratchet).
pub struct Session {
    pub(super) names: Names,
    pub(super) created: Timestamp,
    pub(super) last_received: Option<Timestamp>,
    pub(super) retired: bool,
    pub(super) last_resort: bool,
    /// The handshake to repeat until the peer answers; its `hdr` and `body` are empty.
    pub(super) init: Option<Box<PairInit>>,
    pub(super) root: Secret32,
    /// The ratchet key the peer's next step answers to. Gone once it has been answered.
    pub(super) own: Option<DhSecret>,
    pub(super) remote: Option<DhPublic>,
    /// The peer's KEM offer our next step answers.
    pub(super) remote_ek: Option<KemPublic>,
    pub(super) sending: Option<Sending>,
    /// Messages in our previous sending chain.
    pub(super) previous: u32,
    pub(super) offer: Option<KemOffer>,
    pub(super) receiving: Option<Chain>,
    /// The peer's earlier ratchet keys, oldest first.
    pub(super) past: VecDeque<DhPublic>,
    pub(super) skipped: Skipped,
    pub(super) kem: KemClock,
    /// Seals signals. A session saved without one has none, ever.
    pub(super) signal: Option<SignalKey>,
}

/// Who the two sides are, and what names the session.
pub(super) struct Names {
    pub(super) transcript: [u8; 32],
    pub(super) initiator: NodeId,
    pub(super) responder: NodeId,
    pub(super) we_began: bool,
}

/// A sending chain, and the KEM answer all of its headers carry.
pub(super) struct Sending {
    pub(super) chain: Chain,
    pub(super) ct: Option<KemCiphertext>,
}

/// A KEM key of ours waiting for the peer's next step.
pub(super) struct KemOffer {
    pub(super) secret: KemSecret,
    pub(super) public: KemPublic,
}

/// When the ratchet last mixed in a post-quantum secret.
pub(super) struct KemClock {
    pub(super) messages: u32,
    pub(super) at: Timestamp,
    pub(super) at_once: bool,
}

impl KemClock {
    pub(super) fn new(at: Timestamp, at_once: bool) -> Self {
        Self { messages: 0, at, at_once }
    }

    pub(super) fn count(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.at_once
            || self.messages >= limits::KEM_STEP_MESSAGES
            || now.since(self.at) >= limits::KEM_STEP_AGE
    }
}

impl Names {
    pub(super) fn session(&self) -> SessionId {
        let (head, _) = self.transcript.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        SessionId(*head)
    }
}

impl Session {
    /// A session before its first message. The initiator knows a `remote` key to answer; the
    /// responder has the `own` prekey that was answered.
    pub(super) fn new(names: Names, root: Secret32, now: Timestamp, last_resort: bool) -> Self {
        let signal = SignalKey::derive(&root, &names.transcript);
        Self { signal: Some(signal), ..Self::bare(names, root, now, last_resort) }
    }

    /// A session with any root, and without what is derived from the first one.
    pub(super) fn bare(names: Names, root: Secret32, now: Timestamp, last_resort: bool) -> Self {
        Self {
            names,
            created: now,
            last_received: None,
            retired: false,
            last_resort,
            init: None,
            root,
            own: None,
            remote: None,
            remote_ek: None,
            sending: None,
            previous: 0,
            offer: None,
            receiving: None,
            past: VecDeque::new(),
            skipped: Skipped::default(),
            kem: KemClock::new(now, last_resort),
            signal: None,
        }
    }

    /// The session's name: the first 16 bytes of its handshake's transcript.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.names.session()
    }

    /// Who is on the other side. Every opened message is theirs.
    #[must_use]
    pub fn peer(&self) -> NodeId {
        if self.names.we_began { self.names.responder } else { self.names.initiator }
    }

    /// Who is on this side.
    pub(super) fn own_id(&self) -> NodeId {
        if self.names.we_began { self.names.initiator } else { self.names.responder }
    }

    /// Whether the other side has proven that it holds its keys.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.init.is_none()
    }

    /// Whether this side began.
    #[must_use]
    pub fn we_began(&self) -> bool {
        self.names.we_began
    }

    /// Whether it began without a one-time prekey: its first messages stay openable to a thief of
    /// the medium-term prekey until the first answer.
    #[must_use]
    pub fn began_on_last_resort(&self) -> bool {
        self.last_resort
    }

    /// When it began here.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When the last message was opened, if any was.
    #[must_use]
    pub fn last_received(&self) -> Option<Timestamp> {
        self.last_received
    }

    /// How many keys of passed-over messages are kept: at most [`limits::SKIPPED_PER_SESSION`].
    #[must_use]
    pub fn skipped_keys(&self) -> usize {
        self.skipped.len()
    }

    /// Takes the session out of use for sending, for good: the peer said it lost its side. It still
    /// opens what is on its way.
    pub fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether it was taken out of use for sending.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether messages may be sealed in it: not retired, and heard from (or begun) within
    /// [`limits::SESSION_SILENCE`].
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        let heard = self.last_received.unwrap_or(self.created).max(self.created);
        !self.retired && now.since(heard) <= limits::SESSION_SILENCE
    }

    pub(super) fn template(&self) -> Option<PairInit> {
        self.init.as_deref().cloned()
    }
}

/// Which session to seal in: the confirmed one with the smallest name, else the unconfirmed one
/// with the smallest name. Two nodes that began at once each end up with both sessions and choose
/// the same one. `None`: begin a new session.
#[must_use]
pub fn choose_sending(sessions: &[Session], now: Timestamp) -> Option<usize> {
    let usable = sessions.iter().enumerate().filter(|(_, session)| session.is_usable(now));
    usable.min_by_key(|(_, s)| (!s.is_confirmed(), s.id())).map(|(index, _)| index)
}
