//! Carrying out what a face asks.

use hubbub_shared::group::meta::GroupMeta;
use hubbub_shared::group::{ControlLog, Policy, Role};
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::nickname::Nickname;
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;

use super::Engine;
use super::group::{Facts, Group};
use super::link::unreachable;
use super::lookup::Found;
use super::output::{HistoryChange, Ticket};
use super::wish::{Asker, Wish};
use crate::api::command::MessageText;
use crate::api::group::SettingsChange;
use crate::api::{ApiError, Code, Command, ConversationId, Reply, view};

/// Members a group may be founded with.
const FOUNDERS: usize = 1_000;
/// How people came in, for people: somebody knew them.
const VIA_CONTACT: u8 = 1;

impl Engine {
    /// A face asks for something. It is answered with its ticket, once.
    pub fn handle_command(&mut self, ticket: Ticket, command: Command, now: Timestamp) {
        self.now = now;
        self.notice_person(&command);
        self.run(ticket, command, Found::new());
        self.pump();
    }

    /// Carries a command out, or first has the names in it looked up.
    pub(super) fn run(&mut self, ticket: Ticket, command: Command, found: Found) {
        if let Err(error) = self.unless_names_moved(&command) {
            return self.answer(ticket, Err(error));
        }
        let missing = self.missing(&command, &found);
        if !missing.is_empty() {
            return self.look_up(ticket, command, missing, found);
        }
        if let Some(answer) = self.execute(ticket, command, &found).transpose() {
            self.answer(ticket, answer);
        }
    }

    /// The answer, or none when it comes later.
    fn execute(
        &mut self,
        ticket: Ticket,
        command: Command,
        found: &Found,
    ) -> Result<Option<Reply>, ApiError> {
        match command {
            Command::SetNickname { nickname } => {
                self.set_nickname(ticket, &nickname);
                return Ok(None);
            }
            Command::Send { to, text, id } => {
                let conversation = self.conversation(&to, found)?;
                if let ConversationId::Direct(node) = conversation {
                    self.warn_if_contested(&to, node);
                }
                let id = id.map_or_else(|| self.random_id(), |MessageText(id)| id);
                return self.send(conversation, id, text).map(Some);
            }
            Command::Open { to } => {
                let conversation = self.conversation(&to, found)?;
                if let ConversationId::Direct(node) = conversation {
                    self.warn_if_contested(&to, node);
                    self.befriend(node);
                }
                return Ok(Some(Reply::Conversation { conversation }));
            }
            Command::MarkRead { conversation } => self.mark_read(conversation),
            Command::Verify { .. }
            | Command::Compare { .. }
            | Command::SetStatus { .. }
            | Command::SetProfile { .. }
            | Command::Accept { .. }
            | Command::Decline { .. }
            | Command::Block { .. }
            | Command::Unblock { .. } => return self.about_people(command, found).map(Some),
            Command::Typing { conversation } => self.say_typing(conversation),
            Command::Set(choice) => self.configure(choice.over(self.settings), self.now),
            Command::SetFiles(_)
            | Command::SetFileRule { .. }
            | Command::SetGroupFileRule { .. } => self.rule_files(command, found)?,
            Command::SendFile(send) => {
                let conversation = self.conversation(&send.to, found)?;
                if let ConversationId::Direct(node) = conversation {
                    self.warn_if_contested(&send.to, node);
                }
                return self.send_file(conversation, send).map(Some);
            }
            Command::File { file, deed } => self.do_with_file(file, deed)?,
            group => {
                self.change_group(ticket, group, found)?;
                return Ok(None);
            }
        }
        Ok(Some(Reply::Done))
    }

    /// What is fetched without asking, and what holds for all files.
    fn rule_files(&mut self, command: Command, found: &Found) -> Result<(), ApiError> {
        match command {
            Command::SetFiles(choice) => {
                self.configure_files(choice.over(self.file_settings().clone()));
                Ok(())
            }
            Command::SetFileRule { contact, rule } => {
                let node = self.person_meant(&contact, found)?;
                self.set_file_rule(node, rule)
            }
            Command::SetGroupFileRule { group, rule } => {
                let id = self.group_meant(&group)?;
                self.set_group_file_rule(id, rule)
            }
            _ => Ok(()), // carried out elsewhere
        }
    }

