//! Invites: counted, dated, known by the hash of their token only.

use std::collections::BTreeMap;

use hubbub_shared::crypto::blake3;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::RefusalCode;

use super::command::Write;

/// All invites that have not ended. Only the operator makes them.
#[derive(Debug, Default)]
pub(super) struct Invites(BTreeMap<[u8; 32], (u32, Timestamp)>);

impl Invites {
    pub(super) fn restore(&mut self, token_hash: [u8; 32], left: u32, end: Timestamp) {
        self.0.insert(token_hash, (left, end));
    }

    pub(super) fn make(&mut self, token_hash: [u8; 32], uses: u32, end: Timestamp) -> Write {
        self.0.insert(token_hash, (uses, end));
        Write::Invite { token_hash, left: Some((uses, end)) }
    }

    /// Uses an invite once, or says why not. The comparison is by hash, so its time tells nothing
    /// about a token.
    pub(super) fn redeem(
        &mut self,
        token: &[u8; 16],
        now: Timestamp,
    ) -> Result<Write, RefusalCode> {
        let token_hash = blake3(token).0;
        let (left, end) = self.0.get_mut(&token_hash).ok_or(RefusalCode::InviteUnknown)?;
        if now >= *end {
            return Err(RefusalCode::InviteExpired);
        }
        *left = left.checked_sub(1).ok_or(RefusalCode::InviteUsedUp)?;
        Ok(Write::Invite { token_hash, left: Some((*left, *end)) })
    }

    /// Takes an invite back: nobody comes in with it any more.
    pub(super) fn revoke(&mut self, token_hash: [u8; 32]) -> Option<Write> {
        self.0.remove(&token_hash).map(|_| Write::Invite { token_hash, left: None })
    }

    /// All of them: token's hash, uses left, end.
    pub(super) fn all(&self) -> impl Iterator<Item = ([u8; 32], u32, Timestamp)> {
        self.0.iter().map(|(token_hash, (left, end))| (*token_hash, *left, *end))
    }

    /// Forgets invites that ended.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Vec<Write> {
        let ended = self.0.extract_if(.., |_, (_, end)| now >= *end);
        ended.map(|(token_hash, _)| Write::Invite { token_hash, left: None }).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
