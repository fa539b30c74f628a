//! Nodes that fetch from one another by the shipped plan, over lines with rates and delays, from
//! one seed. Whatever leaves a plan is judged here: what may never happen fails the test that runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hubbub_shared::blob::{HaveMap, Shape};
use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::pieces::{PieceRefusal, PiecesRefused, Span};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::super::*;

pub(super) const START: Timestamp = Timestamp(1_790_000_000_000);
pub(super) const FILE: FileId = FileId(1);
pub(super) const MIB: u64 = 1 << 20;

/// What a node is like.
#[derive(Clone, Default)]
pub(super) struct Manner {
    /// Bytes a second it can send; 0 for any.
    pub(super) uplink: u64,
    /// Bytes a second it can take from the hub; 0 for any.
    pub(super) downlink: u64,
    /// Of a thousand pieces it gives, so many do not verify.
    pub(super) lies: u64,
    /// The same, unless they are asked for anew: the tree at the asker is damaged.
    pub(super) doubted: u64,
    /// Of a thousand pieces it gives, so many end the stream.
    pub(super) breaks: u64,
    /// It answers every question so.
    pub(super) refuses: Option<(PieceRefusal, Option<Millis>)>,
    /// It lets streams be opened and answers nothing but what it has.
    pub(super) mute: bool,
    /// It says that it has everything.
    pub(super) boasts: bool,
    /// Nobody gets a stream to it.
    pub(super) away: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stream {
    to: usize,
    file: FileId,
    from: usize,
    epoch: u64,
}

struct Job {
    index: u32,
    anew: bool,
    req: u32,
}

enum Event {
    Timer(usize),
    Opened(Stream, bool),
    AskHave(Stream, u32),
    Told(Stream, HaveMap),
    Ask(Stream, u32, Vec<Span>, bool),
    Sent(usize),
    Piece(Stream, u32, bool),
    Refused(Stream, PiecesRefused),
    Broken(Stream),
}

pub(super) struct Node {
    pub(super) plan: Plan,
    pub(super) manner: Manner,
    pub(super) have: BTreeMap<FileId, HaveMap>,
    /// What it sends, for each stream, and whose turn it is.
    queues: BTreeMap<Stream, VecDeque<Job>>,
    turn: Option<Stream>,
    sending: bool,
    /// When what it was sent will all have come.
    taken: u64,
    timer: u64,
}

pub(super) struct World {
    /// Microseconds since the start.
    pub(super) now: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) shapes: BTreeMap<FileId, Shape>,
    pub(super) kinds: BTreeMap<(usize, usize), Kind>,
    /// Milliseconds one way.
    pub(super) delay: u64,
    pub(super) hub: Option<usize>,
    events: BTreeMap<(u64, u64), Event>,
    serial: u64,
    streams: BTreeMap<(usize, FileId, usize), (u64, bool)>,
    /// What each node waits for, by stream.
    waits: BTreeMap<Stream, BTreeSet<u32>>,
    told: BTreeMap<Stream, HaveMap>,
    pub(super) limits: Limits,
    pub(super) paused: BTreeSet<(usize, FileId)>,
    pub(super) done: BTreeMap<(usize, FileId), u64>,
    pub(super) blamed: Vec<(usize, SourceId, Lie)>,
    pub(super) stuck: Vec<(usize, FileId, Stuck, Option<Timestamp>)>,
    pub(super) asks: Vec<(usize, FileId, usize, Vec<Span>)>,
    /// Streams that were opened: by whom, to whom, and at which second.
    pub(super) opens: Vec<(usize, usize, u64)>,
    /// Bytes the hub carried; that came in all; that came twice; pieces by who gave them.
    pub(super) carried: u64,
    pub(super) came: u64,
    pub(super) twice: u64,
    pub(super) given: BTreeMap<(usize, usize), u64>,
    pub(super) came_of: BTreeMap<(usize, FileId), u64>,
    rng: ChaCha20Rng,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self::with_limits(seed, Limits::default())
    }

    pub(super) fn with_limits(seed: u64, limits: Limits) -> Self {
        Self {
            now: 0,
            nodes: Vec::new(),
            shapes: BTreeMap::new(),
            kinds: BTreeMap::new(),
            delay: 20,
            hub: None,
            events: BTreeMap::new(),
            serial: 0,
            streams: BTreeMap::new(),
            waits: BTreeMap::new(),
            told: BTreeMap::new(),
            limits,
            paused: BTreeSet::new(),
            done: BTreeMap::new(),
            blamed: Vec::new(),
            stuck: Vec::new(),
            asks: Vec::new(),
            opens: Vec::new(),
            carried: 0,
            came: 0,
            twice: 0,
            given: BTreeMap::new(),
            came_of: BTreeMap::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    pub(super) fn chance(&mut self, of_thousand: u64) -> bool {
        self.rng.next_u64() % 1_000 < of_thousand
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    pub(super) fn upto(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    pub(super) fn time(&self) -> Timestamp {
        START + Millis(self.now / 1_000)
    }

    pub(super) fn secs(&self) -> u64 {
        self.now / 1_000_000
    }

    pub(super) fn node(&mut self, manner: Manner) -> usize {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let who = self.nodes.len();
        self.nodes.push(Node {
            plan: Plan::new(node_id(who), self.limits, seed),
            manner,
            have: BTreeMap::new(),
            queues: BTreeMap::new(),
            turn: None,
            sending: false,
            taken: 0,
            timer: 0,
        });
        who
    }

    pub(super) fn file(&mut self, file: FileId, bytes: u64) -> Shape {
        let shape = Shape::of(bytes).unwrap();
        self.shapes.insert(file, shape);
        shape
    }

    pub(super) fn holds_all(&mut self, who: usize, file: FileId) {
        let pieces = self.shapes[&file].pieces();
        self.nodes[who].have.insert(file, HaveMap::all(pieces));
    }

    pub(super) fn wants(&mut self, who: usize, file: FileId) {
        self.wants_with(who, file, Priority::Normal);
    }

    pub(super) fn wants_with(&mut self, who: usize, file: FileId, priority: Priority) {
        let shape = self.shapes[&file];
        let none = HaveMap::none(shape.pieces());
        let have = self.nodes[who].have.entry(file).or_insert(none).clone();
        let wanted = Wanted { file, shape, have, priority, paused: false, liars: Vec::new() };
        let now = self.time();
        self.nodes[who].plan.handle_wanted(wanted, now).unwrap();
        self.drain(who);
    }

    pub(super) fn name(&self, who: usize) -> SourceId {
        if self.hub == Some(who) { SourceId::Hub } else { SourceId::Node(node_id(who)) }
    }

    fn whose(&self, source: SourceId) -> usize {
        match source {
            SourceId::Hub => self.hub.unwrap(),
            SourceId::Node(node) => usize::from(node.0[0]) - 1,
        }
    }

    /// `who` hears that `from` may have the file.
    pub(super) fn source(&mut self, who: usize, file: FileId, from: usize, kind: Kind) {
        self.kinds.insert((who, from), kind);
        let (now, name) = (self.time(), self.name(from));
        self.nodes[who].plan.handle_source(file, name, kind, now);
        self.drain(who);
    }

    /// `who` hears anything at all from `from`.
    pub(super) fn heard(&mut self, who: usize, file: FileId, from: usize) {
        let (now, name) = (self.time(), self.name(from));
        self.nodes[who].plan.handle_heard(file, name, now);
        self.drain(who);
    }

    pub(super) fn pause(&mut self, who: usize, file: FileId, paused: bool) {
        if paused {
            self.paused.insert((who, file))
        } else {
            self.paused.remove(&(who, file))
        };
        let now = self.time();
        self.nodes[who].plan.handle_paused(file, paused, now);
        self.drain(who);
    }

    /// A node is gone: all its streams break.
    pub(super) fn leaves(&mut self, who: usize) {
        self.nodes[who].manner.away = true;
        self.nodes[who].queues.clear();
        let of = |(to, _, from): &(usize, FileId, usize)| *from == who || *to == who;
        let streams: Vec<_> = self.streams.iter().filter(|(key, _)| of(key)).collect();
        let stream = |((to, file, from), (epoch, _)): (&(usize, FileId, usize), &(u64, bool))| {
            Stream { to: *to, file: *file, from: *from, epoch: *epoch }
        };
        for stream in streams.into_iter().map(stream).collect::<Vec<_>>() {
            self.after(1_000, Event::Broken(stream));
        }
    }

    fn after(&mut self, micros: u64, event: Event) {
        self.serial += 1;
        self.events.insert((self.now + micros, self.serial), event);
    }

    /// Goes on until a second, or until nothing is left to do.
    pub(super) fn run(&mut self, until: u64) {
        self.run_while(until, |_| true);
    }

    pub(super) fn run_while(&mut self, until: u64, on: impl Fn(&Self) -> bool) {
        while on(self) {
            let Some(((at, _), event)) = self.events.pop_first() else { break };
            if at >= until * 1_000_000 {
                self.serial += 1;
                self.events.insert((at, self.serial), event);
                break;
            }
            self.now = at;
            self.step(event);
        }
        if self.now < until * 1_000_000 && on(self) {
            self.now = until * 1_000_000;
        }
    }

    fn is_live(&self, stream: &Stream) -> bool {
        let state = self.streams.get(&(stream.to, stream.file, stream.from));
        state.is_some_and(|(epoch, up)| *up && *epoch == stream.epoch)
    }

    fn step(&mut self, event: Event) {
        let now = self.time();
        match event {
            Event::Timer(who) => {
                if self.nodes[who].timer == self.now {
                    self.nodes[who].timer = 0;
                    self.nodes[who].plan.handle_timeout(now);
                    self.drain(who);
                }
            }
            Event::Sent(who) => self.sent(who),
            Event::Opened(stream, _)
            | Event::AskHave(stream, _)
            | Event::Told(stream, _)
            | Event::Ask(stream, ..)
            | Event::Piece(stream, ..)
            | Event::Refused(stream, _)
            | Event::Broken(stream)
                if !self.is_live(&stream) => {}
            Event::AskHave(stream, req) => self.answer_have(stream, req),
            Event::Ask(stream, req, spans, anew) => self.answer(stream, (req, anew), &spans),
            told => self.hears(told, now),
        }
    }

    /// Something arrives at whoever asked.
    fn hears(&mut self, event: Event, now: Timestamp) {
        let who = match &event {
            Event::Opened(stream, _)
            | Event::Told(stream, _)
            | Event::Piece(stream, ..)
            | Event::Refused(stream, _)
            | Event::Broken(stream) => stream.to,
            _ => return,
        };
        match event {
            Event::Opened(stream, true) => {
                let (name, kind) = (self.name(stream.from), self.kinds[&(who, stream.from)]);
                self.nodes[who].plan.handle_opened(stream.file, name, kind, now);
            }
            Event::Opened(stream, false) | Event::Broken(stream) => {
                self.end(stream);
                let name = self.name(stream.from);
                self.nodes[who].plan.handle_broken(stream.file, name, now);
            }
            Event::Told(stream, have) => {
                self.told.insert(stream, have.clone());
                let name = self.name(stream.from);
                self.nodes[who].plan.handle_have(stream.file, name, have, now);
            }
            Event::Piece(stream, index, true) => {
                let anew = false;
                self.piece_bad(stream, index, anew, now);
            }
            Event::Piece(stream, index, false) => self.piece_good(stream, index, now),
            Event::Refused(stream, refused) => {
                let name = self.name(stream.from);
                self.waits.remove(&stream);
                self.nodes[who].plan.handle_refused(stream.file, name, refused, now);
            }
            _ => {}
        }
        self.drain(who);
    }

    fn piece_bad(&mut self, stream: Stream, index: u32, sure: bool, now: Timestamp) {
        let name = self.name(stream.from);
        if let Some(waits) = self.waits.get_mut(&stream) {
            waits.remove(&index);
        }
        let plan = &mut self.nodes[stream.to].plan;
        plan.handle_bad_piece(stream.file, name, Bad { index, sure }, now);
    }

    fn piece_good(&mut self, stream: Stream, index: u32, now: Timestamp) {
        let (who, file, name) = (stream.to, stream.file, self.name(stream.from));
        let bytes = self.shapes[&file].piece_len(index).unwrap() as u64;
        self.came += bytes;
        *self.given.entry((who, stream.from)).or_default() += 1;
        *self.came_of.entry((who, file)).or_default() += bytes;
        if self.kinds[&(who, stream.from)] != Kind::Direct {
            self.carried += bytes;
        }
        if let Some(waits) = self.waits.get_mut(&stream) {
            waits.remove(&index);
        }
        let have = self.nodes[who].have.get_mut(&file).unwrap();
        if have.has(index) {
            self.twice += bytes;
        }
        have.insert(index);
        self.nodes[who].plan.handle_piece(file, name, index, now);
    }

    fn end(&mut self, stream: Stream) {
        self.streams.insert((stream.to, stream.file, stream.from), (stream.epoch, false));
        self.waits.remove(&stream);
        self.told.remove(&stream);
        self.nodes[stream.from].queues.remove(&stream);
    }

    fn answer_have(&mut self, stream: Stream, req: u32) {
        let (manner, shape) = (&self.nodes[stream.from].manner, self.shapes[&stream.file]);
        let back = self.delay * 1_000;
        if let Some((code, retry_after)) = manner.refuses {
            return self
                .after(back, Event::Refused(stream, PiecesRefused { req, code, retry_after }));
        }
        let have = match self.nodes[stream.from].have.get(&stream.file) {
            _ if manner.boasts => HaveMap::all(shape.pieces()),
            Some(have) => have.clone(),
            None => {
                let (code, retry_after) = (PieceRefusal::Unknown, None);
                let refused = PiecesRefused { req, code, retry_after };
                return self.after(back, Event::Refused(stream, refused));
            }
        };
        self.after(back, Event::Told(stream, have));
    }

    fn answer(&mut self, stream: Stream, (req, anew): (u32, bool), spans: &[Span]) {
        let node = &mut self.nodes[stream.from];
        if node.manner.mute {
            return;
        }
        let pieces = spans.iter().flat_map(|s| s.first..s.first + u32::from(s.count));
        for index in pieces {
            let has = node.have.get(&stream.file).is_some_and(|have| have.has(index));
            if !has && node.manner.lies == 0 {
                let (code, retry_after) = (PieceRefusal::Lacking, None);
                let refused = PiecesRefused { req, code, retry_after };
                return self.after(self.delay * 1_000, Event::Refused(stream, refused));
            }
            node.queues.entry(stream).or_default().push_back(Job { index, anew, req });
        }
        self.send(stream.from);
    }

    /// Sends the next piece of the stream whose turn it is, if the line is free.
    fn send(&mut self, who: usize) {
        let node = &mut self.nodes[who];
        if node.sending {
            return;
        }
        node.queues.retain(|_, queue| !queue.is_empty());
        let after = node.turn.and_then(|turn| {
            node.queues.range((std::ops::Bound::Excluded(turn), std::ops::Bound::Unbounded)).next()
        });
        let Some(stream) = after.or(node.queues.iter().next()).map(|(stream, _)| *stream) else {
            return;
        };
        node.turn = Some(stream);
        let job = node.queues.get_mut(&stream).unwrap().pop_front().unwrap();
        node.sending = true;
        let bytes = self.shapes[&stream.file].piece_len(job.index).unwrap() as u64;
        // A line without a limit still has one: a gigabyte a second.
        let rate = if node.manner.uplink == 0 { 1 << 30 } else { node.manner.uplink };
        let takes = bytes * 1_000_000 / rate;
        let Manner { lies, doubted, breaks, .. } = node.manner;
        let bad = self.chance(lies) || !job.anew && self.chance(doubted);
        let mut arrives = takes + self.delay * 1_000;
        let taker = &mut self.nodes[stream.to];
        if taker.manner.downlink > 0 && self.kinds[&(stream.to, who)] != Kind::Direct {
            let wait = bytes * 1_000_000 / taker.manner.downlink;
            taker.taken = taker.taken.max(self.now + arrives) + wait;
            arrives = taker.taken - self.now;
        }
        let _ = job.req; // the pretend answers carry their index, which says as much
        match self.chance(breaks) {
            true => self.after(arrives, Event::Broken(stream)),
            false => self.after(arrives, Event::Piece(stream, job.index, bad)),
        }
        self.after(takes, Event::Sent(who));
    }

    fn sent(&mut self, who: usize) {
        self.nodes[who].sending = false;
        self.send(who);
    }

    /// Does what a plan wants, and judges it.
    pub(super) fn drain(&mut self, who: usize) {
        while let Some(deed) = self.nodes[who].plan.poll_deed() {
            match deed {
                Deed::Open { file, source } => self.open(who, file, source),
                Deed::Close { file, source } => {
                    let stream = self.stream(who, file, source);
                    self.end(stream);
                }
                Deed::AskHave { file, source, req } => {
                    let stream = self.stream(who, file, source);
                    assert!(self.is_live(&stream), "asked where there is no stream");
                    self.after(self.delay * 1_000, Event::AskHave(stream, req));
                }
                Deed::Ask { file, source, req, spans, anew } => {
                    let stream = self.stream(who, file, source);
                    self.judge(stream, &spans, anew);
                    self.asks.push((who, file, stream.from, spans.clone()));
                    self.after(self.delay * 1_000, Event::Ask(stream, req, spans, anew));
                }
                Deed::Blame { source, lie, .. } => self.blamed.push((who, source, lie)),
                Deed::Done { file } => {
                    let first = self.done.insert((who, file), self.now).is_none();
                    assert!(first && self.nodes[who].have[&file].is_complete());
                }
                Deed::Stuck { file, why, next } => {
                    assert!(next.is_none_or(|at| at > self.time()), "tried again in the past");
                    self.stuck.push((who, file, why, next));
                }
                Deed::Going { .. } => {}
            }
        }
        self.set_timer(who);
    }

    fn set_timer(&mut self, who: usize) {
        let Some(due) = self.nodes[who].plan.poll_timeout() else { return };
        assert!(due > self.time(), "{who} wants to be called at once, again and again");
        let at = due.since(START).0 * 1_000;
        if self.nodes[who].timer == 0 || at < self.nodes[who].timer {
            self.nodes[who].timer = at;
            self.after(at - self.now, Event::Timer(who));
        }
    }

    fn stream(&self, who: usize, file: FileId, source: SourceId) -> Stream {
        let from = self.whose(source);
        let epoch = self.streams.get(&(who, file, from)).map_or(0, |(epoch, _)| *epoch);
        Stream { to: who, file, from, epoch }
    }

    fn open(&mut self, who: usize, file: FileId, source: SourceId) {
        let Stream { from, epoch, .. } = self.stream(who, file, source);
        let stream = Stream { to: who, file, from, epoch: epoch + 1 };
        let before = self.streams.insert((who, file, from), (epoch + 1, true));
        assert!(before.is_none_or(|(_, up)| !up), "opened twice");
        self.opens.push((who, from, self.secs()));
        let ok = !self.nodes[from].manner.away;
        self.after(self.delay * 2_000, Event::Opened(stream, ok));
    }

    /// What holds of every question.
    fn judge(&mut self, stream: Stream, spans: &[Span], anew: bool) {
        let Stream { to, file, from, .. } = stream;
        assert!(self.is_live(&stream), "asked where there is no stream");
        assert!(!self.paused.contains(&(to, file)), "asked while paused");
        let liar = (to, self.name(from));
        assert!(!self.blamed.iter().any(|(who, source, _)| (*who, *source) == liar));
        let pieces = self.shapes[&file].pieces();
        assert!((1..=16).contains(&spans.len()) && spans.iter().all(|span| span.fits(pieces)));
        let told = self.told.get(&stream).expect("asked for pieces before what there is");
        let waits = self.waits.entry(stream).or_default();
        for index in spans.iter().flat_map(|s| s.first..s.first + u32::from(s.count)) {
            assert!(told.has(index) || anew, "asked for what is not there");
            assert!(!self.nodes[to].have[&file].has(index), "asked for what is here");
            assert!(waits.insert(index), "asked twice of one source");
        }
        assert!(waits.len() <= limits::WINDOW_MAX);
        let of = |which: &dyn Fn(&Stream) -> bool| -> usize {
            self.waits.iter().filter(|(stream, _)| which(stream)).map(|(_, w)| w.len()).sum()
        };
        assert!(of(&|other| other.to == to && other.file == file) <= self.limits.per_file);
        assert!(of(&|other| other.to == to) <= self.limits.outstanding);
        let files: BTreeSet<FileId> = self
            .waits
            .iter()
            .filter(|(s, w)| s.to == to && !w.is_empty())
            .map(|(stream, _)| stream.file)
            .collect();
        assert!(files.len() <= self.limits.side_by_side, "too many side by side");
    }

    /// Whether everybody who wanted it has it.
    pub(super) fn all_done(&self, whos: &[usize], file: FileId) -> bool {
        whos.iter().all(|who| self.done.contains_key(&(*who, file)))
    }
}

/// [`FILE`], wanted like any other.
pub(super) fn wanted(shape: Shape, have: HaveMap) -> Wanted {
    let (priority, liars) = (Priority::Normal, Vec::new());
    Wanted { file: FILE, shape, have, priority, paused: false, liars }
}

pub(super) fn node_id(who: usize) -> NodeId {
    NodeId([u8::try_from(who).unwrap() + 1; 32])
}
