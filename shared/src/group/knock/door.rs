//! A keeper's side: answers knocks, counts what they give away, and learns who knows the
//! passphrase.
//!
//! Calls: [`Door::answer`] when a knock came, [`Door::prove`] when its proof did, [`Door::reopen`]
//! when the control log says so. The whole is stored ([`Door::save`]) before an answer leaves. Who
//! is a member, who may keep a door and who is kept out is for the caller to know.
//!
//! Invariant: a refusal changes nothing, except that a wrong proof ends its knock: a proof is tried
//! once.

use std::collections::VecDeque;

use rand_core::CryptoRng;

use super::Room;
use super::budget::{Budget, Spent, apart};
use super::message::{How, Knock, KnockAnswer, KnockProof, Reason};
use super::passphrase::Prs;
use crate::crypto::cpace::{Confirmation, CpaceError, Share, ShareSecret, Shares};
use crate::crypto::{RecordError, RecordReader, RecordWriter, SecretBytes};
use crate::id::{KnockId, NodeId};
use crate::limits::{KNOCK_AGE, KNOCK_FAILURES};
use crate::time::Timestamp;

const RECORD: u8 = 1;

/// Why a knock was not answered, or its proof not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// It is for another group's door.
    #[error("the knock is for another group")]
    OtherGroup,
    /// It came from the keeper itself.
    #[error("nobody knocks at their own door")]
    OwnDoor,
    /// It asks a person, not this door.
    #[error("the knock carries no passphrase; a person has to decide")]
    NoPassphrase,
    /// The budget is against it.
    #[error(transparent)]
    Spent(#[from] Spent),
    /// The joiner's share is none.
    #[error(transparent)]
    Share(#[from] CpaceError),
    /// No answered knock has this id, or it waited too long.
    #[error("no knock waits for this proof; knock again")]
    Unknown,
    /// The knock was proven or refused before, or the door was opened anew meanwhile.
    #[error("this knock is over; knock again")]
    Used,
    /// Somebody else knocked.
    #[error("the knock was somebody else's")]
    OtherJoiner,
    /// The joiner does not know the passphrase. The knock is over.
    #[error("the passphrase was wrong")]
    Wrong,
}

impl DoorError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::OtherGroup => "other-group",
            Self::OwnDoor => "own-door",
            Self::NoPassphrase => "no-passphrase",
            Self::Spent(Spent::Seen) => "knock-seen",
            Self::Spent(Spent::Locked) => "door-locked",
            Self::Spent(Spent::Busy { .. }) => "door-busy",
            Self::Share(_) => "bad-share",
            Self::Unknown => "unknown-knock",
            Self::Used => "knock-used",
            Self::OtherJoiner => "other-joiner",
            Self::Wrong => "wrong-passphrase",
        }
    }

    /// What to tell the joiner; none where silence is the answer.
    #[must_use]
    pub fn refusal(self) -> Option<Reason> {
        match self {
            Self::Spent(Spent::Locked | Spent::Busy { .. }) => Some(Reason::Locked),
            Self::Wrong | Self::Unknown | Self::Used => Some(Reason::Declined),
            _ => None,
        }
    }
}

/// An answered knock whose proof has not come.
struct Waiting {
    sid: KnockId,
    joiner: NodeId,
    at: Timestamp,
    proof: Confirmation,
}

/// One keeper's door to one group.
pub struct Door {
    room: Room,
    keeper: NodeId,
    prs: Prs,
    /// The control entry that opened it last.
    opened: u64,
    budget: Budget,
    waiting: VecDeque<Waiting>,
}

impl Door {
    /// A door that control entry `opened` opened, kept by the node at hand.
    #[must_use]
    pub fn new(room: Room, keeper: NodeId, prs: Prs, opened: u64) -> Self {
        let (budget, waiting) = (Budget::default(), VecDeque::new());
        Self { room, keeper, prs, opened, budget, waiting }
    }

    /// Whether it checks this verifier's passphrase.
    #[must_use]
    pub fn is_for(&self, prs: &Prs) -> bool {
        self.prs.secret().expose() == prs.secret().expose()
    }

