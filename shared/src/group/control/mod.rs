//! The control log: a group's membership, written by its members and readable by its hub.
//!
//! Invariant: the state after entry `n` is a function of entries `0..=n` alone. Each entry is
//! signed by its author, names the hash of everything before it, and is judged by the state it
//! follows; an entry that breaks a rule changes nothing. A hub may withhold or fork the log; it
//! cannot write in it.
//!
//! The names and topics inside are sealed; this folder opens nothing.
//!
//! * `op` and [`settings`]: what an entry can say; [`entry`]: how it is signed
//! * `rules`: who may; [`error`]: why not
//! * `doors`: the ways in and who is kept out; who is in is the [`roster`](super::roster)

mod doors;
pub mod entry;
pub mod error;
mod op;
mod rules;
pub mod settings;

#[cfg(test)]
mod door_tests;
#[cfg(test)]
mod tests;

use rand_core::CryptoRng;

use self::doors::Doors;
pub use self::doors::Invite;
pub use entry::{Entry, EntryBody};
pub use error::{ControlError, Forbidden};
pub use op::{JoinPolicy, Op, Policy};
pub use settings::{Settings, Who};

use super::roster::{Role, Roster};
use crate::crypto::{Identity, Label, hash};
use crate::id::{GroupId, Head, NodeId};
use crate::limits::CONTROL_ENTRIES_MAX;
use crate::time::Timestamp;
use crate::wire::version::VERSION;

/// What one entry changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The group began.
    Created,
    /// An admin let somebody in.
    Added {
        /// Whom.
        node: NodeId,
        /// As what.
        role: Role,
    },
    /// The author let itself in: into an open group, or by an invite link.
    Joined {
        /// Who made the link.
        invited_by: Option<NodeId>,
    },
    /// A member was removed.
    Removed {
        /// Whom.
        node: NodeId,
        /// The author's reason, for people; no rule depends on it.
        code: u8,
    },
    /// Somebody is kept out from now on.
    Banned {
        /// Whom.
        node: NodeId,
        /// The author's reason, for people; no rule depends on it.
        code: u8,
        /// Whether it was a member, and is removed.
        was_member: bool,
    },
    /// A ban is over.
    Unbanned {
        /// Whose.
        node: NodeId,
    },
    /// The settings changed; [`ControlLog::settings`] has them.
    Settings,
    /// An invite link was made.
    Invited {
        /// Its public key.
        key: NodeId,
    },
    /// An invite link was taken back.
    Revoked {
        /// Its public key.
        key: NodeId,
    },
    /// The author left.
    Left {
        /// Who became owner by rule, when the author was the last one.
        successor: Option<NodeId>,
    },
    /// A member got another rank.
    RoleSet {
        /// Who.
        node: NodeId,
        /// The rank before.
        from: Role,
        /// The rank from now on.
        to: Role,
    },
    /// Name and topic changed; [`ControlLog::meta`] holds the sealed bytes.
    Meta,
    /// Every sender chain born before this entry is over.
    RekeyAll,
    /// The group ended; no entry follows.
    Closed,
}

/// An entry that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub seq: u64,
    /// The hash of the log up to and including it.
    pub head: Head,
    /// Who wrote it: the signature holds.
    pub author: NodeId,
    /// When the author says so.
    pub ts: Timestamp,
    /// What it changed.
    pub change: Change,
}

/// One group's log, replayed: its present state and what is needed to judge the past.
///
/// Persistence is the entries themselves; whoever loads a log applies them again, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlLog {
    gid: GroupId,
    founder: NodeId,
    policy: Policy,
    steward: Option<NodeId>,
    heads: Vec<Head>,
    head: Head,
    roster: Roster,
    doors: Doors,
    meta: Option<(u64, Vec<u8>)>,
    closed: bool,
}

