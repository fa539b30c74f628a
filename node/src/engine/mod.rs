//! The node's mind, pure: contacts, sessions, groups, sender keys, outbox, receipts.
//!
//! One [`Engine`] is one device. It is told what happened and says what to do; it does nothing
//! itself. The story of a message:
//!
//! * `command`: a face asks, and `target` finds out whom it means (`lookup` asks the hub;
//!   `nickname`: a name of one's own)
//! * `chat`: the message is numbered, written down and posted
//! * `outbox`: it is an `entry` there, sealed once, and the sealed bytes go out until every
//!   recipient has them; `stuck` says why one has not
//! * `pairwise`: sessions with single people; `keys`: the own chain handed to each member
//! * `direct`: what goes to peers without the hub, and `carried`: what comes from them so
//! * `link`: what the hub says; `inbound` and `channel`: what arrives, opened in one order or
//!   refused
//! * `held`: what arrives before its key; `repair`: what is asked again
//! * `receipt`: what arrived is acknowledged to its author, batched
//! * `heard`: what of an author is missing, `gap`: showing it and asking for it, `heads`: reminding
//!   and answering; `kept`: what other members may be given
//! * `epoch`: a copy of this node is at work, or was: everything begins anew; `backup`: what such a
//!   copy may hold
//! * `group`, `control`: who belongs, by the group's signed log, and `wish`: writing into it;
//!   `name`: the key of a group's name, `title`: asking for one that did not come
//! * `doors`: the ways into a group, `joining` and `keeper`: knocking and answering; `invited`:
//!   being let in; `lobby`: the open group of the hub
//! * `signal`: small words to one person that may be lost, outside of all that
//! * `fork`: two histories of one group come together again
//! * `newcomer`: whoever comes is told what was said before; `told`: being told
//! * `contact`: people and what is known of them; `request`: strangers, until they are let in;
//!   `block`: those who are not heard; `namesake`: several keys of one name; `verify`: safety
//!   numbers; `past`: what happened to a contact's keys; `profile`: what contacts see of each other
//! * `file`: files offered to us and by us, and what becomes of them; `media`: what kind they are
//! * `record`: everything above as records, each written in the transaction that changed it
//!
//! Invariant: nothing leaves before it could be told again. Every output follows from records that
//! [`Engine::take_changes`] has handed out before, so a crash at any point repeats bytes, not
//! messages. What is absent: clock, randomness, disk and network.

mod alarm;
pub mod backup;
mod block;
mod carried;
mod channel;
mod chat;
mod command;
mod contact;
mod control;
mod direct;
mod doors;
mod entry;
mod epoch;
pub mod file;
mod fork;
mod gap;
mod group;
mod heads;
mod heard;
mod held;
mod here;
mod inbound;
mod invited;
mod joining;
mod keeper;
mod kept;
mod keys;
mod link;
mod lobby;
mod lookup;
pub mod media;
mod name;
mod namesake;
mod newcomer;
mod nickname;
mod outbox;
pub mod output;
mod pairwise;
mod past;
mod profile;
mod ranges;
mod receipt;
mod record;
mod refused;
mod repair;
mod request;
mod signal;
mod stuck;
mod target;
mod title;
mod told;
mod typing;
mod verify;
pub mod view;
mod wish;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hubbub_shared::crypto::{Identity, RecordError};
use hubbub_shared::id::{HubId, NodeId};
use hubbub_shared::session::{LocalPrekeys, Session};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::{ByteBuf, LogId, ToHub};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use self::alarm::Alarms;
use self::contact::Person;
use self::direct::Direct;
use self::file::Files;
use self::gap::Gaps;
use self::group::Group;
pub use self::heads::RECALLED;
use self::heads::Reminders;
use self::heard::Heard;
use self::held::Held;
use self::kept::Kept;
use self::link::{Asked, Link};
use self::lookup::Pending;
use self::namesake::Names;
use self::outbox::Outbox;
use self::output::{Changes, HistoryChange, Loaded, Output, Table};
use self::past::Line;
use self::record::{Key, Own};
use self::refused::Refusals;
use self::repair::Repairs;
use self::request::Request;
use self::signal::Signals;
use self::told::Early;
pub use self::told::{PAST_BY_ONE, PAST_MAX, merged};
use crate::api::{ConversationId, Event, Settings};

