//! One direction's symmetric chain: a key per message, and no way back.

use super::ratchet::OpenError;
use crate::crypto::{Secret32, chain_step};
use crate::limits;

const MESSAGE: u8 = 0x01;
const NEXT: u8 = 0x02;

/// A chain key and the number of the message it is for next.
pub(super) struct Chain {
    key: Secret32,
    next: u32,
}

/// A copy of a chain moved ahead, with the keys it passed over.
pub(super) struct Ahead {
    pub(super) chain: Chain,
    pub(super) passed: Vec<(u32, Secret32)>,
}

impl Chain {
    pub(super) fn new(key: Secret32) -> Self {
        Self::at(key, 0)
    }

    pub(super) fn at(key: Secret32, next: u32) -> Self {
        Self { key, next }
    }

    pub(super) fn key(&self) -> &Secret32 {
        &self.key
    }

    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The next message's key. The chain key it came from is gone afterwards.
    pub(super) fn step(&mut self) -> Secret32 {
        let (message, next) = chain_step(&self.key, MESSAGE, NEXT);
        self.key = next;
        self.next = self.next.saturating_add(1);
        message
    }

    /// A copy standing at `index`. The chain itself does not move, so that a forged number costs a
    /// bounded amount of work and nothing else.
    pub(super) fn ahead(&self, index: u32) -> Result<Ahead, OpenError> {
        let skip = index.checked_sub(self.next).ok_or(OpenError::Replay)?;
        if skip > limits::SKIP_PER_CHAIN {
            return Err(OpenError::TooFar);
        }
        let mut chain = Self::at(self.key.duplicate(), self.next);
        let passed = (0..skip).map(|_| (chain.next, chain.step())).collect();
        Ok(Ahead { chain, passed })
    }
}
