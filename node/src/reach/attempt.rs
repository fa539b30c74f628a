//! One attempt after another to reach a peer directly: tell, dial, and if that comes to nothing
//! wait ever longer (PROTOCOL.md, Direct connections).

use core::net::SocketAddr;

use hubbub_shared::content::signal::{Signal, Why as NoWay};
use hubbub_shared::id::{NodeId, RunKey};
use hubbub_shared::time::{Millis, Timestamp};

use super::address::worth_dialling;
use super::links::{Link, LinkId, Links};
use super::{DIRECT, Deed, Dial, PEERS, Reach};

/// How long an answer may take, at the first, second and third asking. The first is short: one lost
/// packet is to cost less than a second.
const ANSWER: [Millis; 3] = [Millis(500), Millis(1_500), Millis(4_000)];
/// How long dialling may take. What has not come about by then never does.
const DIAL: Millis = Millis::secs(4);
/// A connection that held this long was a good one: what failed before it is forgotten.
const STEADY: Millis = Millis::secs(30);
/// First pause after a failure; it doubles.
const PAUSE: Millis = Millis::secs(30);
/// The longest pause.
const LONGEST: Millis = Millis::hours(1);
/// A peer that is there and let this many attempts go by understands none of them.
const DEAF: u32 = 3;
/// Pause after a peer said that it shows no address to us.
const HIDDEN: Millis = Millis::hours(6);
/// A peer found on the local network is dialled at most once in this time.
const FOUND_EVERY: Millis = Millis::secs(10);
/// A peer that is refused is told so at most once in this time: a refusal costs a signal, and
/// whoever asks too often is not to have us spend them.
const REFUSE_EVERY: Millis = Millis::secs(10);
/// A peer that asks is answered, and dialled, at most once in this time...
const ANSWER_EVERY: Millis = Millis::secs(2);
/// ... and this often without a steady connection coming of it, until [`FORGIVEN`] has passed:
/// nobody is to make us send packets wherever they like.
const ANSWERS: u32 = 12;
const FORGIVEN: Millis = Millis::hours(1);

/// Why there is no direct connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The peer did not answer through the hub: it is not connected, or too old.
    Silent,
    /// The peer shows this node no address.
    Hidden,
    /// The peer has no address to dial.
    Nowhere,
    /// The peer was asked too often.
    Busy,
    /// Neither side's packets came through.
    Blocked,
    /// The connection broke soon after it was made.
    Unsteady,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// Told the peer our addresses; it was told that often, the last time then.
    Asked { attempt: u64, times: usize, at: Timestamp },
    /// Both dial, since then.
    Dialling { since: Timestamp, number: u64 },
}

/// Where attempts with one peer stand.
#[derive(Default)]
pub(super) struct Attempt {
    state: State,
    failures: u32,
    next: Option<Timestamp>,
    /// Why the last one came to nothing, and when that was.
    why: Option<(Why, Timestamp)>,
    /// When the peer was last answered, and how often since the last steady connection.
    answered: Option<(Timestamp, u32)>,
    /// To which attempt of the peer's that was; the answer may be lost, and is given again as often
    /// as the peer repeats itself.
    theirs: Option<(u64, usize)>,
    /// The present connection may be dead: make another.
    renew: bool,
    /// When it was last dialled because it was found on the local network.
    found: Option<Timestamp>,
}

impl Attempt {
    pub(super) fn is_running(&self) -> bool {
        self.state != State::Idle
    }

    pub(super) fn why(&self) -> Option<Why> {
        self.why.map(|(why, _)| why)
    }

