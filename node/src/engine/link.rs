//! The hub link as the engine sees it: what was asked, and what is made of each frame.
//!
//! Nothing here survives a link or a crash. Whatever matters is asked again when the link is up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::limits::{ONE_TIME_PREKEYS, ONE_TIME_PREKEYS_LOW};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::codec::encode;
use hubbub_shared::wire::from_hub::{Refused, Welcome};
use hubbub_shared::wire::to_hub::PutPrekeys;
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, RefusalCode, ToHub, address};

use super::Engine;
use super::lookup::NAME_PAUSE;
use super::output::{Output, Ticket};
use super::record::Key;
use crate::api::error::from_refusal;
use crate::api::view::LinkState;
use crate::api::{ApiError, Code};

/// Clocks further apart than this are mentioned.
const CLOCK: Millis = Millis::minutes(10);

/// What an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// One-time prekeys, and whether they replace all the hub has.
    Prekeys(Vec<u32>, bool),
    Claim(Vec<u8>),
    Lookup(String),
    WhoIs(NodeId),
    Bundle(NodeId),
    /// An entry of the outbox, and which sealing of it.
    Append(u64, u32),
    Control(GroupId),
    /// An entry the hub had lost.
    Restore(GroupId),
    Read(GroupId),
    /// A log from its beginning, to be compared with ours.
    Compare(GroupId),
    Room(Ticket),
    Beacon,
}

/// The link.
pub(super) struct Link {
    since: Option<Timestamp>,
    /// How far this clock and the hub's are apart, and whether this one is ahead.
    clock: Option<(Millis, bool)>,
    /// The version spoken with the hub.
    version: Option<u8>,
    next: u32,
    /// The hub has the beacon of this link: what is sealed may leave.
    pub(super) confirmed: bool,
    asked: BTreeMap<u32, Asked>,
    /// Logs that took an envelope on this link; and those the first one is on its way to, by its
    /// number.
    pub(super) takes: BTreeSet<LogId>,
    pub(super) tried: BTreeMap<u64, LogId>,
    /// Nodes whose names are to be asked, and those being asked.
    pub(super) nameless: VecDeque<NodeId>,
    pub(super) naming: BTreeSet<NodeId>,
    /// Nodes that had no name, and when that was; and the pause before they are asked for again.
    pub(super) unnamed: BTreeMap<NodeId, Timestamp>,
    pub(super) name_pause: Millis,
    /// Commands that wait for a nickname of our own, and claims the hub called out of order.
    pub(super) claimers: Vec<(Ticket, String)>,
    pub(super) bad_claims: u32,
    /// Bundles being asked for.
    pub(super) bundles: BTreeSet<NodeId>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            since: None,
            clock: None,
            version: None,
            next: 0,
            confirmed: false,
            asked: BTreeMap::new(),
            takes: BTreeSet::new(),
            tried: BTreeMap::new(),
            nameless: VecDeque::new(),
            naming: BTreeSet::new(),
            unnamed: BTreeMap::new(),
            name_pause: NAME_PAUSE,
            claimers: Vec::new(),
            bad_claims: 0,
            bundles: BTreeSet::new(),
        }
    }
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        self.since.is_some()
    }

    /// The question's number; none while the link is down.
    pub(super) fn ask(&mut self, asked: Asked) -> Option<u32> {
        self.since?;
        self.next = self.next.wrapping_add(1);
        self.asked.insert(self.next, asked);
        Some(self.next)
    }

    pub(super) fn is_asking(&self, asked: &Asked) -> bool {
        self.asked.values().any(|other| other == asked)
    }

    /// Whether a claim of ours is on its way, or what the hub holds as our last one is asked for.
    pub(super) fn is_claiming(&self, me: &NodeId) -> bool {
        let about = |asked: &Asked| match asked {
            Asked::Claim(_) => true,
            Asked::WhoIs(node) => node == me,
            _ => false,
        };
        self.asked.values().any(about)
    }

    pub(super) fn state(&self) -> LinkState {
        match self.since {
            Some(since) => LinkState::Up { since, rtt_ms: 0 },
            None => LinkState::Connecting,
        }
    }
}

impl Engine {
    /// The hub accepted us.
    pub fn handle_link_up(&mut self, welcome: &Welcome, now: Timestamp) {
        // Before anything is made of it: if a copy was at work, nothing more is carried.
        if !self.is_ours(welcome) {
            self.confirm_direct(false);
        }
        self.handle_link_down(now);
        self.link.since = Some(now);
        let apart = now.since(welcome.now).max(welcome.now.since(now));
        self.link.clock = Some((apart, now > welcome.now));
        self.link.version = Some(welcome.version);
        if apart > CLOCK {
            let words = "the clocks of this machine and the hub are more than ten minutes apart";
            self.warn("clock-off", words.to_owned());
        }
        let store_is_new = self.own.store.as_ref() != Some(&welcome.store);
        if store_is_new || self.is_hub_put_back(welcome) {
            self.new_store(welcome.store.clone());
        }
        self.take_up(welcome);
        self.publish_prekeys(welcome.prekeys_left, store_is_new);
        self.renew_nickname(welcome.nickname.as_deref());
        self.find_lobby(welcome.lobby);
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in groups {
            self.read_control(group);
        }
        self.ask_all_names();
        self.want_bundles();
        self.pump();
    }

