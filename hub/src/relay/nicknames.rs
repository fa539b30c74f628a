//! Nicknames: names people type, each claimed by one identity with a signed statement.
//!
//! The hub keeps names unique, by the skeleton that look-alikes share. It vouches for nothing: a
//! lookup answers with the claim as its owner signed it, and whoever asked checks it.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::wire::from_hub::Found;
use hubbub_shared::wire::{ByteBuf, FromHub, Refusal, RefusalCode};

use super::command::{Note, Write};
use super::{Asked, Relay};

/// All nicknames.
#[derive(Debug, Default)]
pub(super) struct Nicknames {
    by_skeleton: BTreeMap<String, Named>,
    by_node: BTreeMap<NodeId, String>,
}

#[derive(Debug)]
struct Named {
    nickname: String,
    node: NodeId,
    claim: Vec<u8>,
}

impl Nicknames {
    pub(super) fn restore(
        &mut self,
        nickname: String,
        skeleton: String,
        node: NodeId,
        claim: Vec<u8>,
    ) {
        self.by_node.insert(node, skeleton.clone());
        self.by_skeleton.insert(skeleton, Named { nickname, node, claim });
    }

    /// What a node calls itself.
    pub(super) fn of(&self, node: &NodeId) -> Option<String> {
        self.named(node).map(|named| named.nickname.clone())
    }

    /// Whether a node may have a nickname: nobody else may have it or one that looks like it.
    fn is_free(&self, nickname: &str, skeleton: &str, node: &NodeId) -> Result<(), RefusalCode> {
        match self.by_skeleton.get(skeleton) {
            Some(held) if held.node == *node => Ok(()),
            Some(held) if held.nickname == nickname => Err(RefusalCode::NicknameTaken),
            Some(_) => Err(RefusalCode::NicknameLooksAlike),
            None => Ok(()),
        }
    }

    /// Gives a free nickname to a node: the skeleton of the one it gives up for it, if any.
    fn take(
        &mut self,
        nickname: &str,
        skeleton: &str,
        node: NodeId,
        claim: &[u8],
    ) -> Option<String> {
        let named = Named { nickname: nickname.to_owned(), node, claim: claim.to_vec() };
        self.by_skeleton.insert(skeleton.to_owned(), named);
        let former = self.by_node.insert(node, skeleton.to_owned());
        let former = former.filter(|former| former != skeleton)?;
        self.by_skeleton.remove(&former);
        Some(former)
    }

    fn named(&self, node: &NodeId) -> Option<&Named> {
        self.by_skeleton.get(self.by_node.get(node)?)
    }
}

impl Relay {
    /// Answers what a node calls itself.
    pub(super) fn who_is(&mut self, asked: Asked, node: &NodeId) -> Result<(), Refusal> {
        let claim = self.nicknames.named(node).map(|named| named.claim.clone());
        self.found(asked, claim)
    }

    /// Answers whom a nickname names.
    pub(super) fn lookup(&mut self, asked: Asked, typed: &str) -> Result<(), Refusal> {
        let claim = self.nicknames.by_skeleton.get(typed).map(|named| named.claim.clone());
        self.found(asked, claim)
    }

    /// Gives the connection's own identity a nickname it claims.
    pub(super) fn claim(&mut self, asked: Asked, bytes: &[u8]) -> Result<(), Refusal> {
        let (nickname, skeleton) = ("x", "x");
        let node = asked.node;
        self.nicknames.is_free(nickname, skeleton, &node).map_err(RefusalCode::plain)?;
        if let Some(skeleton) = self.nicknames.take(nickname, skeleton, node, bytes) {
            self.write(Write::NicknameGone { skeleton });
        }
        let (nickname, skeleton) = (nickname.to_owned(), skeleton.to_owned());
        let note = Note::Named { node, nickname: nickname.clone() };
        self.write(Write::Nickname { nickname, skeleton, node, claim: bytes.to_vec() });
        self.done(asked);
        self.note(note);
        Ok(())
    }

    fn found(&mut self, asked: Asked, claim: Option<Vec<u8>>) -> Result<(), Refusal> {
        let claim = ByteBuf::from(claim.ok_or(RefusalCode::Unknown.plain())?);
        self.send(asked.conn, FromHub::Found(Found { req: asked.req, claim }));
        Ok(())
    }
}