impl ControlLog {
    /// Writes the first entry of a new group owned by `by`: the group's id and the entry's bytes.
    #[must_use]
    pub fn create(
        by: &Identity,
        policy: Policy,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (GroupId, Vec<u8>) {
        Self::write_genesis(by, policy, true, now, rng)
    }

    /// Writes the first entry of an open group whose author stays outside: a hub's lobby. The
    /// author may remove members and close the group, but is no member and gets no keys.
    #[must_use]
    pub fn create_lobby(
        by: &Identity,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (GroupId, Vec<u8>) {
        Self::write_genesis(by, Policy::open(), false, now, rng)
    }

    fn write_genesis(
        by: &Identity,
        policy: Policy,
        author_is_member: bool,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (GroupId, Vec<u8>) {
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let body = EntryBody {
            v: VERSION,
            gid: None,
            seq: 0,
            prev: Head([0; 32]),
            author: by.id(),
            ts: now,
            op: Op::Create { policy, nonce, author_is_member, account: None },
        };
        let entry = Entry::sign(by, body);
        (entry.group_id(), entry.bytes())
    }

    /// Starts a log from its first entry.
    ///
    /// # Errors
    /// [`ControlError`] when the bytes are no valid first entry.
    pub fn genesis(bytes: &[u8]) -> Result<Self, ControlError> {
        let entry = Entry::read(bytes)?;
        let gid = entry.group_id();
        let body = &entry.body;
        let Op::Create { policy, author_is_member, account, .. } = body.op else {
            return Err(ControlError::BadGenesis("it does not create a group"));
        };
        rules::check_genesis(body, policy, author_is_member, account)?;
        let mut roster = Roster::default();
        if author_is_member {
            roster.admit(body.author, Role::Owner, 0);
        }
        let head = Head(gid.0);
        Ok(Self {
            gid,
            founder: body.author,
            policy,
            steward: (!author_is_member).then_some(body.author),
            heads: vec![head],
            head,
            roster,
            doors: Doors::default(),
            meta: None,
            closed: false,
        })
    }

    /// Starts the log of the group `expected`, and of no other.
    ///
    /// # Errors
    /// As [`Self::genesis`], and [`ControlError::OtherGroup`] when the entry begins another group.
    pub fn check_genesis(bytes: &[u8], expected: &GroupId) -> Result<Self, ControlError> {
        let log = Self::genesis(bytes)?;
        if log.gid == *expected {
            Ok(log)
        } else {
            Err(ControlError::OtherGroup { expected: *expected, got: log.gid })
        }
    }

    /// Applies the next entry, or changes nothing.
    ///
    /// # Errors
    /// [`ControlError`] names what is wrong. To a hub, [`ControlError::NotNext`],
    /// [`ControlError::WrongPrev`] and [`ControlError::Fork`] on an append all mean that another
    /// entry came first; to a member, the last is proof that its hub shows two histories.
    pub fn apply(&mut self, bytes: &[u8]) -> Result<Applied, ControlError> {
        let entry = Entry::read(bytes)?;
        let body = &entry.body;
        match body.gid {
            Some(gid) if gid == self.gid => {}
            Some(got) => return Err(ControlError::OtherGroup { expected: self.gid, got }),
            None if entry.group_id() == self.gid => {
                return Err(ControlError::NotNext { expected: self.next_seq(), got: 0 });
            }
            None => return Err(ControlError::BadGenesis("this log has begun already")),
        }
        self.check_place(&entry)?;
        self.may(&body.author, &body.op, body.ts)?;
        let head = entry.head_after(&self.head);
        let change = self.change(body);
        self.heads.push(head);
        self.head = head;
        Ok(Applied { seq: body.seq, head, author: body.author, ts: body.ts, change })
    }

    /// Whether the rules would let `author` write `op` next, at `ts`; the signature is another
    /// matter.
    ///
    /// # Errors
    /// [`ControlError`] as [`Self::apply`] would give.
    pub fn may(&self, author: &NodeId, op: &Op, ts: Timestamp) -> Result<(), ControlError> {
        if self.closed {
            return Err(ControlError::Closed);
        }
        rules::check_room(self.next_seq(), op)?;
        self.view(self.seq()).check(author, op, ts)
    }

    /// Writes the next entry. It is not applied, nor judged: ask [`Self::may`] first, and apply it
    /// when the hub has taken it.
    #[must_use]
    pub fn propose(&self, by: &Identity, op: Op, now: Timestamp) -> Vec<u8> {
        let body = EntryBody {
            v: VERSION,
            gid: Some(self.gid),
            seq: self.next_seq(),
            prev: self.head,
            author: by.id(),
            ts: now,
            op,
        };
        Entry::sign(by, body).bytes()
    }

    /// The group's name on the wire: the hash of its first entry.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.gid
    }

    /// Who wrote the first entry. A lobby is trusted only when this is the hub's own key.
    #[must_use]
    pub fn founder(&self) -> NodeId {
        self.founder
    }

    /// How members get in.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Whether the founder stands outside: a lobby.
    #[must_use]
    pub fn is_lobby(&self) -> bool {
        self.steward.is_some()
    }

    /// Whether the group has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The hash of the log so far.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// The number of the last entry.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.next_seq() - 1
    }

    /// The hash of the log up to entry `seq`; `None` beyond its end.
    #[must_use]
    pub fn head_at(&self, seq: u64) -> Option<Head> {
        usize::try_from(seq).ok().and_then(|n| self.heads.get(n)).copied()
    }

    /// Who belongs, now and at any past entry.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The sealed name and topic last set.
    #[must_use]
    pub fn meta(&self) -> Option<&[u8]> {
        self.meta.as_ref().map(|(_, ct)| ct.as_slice())
    }

    /// The entry that set them; none before the first did.
    #[must_use]
    pub fn meta_seq(&self) -> Option<u64> {
        self.meta.as_ref().map(|(seq, _)| *seq)
    }

    fn next_seq(&self) -> u64 {
        // `heads` starts with one and `check_room` keeps it within the cap.
        u64::try_from(self.heads.len()).unwrap_or(CONTROL_ENTRIES_MAX)
    }

    fn view(&self, at: u64) -> rules::View<'_> {
        let roster = &self.roster;
        let now = at == self.seq();
        let members = if now { roster.len() } else { roster.members_at(at).count() };
        rules::View {
            gid: self.gid,
            roster,
            doors: &self.doors,
            at,
            members,
            policy: self.policy,
            steward: self.steward,
        }
    }