    /// What concerns people is done at once.
    fn about_people(&mut self, command: Command, found: &Found) -> Result<Reply, ApiError> {
        match command {
            Command::Verify { contact, verified } => {
                let node = self.person_meant(&contact, found)?;
                self.set_verified(node, verified);
            }
            Command::Compare { contact, shown } => {
                let node = self.person_meant(&contact, found)?;
                self.compare(node, &shown)?;
            }
            Command::SetStatus { status } => self.set_profile(None, Some(status), None)?,
            Command::SetProfile { name, status, picture } => {
                self.set_profile(name, status, picture.as_deref())?;
            }
            Command::Accept { request } => {
                let conversation = self.accept(&request)?;
                return Ok(Reply::Conversation { conversation });
            }
            Command::Decline { request } => self.decline(&request)?,
            Command::Block { contact } => {
                let asking = self.asking_person(&contact);
                let node = asking.map_or_else(|| self.person_meant(&contact, found), Ok)?;
                self.block(node)?;
            }
            Command::Unblock { contact } => {
                let node = self.person_meant(&contact, found)?;
                self.unblock(node)?;
            }
            _ => return Err(ApiError::new(Code::Usage, "not about people", "try another")),
        }
        Ok(Reply::Done)
    }

    /// What concerns a group is answered when its log says so.
    fn change_group(
        &mut self,
        ticket: Ticket,
        command: Command,
        found: &Found,
    ) -> Result<(), ApiError> {
        let (group, wish) = match command {
            Command::GroupNew { name, members } => {
                return self.found_group(ticket, &name, &members, found);
            }
            Command::GroupInvite { group, member } => {
                let (group, member) = self.change_of(&group, &member, found)?;
                self.unless_blocked(&member)?;
                self.befriend(member);
                (group, Wish::Add(member, VIA_CONTACT))
            }
            Command::GroupRemove { group, member } => {
                let (group, member) = self.change_of(&group, &member, found)?;
                (group, Wish::Remove(member))
            }
            Command::GroupRole { group, member, role } => {
                let (group, member) = self.change_of(&group, &member, found)?;
                (group, Wish::Role(member, role_of(role)))
            }
            Command::GroupDescribe { group, name, topic } => {
                (self.group_to_change(&group)?, Wish::Describe { name, topic })
            }
            Command::GroupLeave { group } => (self.group_to_change(&group)?, Wish::Leave),
            door => return self.change_doors(ticket, door, found),
        };
        self.wish(group, wish, Some(Asker { ticket, reply: Reply::Done }));
        Ok(())
    }

    /// What concerns the ways into a group.
    fn change_doors(
        &mut self,
        ticket: Ticket,
        command: Command,
        found: &Found,
    ) -> Result<(), ApiError> {
        let (group, wish) = match command {
            Command::GroupSet { group, change } => {
                (self.group_to_change(&group)?, Wish::Set(checked(change)?))
            }
            Command::GroupBan { group, member } => {
                let (group, member) = self.change_of(&group, &member, found)?;
                (group, Wish::Ban(member))
            }
            Command::GroupUnban { group, member } => {
                let (group, member) = self.change_of(&group, &member, found)?;
                (group, Wish::Unban(member))
            }
            Command::GroupHandOver { group, member } => {
                let (group, member) = self.change_of(&group, &member, found)?;
                (group, Wish::HandOver(member))
            }
            Command::GroupUnlink { group, link } => {
                let group = self.group_to_change(&group)?;
                let key = self.link_meant(&group, &link)?;
                (group, Wish::Revoke(key))
            }
            Command::GroupLink { group, uses, expires_in_ms } => {
                let group = self.group_to_change(&group)?;
                return self.make_link(ticket, group, (uses, Millis(expires_in_ms)));
            }
            Command::GroupPassphrase { group, passphrase } => {
                let group = self.group_to_change(&group)?;
                let typed = passphrase.as_ref().map(|typed| typed.as_str().unwrap_or_default());
                return self.set_passphrase(ticket, group, typed);
            }
            Command::GroupKnock { room, passphrase, note } => {
                let typed = passphrase.as_ref().map(|typed| typed.as_str().unwrap_or_default());
                return self.knock_at(ticket, room, typed, note);
            }
            Command::GroupKnockStop { room } => {
                self.stop_knocking(&room)?;
                self.answer(ticket, Ok(Reply::Done));
                return Ok(());
            }
            Command::GroupDecide { group, member, accept } => {
                let (group, member) = self.change_of(&group, &member, found)?;
                return self.decide(ticket, (group, member), accept);
            }
            Command::GroupJoin { link } => {
                if !self.link.is_up() {
                    return Err(unreachable("a group is joined at the hub; try again then"));
                }
                return self.come_by_link(ticket, &link);
            }
            _ => return Err(ApiError::new(Code::Usage, "no change of a group", "try another")),
        };
        self.wish(group, wish, Some(Asker { ticket, reply: Reply::Done }));
        Ok(())
    }

