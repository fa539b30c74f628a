//! Beginning from what the store kept.
//!
//! Invariant: a relay restored from a store continues exactly where the last committed batch left
//! it, but for what is written down as lost: traces of recent appends, the levels of quotas, and
//! who brought back a group that another founded.

use hubbub_shared::group::control::{ControlError, ControlLog};
use hubbub_shared::id::{GroupId, HubId};
use hubbub_shared::nickname::NickClaim;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::LogId;

use super::beacons::Beacons;
use super::bounds::SWEEP_EVERY;
use super::channels::Channels;
use super::command::Write;
use super::invites::Invites;
use super::log::Held;
use super::logs::Logs;
use super::nicknames::Nicknames;
use super::prekeys::Prekeys;
use super::quota::Quotas;
use super::rooms::Rooms;
use super::shares::Sender;
use super::{Batch, Relay, RelayConfig};
use crate::store::{LogSummary, Snapshot};

/// Which hub this is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The hub's identity.
    pub hub: HubId,
    /// Random number of the store, as [`crate::store::Store::id`] gives it.
    pub store: [u8; 16],
    /// A first control entry for the lobby, signed by the hub's key
    /// ([`ControlLog::create_lobby`]). Used, and written, when the store has no lobby of this hub
    /// yet; otherwise ignored, so a fresh one at every start is fine.
    pub lobby_genesis: Vec<u8>,
}

/// What the store kept cannot be a hub's state. Nothing was changed; restore a backup, or start
/// with an empty store (nodes will send again what they still hold).
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A control log that breaks its own rules.
    #[error("the control log of group {group} does not hold at entry {entry}: {error}")]
    Control {
        /// The group.
        group: GroupId,
        /// The entry's number.
        entry: usize,
        /// Which rule.
        error: ControlError,
    },
    /// The lobby's first entry is not one, or not this hub's.
    #[error("the lobby's first entry is not a lobby of this hub")]
    Lobby,
}

impl Relay {
    /// A relay that continues where `snapshot` ends, with nobody connected.
    ///
    /// # Errors
    /// [`RestoreError`] when the store's content contradicts itself.
    pub fn new(
        config: RelayConfig,
        origin: Origin,
        snapshot: Snapshot,
        now: Timestamp,
    ) -> Result<Self, RestoreError> {
        let mut channels = channels(&snapshot.control)?;
        let (lobby, write) = lobby(&mut channels, &origin)?;
        let mut nicknames = Nicknames::default();
        for (nickname, _, node, claim) in snapshot.nicknames {
            // Checked when it was taken; a claim that no longer holds names nobody.
            if let Ok(checked) = NickClaim::check(&claim, &origin.hub, Some(&node)) {
                nicknames.restore(&nickname, node, checked.seq, claim);
            }
        }
        let mut invites = Invites::default();
        for (token_hash, left, end) in snapshot.invites {
            invites.restore(token_hash, left, end);
        }
        let mut rooms = Rooms::default();
        for (skeleton, group) in snapshot.rooms {
            rooms.restore(skeleton, group);
        }
        let mut prekeys = Prekeys::default();
        for (node, one_time) in snapshot.prekeys {
            prekeys.restore(node, one_time);
        }
        let mut beacons = Beacons::default();
        for (node, beacon, appends) in snapshot.beacons {
            beacons.restore(node, beacon, appends);
        }
        let mut logs = Logs::default();
        summaries(&mut logs, snapshot.logs);
        cursors(&mut logs, &channels, &snapshot.cursors, &snapshot.leaving);
        let mut relay = Self {
            quotas: Quotas::new(config.frames, config.bytes),
            config,
            hub: origin.hub,
            store: origin.store,
            lobby,
            admitted: snapshot.admitted.into_iter().collect(),
            invites,
            presence: super::presence::Presence::default(),
            nicknames,
            prekeys,
            beacons,
            logs,
            channels,
            rooms,
            streams: super::streams::Streams::default(),
            loads: super::delivery::Loads::default(),
            batch: Batch::default(),
            next_sweep: now + SWEEP_EVERY,
        };
        if let Some(write) = write {
            relay.write(write);
        }
        Ok(relay)
    }
}

fn channels(control: &[(GroupId, Vec<Vec<u8>>)]) -> Result<Channels, RestoreError> {
    let mut channels = Channels::default();
    for (group, entries) in control {
        let at = |entry| move |error| RestoreError::Control { group: *group, entry, error };
        let (first, rest) = entries.split_first().ok_or(RestoreError::Lobby)?;
        let mut log = ControlLog::check_genesis(first, group).map_err(at(0))?;
        for (n, entry) in rest.iter().enumerate() {
            log.apply(entry).map_err(at(n + 1))?;
        }
        channels.insert(log, entries.iter().map(Vec::len));
    }
    Ok(channels)
}

fn lobby(
    channels: &mut Channels,
    origin: &Origin,
) -> Result<(GroupId, Option<Write>), RestoreError> {
    let is_ours = |log: &ControlLog| log.is_lobby() && log.founder() == origin.hub.as_author();
    if let Some(log) = channels.all().find(|log| is_ours(log)) {
        return Ok((log.group(), None));
    }
    let entry = origin.lobby_genesis.clone();
    let log = ControlLog::genesis(&entry).map_err(|_| RestoreError::Lobby)?;
    if !is_ours(&log) {
        return Err(RestoreError::Lobby);
    }
    let group = log.group();
    channels.insert(log, core::iter::once(entry.len()));
    Ok((group, Some(Write::Control { group, seq: 0, entry })))
}

fn summaries(logs: &mut Logs, summaries: Vec<LogSummary>) {
    for LogSummary { log, next_seq, held } in summaries {
        for (seq, size, at) in held {
            logs.restore(log, Held { seq, size, at, by: Sender::UNKNOWN, item: None });
        }
        let state = logs.open(log);
        state.next_seq = state.next_seq.max(next_seq);
    }
}

fn cursors(
    logs: &mut Logs,
    channels: &Channels,
    cursors: &[(LogId, hubbub_shared::id::NodeId, u64)],
    leaving: &[(LogId, hubbub_shared::id::NodeId, u64)],
) {
    for (log, reader, upto) in cursors {
        match log {
            LogId::Channel(group) => {
                logs.join(*group, *reader, *upto);
            }
            LogId::Mailbox(_) => {
                logs.open(*log).readers.advance(reader, *upto);
            }
        }
    }
    for (log, reader, until) in leaving {
        logs.open(*log).readers.leave(reader, *until);
    }
    // Every member has had a cursor since it came in; should one be missing, it gets everything.
    for control in channels.all().filter(|control| !control.is_closed()) {
        for member in control.roster().members() {
            logs.adopt(control.group(), member.node);
        }
    }
}
