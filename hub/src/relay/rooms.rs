//! Rooms: groups that strangers can find, by a public name or a link, to ask to be let in.
//!
//! The hub says whom to ask and nothing else: it knows no passphrase and can let nobody in. A
//! public name is a wish in the group's signed settings, granted here to the first who has it; the
//! grant is written down, so a restart moves no name to another group.

use std::collections::BTreeMap;

use hubbub_shared::group::control::ControlLog;
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::limits::KEEPERS_MAX;
use hubbub_shared::nickname::Nickname;
use hubbub_shared::wire::from_hub::Room;
use hubbub_shared::wire::to_hub::FindRoom;
use hubbub_shared::wire::{FromHub, Refusal, RefusalCode};

use super::command::Write;
use super::{Asked, Relay};

/// Public names of groups, by any of their skeletons.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    by_skeleton: BTreeMap<String, GroupId>,
}

impl Rooms {
    /// Takes in what was stored.
    pub(super) fn restore(&mut self, skeleton: String, group: GroupId) {
        self.by_skeleton.insert(skeleton, group);
    }

    /// Gives `group` the name it wants now, if nobody has it, and takes the others it had.
    fn grant(&mut self, group: GroupId, wanted: Option<&Nickname>) -> Vec<Write> {
        let wanted = wanted.map(|name| name.skeletons().to_vec()).unwrap_or_default();
        let free = wanted.iter().all(|like| self.of(like).is_none_or(|holder| holder == group));
        let wanted = if free { wanted } else { Vec::new() };
        let held = self.by_skeleton.iter().filter(|(_, holder)| **holder == group);
        let held: Vec<String> = held.map(|(skeleton, _)| skeleton.clone()).collect();
        let mut writes = Vec::new();
        for skeleton in held.into_iter().filter(|skeleton| !wanted.contains(skeleton)) {
            self.by_skeleton.remove(&skeleton);
            writes.push(Write::Room { skeleton, group: None });
        }
        for skeleton in wanted {
            if self.by_skeleton.insert(skeleton.clone(), group).is_none() {
                writes.push(Write::Room { skeleton, group: Some(group) });
            }
        }
        writes
    }

    fn of(&self, skeleton: &str) -> Option<GroupId> {
        self.by_skeleton.get(skeleton).copied()
    }

    fn find(&self, typed: &str) -> Option<GroupId> {
        self.of(&Nickname::prepare(typed).ok()?.skeleton())
    }
}

impl Relay {
    /// A group's settings changed, or it ended: its public name is granted, kept or free again.
    pub(super) fn name_room(&mut self, group: GroupId) {
        let control = self.channels.get(&group).filter(|control| !control.is_closed());
        let alias = control.and_then(|control| control.settings().alias);
        // A name that is none is simply not granted.
        let wanted = alias.and_then(|alias| Nickname::prepare(&alias).ok());
        for write in self.rooms.grant(group, wanted.as_ref()) {
            self.write(write);
        }
    }

    /// Tells a stranger whom to ask. A group without a door is not there.
    pub(super) fn find_room(&mut self, asked: Asked, body: &FindRoom) -> Result<(), Refusal> {
        let group = match (&body.alias, body.group) {
            (Some(alias), None) => self.rooms.find(alias),
            (None, group) => group,
            (Some(_), Some(_)) => return Err(RefusalCode::BadFrame.plain()),
        };
        let control = group.and_then(|group| self.channels.get(&group));
        let open = control.filter(|c| !c.is_closed() && c.settings().has_door());
        let control = open.ok_or(RefusalCode::NoSuchGroup.plain())?;
        let settings = control.settings();
        let room = Room {
            req: asked.req,
            group: control.group(),
            passphrase: settings.passphrase,
            requests: settings.requests,
            keepers: self.keepers(control),
        };
        self.send(asked.conn, FromHub::Room(room));
        Ok(())
    }

    /// Who may let people in: the connected first, then the highest rank.
    fn keepers(&self, control: &ControlLog) -> Vec<NodeId> {
        let may = control.roster().members().filter(|member| control.may_add(&member.node));
        let away = |node: &NodeId| self.presence.of(node).is_none();
        let mut keepers: Vec<_> = may.collect();
        keepers.sort_by_key(|member| (away(&member.node), core::cmp::Reverse(member.role)));
        keepers.into_iter().map(|member| member.node).take(KEEPERS_MAX).collect()
    }
}
