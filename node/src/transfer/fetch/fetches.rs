//! All files that are fetched, and the plan for them.
//!
//! Runs in one task: nothing here waits. What takes time (disks, streams) runs beside it, and is
//! told when it is done.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answers::Event;
use super::jobs::{Job, Jobs, Mark};
use super::link::{Command, Events, Link};
use crate::transfer::clock::Clock;
use crate::transfer::disk::{
    Course, DiskError, Landing, NotUnpacked, Place, Reference, Shelf, Target,
};
use crate::transfer::order::{Failure, Tell};
use crate::transfer::plan::{
    Deed, FileId, Kind, Limits, Plan, Priority, Progress, SourceId, State, Stuck,
};
use crate::transfer::serve::Server;
use crate::transfer::streams::Streams;

/// Commands a link has not done yet: all questions the plan may have open at one source.
const COMMANDS: usize = 128;
/// Batches of events that were not looked at yet; links wait with more.
const EVENTS: usize = 256;
/// Pieces after which what came is made durable: 64 MiB, what a power loss may cost.
const SYNC_PIECES: u64 = 1_024;
/// And the longest it waits for that.
const SYNC_AGE: Duration = Duration::from_secs(10);
/// First and longest rest of a disk that failed: trying again reads what was not noted, and who
/// made room wants to see that it goes on.
pub(super) const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// See the top of the file.
pub struct Fetches {
    pub(super) plan: Plan,
    clock: Clock,
    pub(super) shelf: Shelf,
    pub(super) server: Arc<Server>,
    streams: Arc<dyn Streams>,
    pub(super) files: BTreeMap<FileId, File>,
    links: JoinSet<()>,
    /// Which link is whose.
    pub(super) named: BTreeMap<u64, (FileId, SourceId)>,
    /// Of links, and of the times that a file was wanted.
    pub(super) number: u64,
    events: (Events, mpsc::Receiver<(u64, Vec<Event>)>),
    pub(super) jobs: Jobs,
}

/// A file that is fetched.
pub(super) struct File {
    /// Which time it is that this number is wanted.
    pub(super) time: u64,
    pub(super) reference: Reference,
    pub(super) target: Target,
    /// Some of it was here before.
    pub(super) was_known: bool,
    pub(super) stage: Stage,
    pub(super) sources: BTreeMap<SourceId, Kind>,
    pub(super) priority: Priority,
    pub(super) paused: bool,
    pub(super) links: BTreeMap<SourceId, (u64, mpsc::Sender<Command>)>,
    /// Pieces since the last time all was made durable.
    pub(super) fresh: u64,
    pub(super) synced: Instant,
    /// How long a disk that fails is left alone the next time.
    pub(super) rest: Duration,
    /// How far it was when it was shut.
    pub(super) here: u64,
    /// Who had lied about it until then.
    pub(super) liars: Vec<SourceId>,
}

pub(super) enum Stage {
    /// It is looked for on the disk.
    Opening(Arc<Course>),
    /// Whether it is being made durable.
    Open(Arc<Landing>, bool),
    /// All is here, and gets its name.
    Landing(Arc<Landing>),
    /// Nothing of it is open: it is paused, or a disk failed and is tried again then.
    Shut(Option<Instant>),
}

/// Something for [`Fetches::handle`].
pub struct Happened(What);

enum What {
    Events(u64, Vec<Event>),
    Job(Mark, Job),
    Time,
}

