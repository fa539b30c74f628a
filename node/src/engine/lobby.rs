//! The hub's lobby: an open group everybody on the hub lets itself into.
//!
//! It is trusted to be the lobby only because the hub's own key signed its first entry. The hub is
//! no member and holds no key.

use hubbub_shared::group::control::JoinPolicy;
use hubbub_shared::id::GroupId;

use super::Engine;
use super::group::{Facts, Group};
use super::record::Key;
use super::wish::Wish;

impl Engine {
    /// The hub names its lobby.
    pub(super) fn find_lobby(&mut self, lobby: GroupId) {
        if self.own.lobby != Some(lobby) {
            self.own.lobby = Some(lobby);
            self.touch(Key::Own);
        }
        if !self.groups.contains_key(&lobby) {
            self.groups.insert(lobby, Group::new(Facts::new(self.now, false)));
            self.touch(Key::Group(lobby));
        }
    }

    /// The hub granted a nickname: the lobby may be open now.
    pub(super) fn join_lobby(&mut self) {
        if let Some(lobby) = self.own.lobby {
            self.join_if_lobby(lobby);
        }
    }

    /// Once its log is read: checks that it is the hub's lobby, and joins, under a name.
    pub(super) fn join_if_lobby(&mut self, id: GroupId) {
        if self.own.lobby != Some(id) {
            return;
        }
        let (hub, me) = (self.hub.as_author(), self.id());
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(log) = &group.log else { return };
        let open = log.policy().join == JoinPolicy::Open;
        if !log.is_lobby() || log.founder() != hub || !open {
            self.own.lobby = None;
            self.touch(Key::Own);
            self.count("bad-lobby");
            return self.warn("bad-lobby", "the hub shows a lobby it did not found".to_owned());
        }
        let newly = !core::mem::replace(&mut group.facts.invited, true);
        let joined = log.roster().is_member(&me) || log.roster().left_at(&me).is_some();
        let wished = group.facts.wishes.iter().any(|(_, wish)| *wish == Wish::Join);
        self.touch(Key::Group(id));
        if newly {
            self.ask_names_in(&id);
        }
        // Nobody comes in without a name.
        if !joined && !wished && self.own.nickname.is_some() {
            self.wish(id, Wish::Join, None);
        }
    }

    /// Whether this is the lobby, and we are on our way in.
    pub(super) fn is_coming_into_lobby(&self, id: &GroupId) -> bool {
        let log = self.groups.get(id).and_then(|group| group.log.as_ref());
        let left = log.is_some_and(|log| log.roster().left_at(&self.id()).is_some());
        self.own.lobby == Some(*id) && !left
    }
}
