//! What everybody must see after a storm, known from what people did alone.
//!
//! A message whose device said that it is queued is on every device of every member it was for,
//! once, in its author's order, and its author knows; or its author is told why not. Nobody else
//! sees it. Nothing is shown as missing or refused, nothing waits, and all members agree on the
//! group's history, on who is one, and on what holds there; newcomers know what they are to be told
//! of the time before. Nobody came in but by a door that
//! somebody opened, and what was said was allowed where it was said. What was said on a disk that
//! was put back to an earlier state may be lost, and no more.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_node::api::ConversationId;
use hubbub_node::api::view::{Body, Delivery, Notice};
use hubbub_node::engine::output::StoredMessage;
use hubbub_shared::id::{GroupId, Head, MessageId, NodeId};

pub(crate) use crate::agreement::Door;
use crate::agreement::{self, Admitted, is_active, stayed};
use crate::hindsight::Said;
use crate::storm::place;
use crate::world::World;

/// One message that is queued.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) sender: usize,
    /// As its sender sees it.
    pub(crate) conversation: ConversationId,
    pub(crate) readers: BTreeSet<usize>,
    /// In a group: the entry of the log it was written after.
    pub(crate) epoch: Option<(Head, u64)>,
    /// In which order it was queued, of all.
    turn: usize,
    /// Its author's disk has since been put back to before it.
    pub(crate) undone: bool,
}

/// What may be said of a group whose last changes a hub has forgotten: there were two histories, or
/// what somebody wrote before being removed has come after it in the new order.
const UNSETTLED: [&str; 4] = ["fork", "other-history", "wrong-prev", "removed"];

/// Everything known.
#[derive(Debug, Default)]
pub(crate) struct Model {
    queued: BTreeMap<MessageId, Queued>,
    tried: Vec<(usize, String, MessageId)>,
    groups: BTreeMap<&'static str, ConversationId>,
    /// Who was or may have been removed from, or left, which group.
    out: BTreeSet<(ConversationId, usize)>,
    admitted: Admitted,
    restored: BTreeSet<usize>,
    /// Whose clock was turned.
    turned: BTreeSet<usize>,
    wiped: bool,
}

type Check = Result<(), String>;

impl Model {
    pub(crate) fn found(&mut self, name: &'static str, group: ConversationId) {
        self.groups.insert(name, group);
    }

    pub(crate) fn group(&self, name: &str) -> Option<ConversationId> {
        self.groups.get(name).copied()
    }

    /// Somebody may come into a group by a door from now on.
    pub(crate) fn let_in(&mut self, door: Door, name: &str, node: NodeId) {
        if let Some(ConversationId::Group(group)) = self.groups.get(name) {
            self.admitted.insert((*group, door, node));
        }
    }

    pub(crate) fn tried(&mut self, who: usize, to: String, id: MessageId) {
        self.tried.push((who, to, id));
    }

    pub(crate) fn last_tried(&self) -> Option<(usize, String, MessageId)> {
        self.tried.last().cloned()
    }

    pub(crate) fn may_be_out(&mut self, name: &'static str, who: usize) {
        if let Some(group) = self.groups.get(name) {
            self.out.insert((*group, who));
        }
    }

    /// Looks whether a device has queued a message: then the promise holds.
    pub(crate) fn note(&mut self, world: &World, who: usize, id: MessageId) -> bool {
        let lines = &world.devices[who].disk.history;
        let own = lines.iter().find(|line| line.id == id && line.sender == world.id(who));
        let Some(own) = own else { return false };
        let known = |node: &NodeId| (0..world.devices.len()).find(|who| world.id(*who) == *node);
        let readers = own.recipients.iter().filter_map(known).collect();
        let (conversation, turn) = (own.conversation, self.queued.len());
        let epoch = match conversation {
            ConversationId::Group(group) => {
                let log = world.holdings.log_of(&world.devices[who].disk, &group);
                log.map(|log| (log.head(), log.seq()))
            }
            ConversationId::Direct(_) => None,
        };
        let queued = Queued { sender: who, conversation, readers, epoch, turn, undone: false };
        self.queued.entry(id).or_insert(queued).undone = false;
        true
    }