impl Fetches {
    /// Fetches nothing yet; what it has of files is served there, too.
    #[must_use]
    pub fn new(
        (me, seed): (NodeId, [u8; 32]),
        shelf: Shelf,
        server: Arc<Server>,
        streams: Arc<dyn Streams>,
    ) -> Self {
        Self {
            plan: Plan::new(me, Limits::default(), seed),
            clock: Clock::start(),
            shelf,
            server,
            streams,
            files: BTreeMap::new(),
            links: JoinSet::new(),
            named: BTreeMap::new(),
            number: 0,
            events: mpsc::channel(EVENTS),
            jobs: Jobs::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The next thing that happens. May be given up.
    pub async fn next(&mut self) -> Happened {
        while self.links.try_join_next().is_some() {}
        let timer = self.plan.poll_timeout().map(|at| self.clock.instant(at));
        let time = async {
            match timer {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        Happened(tokio::select! {
            Some((number, events)) = self.events.1.recv() => What::Events(number, events),
            Some((mark, job)) = self.jobs.next() => What::Job(mark, job),
            () = time => What::Time,
        })
    }

    /// Takes note of it.
    pub fn handle(&mut self, happened: Happened, tells: &mut impl Extend<Tell>) {
        match happened.0 {
            What::Events(number, events) => {
                self.handle_events(number, events, tells);
                // Those that wait as well, before the plan is asked what to do.
                for _ in 0..EVENTS {
                    let Ok((number, events)) = self.events.1.try_recv() else { break };
                    self.handle_events(number, events, tells);
                }
            }
            What::Job(mark, job) => self.handle_job(mark, job, tells),
            What::Time => self.plan.handle_timeout(self.now()),
        }
        self.carry_out(tells);
    }

    /// Somebody may have it.
    pub fn source(&mut self, file: FileId, source: SourceId, kind: Kind) {
        if let Some(fetch) = self.files.get_mut(&file) {
            fetch.sources.insert(source, kind);
            self.plan.handle_source(file, source, kind, self.clock.now());
        }
    }

    /// Something was heard of somebody.
    pub fn heard(&mut self, file: FileId, source: SourceId) {
        self.plan.handle_heard(file, source, self.now());
    }

    /// Somebody is not to be asked.
    pub fn lost(&mut self, file: FileId, source: SourceId) {
        if let Some(fetch) = self.files.get_mut(&file) {
            fetch.sources.remove(&source);
            self.plan.handle_lost(file, source, self.clock.now());
        }
    }

    /// It is paused, or goes on.
    pub fn hold(&mut self, file: FileId, paused: bool) {
        let Some(fetch) = self.files.get_mut(&file) else { return };
        fetch.paused = paused;
        match (&fetch.stage, paused) {
            (Stage::Open(..), true) => self.shut(file, None),
            (Stage::Shut(_), false) => self.begin(file),
            // It is seen when it is open; and what is all here gets its name.
            _ => {}
        }
    }

    /// It goes before others, or behind.
    pub fn rank(&mut self, file: FileId, priority: Priority) {
        if let Some(fetch) = self.files.get_mut(&file) {
            fetch.priority = priority;
            self.plan.handle_priority(file, priority, self.clock.now());
        }
    }

    /// Other limits hold.
    pub fn limit(&mut self, limits: Limits) {
        self.plan.handle_limits(limits, self.now());
    }

    /// How far each file is.
    pub fn progress(&self) -> impl Iterator<Item = Tell> + '_ {
        let of = |file: &FileId| Some((*file, self.plan.progress(*file)?));
        let told = self.files.keys().filter_map(of);
        let shut = self.files.iter().filter_map(|(id, file)| Some((*id, file.shut_progress()?)));
        told.chain(shut).map(|(file, progress)| Tell::Progress { file, progress })
    }

    /// Carries out what was ordered meanwhile, tries again what a disk failed, and makes durable
    /// what is old enough.
    pub fn carry_out(&mut self, tells: &mut impl Extend<Tell>) {
        let now = Instant::now();
        let rested: Vec<_> =
            self.files.iter().filter(|(_, file)| file.has_rested(now)).map(|(id, _)| *id).collect();
        rested.into_iter().for_each(|file| self.begin(file));
        while let Some(deed) = self.plan.poll_deed() {
            self.carry(deed, tells);
        }
        let due: Vec<_> =
            self.files.iter().filter(|(_, file)| file.is_due()).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|file| self.sync(file));
    }

    /// Makes durable what there is, before all of it ends.
    pub async fn stop(mut self) {
        // What is still being looked at may be so for hours; it is looked at again next time.
        for fetch in self.files.values() {
            if let Stage::Opening(course) = &fetch.stage {
                course.stop.store(true, Ordering::Relaxed);
            }
        }
        self.links.shutdown().await;
        let ids: Vec<_> = self.files.keys().copied().collect();
        ids.into_iter().for_each(|file| self.sync(file));
        while self.jobs.next().await.is_some() {}
    }

    fn sync(&mut self, file: FileId) {
        let Some(fetch) = self.files.get_mut(&file) else { return };
        let Stage::Open(landing, syncing) = &mut fetch.stage else { return };
        if *syncing || fetch.fresh == 0 {
            return;
        }
        (*syncing, fetch.fresh, fetch.synced) = (true, 0, Instant::now());
        let (landing, mark) = (Arc::clone(landing), Mark { file, time: fetch.time });
        let address = landing.blob().address;
        self.jobs.begin(address, mark, move || Job::Synced(landing.sync()));
    }

    fn carry(&mut self, deed: Deed, tells: &mut impl Extend<Tell>) {
        match deed {
            Deed::Open { file, source } => self.open(file, source),
            Deed::Ask { file, source, req, spans, anew } => {
                self.command(file, source, Command::Ask { req, spans, anew });
            }
            Deed::AskHave { file, source, req } => {
                self.command(file, source, Command::AskHave { req });
            }
            Deed::Close { file, source } => {
                if let Some(fetch) = self.files.get_mut(&file) {
                    fetch.links.remove(&source);
                }
            }
            Deed::Blame { file, source, lie } => {
                tells.extend([Tell::Blamed { file, source, lie }]);
            }
            Deed::Done { file } => self.land(file),
            // Both are in the progress that is told anyway.
            Deed::Stuck { .. } | Deed::Going { .. } => {}
        }
    }

    fn open(&mut self, file: FileId, source: SourceId) {
        let Some(fetch) = self.files.get_mut(&file) else { return };
        let Stage::Open(landing, _) = &fetch.stage else { return };
        self.number += 1;
        let (number, landing) = (self.number, Arc::clone(landing));
        let (streams, events) = (Arc::clone(&self.streams), self.events.0.clone());
        let (commands, taken) = mpsc::channel(COMMANDS);
        fetch.links.insert(source, (number, commands));
        self.named.insert(number, (file, source));
        self.links.spawn(Link { number, source, landing, streams, events }.run(taken));
    }

    fn command(&mut self, file: FileId, source: SourceId, command: Command) {
        let link = self.files.get(&file).and_then(|fetch| fetch.links.get(&source));
        // A link that has ended says so itself; one that takes no commands is as good as that.
        if link.is_none_or(|(_, commands)| commands.try_send(command).is_err()) {
            self.plan.handle_broken(file, source, self.now());
        }
    }

    fn land(&mut self, file: FileId) {
        let Some(fetch) = self.files.get_mut(&file) else { return };
        fetch.links.clear();
        if let Stage::Open(landing, _) = &fetch.stage {
            let landing = Arc::clone(landing);
            fetch.stage = Stage::Landing(Arc::clone(&landing));
            let (address, mark) = (landing.blob().address, Mark { file, time: fetch.time });
            self.jobs.begin(address, mark, move || Job::Landed(landing.finish()));
        }
    }

    fn handle_events(&mut self, number: u64, events: Vec<Event>, tells: &mut impl Extend<Tell>) {
        let Some((file, source)) = self.named.get(&number).copied() else { return };
        let current = self.files.get(&file).and_then(|fetch| fetch.links.get(&source));
        let is_current = current.is_some_and(|(current, _)| *current == number);
        for event in events {
            // Of a link that was let go, what it brought still counts; what it says does not.
            if is_current || matches!(event, Event::Piece(_) | Event::Disk(_)) {
                self.handle_event((file, source), event, tells);
            }
        }
        if !is_current {
            // It says this once, when it ends.
            self.named.remove(&number);
        }
    }

    fn handle_event(
        &mut self,
        (file, source): (FileId, SourceId),
        event: Event,
        tells: &mut impl Extend<Tell>,
    ) {
        let now = self.now();
        match event {
            Event::Opened { direct } => {
                let kind = match (source, direct) {
                    (SourceId::Hub, _) => Kind::Hub,
                    (SourceId::Node(_), true) => Kind::Direct,
                    (SourceId::Node(_), false) => Kind::Relay,
                };
                self.plan.handle_opened(file, source, kind, now);
            }
            Event::Broken => {
                if let Some(fetch) = self.files.get_mut(&file) {
                    fetch.links.remove(&source);
                }
                self.plan.handle_broken(file, source, now);
            }
            Event::Crowded => {
                if let Some(fetch) = self.files.get_mut(&file) {
                    fetch.links.remove(&source);
                }
                self.plan.handle_crowded(file, source, now);
            }
            Event::Have(have) => self.plan.handle_have(file, source, have, now),
            Event::Piece(index) => {
                if let Some(fetch) = self.files.get_mut(&file) {
                    fetch.fresh += 1;
                }
                self.plan.handle_piece(file, source, index, now);
            }
            Event::Bad(bad) => self.plan.handle_bad_piece(file, source, bad, now),
            Event::Lie(lie) => self.plan.handle_lie(file, source, lie, now),
            Event::Refused(refused) => self.plan.handle_refused(file, source, refused, now),
            Event::Reference(fault) => {
                if self.discard(file) {
                    tells.extend([Tell::Failed { file, why: Failure::Reference(fault) }]);
                }
            }
            Event::Disk(error) => self.not_written(file, error, tells),
        }
    }

    pub(super) fn handle_job(&mut self, mark: Mark, job: Job, tells: &mut impl Extend<Tell>) {
        let file = mark.file;
        let job = match job {
            Job::Dropped(Ok(())) => return tells.extend([Tell::Dropped { file }]),
            Job::Dropped(Err(error)) => {
                tracing::debug!("what there was of a file could not be removed: {error}");
                return;
            }
            Job::Closed(closed) => {
                // It is looked at again when it is opened.
                if let Err(error) = closed {
                    tracing::debug!("what came of a file could not be noted: {error}");
                }
                return;
            }
            job => job,
        };
        // It may have been let go since, and be wanted again: then another job says so.
        let current = self.files.get_mut(&file).filter(|fetch| fetch.time == mark.time);
        let Some(fetch) = current else { return };
        match job {
            Job::Opened(found) => self.opened(file, found, tells),
            Job::Refused(why) => self.failed(file, why, tells),
            Job::Synced(Ok(())) => {
                fetch.rest = REST.0;
                if let Stage::Open(_, syncing) = &mut fetch.stage {
                    *syncing = false;
                }
            }
            Job::Synced(Err(error)) => self.disk_failed(file, error, tells),
            Job::Landed(Ok((path, stamp))) => {
                // It goes on being served by what is open of it, until it is served as a whole.
                self.files.remove(&file);
                tells.extend([Tell::Done { file, path, stamp }]);
            }
            Job::Landed(Err(NotUnpacked::Disk(error))) => self.disk_failed(file, error, tells),
            Job::Landed(Err(NotUnpacked::List(why))) => {
                self.discard(file);
                tells.extend([Tell::Failed { file, why: Failure::Folder(why) }]);
            }
            Job::Died => self.failed(file, bug().into(), tells),
            Job::Dropped(_) | Job::Closed(_) | Job::Noted => {}
        }
    }

    /// A piece could not be written: nothing of it counts. A full disk may be given room;
    /// everything else takes somebody to do something.
    fn not_written(&mut self, file: FileId, error: DiskError, tells: &mut impl Extend<Tell>) {
        if error.passes() {
            tracing::debug!("a piece cannot be kept: {}", error.reason());
            self.plan.handle_store_failed(file, self.now());
        } else {
            self.failed(file, error.into(), tells);
        }
    }

    /// A disk did not open a file, or not make it durable: what is in memory of it is not believed
    /// any more. It is opened again from what was noted, as above.
    pub(super) fn disk_failed(
        &mut self,
        file: FileId,
        error: DiskError,
        tells: &mut impl Extend<Tell>,
    ) {
        if !error.passes() {
            return self.failed(file, error.into(), tells);
        }
        tracing::debug!("a file cannot be kept: {}", error.reason());
        let Some(fetch) = self.files.get_mut(&file) else { return };
        let until = Instant::now() + fetch.rest;
        fetch.rest = (fetch.rest * 2).min(REST.1);
        self.shut(file, Some(until));
    }

    /// Lets go of what is open of a file that is still wanted: it is paused, or a disk failed. Who
    /// lied about it stays out, as long as it is wanted.
    pub(super) fn shut(&mut self, file: FileId, until: Option<Instant>) {
        let Some(fetch) = self.files.get_mut(&file) else { return };
        if let Some(liars) = self.plan.liars(file) {
            fetch.liars = liars;
        }
        fetch.links.clear();
        let (mark, note) = (Mark { file, time: fetch.time }, until.is_none());
        fetch.fresh = 0;
        let stage = core::mem::replace(&mut fetch.stage, Stage::Shut(until));
        if let Stage::Open(landing, _) | Stage::Landing(landing) = stage {
            fetch.here = landing.here();
            fetch.was_known |= fetch.here > 0;
            let address = landing.blob().address;
            self.jobs.begin(address, mark, move || Job::Closed(landing.close(note)));
        }
        // What its streams still say is of what was open.
        self.named.retain(|_, (of, _)| *of != file);
        self.server.offered.take_back(file);
        self.plan.handle_cancelled(file, self.now());
    }
}

/// What is said of a job that panicked: the log has more.
fn bug() -> DiskError {
    DiskError::of(Place::Profile, &io::ErrorKind::Other.into())
}

impl File {
    fn is_due(&self) -> bool {
        let old = self.fresh > 0 && self.synced.elapsed() >= SYNC_AGE;
        matches!(self.stage, Stage::Open(_, false)) && (old || self.fresh >= SYNC_PIECES)
    }

    fn has_rested(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Shut(Some(until)) if until <= now) && !self.paused
    }

    /// How far it is while nothing of it is open.
    fn shut_progress(&self) -> Option<Progress> {
        let Stage::Shut(_) = self.stage else { return None };
        let paused = State::Paused;
        let state = if self.paused { paused } else { State::Stuck(Stuck::StoreFailing, None) };
        let (here, of, sources) = (self.here, self.reference.blob.shape.sealed(), Vec::new());
        Some(Progress { state, here, of, rate: 0, left: None, twice: 0, sources })
    }
}