    pub(super) fn random_id(&mut self) -> MessageId {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        MessageId(id)
    }

    fn group_to_change(&self, group: &str) -> Result<GroupId, ApiError> {
        let id = self.group_meant(group)?;
        if self.link.is_up() {
            Ok(id)
        } else {
            Err(unreachable("groups change when the hub is back; try again then"))
        }
    }

    fn change_of(
        &self,
        group: &str,
        member: &str,
        found: &Found,
    ) -> Result<(GroupId, NodeId), ApiError> {
        Ok((self.group_to_change(group)?, self.person_meant(member, found)?))
    }

    fn found_group(
        &mut self,
        ticket: Ticket,
        name: &str,
        members: &[String],
        found: &Found,
    ) -> Result<(), ApiError> {
        if !self.link.is_up() {
            return Err(unreachable("a group is founded at the hub; try again when it is back"));
        }
        let meta = GroupMeta::new(name, "")
            .map_err(|error| ApiError::new(Code::Usage, error.to_string(), "choose another"))?;
        if members.len() > FOUNDERS {
            let what = format!("a group can be founded with {FOUNDERS} members at most");
            return Err(ApiError::new(Code::Usage, what, "invite the others afterwards"));
        }
        let mut nodes = Vec::new();
        for member in members {
            let node = self.person_meant(member, found)?;
            self.unless_blocked(&node)?;
            if node != self.id() && !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let id = self.create_group(meta.name());
        let conversation = ConversationId::Group(id);
        let mut wishes = vec![Wish::Describe { name: Some(meta.name().to_owned()), topic: None }];
        for node in nodes {
            self.befriend(node);
            wishes.push(Wish::Add(node, VIA_CONTACT));
        }
        let last = wishes.len();
        for (at, wish) in wishes.into_iter().enumerate() {
            let reply = Reply::Conversation { conversation };
            let asker = (at + 1 == last).then_some(Asker { ticket, reply });
            self.wish(id, wish, asker);
        }
        Ok(())
    }

    /// A new group of our own, here and on its way to the hub.
    fn create_group(&mut self, name: &str) -> GroupId {
        let (id, entry) = ControlLog::create(&self.me, Policy::closed(), self.now, &mut self.rng);
        let mut group = Group::new(Facts::new(self.now, true));
        group.facts.name = name.to_owned();
        self.groups.insert(id, group);
        self.take_entry(id, &entry, None);
        self.fresh_name_key(id);
        // The hub does not know it yet: reading it finds that out, and brings it there.
        self.read_control(id);
        self.changed(ConversationId::Group(id));
        id
    }

    fn mark_read(&mut self, conversation: ConversationId) {
        self.history.push(HistoryChange::Read(conversation));
        if self.settings.read_receipts {
            self.owe_read(conversation);
        }
        self.changed(conversation);
    }
}

/// A public name has to be one; the hub would not grant another.
fn checked(change: SettingsChange) -> Result<SettingsChange, ApiError> {
    let alias = change.alias.as_deref().map(str::trim).filter(|alias| !alias.is_empty());
    if let Some(Err(error)) = alias.map(Nickname::prepare) {
        let what = format!("this cannot be a public name: {error}");
        return Err(ApiError::new(Code::Usage, what, "choose another"));
    }
    Ok(change)
}

fn role_of(role: view::Role) -> Role {
    match role {
        view::Role::Member => Role::Member,
        view::Role::Admin => Role::Admin,
        view::Role::Owner => Role::Owner,
    }
}
