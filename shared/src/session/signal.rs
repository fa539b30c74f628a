//! Signals: small words between the two of a session that may be lost (PROTOCOL.md, Signals).
//!
//! They are sealed with a key the session has from its beginning. Invariant: sealing or opening one
//! changes nothing, so signals may be lost, repeated and reordered without end, and need no
//! storing. What is absent: knowing a copy, and knowing who was heard. Who opens a signal compares
//! its time with those it has seen, and remembers the session.

use rand_core::CryptoRng;

use super::state::Session;
use crate::crypto::SecretBytes;
use crate::crypto::padding::padded_len;
use crate::crypto::signal::{OVERHEAD, Way};
use crate::id::SessionId;
use crate::limits::DATAGRAM_PAYLOAD_MAX;
use crate::wire::version::VERSION;

/// Version and session id.
const HEAD: usize = 1 + SessionId::LEN;

/// Why a signal was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// It is of a newer protocol.
    #[error("the signal is of version {0}; update to read it")]
    Newer(u8),
    /// It is not built like a signal.
    #[error("the signal is malformed")]
    Malformed,
    /// The session has no key for signals.
    #[error("the session cannot signal; the next one can")]
    NoKey,
    /// It does not open: altered, or sealed by someone else or for another session.
    #[error("the signal does not open; it was altered, or one side lost its session")]
    Auth,
}

impl SignalError {
    /// A stable word for counters and the local API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Newer(_) => "signal-newer",
            Self::Malformed => "signal-malformed",
            Self::NoKey => "signal-no-key",
            Self::Auth => "signal-auth",
        }
    }
}

/// The payload of a datagram, as far as anybody can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedSignal<'a> {
    session: SessionId,
    sealed: &'a [u8],
}

impl<'a> SealedSignal<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`SignalError::Newer`], or [`SignalError::Malformed`] for one too short or too long.
    pub fn parse(payload: &'a [u8]) -> Result<Self, SignalError> {
        let (version, rest) = payload.split_first().ok_or(SignalError::Malformed)?;
        let (session, sealed) = rest.split_first_chunk().ok_or(SignalError::Malformed)?;
        let fits = (HEAD + OVERHEAD..=DATAGRAM_PAYLOAD_MAX).contains(&payload.len());
        match *version {
            VERSION if fits => Ok(Self { session: SessionId(*session), sealed }),
            0 | VERSION => Err(SignalError::Malformed),
            newer => Err(SignalError::Newer(newer)),
        }
    }

    /// Which session it claims to belong to: a hint for finding it, proven only by opening.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl Session {
    /// Whether signals are to be sealed in it: there is a key, and the peer has shown that it has
    /// it, too, by a message or because one of its signals was opened in this session (`heard`).
    #[must_use]
    pub fn can_signal(&self, heard: bool) -> bool {
        (self.is_confirmed() || heard) && self.signal.is_some()
    }

    /// The payload of a datagram to the peer, who may not have the session yet unless
    /// [`Self::can_signal`]. `None` without a key, and for what is too long for a datagram.
    #[must_use]
    pub fn seal_signal(
        &self,
        plain: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Vec<u8>> {
        let key = self.signal.as_ref()?;
        if HEAD + padded_len(plain.len()) + OVERHEAD > DATAGRAM_PAYLOAD_MAX {
            return None;
        }
        let way = Way { session: self.id(), from: self.own_id(), to: self.peer() };
        let head = [&[VERSION][..], way.session.as_bytes()].concat();
        Some(key.seal(&way, &head, plain, rng))
    }

    /// Opens a signal of the peer. A copy opens as often as it comes.
    ///
    /// # Errors
    /// [`SignalError`].
    pub fn open_signal(&self, signal: &SealedSignal<'_>) -> Result<SecretBytes, SignalError> {
        let way = Way { session: self.id(), from: self.peer(), to: self.own_id() };
        if signal.session != way.session {
            return Err(SignalError::Auth);
        }
        let key = self.signal.as_ref().ok_or(SignalError::NoKey)?;
        key.open(&way, signal.sealed).map_err(|_| SignalError::Auth)
    }
}
