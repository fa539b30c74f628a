//! The engine's state as records, each rewritten in the transaction that changed it.
//!
//! What changed is noted by [`Key`] and written once per transaction, however often it changed.
//! Secrets are written field by field and never pass through a general encoder.

use std::collections::BTreeMap;

use hubbub_shared::crypto::{RecordError, RecordReader, RecordWriter, SecretBytes};
use hubbub_shared::group::ControlLog;
use hubbub_shared::group::knock::{Door, Prs};
use hubbub_shared::group::link::{LinkSecret, SECRET};
use hubbub_shared::group::sender_key::{InboundChain, OutboundChain};
use hubbub_shared::id::{ChainId, Digest, GroupId, NodeId, SessionId};
use hubbub_shared::limits::{CONTROL_ENTRIES_MAX, ENVELOPE_MAX, INVITES_MAX};
use hubbub_shared::session::Session;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::codec::{decode, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::file::{self, File};
use super::group::{Facts, Group, Inbound, Offer, Outbound};
use super::invited::OFFERS;
use super::joining::Attempt;
use super::name::NameKeys;
use super::outbox::Entry;
use super::output::{Loaded, RecordChange, Table};
use super::{Engine, LoadError};
use crate::api::ConversationId;

const VERSION: u8 = 1;
/// Largest public part of a record: a message to 1,024 recipients, granted or waiting.
const PART_MAX: usize = ENVELOPE_MAX;

/// What this node is and wants.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Own {
    /// As granted.
    pub(super) nickname: Option<String>,
    /// As claimed and not yet granted.
    pub(super) wanted: Option<String>,
    /// Number and hash of the last claim granted.
    pub(super) claim: Option<(u64, Digest)>,
    pub(super) display_name: String,
    pub(super) status: String,
    /// Contacts are asked not to show when we were last heard from.
    pub(super) hides_presence: bool,
    /// How often what contacts see of us changed, and how often the picture did.
    pub(super) profile: u64,
    pub(super) picture: u64,
    /// Groups we turned down, and when.
    pub(super) declined_groups: Vec<(GroupId, Timestamp)>,
    /// The hub's store as last seen.
    pub(super) store: Option<ByteBuf>,
    pub(super) lobby: Option<GroupId>,
    /// The hub may hold one-time prekeys whose secrets are gone.
    pub(super) stale_prekeys: bool,
    /// Running number of wishes for groups.
    pub(super) wishes: u64,
    /// Running number of sender chains accepted.
    pub(super) chains: u64,
    /// The beacon the hub is known to have.
    pub(super) beacon: Option<ByteBuf>,
    /// The one that is being left: the hub may have it.
    pub(super) next_beacon: Option<ByteBuf>,
    /// Of the newest beacon made.
    pub(super) generation: u64,
    /// The era own messages are counted in.
    pub(super) era: u64,
    /// Made from a backup: the first beacon found is another life's.
    pub(super) restored: bool,
    /// When it began.
    pub(super) era_since: Timestamp,
    /// Heads of groups not known yet: whose, where, from, to.
    pub(super) early_heads: Vec<(NodeId, GroupId, u64, u64)>,
    /// Running number of files.
    #[serde(default)]
    pub(super) files: u64,
}

/// A record by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Own,
    /// How many envelopes were sent, written with each that is.
    Sends,
    Prekeys,
    Contact(NodeId),
    /// What happened to a contact's name and keys.
    Past(NodeId),
    /// What a stranger has said.
    Request(NodeId),
    Picture(NodeId),
    Session(NodeId, SessionId),
    Group(GroupId),
    Control(GroupId, u64),
    Outbound(GroupId),
    Inbound(GroupId, NodeId, ChainId),
    /// An entry's bytes, written when it is made and when it is sealed.
    Outbox(u64),
    /// How far an entry got, written with each acknowledgement.
    Progress(u64),
    Held(u64),
    /// Told of a group we do not know ourselves to be in.
    Early(u64),
    Cursor(LogId),
    /// How far an author was heard in a conversation.
    Heard(ConversationId, NodeId),
    /// A file offered to us or by us.
    File(u64),
}

