//! Token buckets, in whole numbers: how much of something one identity may use.
//!
//! A bucket belongs to an identity, not to a connection: reconnecting does not refill it.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};

/// `tokens` come back every `per`; at most `burst` are saved up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub tokens: u64,
    /// In how long.
    pub per: Millis,
    /// Most that can be taken at once.
    pub burst: u64,
}

/// One account. Its level counts token-milliseconds: a millisecond brings `tokens`, a token costs
/// `per`. So nothing is rounded away, however slow the rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    level: u64,
    at: Timestamp,
}

impl Bucket {
    pub(super) fn full(rate: Rate, now: Timestamp) -> Self {
        Self { level: rate.cap(), at: now }
    }

    /// Takes `n` tokens, or says how long until there are that many.
    pub(super) fn take(&mut self, rate: Rate, n: u64, now: Timestamp) -> Result<(), Millis> {
        self.refill(rate, now);
        let cost = n.saturating_mul(rate.per.0).min(rate.cap());
        match self.level.checked_sub(cost) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err(Millis((cost - self.level).div_ceil(rate.tokens.max(1)))),
        }
    }

    fn refill(&mut self, rate: Rate, now: Timestamp) {
        let gained = now.since(self.at).0.saturating_mul(rate.tokens);
        self.level = self.level.saturating_add(gained).min(rate.cap());
        self.at = now;
    }

    fn is_full(&mut self, rate: Rate, now: Timestamp) -> bool {
        self.refill(rate, now);
        self.level == rate.cap()
    }
}

impl Rate {
    fn cap(self) -> u64 {
        self.burst.saturating_mul(self.per.0)
    }
}

/// The accounts of all identities: questions and bytes.
#[derive(Debug)]
pub(super) struct Quotas {
    frames: Rate,
    bytes: Rate,
    accounts: BTreeMap<NodeId, (Bucket, Bucket)>,
}

impl Quotas {
    pub(super) fn new(frames: Rate, bytes: Rate) -> Self {
        Self { frames, bytes, accounts: BTreeMap::new() }
    }

    /// Charges one question of `size` sealed bytes, or says when to come back.
    pub(super) fn charge(
        &mut self,
        node: NodeId,
        size: usize,
        now: Timestamp,
    ) -> Result<(), Millis> {
        self.charge_questions(node, 1, now)?;
        self.charge_bytes(node, u64::try_from(size).unwrap_or(u64::MAX), now)
    }

    /// Charges what costs as much as so many questions and brings no bytes.
    pub(super) fn charge_questions(
        &mut self,
        node: NodeId,
        questions: u64,
        now: Timestamp,
    ) -> Result<(), Millis> {
        let frames = self.frames;
        self.account(node, now).0.take(frames, questions, now)
    }

    /// Charges bytes alone, of a question that was charged.
    pub(super) fn charge_bytes(
        &mut self,
        node: NodeId,
        size: u64,
        now: Timestamp,
    ) -> Result<(), Millis> {
        let bytes = self.bytes;
        self.account(node, now).1.take(bytes, size, now)
    }

    fn account(&mut self, node: NodeId, now: Timestamp) -> &mut (Bucket, Bucket) {
        let full = || (Bucket::full(self.frames, now), Bucket::full(self.bytes, now));
        self.accounts.entry(node).or_insert_with(full)
    }

    /// Forgets accounts that are full again: a full account is what a stranger has.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let (frames, bytes) = (self.frames, self.bytes);
        self.accounts
            .retain(|_, (asked, sent)| !(asked.is_full(frames, now) && sent.is_full(bytes, now)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { tokens: 20, per: Millis::hours(1), burst: 2 };

    #[test]
    fn an_empty_bucket_says_exactly_when_the_next_token_comes() {
        let start = Timestamp(1_000);
        let mut bucket = Bucket::full(RATE, start);
        assert_eq!(bucket.take(RATE, 1, start), Ok(()));
        assert_eq!(bucket.take(RATE, 1, start), Ok(()));
        let wait = bucket.take(RATE, 1, start).unwrap_err();
        assert_eq!(wait, Millis::minutes(3));
        assert!(bucket.take(RATE, 1, start + Millis(wait.0 - 1)).is_err());
        assert_eq!(bucket.take(RATE, 1, start + wait), Ok(()));
    }

    #[test]
    fn a_clock_going_back_neither_fills_nor_breaks_a_bucket() {
        let mut bucket = Bucket::full(RATE, Timestamp(5_000));
        assert_eq!(bucket.take(RATE, 2, Timestamp(5_000)), Ok(()));
        assert!(bucket.take(RATE, 1, Timestamp(0)).is_err());
    }

    #[test]
    fn a_full_account_is_forgotten_and_one_in_use_is_not() {
        let mut quotas = Quotas::new(RATE, RATE);
        quotas.charge(NodeId([1; 32]), 0, Timestamp(0)).unwrap();
        quotas.sweep(Timestamp(1));
        assert!(!quotas.is_empty());
        quotas.sweep(Timestamp(0) + Millis::hours(1));
        assert!(quotas.is_empty());
    }
}
