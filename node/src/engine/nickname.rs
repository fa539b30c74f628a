//! A name of one's own: claimed at the hub, one claim at a time.
//!
//! What is wished is kept until the hub grants or refuses it, and is nobody's name before. Commands
//! that ask for a name wait for the claim that decides it, also for one that is on its way already.

use hubbub_shared::id::Digest;
use hubbub_shared::nickname::{NickClaim, Nickname, claim_hash};
use hubbub_shared::wire::to_hub::{Claim, WhoIs};
use hubbub_shared::wire::{ByteBuf, Refusal, RefusalCode, ToHub};

use super::Engine;
use super::link::{Asked, unreachable};
use super::output::Ticket;
use super::record::Key;
use crate::api::error::from_refusal;
use crate::api::{ApiError, Code, Reply};

/// Commands that wait for a name at once.
const CLAIMERS: usize = 64;
/// Claims per link that the hub may call out of order before that is an error.
const OUT_OF_ORDER: u32 = 3;

impl Engine {
    /// Claims a nickname for this node.
    pub(super) fn set_nickname(&mut self, ticket: Ticket, typed: &str) {
        let nickname = match Nickname::prepare(typed) {
            Ok(nickname) => nickname.as_str().to_owned(),
            Err(error) => {
                let error = ApiError::new(Code::Nickname, error.to_string(), "choose another");
                return self.answer(ticket, Err(error));
            }
        };
        if self.link.claimers.len() >= CLAIMERS {
            let error = ApiError::new(Code::TooFast, "too many names asked for", "wait a little");
            return self.answer(ticket, Err(error));
        }
        self.own.wanted = Some(nickname.clone());
        self.touch(Key::Own);
        if self.link.is_up() {
            self.link.claimers.push((ticket, nickname));
            self.claim_nickname();
        } else {
            self.answer(ticket, Err(unreachable("the nickname is claimed when it is back")));
        }
    }

    /// Claims what is wished, unless a claim is on its way: its answer sees to what is left.
    fn claim_nickname(&mut self) {
        if self.link.is_claiming(&self.id()) {
            return;
        }
        let wanted = self.own.wanted.clone();
        let Some(nickname) = wanted.and_then(|name| Nickname::prepare(&name).ok()) else { return };
        let (seq, prev) = self.own.claim.unwrap_or((0, Digest([0; 32])));
        let seq = seq.saturating_add(1);
        let (hub, node, ts) = (self.hub, self.id(), self.now);
        let claim = NickClaim { hub, nickname, node, seq, prev, ts }.sign(&self.me);
        self.ask(Asked::Claim(claim.clone()), |req| {
            ToHub::Claim(Claim { req, claim: ByteBuf::from(claim) })
        });
    }

    fn claimed_name(&self, claim: &[u8]) -> Option<(u64, String)> {
        let claim = NickClaim::check(claim, &self.hub, Some(&self.id())).ok()?;
        Some((claim.seq, claim.nickname.as_str().to_owned()))
    }

    pub(super) fn nickname_granted(&mut self, claim: &[u8]) {
        let Some((seq, nickname)) = self.claimed_name(claim) else { return };
        self.own.claim = Some((seq, claim_hash(claim)));
        if self.own.wanted.as_ref() == Some(&nickname) {
            self.own.wanted = None;
        }
        self.own.nickname = Some(nickname.clone());
        self.touch(Key::Own);
        self.index_name(self.id());
        self.tell_of_name(self.id());
        let reply = Reply::Nickname { nickname: nickname.clone() };
        self.answer_claimers(&nickname, &Ok(reply));
        self.join_lobby();
        self.claim_nickname();
    }

    pub(super) fn nickname_refused(&mut self, claim: &[u8], refusal: &Refusal) {
        let out_of_order = refusal.code == RefusalCode::BadClaim;
        if out_of_order && self.link.bad_claims < OUT_OF_ORDER {
            // The hub holds a claim we do not remember: learn it, then follow it.
            self.link.bad_claims += 1;
            let node = self.id();
            self.ask(Asked::WhoIs(node), |req| ToHub::WhoIs(WhoIs { req, node }));
            return;
        }
        let Some((_, nickname)) = self.claimed_name(claim) else { return };
        if self.own.wanted.as_ref() == Some(&nickname) {
            self.own.wanted = None;
            self.touch(Key::Own);
        }
        let error = from_refusal(refusal, &nickname);
        if !self.link.claimers.iter().any(|(_, name)| *name == nickname) {
            self.warn("nickname-refused", format!("{}: {}", error.what, error.hint));
        }
        self.answer_claimers(&nickname, &Err(error));
        self.claim_nickname();
    }

    /// Answers whoever waits for this name, and whoever waits for one that is not wished any more.
    fn answer_claimers(&mut self, nickname: &str, answer: &Result<Reply, ApiError>) {
        for (ticket, name) in core::mem::take(&mut self.link.claimers) {
            if name == nickname {
                self.answer(ticket, answer.clone());
            } else if self.own.wanted.as_ref() == Some(&name) {
                self.link.claimers.push((ticket, name));
            } else {
                let what = format!("another nickname than {name} was asked for since");
                self.answer(ticket, Err(ApiError::new(Code::Nickname, what, "ask again")));
            }
        }
    }

    /// What the hub holds as our last claim: the next one follows it.
    pub(super) fn own_claim(&mut self, claim: Option<&[u8]>) {
        let held = claim.and_then(|claim| Some((claim, self.claimed_name(claim)?)));
        let Some((bytes, (seq, nickname))) = held else {
            let what = "the hub refuses our claim and shows none it could follow";
            let error = ApiError::new(Code::Nickname, what, "tell its operator");
            for (ticket, _) in core::mem::take(&mut self.link.claimers) {
                self.answer(ticket, Err(error.clone()));
            }
            return;
        };
        if self.own.wanted.as_ref() == Some(&nickname) {
            return self.nickname_granted(bytes);
        }
        self.own.claim = Some((seq, claim_hash(bytes)));
        self.touch(Key::Own);
        self.claim_nickname();
    }

    /// On a new link: claims what is wished, and again what a hub forgot.
    pub(super) fn renew_nickname(&mut self, at_hub: Option<&str>) {
        if self.own.wanted.is_none() {
            if at_hub.is_none() {
                self.own.wanted.clone_from(&self.own.nickname);
            } else if self.own.nickname.as_deref() != at_hub {
                self.own.nickname = at_hub.map(str::to_owned);
                self.touch(Key::Own);
                self.index_name(self.id());
            }
        }
        self.claim_nickname();
    }
}