    /// The hub lost its disk.
    pub(crate) fn wiped(&mut self) {
        self.wiped = true;
    }

    /// Somebody's clock was turned.
    pub(crate) fn turned(&mut self, who: usize) {
        self.turned.insert(who);
    }

    /// A disk was put back.
    pub(crate) fn restored(&mut self, world: &World, who: usize, _said: u64) {
        self.restored.insert(who);
        let lines = &world.devices[who].disk.history;
        for (id, queued) in self.queued.iter_mut().filter(|(_, queued)| queued.sender == who) {
            queued.undone |= !lines.iter().any(|line| line.id == *id);
        }
    }

    // --- Judging ---

    /// What is wrong, if anything is.
    pub(crate) fn check(&self, world: &World) -> Check {
        for who in 0..world.devices.len() {
            self.device(world, who)
                .map_err(|wrong| format!("{}: {wrong}", world.devices[who].name))?;
        }
        for (id, queued) in self.queued.iter().filter(|(_, queued)| !queued.undone) {
            let name = world.devices[queued.sender].name;
            self.arrived(world, *id, queued)
                .map_err(|wrong| format!("{id:?} of {name} {wrong}"))?;
        }
        agreement::doors(world, &self.admitted)?;
        self.agreement(world)
    }

    fn device(&self, world: &World, who: usize) -> Check {
        let device = &world.devices[who];
        let (mut seen, mut turns) = (BTreeSet::new(), BTreeMap::new());
        for line in &device.disk.history {
            match &line.body {
                Body::Text(_) => {
                    let turn = self.line(world, who, line)?;
                    if !seen.insert((line.sender, line.id)) {
                        return Err(format!("{:?} is shown twice", line.id));
                    }
                    self.order(who, line, turn, &mut turns)?;
                }
                Body::Missing => self.missing(world, who, line)?,
                // What the old hub had ordered and nobody had read, the new one may order anew.
                Body::Notice(Notice::Refused { reason, .. })
                    if self.wiped && UNSETTLED.contains(&reason.as_str()) => {}
                Body::Notice(Notice::Refused { reason, .. }) => {
                    return Err(format!("refused something: {reason}"));
                }
                Body::Notice(_) | Body::Unsupported | Body::File(_) => {}
            }
        }
        let announced: BTreeSet<_> = device.shown.iter().collect();
        if announced.len() != device.shown.len() && !self.restored.contains(&who) {
            return Err("something was announced twice".to_owned());
        }
        let status = world.engine(who).status();
        let (keys, waits) = (status.waiting_for_keys, status.unsent + status.undelivered);
        let told: BTreeSet<_> = device.disk.stuck.keys().map(|(message, _)| message).collect();
        if keys > 0 || waits > u64::try_from(told.len()).unwrap() {
            return Err(format!("waits: {keys} for keys, {waits} messages, no reason given"));
        }
        Ok(())
    }

    /// Whether a line was said, there, by this one, and for this device; and its turn.
    fn line(&self, world: &World, who: usize, line: &StoredMessage) -> Result<usize, String> {
        let queued = self.queued.get(&line.id).ok_or("shows what nobody said")?;
        let by = world.id(queued.sender);
        let expected = match queued.conversation {
            ConversationId::Direct(_) if who != queued.sender => ConversationId::Direct(by),
            other => other,
        };
        let entitled = who == queued.sender || queued.readers.contains(&who);
        match (line.sender == by, line.conversation == expected, entitled) {
            (true, true, true) => Ok(queued.turn),
            _ => Err(format!("{:?} is not from there, or not for here", line.id)),
        }
    }

    /// Within one era, an author's messages stand in the order in which they were queued.
    fn order(
        &self,
        who: usize,
        line: &StoredMessage,
        turn: usize,
        turns: &mut BTreeMap<(ConversationId, NodeId, u64), usize>,
    ) -> Check {
        let last = turns.entry((line.conversation, line.sender, line.number >> 32)).or_default();
        if *last > turn && !self.restored.contains(&who) && !self.wiped {
            return Err(format!("{:?} is out of order", line.id));
        }
        *last = turn;
        Ok(())
    }

