//! Prekeys: what lets somebody begin a session with a node that is away.
//!
//! The relay knows the numbers of one-time prekeys; the keys are in the store. A one-time prekey is
//! handed out once: the batch that hands it out deletes it. Nobody can drain a node's prekeys: one
//! requester gets one a day, all together a few an hour; beyond that a bundle comes without one,
//! and a session begun with it is as secret but for its first messages' forward secrecy. Nothing
//! here checks a signature: whoever takes a bundle does.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::{ONE_TIME_PREKEYS, ONE_TIME_PREKEYS_LOW, SIGNED_MAX};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::PrekeysLow;
use hubbub_shared::wire::to_hub::PutPrekeys;
use hubbub_shared::wire::{FromHub, Refusal, RefusalCode};

use super::bounds::{ONE_TIME_AGAIN, ONE_TIME_PAIRS, ONE_TIME_RATE};
use super::command::{Command, Write};
use super::quota::Bucket;
use super::{Asked, Relay};

/// What nodes have published.
#[derive(Debug, Default)]
pub(super) struct Prekeys {
    by_node: BTreeMap<NodeId, Published>,
    /// When a requester last got a one-time prekey of a target.
    given: BTreeMap<(NodeId, NodeId), Timestamp>,
}

#[derive(Debug, Default)]
struct Published {
    one_time: BTreeSet<u32>,
    rate: Option<Bucket>,
}

impl Prekeys {
    pub(super) fn restore(&mut self, node: NodeId, one_time: Vec<u32>) {
        let one_time = one_time.into_iter().collect();
        self.by_node.insert(node, Published { one_time, rate: None });
    }

    /// One-time prekeys left of a node.
    pub(super) fn left(&self, node: &NodeId) -> u32 {
        let count = self.by_node.get(node).map_or(0, |published| published.one_time.len());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Takes the oldest one-time prekey for a requester, if it may have one.
    fn take(&mut self, requester: NodeId, target: NodeId, now: Timestamp) -> Option<u32> {
        let published = self.by_node.get_mut(&target)?;
        let pair = (requester, target);
        let soon = self.given.get(&pair).is_some_and(|at| now.since(*at) < ONE_TIME_AGAIN);
        let unlisted = !self.given.contains_key(&pair) && self.given.len() >= ONE_TIME_PAIRS;
        if soon || unlisted || published.one_time.is_empty() {
            return None;
        }
        let rate = published.rate.get_or_insert_with(|| Bucket::full(ONE_TIME_RATE, now));
        rate.take(ONE_TIME_RATE, 1, now).ok()?;
        self.given.insert(pair, now);
        published.one_time.pop_first()
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.given.retain(|_, at| now.since(*at) < ONE_TIME_AGAIN);
    }

    pub(super) fn needs_sweep(&self) -> bool {
        !self.given.is_empty()
    }
}

impl Relay {
    pub(super) fn put_prekeys(&mut self, asked: Asked, body: PutPrekeys) -> Result<(), Refusal> {
        check_sizes(&body)?;
        let node = asked.node;
        let published = self.prekeys.by_node.entry(node).or_default();
        let kept = if body.replace { BTreeSet::new() } else { published.one_time.clone() };
        let added: BTreeSet<u32> = body.one_time.iter().map(|(id, _)| *id).collect();
        let now: BTreeSet<u32> = kept.union(&added).copied().collect();
        if now.len() > ONE_TIME_PREKEYS {
            return Err(RefusalCode::TooLarge.plain());
        }
        let gone: Vec<u32> = published.one_time.difference(&now).copied().collect();
        published.one_time = now;
        for id in gone {
            self.write(Write::OneTime { node, id, prekey: None });
        }
        let (identity, signed_prekey) = (body.identity.into_vec(), body.signed_prekey.into_vec());
        self.write(Write::Prekeys { node, identity, signed_prekey });
        for (id, prekey) in body.one_time {
            self.write(Write::OneTime { node, id, prekey: Some(prekey.into_vec()) });
        }
        self.done(asked);
        Ok(())
    }

    pub(super) fn take_bundle(&mut self, asked: Asked, node: NodeId) -> Result<(), Refusal> {
        if !self.prekeys.by_node.contains_key(&node) {
            let known = self.admitted.contains(&node);
            let code = if known { RefusalCode::NoPrekeys } else { RefusalCode::Unknown };
            return Err(code.plain());
        }
        let Asked { conn, req, .. } = asked;
        let one_time = self.prekeys.take(asked.node, node, asked.at);
        self.batch.out.push_back(Command::LoadBundle { conn, req, node, one_time });
        let Some(id) = one_time else { return Ok(()) };
        self.write(Write::OneTime { node, id, prekey: None });
        self.warn_when_low(&node);
        Ok(())
    }

    fn warn_when_low(&mut self, node: &NodeId) {
        let left = self.prekeys.left(node);
        let low = usize::try_from(left).is_ok_and(|left| left < ONE_TIME_PREKEYS_LOW);
        if let Some(conn) = self.presence.of(node).filter(|_| low) {
            self.send(conn, FromHub::PrekeysLow(PrekeysLow { left }));
        }
    }
}

fn check_sizes(body: &PutPrekeys) -> Result<(), Refusal> {
    let statements = [&body.identity, &body.signed_prekey];
    let one_time = body.one_time.iter().map(|(_, prekey)| prekey);
    let fits = statements.into_iter().chain(one_time).all(|bytes| bytes.len() <= SIGNED_MAX);
    let few = body.one_time.len() <= ONE_TIME_PREKEYS;
    (fits && few).then_some(()).ok_or(RefusalCode::TooLarge.plain())
}
