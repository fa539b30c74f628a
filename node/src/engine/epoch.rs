//! Finding out that there is a copy of this node, and beginning anew (PROTOCOL.md, Beacons).
//!
//! A node leaves a beacon at the hub whenever it connects, and the hub counts what the node sends
//! after it. Finding another beacon there than the one it left, or more sent than it has sent, or
//! more mail acknowledged than it has read, it was restored from an older state or is running
//! twice, and has keys in common with another. Then
//! nothing sealed so far may leave: it begins a new era of counts, with new chains, prekeys and
//! sessions, seals again what is not delivered, tells its contacts' nodes, and asks the authors it
//! knows for what it may have missed.
//!
//! Invariant: no envelope leaves on a link before the hub has this link's beacon. So of two copies
//! of one state at most one sends anything sealed in it.

use hubbub_shared::beacon::Beacon;
use hubbub_shared::content::count::{begin_of, era_of};
use hubbub_shared::content::group_plain::NO_MESSAGE;
use hubbub_shared::content::{GroupPlain, PairPlain};
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::id::{ChainId, GroupId, MessageId, NodeId};
use hubbub_shared::limits::LOG_TTL;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::from_hub::Welcome;
use hubbub_shared::wire::to_hub::PutBeacon;
use hubbub_shared::wire::{ByteBuf, LogId, Refusal, ToHub};

use super::Engine;
use super::alarm::Alarm;
use super::link::Asked;
use super::outbox::Chat;
use super::output::HistoryChange;
use super::record::Key;
use crate::api::ConversationId;

/// Pause before a beacon the hub had no time for is left again.
const AGAIN: Millis = Millis::secs(2);
/// Eras whose ends are remembered for each conversation.
const ERAS: usize = 8;
/// Highest era that minutes are taken for.
const ERA_MAX: u64 = 1 << 30;
/// Members of groups larger than this learn of a new era when something is said to them.
const TOLD: usize = 64;

impl Engine {
    /// Whether the beacon the hub holds, and what it knows of this node's doings since, is ours: no
    /// copy of this node was at work.
    pub(super) fn is_ours(&self, welcome: &Welcome) -> bool {
        let held = welcome.beacon.as_ref();
        let sent = match held {
            // Nothing is sent before the hub is known to have the beacon.
            Some(_) if held == self.own.next_beacon.as_ref() => Some(0),
            Some(_) if held == self.own.beacon.as_ref() => Some(self.sends),
            Some(_) => None,
            // A hub that lost its store cannot tell whether a copy was there before it did.
            None => (self.own.beacon.is_none() && self.own.next_beacon.is_none()).then_some(0),
        };
        // What was acknowledged was durable first, so no more can have been than is known here.
        let read = self.cursors.get(&LogId::Mailbox(self.id())).copied().unwrap_or(0);
        let ours = sent.is_some_and(|sent| welcome.appends <= sent) && welcome.mailbox <= read;
        ours && !self.own.restored
    }

    /// Looks at the beacon the hub holds, begins anew if it is not ours, and leaves the next one.
    pub(super) fn take_up(&mut self, welcome: &Welcome) {
        let held = welcome.beacon.as_ref();
        let ours = self.is_ours(welcome);
        self.own.restored = false;
        if held.is_some() && held == self.own.next_beacon.as_ref() {
            self.own.beacon = self.own.next_beacon.take();
            self.sends = 0;
            self.touch(Key::Sends);
        }
        let lost = held.is_none() || self.is_hub_put_back(welcome);
        let checked = held.and_then(|bytes| Beacon::check(bytes, &self.hub, &self.me.id()));
        let theirs = checked.map_or(0, |beacon| beacon.generation);
        // A hub that lost its store knows no generation: then time is what a copy's eras are below.
        let minutes = (self.now.0 / 60_000).min(ERA_MAX);
        let generation = self.own.generation.max(theirs).saturating_add(1);
        self.own.generation = if held.is_none() { generation.max(minutes) } else { generation };
        let (hub, generation) = (self.hub, self.own.generation);
        let next = Beacon::sign(&self.me, hub, generation, &mut self.rng);
        self.own.next_beacon = Some(ByteBuf::from(next));
        self.touch(Key::Own);
        if !ours {
            self.confirm_direct(false);
            self.begin_era();
            self.say_why(lost);
        }
        self.leave_beacon();
    }

