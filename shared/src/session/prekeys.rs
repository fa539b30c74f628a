//! What a node publishes so that others can start a session while it is away.
//!
//! An identity statement names the node's key-agreement key; a signed prekey is replaced every
//! week; one-time prekeys are used once. All are signed, the one-time ones too. Invariant: a secret
//! whose statement has expired or been used is gone, and no accepted handshake is accepted again.

use rand_core::CryptoRng;

use super::bundle::{IdentityBody, OtkBody, SpkBody};
use super::header::VERSION;
use crate::crypto::exchange::{DhSecret, KemSecret};
use crate::crypto::{Identity, Label, Signed};
use crate::limits;
use crate::time::{Millis, Timestamp};

/// What goes to the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The identity statement.
    pub identity: Signed,
    /// The signed prekey in force.
    pub spk: Signed,
    /// One-time prekeys the hub has not confirmed yet, each with its number.
    pub otks: Vec<(u32, Signed)>,
}

/// Both secrets of one prekey.
pub(super) struct Pair {
    pub(super) dh: DhSecret,
    pub(super) kem: KemSecret,
}

pub(super) struct SignedPrekey {
    pub(super) id: u32,
    pub(super) pair: Pair,
    pub(super) signed: Signed,
}

pub(super) struct OneTimePrekey {
    pub(super) id: u32,
    pub(super) pair: Pair,
    pub(super) created: Timestamp,
    /// The statement, until the hub has confirmed it.
    pub(super) unpublished: Option<Signed>,
}

/// A handshake that was accepted, remembered while its signed prekey lives.
pub(super) struct Seen {
    pub(super) transcript: [u8; 32],
    pub(super) spk_id: u32,
    pub(super) one_time: bool,
}

/// A node's own prekeys and their secrets.
pub struct LocalPrekeys {
    pub(super) idk: DhSecret,
    pub(super) identity: Signed,
    pub(super) current: SignedPrekey,
    /// Replaced ones and when, oldest first.
    pub(super) retired: Vec<(Timestamp, SignedPrekey)>,
    pub(super) rotate_at: Timestamp,
    /// Oldest first.
    pub(super) otks: Vec<OneTimePrekey>,
    pub(super) next_id: u32,
    pub(super) seen: Vec<Seen>,
}

const IDK_EPOCH: u32 = 1;

impl LocalPrekeys {
    /// A first set: key-agreement key, signed prekey, [`limits::ONE_TIME_PREKEYS`] one-time
    /// prekeys.
    #[must_use]
    pub fn generate(me: &Identity, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let idk = DhSecret::random(rng);
        let body = IdentityBody {
            v: VERSION,
            min_v: VERSION,
            max_v: VERSION,
            ik: me.id(),
            idk: idk.public(),
            idk_epoch: IDK_EPOCH,
            created: now,
            acct: None,
            caps: 0,
        };
        let identity = Signed::new(me, Label::IdentityDh, &body);
        let current = SignedPrekey::generate(me, 1, now, rng);
        let rotate_at = next_rotation(now, rng);
        let (retired, otks, seen) = (vec![], vec![], vec![]);
        let mut keys = Self { idk, identity, current, retired, rotate_at, otks, next_id: 2, seen };
        keys.refill(me, 0, now, rng);
        keys
    }

    /// What the hub should have. Ask again after [`Self::refill`] and [`Self::rotate_if_due`].
    #[must_use]
    pub fn publication(&self) -> Publication {
        let unpublished =
            |otk: &OneTimePrekey| otk.unpublished.clone().map(|signed| (otk.id, signed));
        let otks = self.otks.iter().filter_map(unpublished).collect();
        Publication { identity: self.identity.clone(), spk: self.current.signed.clone(), otks }
    }

    /// The hub has confirmed these one-time prekeys.
    pub fn mark_published(&mut self, ids: &[u32]) {
        for otk in self.otks.iter_mut().filter(|otk| ids.contains(&otk.id)) {
            otk.unpublished = None;
        }
    }