    /// Whether the entry continues this log where it ends. An entry that continues it somewhere
    /// earlier, and would have been valid there, proves a fork.
    fn check_place(&self, entry: &Entry) -> Result<(), ControlError> {
        let (seq, expected) = (entry.body.seq, self.next_seq());
        if seq == expected {
            let (ours, theirs) = (self.head, entry.body.prev);
            let follows = ours == theirs;
            return if follows { Ok(()) } else { Err(ControlError::WrongPrev { ours, theirs }) };
        }
        let before = seq.checked_sub(1).and_then(|n| Some((n, self.head_at(n)?)));
        if let (Some((at, prev)), Some(ours)) = (before, self.head_at(seq)) {
            let theirs = entry.head_after(&prev);
            if entry.body.prev == prev && theirs != ours {
                self.view(at).check(&entry.body.author, &entry.body.op, entry.body.ts)?;
                return Err(ControlError::Fork { seq, ours, theirs });
            }
        }
        Err(ControlError::NotNext { expected, got: seq })
    }

    /// Carries out an entry that was judged. Cannot fail: every rule was checked before.
    fn change(&mut self, body: &EntryBody) -> Change {
        let (author, seq) = (body.author, body.seq);
        match &body.op {
            Op::Create { .. } | Op::Unknown(_) => Change::Created, // refused by the rules
            Op::Add { node, role, .. } => {
                self.roster.admit(*node, *role, seq);
                Change::Added { node: *node, role: *role }
            }
            Op::Join { .. } => {
                self.roster.admit(author, Role::Member, seq);
                Change::Joined { invited_by: None }
            }
            Op::Remove { node, code } => {
                self.roster.dismiss(node, seq);
                Change::Removed { node: *node, code: *code }
            }
            Op::Leave => self.leave(&author, seq),
            Op::SetRole { node, role } => {
                let from = self.roster.role(node).unwrap_or(*role);
                self.roster.rank(node, *role, seq);
                Change::RoleSet { node: *node, from, to: *role }
            }
            Op::Meta { ct } => {
                self.meta = Some((seq, ct.to_vec()));
                Change::Meta
            }
            Op::RekeyAll => {
                self.roster.rekey(seq);
                Change::RekeyAll
            }
            Op::Close => {
                self.closed = true;
                Change::Closed
            }
            door => self.change_doors(door, author, seq),
        }
    }

    fn leave(&mut self, author: &NodeId, seq: u64) -> Change {
        let was_owner = self.roster.role(author) == Some(Role::Owner);
        self.roster.dismiss(author, seq);
        let heir = self.roster.successor().filter(|m| was_owner && m.role != Role::Owner);
        if let Some(heir) = heir {
            self.roster.rank(&heir.node, Role::Owner, seq);
        }
        Change::Left { successor: heir.map(|m| m.node) }
    }
}

/// The head that follows `prev` by an entry with this encoded body.
fn next_head(prev: &Head, body: &[u8]) -> Head {
    Head(hash(Label::LogHead, &[prev.as_bytes(), body]))
}