    /// Whether the hub was put back to an earlier state: whoever leaves a beacon takes a higher
    /// generation than that of the one found, so it holds none below one that it had confirmed.
    pub(super) fn is_hub_put_back(&self, welcome: &Welcome) -> bool {
        let generation = |beacon: &ByteBuf| {
            let checked = Beacon::check(beacon, &self.hub, &self.me.id());
            checked.map_or(0, |beacon| beacon.generation)
        };
        let [held, left] =
            [&welcome.beacon, &self.own.beacon].map(|beacon| beacon.as_ref().map_or(0, generation));
        held < left
    }

    fn leave_beacon(&mut self) {
        let Some(beacon) = self.own.next_beacon.clone() else { return };
        self.ask(Asked::Beacon, |req| ToHub::PutBeacon(PutBeacon { req, beacon }));
    }

    /// The hub has our beacon: whatever is sealed may leave.
    pub(super) fn beacon_left(&mut self) {
        self.own.beacon = self.own.next_beacon.take();
        self.sends = 0;
        self.touch(Key::Sends);
        self.link.confirmed = true;
        self.confirm_direct(true);
        self.hub_changed_for_peers();
        self.touch(Key::Own);
    }

    pub(super) fn beacon_refused(&mut self, refusal: &Refusal) {
        self.count("refused-by-hub");
        let at = self.now + refusal.retry_after.unwrap_or(AGAIN).max(Millis(1));
        self.alarms.set(Alarm::Beacon, at);
    }

    pub(super) fn leave_beacon_again(&mut self) {
        if self.link.is_up() && !self.link.confirmed && !self.link.is_asking(&Asked::Beacon) {
            self.leave_beacon();
        }
    }

    /// Begins a new era: no key from before is used again.
    fn begin_era(&mut self) {
        self.own.era = self.own.generation;
        self.own.era_since = self.now;
        self.prekeys.renew(&self.me, self.now, &mut self.rng);
        self.touch(Key::Prekeys);
        self.own.stale_prekeys = true;
        self.touch(Key::Own);
        self.end_sessions();
        self.end_chains();
        self.tell_of_era();
        self.seal_anew();
        self.want_what_was_missed();
    }

    fn say_why(&mut self, lost: bool) {
        let words = match lost {
            true => "the hub lost what it held, so this device has made new keys",
            false => {
                "this profile was restored from a copy, or a copy of it is in use elsewhere: it \
                 has made new keys, and the devices of its contacts are told"
            }
        };
        self.warn("new-era", words.to_owned());
    }

    /// They still receive.
    fn end_sessions(&mut self) {
        let mut touched = Vec::new();
        for (peer, sessions) in &mut self.sessions {
            for session in sessions {
                session.retire();
                touched.push(Key::Session(*peer, session.id()));
            }
        }
        self.dirty.extend(touched);
    }

    /// The next chain does not say how many messages this one had: a copy may have sealed more.
    fn end_chains(&mut self) {
        let mut touched = Vec::new();
        for (id, group) in &mut self.groups {
            if group.outbound.take().is_some() {
                touched.push(Key::Outbound(*id));
            }
        }
        self.dirty.extend(touched);
    }

    /// Whether the hub may still hold what was sealed for another life of this node: that others
    /// are further on in a session than we are is no reason for alarm then.
    pub(super) fn lived_otherwise(&self) -> bool {
        self.own.era > 0 && self.now.since(self.own.era_since) < LOG_TTL
    }

    /// Whether something happened in an earlier era of this node, or with its beginning.
    pub(super) fn is_before_era(&self, at: Timestamp) -> bool {
        self.own.era > 0 && at <= self.own.era_since
    }

