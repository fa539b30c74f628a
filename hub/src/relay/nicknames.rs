//! Nicknames: names people type, each claimed by one identity with a signed statement.
//!
//! The hub keeps names unique, by the skeleton that look-alikes share. It vouches for nothing: a
//! lookup answers with the claim as its owner signed it, and whoever asked checks it.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::nickname::{ClaimError, NickClaim, Nickname};
use hubbub_shared::wire::from_hub::Found;
use hubbub_shared::wire::{ByteBuf, FromHub, Refusal, RefusalCode};

use super::command::{Note, Write};
use super::{Asked, Relay};

/// All nicknames, found by any of their skeletons: some letters are alike only in capitals.
#[derive(Debug, Default)]
pub(super) struct Nicknames {
    by_node: BTreeMap<NodeId, Named>,
    by_skeleton: BTreeMap<String, NodeId>,
}

#[derive(Debug)]
struct Named {
    nickname: Nickname,
    /// The claim's number: only a higher one replaces it.
    seq: u64,
    claim: Vec<u8>,
}

impl Nicknames {
    /// Takes in what was stored. A name that this version no longer allows is left out.
    pub(super) fn restore(&mut self, nickname: &str, node: NodeId, seq: u64, claim: Vec<u8>) {
        if let Ok(nickname) = Nickname::prepare(nickname) {
            self.take(node, Named { nickname, seq, claim });
        }
    }

    /// What a node calls itself.
    pub(super) fn of(&self, node: &NodeId) -> Option<String> {
        self.by_node.get(node).map(|named| named.nickname.to_string())
    }

    /// Whether a node may have a nickname: nobody else may have it or one that looks like it.
    fn is_free(&self, nickname: &Nickname, node: &NodeId) -> Result<(), RefusalCode> {
        let skeletons = nickname.skeletons();
        let mut holders = skeletons.iter().filter_map(|like| self.by_skeleton.get(like));
        let Some(holder) = holders.find(|holder| *holder != node) else {
            return Ok(());
        };
        let same = self.by_node.get(holder).is_some_and(|held| held.nickname == *nickname);
        Err(if same { RefusalCode::NicknameTaken } else { RefusalCode::NicknameLooksAlike })
    }

    /// Gives a free nickname to a node: the skeleton of the one it gives up for it, if any.
    fn take(&mut self, node: NodeId, named: Named) -> Option<String> {
        let (small, skeletons) = (named.nickname.skeleton(), named.nickname.skeletons());
        let former = self.by_node.insert(node, named).map(|former| former.nickname);
        for skeleton in former.iter().flat_map(Nickname::skeletons) {
            self.by_skeleton.remove(&skeleton);
        }
        for skeleton in skeletons {
            self.by_skeleton.insert(skeleton, node);
        }
        former.map(|former| former.skeleton()).filter(|former| *former != small)
    }

    /// The claim behind a nickname as somebody typed it.
    fn look_up(&self, typed: &str) -> Option<&Named> {
        let nickname = Nickname::prepare(typed).ok()?;
        let named = self.by_node.get(self.by_skeleton.get(&nickname.skeleton())?)?;
        // Capitals make no other name; letters that merely look alike do.
        let same = named.nickname.as_str().to_lowercase() == nickname.as_str().to_lowercase();
        same.then_some(named)
    }
}

impl Relay {
    /// Answers what a node calls itself.
    pub(super) fn who_is(&mut self, asked: Asked, node: &NodeId) -> Result<(), Refusal> {
        let claim = self.nicknames.by_node.get(node).map(|named| named.claim.clone());
        self.found(asked, claim)
    }

    /// Answers whom a nickname names.
    pub(super) fn lookup(&mut self, asked: Asked, typed: &str) -> Result<(), Refusal> {
        let claim = self.nicknames.look_up(typed).map(|named| named.claim.clone());
        self.found(asked, claim)
    }

    /// Gives the connection's own identity the nickname it claims; the one it had is free again.
    pub(super) fn claim(&mut self, asked: Asked, bytes: &[u8]) -> Result<(), Refusal> {
        let node = asked.node;
        let NickClaim { nickname, seq, .. } =
            NickClaim::check(bytes, &self.hub, Some(&node)).map_err(|error| refusal(&error))?;
        if let Some(held) = self.nicknames.by_node.get(&node) {
            if held.claim == bytes {
                self.done(asked);
                return Ok(());
            }
            if seq <= held.seq {
                return Err(RefusalCode::BadClaim.plain());
            }
        }
        self.nicknames.is_free(&nickname, &node).map_err(RefusalCode::plain)?;
        let (shown, skeleton) = (nickname.to_string(), nickname.skeleton());
        let claim = bytes.to_vec();
        let named = Named { nickname, seq, claim: claim.clone() };
        if let Some(skeleton) = self.nicknames.take(node, named) {
            self.write(Write::NicknameGone { skeleton });
        }
        self.write(Write::Nickname { nickname: shown.clone(), skeleton, node, claim });
        self.done(asked);
        self.note(Note::Named { node, nickname: shown });
        Ok(())
    }

    fn found(&mut self, asked: Asked, claim: Option<Vec<u8>>) -> Result<(), Refusal> {
        let claim = ByteBuf::from(claim.ok_or(RefusalCode::Unknown.plain())?);
        self.send(asked.conn, FromHub::Found(Found { req: asked.req, claim }));
        Ok(())
    }
}

fn refusal(error: &ClaimError) -> Refusal {
    match error {
        ClaimError::Nickname(_) | ClaimError::NotPrepared => RefusalCode::NicknameInvalid.plain(),
        _ => RefusalCode::BadClaim.plain(),
    }
}
