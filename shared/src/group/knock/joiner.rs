//! A joiner's side: one attempt to come into a group, which knocks at some of its keepers.
//!
//! Calls: [`Joiner::knock`] once for each keeper, [`Joiner::answered`] and [`Joiner::refused`] when
//! one spoke, [`Joiner::expire`] now and then. A knock may wait for days while no keeper is online,
//! so the whole is stored ([`Joiner::save`]) before a knock leaves.
//!
//! Invariant: whoever is knocked at may be false and tests one guess with its answer, so an answer
//! is taken once, a keeper is knocked at once, and after a wrong answer no further knock is made:
//! either the passphrase is wrong everywhere, or the keepers named are not to be trusted.

use rand_core::CryptoRng;

use super::Room;
use super::budget::apart;
use super::message::{How, Knock, KnockAnswer, KnockProof, KnockRefused};
use super::passphrase::Prs;
use crate::crypto::cpace::{CpaceError, Share, ShareSecret, Shares};
use crate::crypto::{RecordError, RecordReader, RecordWriter, SecretBytes};
use crate::id::{KnockId, NodeId};
use crate::limits::{KNOCK_AGE, KNOCK_ATTEMPTS};
use crate::time::Timestamp;

const RECORD: u8 = 1;

/// Why no knock was made, or an answer not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinerError {
    /// Nobody knocks at their own door.
    #[error("nobody knocks at their own door")]
    OwnDoor,
    /// This keeper was asked in this attempt.
    #[error("this member was asked already")]
    Asked,
    /// Enough keepers were asked in this attempt.
    #[error("{KNOCK_ATTEMPTS} members were asked; try again later")]
    TooMany,
    /// It ended: a keeper let us in, or its answer was wrong.
    #[error("this attempt is over")]
    Over,
    /// It speaks of another group.
    #[error("the answer is for another group")]
    OtherGroup,
    /// No knock with this id waits for an answer, or it waited too long.
    #[error("no knock waits for this answer")]
    Unknown,
    /// Another keeper was asked.
    #[error("the answer is not from the member who was asked")]
    OtherKeeper,
    /// The keeper's share is none, or ours.
    #[error(transparent)]
    Share(#[from] CpaceError),
    /// The keeper does not know this passphrase. The attempt is over.
    #[error("the passphrase is wrong, or the member who answered does not know it")]
    Wrong,
}

impl JoinerError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::OwnDoor => "own-door",
            Self::Asked => "asked",
            Self::TooMany => "too-many",
            Self::Over => "over",
            Self::OtherGroup => "other-group",
            Self::Unknown => "unknown-knock",
            Self::OtherKeeper => "other-keeper",
            Self::Share(CpaceError::BadShare) => "bad-share",
            Self::Share(CpaceError::Reflected) => "reflected",
            Self::Wrong => "wrong-passphrase",
        }
    }
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Knocks may be made.
    Knocking,
    /// A keeper's answer was wrong; knocks that were made may still be answered.
    Wrong,
    /// A keeper's answer was right, and it was sent the proof: it lets us in.
    Proven,
}

/// A knock without an answer.
struct Open {
    keeper: NodeId,
    sid: KnockId,
    at: Timestamp,
    secret: ShareSecret,
    ya: Share,
}

/// One attempt to come into one group with one passphrase.
pub struct Joiner {
    room: Room,
    me: NodeId,
    prs: Prs,
    stage: Stage,
    /// Whom we knocked at, in order.
    asked: Vec<NodeId>,
    open: Vec<Open>,
}

impl Joiner {
    /// An attempt that has not knocked yet.
    #[must_use]
    pub fn new(room: Room, me: NodeId, prs: Prs) -> Self {
        Self { room, me, prs, stage: Stage::Knocking, asked: Vec::new(), open: Vec::new() }
    }

    /// Where it wants to come in.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// How it stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Who has not answered, and since when.
    pub fn waiting(&self) -> impl Iterator<Item = (NodeId, Timestamp)> {
        self.open.iter().map(|open| (open.keeper, open.at))
    }

