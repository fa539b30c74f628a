//! What people do in a storm to govern a group, and to come into one.

use hubbub_node::api::group::{SettingsChange, Who};
use hubbub_node::api::secret::SecretText;
use hubbub_node::api::view::Role;
use hubbub_node::api::{Command, ConversationId};
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::group::link::GroupCode;
use hubbub_shared::id::GroupId;

use crate::model::Door;
use crate::storm::{GROUPS, NAMES, Storm};

/// Passphrases that may be set, and one that never is.
const PASSPHRASES: [&str; 3] = [
    "seven green kettles sing at dawn",
    "nine red umbrellas wait outside",
    "two wrong parrots whistle upstairs",
];
const NEVER_SET: u64 = 2;
const ALIASES: [&str; 2] = ["tearoom", "clubroom"];
const DAY: u64 = 24 * 3_600_000;

impl Storm {
    /// Somebody governs a group or wants in, or two at once do.
    pub(crate) fn govern_fully(&mut self) {
        self.govern_once();
        if self.below(2) == 0 {
            self.govern_once();
        }
    }

    fn govern_once(&mut self) {
        let at = usize::try_from(self.below(2)).unwrap();
        let Some(id) = self.group(at) else { return };
        self.note_links();
        match self.below(24) {
            0..9 => self.change_members(at, id),
            9..12 => self.change_settings(at, id),
            12 | 13 => self.make_link(at, id),
            14..17 => self.use_link(at),
            17 => self.revoke_link(at, id),
            18 if self.has_passphrases() => self.change_passphrase(at, id),
            18..22 => self.knock(at, id),
            _ => self.decide(at, id),
        }
    }

    fn group(&self, at: usize) -> Option<GroupId> {
        match self.model.group(GROUPS[at])? {
            ConversationId::Group(id) => Some(id),
            ConversationId::Direct(_) => None,
        }
    }

    /// Mostly somebody who has a say there, as their own device sees it.
    fn governor(&mut self, id: &GroupId) -> usize {
        let (anybody, whom) = (self.somebody(), self.below(self.people as u64));
        let has_say = |who: &usize| {
            let Some(engine) = self.world.devices[*who].engine.as_ref() else { return false };
            let own = engine.id();
            let members = engine.members(id);
            members.iter().any(|m| m.person.node.0 == own && m.role > Role::Member)
        };
        let able: Vec<usize> = (0..self.people).filter(has_say).collect();
        let chosen = able.get(usize::try_from(whom).unwrap() % able.len().max(1)).copied();
        if self.below(4) == 0 { anybody } else { chosen.unwrap_or(anybody) }
    }

    fn wants(&mut self, who: usize, command: Command) {
        self.log(|| format!("{} wants {command:?}", NAMES[who]));
        self.world.begin(who, command);
    }

    fn change_members(&mut self, at: usize, id: GroupId) {
        let (mut who, whom) = (self.governor(&id), self.somebody());
        let (group, member) = (format!("#{}", GROUPS[at]), NAMES[whom].to_owned());
        let role = [Role::Member, Role::Admin, Role::Owner];
        let role = role[usize::try_from(self.below(3)).unwrap()];
        let command = match self.below(12) {
            0..3 => Command::GroupInvite { group, member },
            3 | 4 => Command::GroupRemove { group, member },
            5 | 6 => Command::GroupRole { group, member, role },
            7 => Command::GroupHandOver { group, member },
            8 => Command::GroupBan { group, member },
            9 => Command::GroupUnban { group, member },
            10 => Command::GroupLeave { group },
            _ => {
                let topic = Some(format!("{whom} and {}", self.below(100)));
                Command::GroupDescribe { group, name: None, topic }
            }
        };
        match &command {
            Command::GroupRemove { .. } | Command::GroupBan { .. } => {
                self.model.may_be_out(GROUPS[at], whom);
            }
            Command::GroupLeave { .. } => {
                who = whom;
                self.model.may_be_out(GROUPS[at], who);
            }
            Command::GroupInvite { .. } => {
                self.model.let_in(Door::Invited, GROUPS[at], self.world.id(whom));
            }
            _ => {}
        }
        self.wants(who, command);
    }

    fn change_settings(&mut self, at: usize, id: GroupId) {
        let who = self.governor(&id);
        let mut change = SettingsChange::default();
        let admins = if self.below(3) == 0 { Who::Admins } else { Who::Members };
        match self.below(6) {
            0 => change.posting = Some(admins),
            1 => change.adding = Some(admins),
            2 => change.history = Some(self.below(2) == 0),
            3 => {
                let alias = if self.below(4) == 0 { "" } else { ALIASES[at] };
                change.alias = Some(alias.to_owned());
            }
            _ => change.requests = Some(self.below(4) > 0),
        }
        self.wants(who, Command::GroupSet { group: format!("#{}", GROUPS[at]), change });
    }