impl Key {
    fn place(&self) -> (Table, Vec<u8>) {
        match self {
            Self::Own => (Table::Own, vec![0]),
            Self::Sends => (Table::Own, vec![1]),
            Self::Prekeys => (Table::Prekeys, vec![0]),
            Self::Contact(node) => (Table::Contact, encode(node)),
            Self::Past(node) => (Table::Past, encode(node)),
            Self::Request(node) => (Table::Request, encode(node)),
            Self::Picture(node) => (Table::Picture, encode(node)),
            Self::Session(peer, id) => (Table::Session, encode(&(peer, id))),
            Self::Group(group) => (Table::Group, encode(group)),
            Self::Control(group, n) => (Table::Control, [&group.0[..], &n.to_be_bytes()].concat()),
            Self::Outbound(group) => (Table::Outbound, encode(group)),
            Self::Inbound(group, sender, chain) => {
                (Table::Inbound, encode(&(group, sender, chain)))
            }
            Self::Outbox(number) => (Table::Outbox, encode(&(0u8, number))),
            Self::Progress(number) => (Table::Outbox, encode(&(1u8, number))),
            Self::Held(number) => (Table::Held, encode(number)),
            Self::Early(number) => (Table::Early, encode(number)),
            Self::Cursor(log) => (Table::Cursor, encode(&(0u8, log))),
            Self::Heard(conversation, node) => (Table::Cursor, encode(&(1u8, conversation, node))),
            Self::File(number) => (Table::File, encode(number)),
        }
    }
}

impl Engine {
    /// The record of this name as it is now.
    pub(super) fn record(&self, key: &Key) -> RecordChange {
        let (table, name) = key.place();
        match self.value(key) {
            Some(value) => RecordChange::Put(table, name, value),
            None => RecordChange::Delete(table, name),
        }
    }

    fn value(&self, key: &Key) -> Option<SecretBytes> {
        match key {
            Key::Own => Some(plain(&self.own)),
            Key::Sends => Some(plain(&self.sends)),
            Key::Prekeys => Some(self.prekeys.save()),
            Key::Contact(node) => self.people.get(node).map(plain),
            Key::Past(node) => self.past.get(node).map(plain),
            Key::Request(node) => self.requests.get(node).map(plain),
            Key::Picture(node) => self.pictures.get(node).map(plain),
            Key::Session(peer, id) => {
                self.sessions.get(peer)?.iter().find(|s| s.id() == *id).map(Session::save)
            }
            Key::Group(group) => self.groups.get(group).map(save_group),
            Key::Control(group, n) => {
                let n = usize::try_from(*n).ok()?;
                let entry = self.groups.get(group)?.entries.get(n)?;
                Some(SecretBytes::from_vec(entry.clone()))
            }
            Key::Outbound(group) => self.groups.get(group)?.outbound.as_ref().map(save_outbound),
            Key::Inbound(group, sender, chain) => {
                let chains = self.groups.get(group)?.inbound.get(sender)?;
                chains.iter().find(|c| c.chain.id() == *chain).map(save_inbound)
            }
            Key::Outbox(number) => self.outbox.get(*number).map(Entry::save),
            Key::Progress(number) => self.outbox.get(*number).map(|e| plain(&e.progress)),
            Key::Held(number) => self.held.get(number).map(plain),
            Key::Early(number) => self.early.get(number).map(plain),
            Key::Cursor(log) => self.cursors.get(log).map(plain),
            Key::Heard(conversation, node) => self.heard.get(&(*conversation, *node)).map(plain),
            Key::File(number) => self.files.rows.get(number).map(File::save),
        }
    }