    /// Knocks at one keeper. The answer comes in the session with it.
    ///
    /// # Errors
    /// [`JoinerError`] when this keeper was asked, enough were, or the attempt is over.
    pub fn knock(
        &mut self,
        keeper: NodeId,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Knock, JoinerError> {
        if keeper == self.me {
            return Err(JoinerError::OwnDoor);
        }
        if self.stage != Stage::Knocking {
            return Err(JoinerError::Over);
        }
        if self.asked.contains(&keeper) {
            return Err(JoinerError::Asked);
        }
        if self.asked.len() >= KNOCK_ATTEMPTS {
            return Err(JoinerError::TooMany);
        }
        let mut sid = KnockId([0; 32]);
        rng.fill_bytes(&mut sid.0);
        let secret = ShareSecret::random(rng);
        let channel = self.room.channel(&self.me, &keeper);
        let ya = secret.share(&channel.inputs(&self.prs, &sid));
        self.asked.push(keeper);
        self.open.push(Open { keeper, sid, at: now, secret, ya });
        Ok(Knock { gid: self.room.gid, sid, how: How::Passphrase { ya } })
    }

    /// Takes the answer of `keeper`, the peer of the session it came in. If it holds, the keeper
    /// knows the passphrase; the proof that we do is sent back.
    ///
    /// # Errors
    /// [`JoinerError`]. After [`JoinerError::Wrong`] the knock is over and no further one is made;
    /// after any other nothing was changed.
    pub fn answered(
        &mut self,
        keeper: &NodeId,
        answer: &KnockAnswer,
        now: Timestamp,
    ) -> Result<KnockProof, JoinerError> {
        if answer.gid != self.room.gid {
            return Err(JoinerError::OtherGroup);
        }
        let at = self.position(keeper, &answer.sid)?;
        let open = self.open.get(at).filter(|open| apart(open.at, now) < KNOCK_AGE);
        let open = open.ok_or(JoinerError::Unknown)?;
        let channel = self.room.channel(&self.me, keeper);
        let shares = Shares { initiator: open.ya, responder: answer.yb };
        let inputs = channel.inputs(&self.prs, &open.sid);
        let tags = open.secret.finish_initiator(&inputs, &shares)?;
        if !tags.responder.matches(&answer.tag) {
            self.open.remove(at);
            self.stage = Stage::Wrong;
            return Err(JoinerError::Wrong);
        }
        self.open.clear();
        self.stage = Stage::Proven;
        Ok(KnockProof { gid: answer.gid, sid: answer.sid, tag: tags.initiator.reveal() })
    }

    /// Takes the refusal of `keeper`, the peer of the session it came in: that knock is over.
    ///
    /// # Errors
    /// [`JoinerError`] when no knock at this keeper waits under that id; nothing was changed.
    pub fn refused(&mut self, keeper: &NodeId, refused: &KnockRefused) -> Result<(), JoinerError> {
        if refused.gid != self.room.gid {
            return Err(JoinerError::OtherGroup);
        }
        let at = self.position(keeper, &refused.sid)?;
        self.open.remove(at);
        Ok(())
    }

    /// Forgets knocks that have waited too long; returns whether there were any.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.open.len();
        self.open.retain(|open| apart(open.at, now) < KNOCK_AGE);
        self.open.len() < before
    }

    fn position(&self, keeper: &NodeId, sid: &KnockId) -> Result<usize, JoinerError> {
        let at = self.open.iter().position(|open| open.sid == *sid).ok_or(JoinerError::Unknown)?;
        let known = self.open.get(at).is_some_and(|open| open.keeper == *keeper);
        if known { Ok(at) } else { Err(JoinerError::OtherKeeper) }
    }

    /// The whole attempt, secrets included: for the encrypted store alone.
    #[must_use]
    pub fn save(&self) -> SecretBytes {
        let mut to = RecordWriter::new(RECORD);
        self.room.save(&mut to);
        to.fixed(self.me.as_bytes()).fixed(self.prs.secret().expose());
        to.u8(self.stage.code()).count(self.asked.len());
        for keeper in &self.asked {
            to.fixed(keeper.as_bytes());
        }
        to.count(self.open.len());
        for open in &self.open {
            to.fixed(open.keeper.as_bytes()).fixed(open.sid.as_bytes()).u64(open.at.0);
            to.fixed(open.secret.secret().expose()).fixed(open.ya.as_bytes());
        }
        to.finish()
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] when it was damaged or written by another version.
    pub fn load(record: &[u8]) -> Result<Self, RecordError> {
        let mut from = RecordReader::new(record, RECORD)?;
        let (room, me) = (Room::load(&mut from)?, NodeId(from.array()?));
        let prs = Prs::from_secret(from.secret()?);
        let stage = Stage::of(from.u8()?).ok_or(RecordError::Range)?;
        let count = from.count(KNOCK_ATTEMPTS)?;
        let asked = (0..count).map(|_| from.array().map(NodeId)).collect::<Result<_, _>>()?;
        let count = from.count(KNOCK_ATTEMPTS)?;
        let open = (0..count).map(|_| Open::load(&mut from)).collect::<Result<_, _>>()?;
        from.finish()?;
        Ok(Self { room, me, prs, stage, asked, open })
    }
}

impl Open {
    fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let (keeper, sid) = (NodeId(from.array()?), KnockId(from.array()?));
        let at = Timestamp(from.u64()?);
        let secret = ShareSecret::from_secret(from.secret()?).ok_or(RecordError::Range)?;
        Ok(Self { keeper, sid, at, secret, ya: Share(from.array()?) })
    }
}

impl Stage {
    fn code(self) -> u8 {
        match self {
            Self::Knocking => 0,
            Self::Wrong => 1,
            Self::Proven => 2,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Knocking, Self::Wrong, Self::Proven].into_iter().find(|s| s.code() == code)
    }
}