    /// Whoever may write to us is to do it in a new session.
    fn tell_of_era(&mut self) {
        let me = self.id();
        let contacts = self.people.iter().filter(|(_, person)| person.contact);
        let mut peers: Vec<NodeId> = contacts.map(|(node, _)| *node).collect();
        peers.extend(self.sessions.keys());
        for group in self.groups.values() {
            let members = group.members();
            if members.len() <= TOLD {
                peers.extend(members);
            }
        }
        peers.sort_unstable();
        peers.dedup();
        peers.retain(|peer| *peer != me && self.has_to_do_with(peer));
        for peer in peers {
            let person = self.meet(peer);
            (person.owes_reset, person.reset_in) = (true, None);
            // Another life of this node may have told them something else.
            (person.told, person.told_picture) = (0, 0);
            self.touch(Key::Contact(peer));
            self.repairs.reset(peer);
        }
    }

    /// What is not delivered gets counts of the new era and is sealed again.
    fn seal_anew(&mut self) {
        let live = self.outbox.entries.iter().filter(|(_, entry)| !entry.progress.done);
        let live: Vec<u64> = live.map(|(number, _)| *number).collect();
        for number in live {
            let Some(entry) = self.outbox.get(number) else { continue };
            let chat = entry.docket.chat.clone();
            let plain = entry.plain.duplicate();
            match chat {
                Some(chat) => self.count_anew(number, chat, plain.expose()),
                None if is_chain(plain.expose()) => self.drop_entry(number),
                None => self.unseal(number),
            }
        }
    }

    fn count_anew(&mut self, number: u64, chat: Chat, plain: &[u8]) {
        let conversation = chat.conversation;
        let (n, prev) = self.next_count(conversation);
        let Some(plain) = renumbered(conversation, plain, (n, prev)) else {
            self.stuck_because(number, "cannot be sealed again; send it again");
            return self.drop_entry(number);
        };
        self.counted(conversation, n, chat.message);
        self.recount(number, n, plain);
        let message = chat.message;
        self.history.push(HistoryChange::Renumber { conversation, message, number: n });
        if let ConversationId::Group(group) = conversation {
            self.say_anew(number, group, &chat);
        }
    }

    /// What is not delivered in a group is sealed again, for the membership as it is now.
    pub(super) fn say_group_anew(&mut self, gid: GroupId) {
        let conversation = ConversationId::Group(gid);
        let live = self
            .outbox
            .chats()
            .filter(|(_, entry, chat)| chat.conversation == conversation && !entry.progress.done);
        let live: Vec<_> = live.map(|(number, _, chat)| (number, chat.clone())).collect();
        for (number, chat) in live {
            self.say_anew(number, gid, &chat);
        }
    }

    /// Seals a message for a group once more; for its recipients one by one, if somebody has come
    /// since it was written, or only others write there by now.
    fn say_anew(&mut self, number: u64, gid: GroupId, chat: &Chat) {
        let me = self.id();
        let Some(group) = self.groups.get(&gid).filter(|group| group.is_active(&me)) else {
            self.stuck_because(number, "you are no longer a member");
            return self.drop_entry(number);
        };
        let all_meant = group.members().iter().all(|m| *m == me || chat.recipients.contains(m));
        let may = group.log.as_ref().is_some_and(|log| log.may_post_at(&me, log.seq()));
        let Some(plain) = self.outbox.get(number).map(|entry| entry.plain.duplicate()) else {
            return;
        };
        if all_meant && may {
            self.spread_chain(gid);
            match self.seal_in_group(gid, plain.expose()) {
                Ok(bytes) => self.sealed(number, bytes),
                Err(_) => self.drop_entry(number),
            }
            return;
        }
        let waiting = self.outbox.said_one_by_one(number);
        if waiting.is_empty() {
            return self.finish(number);
        }
        for node in waiting {
            let (chain, idx, plain) = (ChainId([0; 16]), 0, plain.duplicate());
            self.tell(node, &PairPlain::Resend { gid, plain, chain, idx });
        }
        self.touch(Key::Progress(number));
    }

    /// The next count in a conversation, and the message before it.
    pub(super) fn next_count(&self, conversation: ConversationId) -> (u64, MessageId) {
        let last = match conversation {
            ConversationId::Direct(peer) => self.people.get(&peer).map(|p| (p.sent, p.last)),
            ConversationId::Group(id) => {
                self.groups.get(&id).map(|group| (group.facts.sent, group.facts.last))
            }
        };
        let begin = begin_of(self.own.era);
        match last {
            Some((sent, last)) if sent > begin => (sent.saturating_add(1), last),
            _ => (begin.saturating_add(1), NO_MESSAGE),
        }
    }