    /// Takes over all records.
    pub(super) fn load(&mut self, loaded: Loaded) -> Result<(), LoadError> {
        let mut control = Vec::new();
        let mut later = Vec::new();
        for (table, name, value) in loaded {
            match table {
                Table::Control => control.push((name, value)),
                // These belong into groups, or complete entries.
                Table::Outbound | Table::Inbound | Table::Outbox => {
                    later.push((table, name, value));
                }
                _ => self.load_first(table, &name, value.expose())?,
            }
        }
        control.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, value) in control {
            self.load_control(&name, value.expose())?;
        }
        later.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (table, name, value) in later {
            self.load_later(table, &name, value.expose())?;
        }
        for group in self.groups.values_mut() {
            group.inbound.values_mut().for_each(|chains| chains.sort_by_key(|c| c.order));
        }
        self.outbox.index();
        self.index_names();
        Ok(())
    }

    fn load_first(&mut self, table: Table, name: &[u8], value: &[u8]) -> Result<(), LoadError> {
        match table {
            Table::Own if name == [1] => self.sends = read(value)?,
            Table::Own => self.own = read(value)?,
            Table::Contact => {
                let node = read(name)?;
                self.people.insert(node, read(value)?);
                self.index_name(node);
            }
            Table::Past => drop(self.past.insert(read(name)?, read(value)?)),
            Table::Request => drop(self.requests.insert(read(name)?, read(value)?)),
            Table::Picture => drop(self.pictures.insert(read(name)?, read(value)?)),
            Table::Session => {
                let session = Session::load(value)?;
                self.sessions.entry(session.peer()).or_default().push(session);
            }
            Table::Group => {
                let (id, group) = (read(name)?, load_group(value)?);
                self.groups.insert(id, group);
            }
            Table::Held => {
                self.held.insert(read(name)?, read(value)?);
            }
            Table::Early => {
                self.early.insert(read(name)?, read(value)?);
            }
            Table::Cursor => self.load_cursor(name, value)?,
            // A file that cannot be read is one offer less, and no reason to lose the profile.
            Table::File => match (read(name), file::load(value)) {
                (Ok(number), Ok(file)) => self.files.insert(number, file),
                _ => {
                    self.files.unreadable = true;
                    self.count("file-unreadable");
                }
            },
            // Prekeys are read before everything else; the rest comes later.
            Table::Prekeys | Table::Control | Table::Outbound | Table::Inbound | Table::Outbox => {}
        }
        Ok(())
    }

    fn load_cursor(&mut self, name: &[u8], value: &[u8]) -> Result<(), LoadError> {
        if let Ok((0u8, log)) = read::<(u8, LogId)>(name) {
            self.cursors.insert(log, read(value)?);
        } else {
            let (_, conversation, node) = read::<(u8, ConversationId, NodeId)>(name)?;
            self.heard.insert((conversation, node), read(value)?);
        }
        Ok(())
    }

    fn load_control(&mut self, name: &[u8], value: &[u8]) -> Result<(), LoadError> {
        let id = name.split_first_chunk::<32>().ok_or(LoadError::Misfit)?.0;
        let group = self.groups.get_mut(&GroupId(*id)).ok_or(LoadError::Misfit)?;
        match &mut group.log {
            Some(log) => {
                log.apply(value).map_err(|_| LoadError::Misfit)?;
            }
            empty => *empty = Some(ControlLog::genesis(value).map_err(|_| LoadError::Misfit)?),
        }
        group.entries.push(value.to_vec());
        Ok(())
    }

    fn load_later(&mut self, table: Table, name: &[u8], value: &[u8]) -> Result<(), LoadError> {
        match table {
            Table::Outbound => {
                let group = self.groups.get_mut(&read(name)?).ok_or(LoadError::Misfit)?;
                group.outbound = Some(load_outbound(value)?);
            }
            Table::Inbound => {
                let inbound = load_inbound(value)?;
                let group = self.groups.get_mut(&inbound.chain.group());
                let chains = group.ok_or(LoadError::Misfit)?;
                chains.inbound.entry(inbound.chain.sender()).or_default().push(inbound);
            }
            Table::Outbox => match read::<(u8, u64)>(name)? {
                (0, number) => self.outbox.restore(number, Entry::load(value)?),
                (_, number) => {
                    let entry = self.outbox.get_mut(number).ok_or(LoadError::Misfit)?;
                    entry.progress = read(value)?;
                }
            },
            _ => return Err(LoadError::Misfit),
        }
        Ok(())
    }
}

/// A record without secrets.
fn plain<T: Serialize>(value: &T) -> SecretBytes {
    SecretBytes::from_vec(encode(value))
}

pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    decode(bytes).map_err(|_| RecordError::Range)
}

