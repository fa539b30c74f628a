//! Everything the engine waits for, as one next time each.
//!
//! An alarm that goes off looks at all that is due of its kind and sets itself again if anything is
//! left; so there is one timer and nothing spins.

use std::collections::BTreeMap;

use hubbub_shared::time::{Millis, Timestamp};

use super::Engine;

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// Batched receipts go out.
    Receipts,
    /// An entry of the outbox is tried again.
    Outbox,
    /// A command that waits for the hub gives up.
    Pending,
    /// A missing sender key is asked for.
    Keys,
    /// Messages missing of an author are asked for.
    Gaps,
    /// Authors' devices remind those who acknowledge nothing.
    Heads,
    /// The beacon is left again.
    Beacon,
    /// A group's log is read again for a message that waits for it.
    Withheld,
    /// A control entry that lost a race is proposed again.
    Control,
    /// A bundle that was not to be had is asked for again.
    Bundles,
    /// Names nobody had are asked for again.
    Names,
    /// The key of a group's name is asked for.
    Titles,
    /// Somebody who came is told what was said before.
    Newcomers,
    /// The next keeper of a group is knocked at.
    Knocks,
    /// What waits is carried to connected peers.
    Carry,
    /// Files that wait for a place, or for what was here to come back.
    Files,
    /// Rotation and expiry, hourly.
    Upkeep,
}

/// How often rotation and expiry are looked at.
const UPKEEP: Millis = Millis::hours(1);

/// The next time of each kind.
#[derive(Debug, Default)]
pub(super) struct Alarms(BTreeMap<Alarm, Timestamp>);

impl Alarms {
    /// Goes off at `at` or earlier.
    pub(super) fn set(&mut self, alarm: Alarm, at: Timestamp) {
        let next = self.0.entry(alarm).or_insert(at);
        *next = (*next).min(at);
    }

    fn due(&mut self, now: Timestamp) -> Option<Alarm> {
        let alarm = *self.0.iter().find(|(_, at)| **at <= now)?.0;
        self.0.remove(&alarm);
        Some(alarm)
    }
}

impl Engine {
    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.alarms.0.values().min().copied()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        let mut due = Vec::new();
        while let Some(alarm) = self.alarms.due(now) {
            due.push(alarm);
        }
        for alarm in due {
            match alarm {
                Alarm::Receipts => self.send_receipts(),
                Alarm::Outbox => self.retry_due(),
                Alarm::Pending => self.expire_pending(),
                Alarm::Keys => self.ask_for_keys(),
                Alarm::Gaps => self.ask_for_gaps(),
                Alarm::Heads => self.remind(),
                Alarm::Beacon => self.leave_beacon_again(),
                Alarm::Withheld => self.read_for_held(),
                Alarm::Control => self.work_on_groups(),
                Alarm::Bundles => {
                    self.begin_anew_with_those_put_off();
                    self.want_bundles();
                }
                Alarm::Names => self.ask_names_again(),
                Alarm::Titles => self.ask_for_titles(),
                Alarm::Newcomers => self.look_back(),
                Alarm::Knocks => self.knock_on(),
                Alarm::Carry => self.carry_late(),
                Alarm::Files => self.tend_files(),
                Alarm::Upkeep => self.upkeep(),
            }
        }
        self.pump();
    }

    /// After loading: what was being waited for is waited for again.
    pub(super) fn start(&mut self) {
        self.alarms.set(Alarm::Upkeep, self.now + UPKEEP);
        self.resume_receipts();
        self.resume_keys();
        self.resume_gaps();
        self.resume_resets();
        self.resume_newcomers();
        self.watch_titles();
        self.resume_knocks();
    }

    fn upkeep(&mut self) {
        self.alarms.set(Alarm::Upkeep, self.now + UPKEEP);
        self.rotate_prekeys();
        self.expire_held();
        self.expire_early();
        self.expire_outbox();
        self.expire_files();
        self.revoke_expired();
        self.seal_lost_names();
        self.watch_titles();
        self.knock_on();
        self.remind_all();
        self.ask_all_names();
    }
}