    pub(super) fn failed_at(&self) -> Option<Timestamp> {
        self.why.map(|(_, at)| at)
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// What was asked through the hub is asked again on its next link.
    pub(super) fn hub_changed(&mut self) {
        if matches!(self.state, State::Asked { .. }) {
            self.state = State::Idle;
        }
        if self.why() == Some(Why::Silent) {
            self.failures = 0;
            self.next = None;
        }
    }

    /// The peer is there after all: what it did not hear, it may hear now.
    pub(super) fn heard(&mut self) {
        if self.why() == Some(Why::Silent) && self.failures <= DEAF {
            self.next = None;
        }
    }

    /// This node moved; its connections with the peer, if there are any, may be dead.
    pub(super) fn start_over(&mut self, connected: bool) {
        self.failures = 0;
        self.next = None;
        self.state = State::Idle;
        self.renew = connected;
    }

    /// The peer may not know any longer where this node is. What bounds it stays counted.
    pub(super) fn drop_it(&mut self) {
        let (answered, found) = (self.answered, self.found);
        *self = Self { answered, found, ..Self::default() };
    }

    /// When this peer is to be looked at again.
    pub(super) fn due(&self, able: bool, links: &Links) -> Option<Timestamp> {
        match self.state {
            State::Asked { times, at, .. } => Some(at + patience(times)),
            State::Dialling { since, .. } => Some(since + DIAL),
            State::Idle if able && (links.is_empty() || self.renew) => self.next,
            State::Idle => None,
        }
    }

    fn failed(&mut self, why: Why, (now, random): (Timestamp, u64)) {
        let whole = PAUSE.0.saturating_mul(1 << self.failures.min(12)).min(LONGEST.0);
        let whole = if why == Why::Hidden { HIDDEN.0 } else { whole };
        let half = whole / 2;
        self.failures = self.failures.saturating_add(1);
        self.next = Some(now + Millis(half + random % half.saturating_add(1)));
        self.why = Some((why, now));
        self.state = State::Idle;
        self.renew = false;
    }

    /// A connection came about, dialled by us or not. It has to hold before what was counted is
    /// forgotten: making and breaking them is not to be a way around the limits.
    fn connected(&mut self, dialled: bool) {
        (self.next, self.why) = (None, None);
        if dialled || !matches!(self.state, State::Asked { .. }) {
            self.state = State::Idle;
            (self.theirs, self.renew) = (None, false);
        }
        // Or else the peer's dial overtook its answer. Ours is still to be made: it may be the one
        // that is kept, and the older ones may be dead.
    }

    /// The last connection is gone, and held that long.
    fn lost(&mut self, held: Millis, at: (Timestamp, u64)) {
        if held >= STEADY {
            (self.failures, self.answered) = (0, None);
        } else if !self.is_running() {
            let first = self.failures == 0;
            self.failed(Why::Unsteady, at);
            if first {
                self.next = None;
            }
        }
    }

    /// The clock was set back to now.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        match &mut self.state {
            State::Idle => {}
            State::Asked { at, .. } => *at = now.min(*at),
            State::Dialling { since, .. } => *since = now.min(*since),
        }
        self.next = self.next.map(|next| next.min(now + LONGEST));
        self.answered = self.answered.map(|(at, times)| (at.min(now), times));
        self.found = self.found.map(|at| at.min(now));
        self.why = self.why.map(|(why, at)| (why, at.min(now)));
    }

    /// Whether a peer repeats what it was answered to.
    fn is_repeated(&mut self, attempt: u64) -> bool {
        match &mut self.theirs {
            Some((theirs, times)) if *theirs == attempt && *times < ANSWER.len() => {
                *times += 1;
                true
            }
            _ => false,
        }
    }

    /// Whether a peer that asks is answered, and if not whether it is told so; notes that it is.
    /// One that asks too soon will ask again.
    fn may_answer(&mut self, now: Timestamp) -> Result<(), Option<NoWay>> {
        let (last, times) = self.answered.unwrap_or((Timestamp(0), 0));
        let since = now.since(last);
        let times = if since >= FORGIVEN { 0 } else { times };
        if times >= ANSWERS {
            return Err(Some(NoWay::TooMany));
        }
        if since < ANSWER_EVERY {
            return Err(None);
        }
        self.answered = Some((now, times.saturating_add(1)));
        Ok(())
    }
}

/// How long the answer to this asking may take.
fn patience(times: usize) -> Millis {
    times.checked_sub(1).and_then(|at| ANSWER.get(at)).copied().unwrap_or(DIAL)
}