    /// The hub is away.
    pub fn handle_link_down(&mut self, now: Timestamp) {
        self.now = now;
        let next = self.link.next;
        let old = core::mem::replace(&mut self.link, Link { next, ..Link::default() });
        let was_up = old.since.is_some();
        for (ticket, _) in old.claimers {
            self.answer(ticket, Err(unreachable("the nickname is claimed when it is back")));
        }
        self.fail_pending();
        self.fail_looking();
        self.outbox.link_down();
        for group in self.groups.values_mut() {
            (group.reading, group.synced, group.proposed) = (false, false, None);
            group.comparison = None;
            (group.read_again, group.lost, group.denied) = (false, false, 0);
            for (_, asker) in core::mem::take(&mut group.askers) {
                let error = unreachable("the change is made when it is back");
                self.out.push_back(Output::Answer(asker.ticket, Err(error)));
            }
        }
        self.repairs.link_down();
        if was_up {
            self.hub_changed_for_peers();
        }
    }

    /// How far this machine's clock and the hub's were apart when the link came up, and whether
    /// this one is ahead.
    #[must_use]
    pub fn clock_off(&self) -> Option<(Millis, bool)> {
        self.link.clock
    }

    /// The version spoken with the hub, while it is there.
    #[must_use]
    pub fn spoken(&self) -> Option<u8> {
        self.link.version
    }

    /// A frame came.
    pub fn handle_frame(&mut self, frame: FromHub, now: Timestamp) {
        self.now = now;
        match frame {
            FromHub::Welcome(_) => self.count("welcome-again"),
            FromHub::Bye(bye) => self.farewell(bye.code),
            FromHub::PrekeysLow(low) => self.publish_prekeys(low.left, false),
            FromHub::Deliver(deliver) => self.deliver(deliver),
            FromHub::Refused(refused) => self.refused_by_hub(&refused),
            FromHub::Done(done) => match self.link.asked.remove(&done.req) {
                Some(Asked::Prekeys(ids, replaced)) => self.published(&ids, replaced),
                Some(Asked::Claim(claim)) => self.nickname_granted(&claim),
                Some(Asked::Control(group)) => self.control_appended(group),
                Some(Asked::Beacon) => self.beacon_left(),
                _ => {}
            },
            FromHub::Found(found) => match self.link.asked.remove(&found.req) {
                Some(Asked::Lookup(name)) => self.looked_up(&name, &found.claim),
                Some(Asked::WhoIs(node)) => self.named(node, Some(&found.claim)),
                _ => {}
            },
            FromHub::Bundle(bundle) => {
                if let Some(Asked::Bundle(peer)) = self.link.asked.remove(&bundle.req) {
                    self.take_bundle(peer, &bundle);
                }
            }
            FromHub::Appended(appended) => match self.link.asked.remove(&appended.req) {
                Some(Asked::Append(number, sealing)) => self.appended(number, sealing),
                Some(Asked::Control(group)) => self.control_appended(group),
                Some(Asked::Restore(group)) => self.resume_log(LogId::Channel(group)),
                _ => {}
            },
            FromHub::ControlPage(page) => match self.link.asked.remove(&page.req) {
                Some(Asked::Read(group)) => self.control_page(group, &page),
                Some(Asked::Compare(group)) => self.compared(group, &page),
                _ => {}
            },
            FromHub::Observed(observed) => match address::decode(&observed.address) {
                Some(address) => self.out.push_back(Output::Observed(address)),
                None => self.count("malformed"),
            },
            FromHub::Room(room) => {
                if let Some(Asked::Room(ticket)) = self.link.asked.remove(&room.req) {
                    self.room_found(ticket, &room);
                }
            }
        }
        self.pump();
    }

    fn refused_by_hub(&mut self, refused: &Refused) {
        let refusal = &refused.refusal;
        match self.link.asked.remove(&refused.req) {
            Some(Asked::Append(number, _)) => self.append_refused(number, refusal),
            Some(Asked::Control(group)) => self.control_refused(group, refusal),
            Some(Asked::Read(group)) => self.read_refused(group, refusal),
            Some(Asked::Bundle(peer)) => self.bundle_refused(peer, refusal),
            Some(Asked::Lookup(name)) => self.lookup_refused(&name, refusal),
            Some(Asked::WhoIs(node)) => self.named(node, None),
            Some(Asked::Claim(claim)) => self.nickname_refused(&claim, refusal),
            Some(Asked::Beacon) => self.beacon_refused(refusal),
            Some(Asked::Room(ticket)) => self.room_refused(ticket, refusal),
            Some(Asked::Restore(group)) => self.giving_back_refused(group, refusal),
            Some(Asked::Prekeys(..) | Asked::Compare(_)) => self.count("refused-by-hub"),
            None => {}
        }
    }