    /// A line for a missing message may stay if nobody is left to ask.
    fn missing(&self, world: &World, who: usize, line: &StoredMessage) -> Check {
        let author = (0..world.devices.len()).find(|other| world.id(*other) == line.sender);
        let belongs = author.is_some_and(|author| belongs(world, line.conversation, (who, author)));
        if belongs {
            let place = place(world, line.conversation);
            return Err(format!("{} of {place} is still missing", line.number));
        }
        Ok(())
    }

    fn arrived(&self, world: &World, id: MessageId, queued: &Queued) -> Check {
        self.allowed(world, queued)?;
        let own = &world.devices[queued.sender].disk;
        if own.history.iter().filter(|line| line.id == id).count() != 1 {
            return Err("is not in its author's history once".to_owned());
        }
        for reader in &queued.readers {
            let name = world.devices[*reader].name;
            let key = (id, world.id(*reader));
            let line =
                |line: &&StoredMessage| line.id == id && line.sender == world.id(queued.sender);
            let there = world.devices[*reader].disk.history.iter().any(|l| line(&l));
            let told = own.stuck.contains_key(&key);
            let delivered = own.ledger.get(&key) >= Some(&Delivery::Delivered);
            if delivered && there || told && !delivered {
                continue;
            }
            if self.excused(world, queued, *reader) {
                continue;
            }
            return Err(match (there, delivered) {
                (false, true) => format!("is called delivered to {name} and is not there"),
                (true, _) => format!("is at {name}, and its author does not know"),
                _ => format!("never came to {name}"),
            });
        }
        Ok(())
    }

    /// Somebody was out of the group for some time since.
    fn excused(&self, world: &World, queued: &Queued, reader: usize) -> bool {
        let either = [queued.sender, reader];
        if let (ConversationId::Group(group), Some(epoch)) = (queued.conversation, queued.epoch)
            && let Ok(Some(log)) = agreement::agreed(world, &group)
            && let Some(stayed) = either
                .iter()
                .map(|who| stayed(log, &world.id(*who), epoch))
                .collect::<Option<Vec<_>>>()
        {
            return stayed.contains(&false);
        }
        either.iter().any(|who| self.out.contains(&(queued.conversation, *who)))
            || !belongs(world, queued.conversation, (queued.sender, reader))
    }

    /// Whether it was for members of that time, and its author could write there.
    fn allowed(&self, world: &World, queued: &Queued) -> Check {
        let Some((head, seq)) = queued.epoch else { return Ok(()) };
        let log = world.holdings.log_at(&head).ok_or("has no epoch")?;
        let outside = |who: &&usize| !log.roster().is_member(&world.id(**who));
        if let Some(reader) = queued.readers.iter().find(outside) {
            return Err(format!("is for {}, who was no member", world.devices[*reader].name));
        }
        if log.may_post_at(&world.id(queued.sender), seq) {
            return Ok(());
        }
        Err("was written where its author could not".to_owned())
    }

    fn agreement(&self, world: &World) -> Check {
        for (name, group) in &self.groups {
            let ConversationId::Group(id) = group else { continue };
            agreement::check(world, id).map_err(|wrong| format!("#{name}: {wrong}"))?;
            // Of two histories one may have told newcomers and the other not.
            if !self.wiped {
                let excused = self.restored.union(&self.turned).copied().collect();
                let said = Said { queued: &self.queued, excused };
                said.check(world, id).map_err(|wrong| format!("#{name}: {wrong}"))?;
            }
        }
        Ok(())
    }
}

fn members(world: &World, who: usize, group: &GroupId) -> Vec<NodeId> {
    world.engine(who).members(group).into_iter().map(|member| member.person.node.0).collect()
}

/// Whether two people belong to a conversation in the end, as both see it.
fn belongs(world: &World, conversation: ConversationId, (one, other): (usize, usize)) -> bool {
    let ConversationId::Group(group) = conversation else { return true };
    [(one, other), (other, one)].iter().all(|(who, peer)| {
        is_active(world, *who, &group) && members(world, *who, &group).contains(&world.id(*peer))
    })
}