    // --- Links ---

    /// Every link made so far stays in somebody's hands, revoked or not.
    fn note_links(&mut self) {
        for at in 0..GROUPS.len() {
            let Some(id) = self.group(at) else { continue };
            for who in 0..self.people {
                let engine = self.world.devices[who].engine.as_ref();
                let doors = engine.and_then(|engine| engine.doors(&id));
                let links = doors.into_iter().flat_map(|doors| doors.links);
                for link in links.filter_map(|link| link.link) {
                    if self.links.iter().all(|(_, known)| *known != link) {
                        self.links.push((at, link));
                    }
                }
            }
        }
    }

    fn make_link(&mut self, at: usize, id: GroupId) {
        let who = self.governor(&id);
        let uses = 1 + u16::try_from(self.below(3)).unwrap();
        let expires_in_ms = [600_000, DAY, 30 * DAY][usize::try_from(self.below(3)).unwrap()];
        let group = format!("#{}", GROUPS[at]);
        self.wants(who, Command::GroupLink { group, uses, expires_in_ms });
    }

    fn link_of(&mut self, at: usize) -> Option<String> {
        let of_it = self.links.iter().filter(|(group, _)| *group == at);
        let of_it: Vec<String> = of_it.map(|(_, link)| link.clone()).collect();
        let which = self.below(of_it.len().max(1) as u64);
        of_it.get(usize::try_from(which).unwrap()).cloned()
    }

    fn use_link(&mut self, at: usize) {
        let who = self.somebody();
        let Some(link) = self.link_of(at) else { return };
        self.model.let_in(Door::Link, GROUPS[at], self.world.id(who));
        self.wants(who, Command::GroupJoin { link });
    }

    fn revoke_link(&mut self, at: usize, id: GroupId) {
        let who = self.governor(&id);
        let Some(link) = self.link_of(at) else { return };
        self.wants(who, Command::GroupUnlink { group: format!("#{}", GROUPS[at]), link });
    }

    // --- Knocking and asking ---

    fn change_passphrase(&mut self, at: usize, id: GroupId) {
        let who = self.governor(&id);
        let which = usize::try_from(self.below(NEVER_SET)).unwrap();
        let passphrase = (self.below(5) > 0).then(|| secret(PASSPHRASES[which]));
        self.wants(who, Command::GroupPassphrase { group: format!("#{}", GROUPS[at]), passphrase });
    }

    /// With one of the passphrases, or asking.
    fn knock(&mut self, at: usize, id: GroupId) {
        let who = self.somebody();
        let which = self.below(NEVER_SET + 2);
        let asks = !self.has_passphrases() || which > NEVER_SET;
        let passphrase = (!asks).then(|| secret(PASSPHRASES[usize::try_from(which).unwrap()]));
        let room = match self.below(2) {
            0 => ALIASES[at].to_owned(),
            _ => GroupCode { gid: id, secret: None }.to_text(),
        };
        if !asks && which < NEVER_SET {
            self.model.let_in(Door::Passphrase, GROUPS[at], self.world.id(who));
        }
        let note = if asks { format!("it is me, {}", NAMES[who]) } else { String::new() };
        self.wants(who, Command::GroupKnock { room, passphrase, note });
    }

    /// Whoever is asked decides.
    fn decide(&mut self, at: usize, id: GroupId) {
        let asked = (0..self.people).filter_map(|who| {
            let doors = self.world.devices[who].engine.as_ref()?.doors(&id)?;
            Some((who, doors.asking.first()?.person.node.0))
        });
        let asked: Vec<_> = asked.collect();
        let Some((who, whom)) =
            asked.get(usize::try_from(self.below(8)).unwrap() % asked.len().max(1))
        else {
            return;
        };
        let (who, accept) = (*who, self.below(4) > 0);
        let Some(whom) = (0..self.people).find(|other| self.world.id(*other) == *whom) else {
            return;
        };
        if accept {
            self.model.let_in(Door::Request, GROUPS[at], self.world.id(whom));
        }
        let (group, member) = (format!("#{}", GROUPS[at]), NAMES[whom].to_owned());
        self.wants(who, Command::GroupDecide { group, member, accept });
    }
}

fn secret(text: &str) -> SecretText {
    SecretText::new(SecretBytes::from_vec(text.as_bytes().to_vec()))
}