    /// The hub ends the link. Why is told with the link's state; one reason is a matter of more.
    fn farewell(&mut self, code: RefusalCode) {
        if code == RefusalCode::Replaced {
            self.confirm_direct(false);
            let error = from_refusal(&code.plain(), "this node");
            self.warn("replaced", format!("{}: {}", error.what, error.hint));
        }
    }

    /// A store never seen before, perhaps because the hub lost its disk, or an earlier state of the
    /// one that was: what it may have held and nobody acknowledged is sent again, and its logs are
    /// read from the start, since it gives numbers again that it gave before.
    fn new_store(&mut self, store: ByteBuf) {
        let known = self.own.store.replace(store).is_some();
        self.touch(Key::Own);
        if !known {
            return;
        }
        for log in core::mem::take(&mut self.cursors).into_keys() {
            self.touch(Key::Cursor(log));
        }
        self.send_all_again();
        let me = self.id();
        let groups: Vec<(GroupId, Vec<NodeId>)> = self
            .groups
            .iter()
            .filter(|(_, group)| group.role(&me) > Some(hubbub_shared::group::Role::Member))
            .map(|(id, group)| (*id, group.members()))
            .collect();
        for (group, members) in groups {
            for node in members.into_iter().filter(|node| *node != me) {
                self.welcome(group, node);
            }
        }
    }

    fn published(&mut self, ids: &[u32], replaced: bool) {
        self.prekeys.mark_published(ids);
        self.touch(Key::Prekeys);
        if replaced {
            self.own.stale_prekeys = false;
            self.touch(Key::Own);
        }
    }

    fn publish_prekeys(&mut self, left: u32, replace: bool) {
        let replace = replace || self.own.stale_prekeys;
        let left = if replace { 0 } else { left };
        let has = usize::try_from(left).unwrap_or(usize::MAX);
        let unpublished = self.prekeys.publication().otks.len();
        if has.saturating_add(unpublished) < ONE_TIME_PREKEYS_LOW {
            let before = self.prekeys.one_time_left();
            let fresh = self.prekeys.refill(&self.me, left, self.now, &mut self.rng).len();
            if self.prekeys.one_time_left() < before.saturating_add(fresh) && !replace {
                self.own.stale_prekeys = true;
                self.touch(Key::Own);
            }
            self.touch(Key::Prekeys);
        }
        let publication = self.prekeys.publication();
        let mut otks = publication.otks;
        let surplus = otks.len().saturating_sub(ONE_TIME_PREKEYS.saturating_sub(has));
        otks.drain(..surplus);
        let ids: Vec<u32> = otks.iter().map(|(id, _)| *id).collect();
        let one_time = otks.iter().map(|(id, otk)| (*id, ByteBuf::from(encode(otk)))).collect();
        let identity = ByteBuf::from(encode(&publication.identity));
        let signed_prekey = ByteBuf::from(encode(&publication.spk));
        self.ask(Asked::Prekeys(ids, replace), |req| {
            ToHub::PutPrekeys(PutPrekeys { req, identity, signed_prekey, one_time, replace })
        });
    }

    /// Replaces the signed prekey when it is time, and tells the hub; replaces the one-time prekeys
    /// there when secrets of such were forgotten, since nobody could begin with them any more.
    pub(super) fn rotate_prekeys(&mut self) {
        let before = self.prekeys.one_time_left();
        let rotated = self.prekeys.rotate_if_due(&self.me, self.now, &mut self.rng);
        if self.prekeys.one_time_left() < before {
            self.own.stale_prekeys = true;
            self.touch(Key::Own);
            self.touch(Key::Prekeys);
        }
        if self.own.stale_prekeys {
            return self.publish_prekeys(0, true);
        }
        if !rotated {
            return;
        }
        self.touch(Key::Prekeys);
        let publication = self.prekeys.publication();
        let identity = ByteBuf::from(encode(&publication.identity));
        let signed_prekey = ByteBuf::from(encode(&publication.spk));
        self.ask(Asked::Prekeys(Vec::new(), false), |req| {
            let (one_time, replace) = (Vec::new(), false);
            ToHub::PutPrekeys(PutPrekeys { req, identity, signed_prekey, one_time, replace })
        });
    }
}

pub(super) fn unreachable(hint: &str) -> ApiError {
    ApiError::new(Code::HubUnreachable, "the hub is away", hint)
}