impl Reach {
    /// A peer said something through the hub; and whether it may know where we are.
    pub fn handle_signal(&mut self, node: NodeId, signal: Signal, allowed: bool, now: Timestamp) {
        self.note_interest(node, allowed, now);
        match signal {
            Signal::Reach { attempt, answer: false, key, addresses } => {
                // It is answered, rather than asked in turn.
                self.asked(node, attempt, (key, &addresses));
                return;
            }
            Signal::Reach { attempt, answer: true, key, addresses } => {
                if self.is_ours(&node, attempt) {
                    self.dial(node, (key, &addresses));
                }
            }
            Signal::Unreachable { attempt, why } => {
                if self.is_ours(&node, attempt) {
                    let why = match why {
                        NoWay::NotShown => Why::Hidden,
                        NoWay::TooMany => Why::Busy,
                        NoWay::NoWay | NoWay::Other(_) => Why::Nowhere,
                    };
                    self.fail(node, why);
                }
            }
            Signal::Typing { .. } | Signal::Read { .. } | Signal::Here => {}
        }
        self.look_at(node);
    }

    /// A peer that may know where this node is was found on the local network. Dialling it there is
    /// beside whatever is under way, and says nothing of other ways when it fails.
    pub fn handle_found(
        &mut self,
        node: NodeId,
        (key, addresses): (RunKey, &[SocketAddr]),
        now: Timestamp,
    ) {
        self.handle_interest(node, true, now);
        let addresses = self.worth_dialling(addresses);
        let room = self.direct() < DIRECT;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let lately = peer.attempt.found.is_some_and(|at| now.since(at) < FOUND_EVERY);
        if room && !lately && peer.links.is_empty() && !addresses.is_empty() {
            peer.attempt.found = Some(now);
            self.dial_at((node, key), addresses);
        }
    }

    /// A connection to a peer came about and both ends have proven themselves.
    pub fn handle_connected(&mut self, node: NodeId, link: Link, allowed: bool, now: Timestamp) {
        self.set_time(now);
        let room = self.direct() < DIRECT;
        let known = self.peers.get(&node).is_some_and(|peer| !peer.links.is_empty());
        if !allowed || !known && !room {
            self.deeds.push_back(Deed::Close(link.id));
            return;
        }
        self.make_room(&node);
        let peer = self.peers.entry(node).or_default();
        peer.allowed = true;
        peer.heard = now;
        let before = peer.links.kept();
        if before.is_none() {
            peer.since = now;
        }
        let close = peer.links.add(link, (&self.me, &node));
        let kept = peer.links.kept();
        peer.attempt.connected(link.dialled);
        if let Some(kept) = kept.filter(|kept| Some(*kept) != before) {
            self.deeds.push_back(Deed::Up(node, kept));
        }
        self.deeds.extend(close.into_iter().map(Deed::Close));
    }

    /// A connection is gone.
    pub fn handle_lost(&mut self, node: NodeId, link: LinkId, now: Timestamp) {
        self.set_time(now);
        let (random, full) = (self.random(), self.direct() >= DIRECT);
        let Some(peer) = self.peers.get_mut(&node).filter(|peer| peer.links.has(link)) else {
            return;
        };
        let before = peer.links.kept();
        peer.links.remove(link, (&self.me, &node));
        match peer.links.kept() {
            kept if kept == before => {}
            Some(kept) => self.deeds.push_back(Deed::Up(node, kept)),
            None => {
                peer.attempt.lost(now.since(peer.since), (now, random));
                self.deeds.push_back(Deed::Down(node));
                self.look_at(node);
                if full {
                    // There is room for somebody else.
                    self.look_at_all();
                }
            }
        }
    }

    /// Nothing came of a dial.
    pub fn handle_unanswered(&mut self, node: NodeId, dial: u64, now: Timestamp) {
        self.set_time(now);
        let Some(peer) = self.peers.get(&node) else { return };
        if matches!(peer.attempt.state, State::Dialling { number, .. } if number == dial) {
            self.fail(node, Why::Blocked);
        }
    }

    /// Goes on with a peer: begins, asks again, gives up.
    pub(super) fn look_at(&mut self, node: NodeId) {
        let now = self.now;
        let Some(peer) = self.peers.get(&node) else { return };
        match peer.attempt.state {
            State::Asked { attempt, times, at } if now.since(at) >= patience(times) => {
                if times >= ANSWER.len() {
                    self.fail(node, Why::Silent);
                } else {
                    self.ask(node, attempt, times + 1);
                }
            }
            State::Dialling { since, .. } if now.since(since) >= DIAL => {
                self.fail(node, Why::Blocked);
            }
            State::Idle => self.begin(node),
            State::Asked { .. } | State::Dialling { .. } => {}
        }
    }