    /// Makes one-time prekeys when the hub has fewer than [`limits::ONE_TIME_PREKEYS_LOW`], and
    /// returns the new ones. The oldest secrets beyond [`limits::ONE_TIME_PREKEYS_KEPT`] are
    /// forgotten.
    pub fn refill(
        &mut self,
        me: &Identity,
        hub_has: u32,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<(u32, Signed)> {
        let has = usize::try_from(hub_has).unwrap_or(usize::MAX);
        if has >= limits::ONE_TIME_PREKEYS_LOW {
            return Vec::new();
        }
        let mut fresh = Vec::new();
        for _ in has..limits::ONE_TIME_PREKEYS {
            let otk = OneTimePrekey::generate(me, self.take_id(), now, rng);
            fresh.extend(otk.unpublished.clone().map(|signed| (otk.id, signed)));
            self.otks.push(otk);
        }
        let excess = self.otks.len().saturating_sub(limits::ONE_TIME_PREKEYS_KEPT);
        self.otks.drain(..excess);
        fresh
    }

    /// Replaces everything but the key-agreement key, under numbers never used before: a copy of
    /// this state may have made others. What was replaced is still accepted for its time.
    pub fn renew(&mut self, me: &Identity, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) {
        self.next_id = self.next_id.wrapping_add(1 + (rng.next_u32() >> 8));
        self.replace_signed(me, now, rng);
        for otk in &mut self.otks {
            otk.unpublished = None;
        }
        self.refill(me, 0, now, rng);
    }

    /// Replaces the signed prekey once a week and forgets what has had its time. `true`: publish.
    pub fn rotate_if_due(
        &mut self,
        me: &Identity,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> bool {
        self.forget_old(now);
        // A due date further off than it was ever set: the clock was moved back since.
        let moved = self.rotate_at.since(now) > Millis(2 * limits::SIGNED_PREKEY_AGE.0);
        if now < self.rotate_at && !moved {
            return false;
        }
        self.replace_signed(me, now, rng);
        true
    }

    fn replace_signed(
        &mut self,
        me: &Identity,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let id = self.take_id();
        let fresh = SignedPrekey::generate(me, id, now, rng);
        self.retired.push((now, core::mem::replace(&mut self.current, fresh)));
        let excess = self.retired.len().saturating_sub(limits::SIGNED_PREKEYS_KEPT);
        self.retired.drain(..excess);
        self.rotate_at = next_rotation(now, rng);
    }

    /// Forgets a one-time prekey; `false` when there was none of this number.
    pub fn consume(&mut self, otk_id: u32) -> bool {
        let before = self.otks.len();
        self.otks.retain(|otk| otk.id != otk_id);
        self.otks.len() < before
    }

    /// How many one-time prekey secrets are kept.
    #[must_use]
    pub fn one_time_left(&self) -> usize {
        self.otks.len()
    }

    pub(super) fn spk(&self, id: u32) -> Option<&SignedPrekey> {
        self.signed_prekeys().find(|spk| spk.id == id)
    }

    /// When a signed prekey was replaced; `None` for the one in force.
    pub(super) fn replaced(&self, id: u32) -> Option<Timestamp> {
        self.retired.iter().find(|(_, spk)| spk.id == id).map(|(at, _)| *at)
    }

    pub(super) fn otk(&self, id: u32) -> Option<&OneTimePrekey> {
        self.otks.iter().find(|otk| otk.id == id)
    }

    /// Whether a handshake of this name was accepted before.
    pub(super) fn has_seen(&self, name: &[u8]) -> bool {
        self.seen.iter().any(|seen| seen.transcript.starts_with(name))
    }

    /// Whether one more accepted handshake can be remembered: those that used up a one-time prekey
    /// cannot be replayed anyway and go first. `false` when there is no room. Each signed prekey
    /// has room of its own, so that a flood under one does not keep strangers from the next.
    pub(super) fn has_room(&self, spk_id: u32) -> bool {
        let mut same = self.seen.iter().filter(|seen| seen.spk_id == spk_id);
        same.clone().count() < limits::HANDSHAKES_REMEMBERED || same.any(|seen| seen.one_time)
    }

    pub(super) fn remember(&mut self, seen: Seen) {
        let same = |known: &Seen| known.spk_id == seen.spk_id;
        if self.seen.iter().filter(|known| same(known)).count() >= limits::HANDSHAKES_REMEMBERED {
            // What used up a one-time prekey cannot be accepted again in any case.
            let oldest = self.seen.iter().position(|known| same(known) && known.one_time);
            let Some(oldest) = oldest else { return };
            self.seen.remove(oldest);
        }
        self.seen.push(seen);
    }

    fn signed_prekeys(&self) -> impl Iterator<Item = &SignedPrekey> {
        self.retired.iter().map(|(_, spk)| spk).chain([&self.current])
    }

    fn take_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.retired.retain(|(at, _)| now.since(*at) <= limits::SIGNED_PREKEY_GRACE);
        self.otks.retain(|otk| now.since(otk.created) <= limits::ONE_TIME_PREKEY_AGE);
        let live: Vec<u32> = self.signed_prekeys().map(|spk| spk.id).collect();
        self.seen.retain(|seen| live.contains(&seen.spk_id));
    }
}

impl Pair {
    fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { dh: DhSecret::random(rng), kem: KemSecret::generate(rng) }
    }
}

impl SignedPrekey {
    fn generate(
        me: &Identity,
        id: u32,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let pair = Pair::generate(rng);
        let body = SpkBody {
            v: VERSION,
            ik: me.id(),
            idk_epoch: IDK_EPOCH,
            id,
            x: pair.dh.public(),
            kem: pair.kem.public(),
            not_after: now + limits::SIGNED_PREKEY_AGE + limits::SIGNED_PREKEY_GRACE,
        };
        let signed = Signed::new(me, Label::PrekeySigned, &body);
        Self { id, pair, signed }
    }
}

impl OneTimePrekey {
    fn generate(
        me: &Identity,
        id: u32,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let pair = Pair::generate(rng);
        let (x, kem) = (pair.dh.public(), pair.kem.public());
        let body = OtkBody { v: VERSION, ik: me.id(), id, x, kem };
        let unpublished = Some(Signed::new(me, Label::PrekeyOnetime, &body));
        Self { id, pair, created: now, unpublished }
    }
}

/// A week from now, give or take [`limits::SIGNED_PREKEY_JITTER`].
fn next_rotation(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Timestamp {
    let jitter = rng.next_u64() % (2 * limits::SIGNED_PREKEY_JITTER.0);
    now + limits::SIGNED_PREKEY_AGE - limits::SIGNED_PREKEY_JITTER + Millis(jitter)
}