/// One device's mind.
///
/// Its methods come in four families, to be called in this order:
///
/// 1. `handle_*`: something happened (a command, a frame, the link, a timer). One or many;
/// 2. [`Self::take_changes`]: everything these changed, to be committed in one transaction;
/// 3. [`Self::poll_output`] until it is empty, and only after that commit: what to send and to say.
///    [`Self::poll_timeout`] says when to call [`Self::handle_timeout`];
/// 4. the getters (`view`), at any time: they change nothing.
///
/// Signals stand outside: [`Self::seal_signal`] and [`Self::open_signal`] at any time, with nothing
/// to commit.
///
/// When a commit fails, drop the engine and its link, and build both anew from the store. Direct
/// connections hold: tell the new one of them, and give it again what came by them since the last
/// commit, before anything that comes later by the same.
pub struct Engine {
    me: Identity,
    hub: HubId,
    rng: ChaCha20Rng,
    /// When the present input came.
    now: Timestamp,
    own: Own,
    /// Envelopes sent since the beacon the hub has was left.
    sends: u64,
    prekeys: LocalPrekeys,
    people: BTreeMap<NodeId, Person>,
    names: Names,
    past: BTreeMap<NodeId, Vec<Line>>,
    requests: BTreeMap<NodeId, Request>,
    /// What strangers who made no request yet say of how far their messages go. Not stored.
    strangers_heads: BTreeMap<NodeId, Vec<(u64, u64)>>,
    /// Our own among them.
    pictures: BTreeMap<NodeId, ByteBuf>,
    sessions: BTreeMap<NodeId, Vec<Session>>,
    groups: BTreeMap<hubbub_shared::id::GroupId, Group>,
    outbox: Outbox,
    held: BTreeMap<u64, Held>,
    /// Told of groups we do not know ourselves to be in.
    early: BTreeMap<u64, Early>,
    cursors: BTreeMap<LogId, u64>,
    heard: BTreeMap<(ConversationId, NodeId), Heard>,
    settings: Settings,
    files: Files,
    link: Link,
    direct: Direct,
    pending: Vec<Pending>,
    looking: BTreeMap<output::Ticket, joining::Looking>,
    repairs: Repairs,
    gaps: Gaps,
    reminders: Reminders,
    kept: Kept,
    signals: Signals,
    alarms: Alarms,
    refusals: Refusals,
    dirty: BTreeSet<Key>,
    history: Vec<HistoryChange>,
    out: VecDeque<Output>,
}

/// Why an engine cannot be built from its records.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A record is damaged or of another version.
    #[error("the profile's records are damaged or were written by another version: {0}")]
    Record(#[from] RecordError),
    /// A record is there that cannot be there.
    #[error("the profile's records do not fit together; restore it from a backup")]
    Misfit,
}

impl Engine {
    /// Builds the engine from its records; from none, a fresh one. `seed` must be new and secret
    /// each time.
    ///
    /// # Errors
    /// [`LoadError`] when the records are damaged.
    pub fn new(
        identity: Identity,
        hub: HubId,
        loaded: Loaded,
        seed: [u8; 32],
        now: Timestamp,
    ) -> Result<Self, LoadError> {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let fresh = loaded.is_empty();
        let kept = loaded.iter().find(|(table, ..)| *table == Table::Prekeys);
        let new_prekeys = kept.is_none();
        let prekeys = match kept {
            Some((.., record)) => LocalPrekeys::load(record.expose())?,
            None => LocalPrekeys::generate(&identity, now, &mut rng),
        };
        let mut engine = Self {
            me: identity,
            hub,
            rng,
            now,
            own: Own::default(),
            sends: 0,
            prekeys,
            people: BTreeMap::new(),
            names: Names::default(),
            past: BTreeMap::new(),
            requests: BTreeMap::new(),
            strangers_heads: BTreeMap::new(),
            pictures: BTreeMap::new(),
            sessions: BTreeMap::new(),
            groups: BTreeMap::new(),
            outbox: Outbox::default(),
            held: BTreeMap::new(),
            early: BTreeMap::new(),
            cursors: BTreeMap::new(),
            heard: BTreeMap::new(),
            settings: Settings::default(),
            files: Files::default(),
            link: Link::default(),
            direct: Direct::default(),
            pending: Vec::new(),
            looking: BTreeMap::new(),
            repairs: Repairs::default(),
            gaps: Gaps::default(),
            reminders: Reminders::default(),
            kept: Kept::default(),
            signals: Signals::default(),
            alarms: Alarms::default(),
            refusals: Refusals::default(),
            dirty: BTreeSet::new(),
            history: Vec::new(),
            out: VecDeque::new(),
        };
        engine.dirty.extend(fresh.then_some(Key::Own));
        engine.dirty.extend(new_prekeys.then_some(Key::Prekeys));
        engine.load(loaded)?;
        engine.start();
        Ok(engine)
    }

    /// Everything that changed since the last call, as one transaction.
    pub fn take_changes(&mut self) -> Changes {
        let dirty = core::mem::take(&mut self.dirty);
        let records = dirty.into_iter().map(|key| self.record(&key)).collect();
        Changes { records, history: core::mem::take(&mut self.history) }
    }

    /// The next thing to do. Only after the last [`Self::take_changes`] is durable.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// This node's name.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.me.id()
    }

    fn touch(&mut self, key: Key) {
        self.dirty.insert(key);
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn warn(&mut self, reason: &str, explanation: String) {
        self.event(Event::Warning { reason: reason.to_owned(), explanation });
    }

    fn changed(&mut self, conversation: ConversationId) {
        self.event(Event::ConversationChanged { conversation });
    }

    /// Asks the hub something; nothing while the link is down.
    fn ask(&mut self, asked: Asked, make: impl FnOnce(u32) -> ToHub) {
        if let Some(req) = self.link.ask(asked) {
            self.out.push_back(Output::Send(make(req)));
        }
    }
}