    fn begin(&mut self, node: NodeId) {
        let (room, now) = (self.direct() < DIRECT, self.now);
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let lacking = peer.links.is_empty() && room || peer.attempt.renew;
        let waited = peer.attempt.next.is_none_or(|next| next <= now);
        if waited {
            // What is still in the way is no matter of time.
            peer.attempt.next = None;
        }
        // Before the hub has said where it sees this node, there is little to tell.
        if self.hub && self.is_observed && peer.allowed && lacking && waited {
            let attempt = self.random();
            self.ask(node, attempt, 1);
        }
    }

    fn ask(&mut self, node: NodeId, attempt: u64, times: usize) {
        let at = self.now;
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.attempt.state = State::Asked { attempt, times, at };
        }
        self.tell(node, attempt, false);
    }

    fn tell(&mut self, node: NodeId, attempt: u64, answer: bool) {
        let (key, addresses) = (self.key, self.told());
        let reach = Signal::Reach { attempt, answer, key, addresses };
        self.deeds.push_back(Deed::Signal(node, reach));
    }

    /// A peer asks to be dialled, and where it can dial us.
    fn asked(&mut self, node: NodeId, attempt: u64, theirs: (RunKey, &[SocketAddr])) {
        let (now, nowhere) = (self.now, self.told().is_empty());
        let room = self.direct() < DIRECT;
        let Some(peer) = self.peers.get_mut(&node).filter(|peer| peer.allowed) else {
            return self.refuse(node, attempt, NoWay::NotShown);
        };
        if !room && peer.links.is_empty() {
            return self.refuse(node, attempt, NoWay::TooMany);
        }
        if !nowhere && peer.attempt.is_repeated(attempt) {
            return self.tell(node, attempt, true);
        }
        match peer.attempt.may_answer(now) {
            Ok(()) => peer.attempt.theirs = Some((attempt, 1)),
            Err(Some(why)) => return self.refuse(node, attempt, why),
            Err(None) => return,
        }
        if nowhere {
            self.refuse(node, attempt, NoWay::NoWay);
        } else {
            self.tell(node, attempt, true);
        }
        self.dial(node, theirs);
    }

    fn refuse(&mut self, node: NodeId, attempt: u64, why: NoWay) {
        let now = self.now;
        let lately = |at: &Timestamp| now.since(*at) < REFUSE_EVERY;
        if self.refused.len() >= PEERS {
            self.refused.retain(|_, at| lately(at));
        }
        if self.refused.len() < PEERS && !self.refused.get(&node).is_some_and(lately) {
            self.refused.insert(node, now);
            self.deeds.push_back(Deed::Signal(node, Signal::Unreachable { attempt, why }));
        }
    }

    fn dial(&mut self, node: NodeId, (key, addresses): (RunKey, &[SocketAddr])) {
        let addresses = self.worth_dialling(addresses);
        if addresses.is_empty() {
            return self.fail(node, Why::Nowhere);
        }
        let (since, number) = (self.now, self.dial_at((node, key), addresses));
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.attempt.state = State::Dialling { since, number };
        }
    }

    fn dial_at(&mut self, (peer, key): (NodeId, RunKey), addresses: Vec<SocketAddr>) -> u64 {
        self.dials += 1;
        let number = self.dials;
        self.deeds.push_back(Deed::Dial(Dial { peer, addresses, key, number }));
        number
    }

    fn worth_dialling(&self, theirs: &[SocketAddr]) -> Vec<SocketAddr> {
        worth_dialling(theirs, self.observed, self.local())
    }

    fn fail(&mut self, node: NodeId, why: Why) {
        let (now, random) = (self.now, self.random());
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.attempt.failed(why, (now, random));
        }
    }

    fn is_ours(&self, node: &NodeId, attempt: u64) -> bool {
        let Some(peer) = self.peers.get(node) else { return false };
        matches!(peer.attempt.state, State::Asked { attempt: ours, .. } if ours == attempt)
    }
}
