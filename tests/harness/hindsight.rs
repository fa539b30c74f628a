//! What newcomers know of the time before they came: nothing but what was said then, where the
//! group's setting says so; and all that its authors must have told them.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_node::api::ConversationId;
use hubbub_node::engine::output::PastLine;
use hubbub_shared::group::ControlLog;
use hubbub_shared::id::{GroupId, MessageId, NodeId};

use crate::agreement::{agreed, stayed};
use crate::model::Queued;
use crate::world::World;

/// What was said, and of whom nothing can be expected.
pub(crate) struct Said<'a> {
    pub(crate) queued: &'a BTreeMap<MessageId, Queued>,
    /// Authors who lost a state, or whose clock was turned: what they wrote may seem older to them
    /// than the setting.
    pub(crate) excused: BTreeSet<usize>,
}

impl Said<'_> {
    /// What is wrong with a group's past, if anything is.
    pub(crate) fn check(&self, world: &World, group: &GroupId) -> Result<(), String> {
        let Some(log) = agreed(world, group)? else { return Ok(()) };
        for who in 0..world.devices.len() {
            let at = |wrong| format!("{}: {wrong}", world.devices[who].name);
            let past = world.devices[who].disk.past.iter();
            for line in past.filter(|line| line.conversation == ConversationId::Group(*group)) {
                self.may_know(world, log, (who, line)).map_err(at)?;
            }
            self.must_know(world, log, (who, group)).map_err(at)?;
        }
        Ok(())
    }

    /// Whether a line is what its author said, to one who came when newcomers were told.
    fn may_know(
        &self,
        world: &World,
        log: &ControlLog,
        (who, line): (usize, &PastLine),
    ) -> Result<(), String> {
        let queued = self.queued.get(&line.id).ok_or("was told what nobody said")?;
        let (said, author) = (format!("{:?}", line.id), world.id(queued.sender));
        if (line.author, &line.text) != (author, &said) || queued.conversation != line.conversation
        {
            return Err(format!("{said} is not what its author said there"));
        }
        if let Some(other) = line.otherwise {
            return Err(format!("{said} was told otherwise by {other:?}, and nobody lies"));
        }
        let came = comings(log, &world.id(who));
        let since = came.into_iter().filter_map(|joined| told_since(log, joined)).min();
        let Some(since) = since else {
            return Err(format!("was told {said}, and newcomers are told nothing"));
        };
        let before = queued.epoch.is_some_and(|(_, epoch)| epoch < since);
        // What another heard late was said before, perhaps; of its own an author knows better.
        if before && line.told_by.is_none() && !self.excused.contains(&queued.sender) {
            return Err(format!("was told {said}, which is from before newcomers are told"));
        }
        Ok(())
    }

    /// Whether authors who are there told a newcomer all that they had said.
    fn must_know(
        &self,
        world: &World,
        log: &ControlLog,
        (who, group): (usize, &GroupId),
    ) -> Result<(), String> {
        let node = world.id(who);
        let Some(joined) = log.roster().member(&node).map(|member| member.joined) else {
            return Ok(());
        };
        let to_the_end = (joined..=log.seq()).all(|at| log.settings_at(at).history);
        let Some(since) = told_since(log, joined).filter(|_| to_the_end) else { return Ok(()) };
        for (id, queued) in self.queued.iter().filter(|(_, queued)| !queued.undone) {
            let Some((head, epoch)) = queued.epoch else { continue };
            let meant = queued.conversation == ConversationId::Group(*group)
                && (since..joined).contains(&epoch)
                && !queued.readers.contains(&who)
                && !self.excused.contains(&queued.sender);
            let author = world.id(queued.sender);
            if !meant || author == node || stayed(log, &author, (head, epoch)) != Some(true) {
                continue;
            }
            let disk = &world.devices[who].disk;
            let told = |line: &PastLine| (line.author, line.id) == (author, *id);
            let heard = disk.history.iter().any(|line| (line.sender, line.id) == (author, *id));
            if !heard && !disk.past.iter().any(|line| told(line) && line.told_by.is_none()) {
                let name = world.devices[queued.sender].name;
                return Err(format!("{id:?} was never told by {name}, who wrote it"));
            }
        }
        Ok(())
    }
}

/// The entries that let somebody in.
fn comings(log: &ControlLog, who: &NodeId) -> Vec<u64> {
    let there = |at: u64| log.roster().was_member(who, at);
    (0..=log.seq()).filter(|at| there(*at) && !at.checked_sub(1).is_some_and(there)).collect()
}

/// Since when what is said was told to whoever came with that entry; none if nothing was.
fn told_since(log: &ControlLog, joined: u64) -> Option<u64> {
    let on = |at: &u64| log.settings_at(*at).history;
    (0..=joined).rev().take_while(on).last()
}