    /// Which group's it is.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// The control entry that opened it last.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether it stays shut until an admin opens it anew.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.budget.is_spent()
    }

    /// How many answers no proof has followed since it was opened, those included whose proof may
    /// still come: at most [`KNOCK_FAILURES`].
    #[must_use]
    pub fn failures(&self) -> usize {
        self.budget.failures()
    }

    /// Answers a knock of `joiner`, the peer of the session it came in.
    ///
    /// # Errors
    /// [`DoorError`]; nothing was spent.
    pub fn answer(
        &mut self,
        joiner: &NodeId,
        knock: &Knock,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<KnockAnswer, DoorError> {
        if knock.gid != self.room.gid {
            return Err(DoorError::OtherGroup);
        }
        if *joiner == self.keeper {
            return Err(DoorError::OwnDoor);
        }
        let How::Passphrase { ya } = knock.how else {
            return Err(DoorError::NoPassphrase);
        };
        if !ya.is_usable() {
            return Err(CpaceError::BadShare.into());
        }
        self.waiting.retain(|waiting| apart(waiting.at, now) < KNOCK_AGE);
        if self.waiting.iter().any(|waiting| waiting.sid == knock.sid) {
            return Err(Spent::Seen.into());
        }
        self.budget.check(&knock.sid, now)?;
        let (answer, proof) = self.exchange(joiner, knock, ya, rng)?;
        self.budget.spend(knock.sid, now);
        self.waiting.push_back(Waiting { sid: knock.sid, joiner: *joiner, at: now, proof });
        Ok(answer)
    }

    fn exchange(
        &self,
        joiner: &NodeId,
        knock: &Knock,
        ya: Share,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(KnockAnswer, Confirmation), CpaceError> {
        let channel = self.room.channel(joiner, &self.keeper);
        let inputs = channel.inputs(&self.prs, &knock.sid);
        let secret = ShareSecret::random(rng);
        let yb = secret.share(&inputs);
        let tags = secret.finish_responder(&inputs, &Shares { initiator: ya, responder: yb })?;
        let (gid, sid, tag) = (knock.gid, knock.sid, tags.responder.reveal());
        Ok((KnockAnswer { gid, sid, yb, tag }, tags.initiator))
    }

    /// Takes the proof of `joiner`, the peer of the session it came in. If it holds, the joiner
    /// knows the passphrase, and the answer counts as a failure no longer.
    ///
    /// # Errors
    /// [`DoorError`]. After [`DoorError::Wrong`] the knock is over; after any other nothing was
    /// changed.
    pub fn prove(
        &mut self,
        joiner: &NodeId,
        proof: &KnockProof,
        now: Timestamp,
    ) -> Result<(), DoorError> {
        if proof.gid != self.room.gid {
            return Err(DoorError::OtherGroup);
        }
        let Some(at) = self.waiting.iter().position(|waiting| waiting.sid == proof.sid) else {
            let used = self.budget.knows(&proof.sid);
            return Err(if used { DoorError::Used } else { DoorError::Unknown });
        };
        let waits = |waiting: &Waiting| apart(waiting.at, now) < KNOCK_AGE;
        match self.waiting.get(at) {
            Some(waiting) if waiting.joiner != *joiner => return Err(DoorError::OtherJoiner),
            Some(waiting) if !waits(waiting) => return Err(DoorError::Unknown),
            _ => {}
        }
        let holds = self.waiting.remove(at).is_some_and(|one| one.proof.matches(&proof.tag));
        if !holds {
            return Err(DoorError::Wrong);
        }
        self.budget.proven(&proof.sid);
        Ok(())
    }

    /// Opens the door anew, because control entry `entry` says so: failures are forgiven, and
    /// knocks that wait for their proof are over. Entries are read again and again, so one that is
    /// not newer than the last changes nothing; returns whether it was.
    pub fn reopen(&mut self, entry: u64) -> bool {
        let newer = entry > self.opened;
        if newer {
            self.opened = entry;
            self.budget.renew();
            self.waiting.clear();
        }
        newer
    }

    /// The whole door, secrets included: for the encrypted store alone.
    #[must_use]
    pub fn save(&self) -> SecretBytes {
        let mut to = RecordWriter::new(RECORD);
        self.room.save(&mut to);
        to.fixed(self.keeper.as_bytes()).fixed(self.prs.secret().expose()).u64(self.opened);
        self.budget.save(&mut to);
        to.count(self.waiting.len());
        for waiting in &self.waiting {
            to.fixed(waiting.sid.as_bytes()).fixed(waiting.joiner.as_bytes());
            to.u64(waiting.at.0).fixed(waiting.proof.secret().expose());
        }
        to.finish()
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] when it was damaged or written by another version.
    pub fn load(record: &[u8]) -> Result<Self, RecordError> {
        let mut from = RecordReader::new(record, RECORD)?;
        let (room, keeper) = (Room::load(&mut from)?, NodeId(from.array()?));
        let prs = Prs::from_secret(from.secret()?);
        let opened = from.u64()?;
        let budget = Budget::load(&mut from)?;
        let count = from.count(KNOCK_FAILURES)?;
        let waiting = (0..count).map(|_| Waiting::load(&mut from)).collect::<Result<_, _>>()?;
        from.finish()?;
        Ok(Self { room, keeper, prs, opened, budget, waiting })
    }
}

impl Waiting {
    fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let (sid, joiner) = (KnockId(from.array()?), NodeId(from.array()?));
        let at = Timestamp(from.u64()?);
        Ok(Self { sid, joiner, at, proof: Confirmation::from_secret(from.secret()?) })
    }
}