    /// A count was given to a message.
    pub(super) fn counted(&mut self, conversation: ConversationId, n: u64, message: MessageId) {
        match conversation {
            ConversationId::Direct(peer) => {
                let person = self.meet(peer);
                leave_era(&mut person.earlier, person.sent, n);
                (person.sent, person.last) = (n, message);
                self.touch(Key::Contact(peer));
            }
            ConversationId::Group(id) => {
                if let Some(group) = self.groups.get_mut(&id) {
                    leave_era(&mut group.facts.earlier, group.facts.sent, n);
                    (group.facts.sent, group.facts.last) = (n, message);
                    self.touch(Key::Group(id));
                }
            }
        }
    }
}

/// Remembers where an era ended when a count of the next is given.
fn leave_era(earlier: &mut Vec<u64>, sent: u64, n: u64) {
    if sent > 0 && era_of(sent) < era_of(n) {
        earlier.push(sent);
        let surplus = earlier.len().saturating_sub(ERAS);
        earlier.drain(..surplus);
    }
}

fn is_chain(plain: &[u8]) -> bool {
    matches!(PairPlain::decode(plain), Ok(PairPlain::Skdm(_)))
}

/// The same message under another count.
fn renumbered(
    conversation: ConversationId,
    plain: &[u8],
    (n, prev): (u64, MessageId),
) -> Option<SecretBytes> {
    match conversation {
        ConversationId::Direct(_) => match PairPlain::decode(plain) {
            Ok(PairPlain::Chat(mut chat)) => {
                (chat.n, chat.prev) = (n, prev);
                Some(PairPlain::Chat(chat).encode())
            }
            _ => None,
        },
        ConversationId::Group(_) => {
            let mut chat = GroupPlain::decode(plain).ok()?;
            (chat.n, chat.prev) = (n, prev);
            Some(chat.encode())
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::session::{Bundle, LocalPrekeys, initiate};
    use hubbub_shared::wire::codec::encode;
    use hubbub_shared::wire::from_hub::{Item, ItemKind};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(Secret32::from_bytes([seed; 32]))
    }

    /// Alice's first message to bob, under the prekeys he has now.
    fn first_message(bob: &Engine, rng: &mut ChaCha20Rng) -> Item {
        let alice = identity(1);
        let published = bob.prekeys.publication();
        let (mine, spk) = (encode(&published.identity), encode(&published.spk));
        let bundle = Bundle::from_wire(&mine, &spk, None).unwrap().check(&bob.id(), NOW).unwrap();
        let prekeys = LocalPrekeys::generate(&alice, NOW, rng);
        let mut session = initiate(&alice, &prekeys, bundle, NOW, rng).unwrap();
        let sealed = session.seal(PairPlain::Nothing.encode().expose(), NOW, rng).unwrap();
        let bytes = ByteBuf::from(sealed);
        Item { seq: 1, kind: ItemKind::Envelope, at: NOW, from: alice.id(), bytes }
    }

    #[test]
    fn nothing_is_sealed_in_a_session_that_another_life_of_this_node_may_have_taken_up() {
        let (alice, mut rng) = (identity(1).id(), ChaCha20Rng::from_seed([3; 32]));
        let hub = identity(9).hub_id();
        let mut bob = Engine::new(identity(2), hub, Vec::new(), [7; 32], NOW).unwrap();
        let before = first_message(&bob, &mut rng);
        bob.own.generation = 5;
        bob.begin_era();
        bob.take_mail(&before);
        let retired = |bob: &Engine| -> Vec<bool> {
            bob.sessions.get(&alice).into_iter().flatten().map(|s| s.is_retired()).collect()
        };
        assert_eq!(retired(&bob), [true]);
        bob.now = NOW + Millis::secs(1);
        let after = first_message(&bob, &mut rng);
        bob.take_mail(&after);
        assert_eq!(retired(&bob), [true, false]);
    }
}