fn save_group(group: &Group) -> SecretBytes {
    let mut w = RecordWriter::new(VERSION);
    w.bytes(&encode(&group.facts));
    group.names.save(&mut w);
    w.count(group.offers.len());
    for offer in &group.offers {
        w.fixed(&offer.by.0).u64(offer.seq).fixed(offer.meta_key.expose());
    }
    w.option(group.link.as_ref(), |w, link: &LinkSecret| {
        w.fixed(link.expose());
    });
    for prs in [&group.prs, &group.new_prs] {
        w.option(prs.as_ref(), |w, prs: &Prs| {
            w.fixed(prs.secret().expose());
        });
    }
    w.option(group.door.as_ref(), |w, door: &Door| {
        w.bytes(door.save().expose());
    });
    w.option(group.attempt.as_ref(), |w, attempt: &Attempt| attempt.save(w));
    w.count(group.links.len());
    for (key, link) in &group.links {
        w.fixed(&key.0).fixed(link.expose());
    }
    w.finish()
}

fn load_group(record: &[u8]) -> Result<Group, RecordError> {
    let mut r = RecordReader::new(record, VERSION)?;
    let facts: Facts = read(r.bytes(PART_MAX)?)?;
    let names = NameKeys::load(&mut r)?;
    let mut offers = Vec::new();
    for _ in 0..r.count(OFFERS)? {
        offers.push(Offer { by: NodeId(r.array()?), seq: r.u64()?, meta_key: r.secret()? });
    }
    let link = r.option(read_link)?;
    let prs = r.option(RecordReader::secret)?.map(Prs::from_secret);
    let new_prs = r.option(RecordReader::secret)?.map(Prs::from_secret);
    let door = r.option(|r| Door::load(r.bytes(PART_MAX)?))?;
    let attempt = r.option(Attempt::load)?;
    let mut links = BTreeMap::new();
    for _ in 0..r.count(INVITES_MAX)? {
        links.insert(NodeId(r.array()?), read_link(&mut r)?);
    }
    r.finish()?;
    let group = Group::new(facts);
    Ok(Group { names, offers, link, links, prs, new_prs, door, attempt, ..group })
}

fn read_link(r: &mut RecordReader<'_>) -> Result<LinkSecret, RecordError> {
    LinkSecret::from_slice(&r.array::<SECRET>()?).ok_or(RecordError::Range)
}

fn save_outbound(outbound: &Outbound) -> SecretBytes {
    let mut w = RecordWriter::new(VERSION);
    w.bytes(outbound.chain.save().expose()).bytes(&encode(&outbound.granted)).bool(outbound.renew);
    w.finish()
}

fn load_outbound(record: &[u8]) -> Result<Outbound, RecordError> {
    let mut r = RecordReader::new(record, VERSION)?;
    let chain = OutboundChain::load(r.bytes(PART_MAX)?)?;
    let granted = read(r.bytes(PART_MAX)?)?;
    let renew = r.bool()?;
    r.finish()?;
    Ok(Outbound { chain, granted, renew })
}

fn save_inbound(inbound: &Inbound) -> SecretBytes {
    let mut w = RecordWriter::new(VERSION);
    w.u64(inbound.order).bytes(inbound.chain.save().expose());
    w.finish()
}

fn load_inbound(record: &[u8]) -> Result<Inbound, RecordError> {
    let mut r = RecordReader::new(record, VERSION)?;
    let order = r.u64()?;
    // Up to 1,024 skipped keys of about 100 bytes each.
    let chain = InboundChain::load(r.bytes(PART_MAX)?)?;
    r.finish()?;
    Ok(Inbound { order, chain })
}

impl Entry {
    fn save(&self) -> SecretBytes {
        let mut w = RecordWriter::new(VERSION);
        w.bytes(&encode(&self.docket)).bytes(self.plain.expose());
        w.option(self.sealed.as_ref(), |w, sealed| {
            w.bytes(sealed);
        });
        w.finish()
    }

    fn load(record: &[u8]) -> Result<Self, RecordError> {
        let mut r = RecordReader::new(record, VERSION)?;
        let docket = read(r.bytes(PART_MAX)?)?;
        let plain = SecretBytes::from_vec(r.bytes(ENVELOPE_MAX)?.to_vec());
        let sealed = r.option(|r| r.bytes(ENVELOPE_MAX).map(<[u8]>::to_vec))?;
        r.finish()?;
        Ok(Self::new(docket, plain, sealed))
    }
}

/// A group's control entries by number.
pub(super) fn control_key(group: GroupId, n: usize) -> Key {
    Key::Control(group, u64::try_from(n).unwrap_or(CONTROL_ENTRIES_MAX))
}
