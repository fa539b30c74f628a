//! A hub that lies: it stands between the shipped relay and the nodes and bends what it delivers.
//!
//! It can do what a hub's operator can: it sees every frame, remembers all of it, holds an identity
//! of its own (mallory) and knows nobody's secrets. It leaves room between the numbers of a log's
//! entries, so that it can put in more without hiding honest ones, and counts acknowledgements
//! back. What it did counts as a lie only if the frame came out different.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::group::control::{Entry, EntryBody, Op, Policy};
use hubbub_shared::group::{ControlLog, Role};
use hubbub_shared::id::{Digest, GroupId, HubId, NodeId};
use hubbub_shared::nickname::{NickClaim, Nickname};
use hubbub_shared::session::LocalPrekeys;
use hubbub_shared::wire::codec::encode;
use hubbub_shared::wire::envelope::{Envelope, Kind};
use hubbub_shared::wire::from_hub::{Bundle, ControlPage, Deliver, Item, ItemKind, Refused};
use hubbub_shared::wire::version::VERSION;
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, RefusalCode, ToHub};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::world::{DAWN, World};

/// Numbers of a log between two honest entries.
const ROOM: u64 = 16;

/// Where a bit is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A sealed message.
    Envelope,
    /// A control entry as it comes in the channel.
    Entry,
    /// A control entry in a page of the log.
    Page,
    /// A prekey bundle.
    Bundle,
    /// A nickname claim.
    Claim,
}

/// A claim that is not the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FalseClaim {
    /// Mallory's own, of another name.
    OtherName,
    /// Of the right name, validly signed by mallory for mallory's key.
    OtherKey,
    /// Of the right name and key, signed by mallory.
    OtherSigner,
    /// The one an accomplice signed ([`Hand::claim_as`]).
    Accomplice,
    /// The first one the hub ever saw of the same node.
    Older,
}

/// An entry nobody with the right to it wrote, or one from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FalseEntry {
    /// The founder adds mallory; signed by mallory.
    InFoundersName,
    /// Mallory adds mallory, properly signed.
    BySelf,
    /// The same, but following another history.
    OnOtherHistory,
    /// The second entry of the log once more: the first that adds somebody.
    Replayed,
    /// What somebody wrote who helps the hub ([`Hand::prepare`]).
    Prepared,
}

/// What a hub can lie about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// One bit, anywhere.
    FlipBit(Part),
    /// An old envelope of this kind again, under a new number.
    Replay(Kind),
    /// One envelope after the next one.
    Reorder,
    /// An envelope never comes.
    Drop,
    /// An envelope is said to come from somebody else.
    Relabel(NodeId),
    /// An envelope from another's mailbox.
    Misroute,
    /// An envelope or entry of another group.
    Splice(ItemKind),
    /// Somebody is let in by nobody.
    Inject(FalseEntry),
    /// A page of the log that begins another group.
    SwapGenesis,
    /// The log of this group ends before this entry.
    Withhold(GroupId, u64),
    /// Another claim under the name asked for.
    SwapClaim(FalseClaim),
    /// Mallory's whole bundle under the peer's key.
    SwapBundle,
    /// The peer's identity with mallory's signed prekey.
    MixBundle,
    /// A lobby that the hub did not found.
    ForgeLobby,
    /// This group is the room that was asked for, and this node lets people in.
    SwapRoom(GroupId, NodeId),
    /// There is no such room.
    DenyRoom,
    /// A node's beacon is not what it left.
    Beacon(FalseBeacon),
}

/// What a node finds instead of what it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FalseBeacon {
    /// Nothing.
    None,
    /// Other bytes.
    Other,
    /// Its own, and that more was sent since.
    Sent,
}

/// Everything a lying hub has.
pub struct Liar {
    /// Its own identity, which belongs nowhere.
    pub mallory: Identity,
    /// Lies told so far.
    pub told: u32,
    /// Chance in a thousand that any frame is a random lie.
    pub mood: u64,
    rng: ChaCha20Rng,
    hub: HubId,
    ids: Vec<NodeId>,
    order: Option<(usize, Lie, u32)>,
    memory: BTreeMap<LogId, Vec<Item>>,
    logs: BTreeMap<GroupId, (ControlLog, Vec<Vec<u8>>)>,
    pocket: BTreeMap<(usize, LogId), Item>,
    reads: BTreeMap<(usize, u32), GroupId>,
    keys: LocalPrekeys,
    genesis: (GroupId, Vec<u8>),
    lobby: (GroupId, Vec<u8>),
    accomplice: Option<Vec<u8>>,
    prepared: Option<Vec<u8>>,
    /// The first claim seen of each node.
    claims: BTreeMap<NodeId, Vec<u8>>,
}

/// The liar, shared with the world it sits in.
#[derive(Clone)]
pub struct Hand(Rc<RefCell<Liar>>);

impl Hand {
    /// Puts a liar between the hub and everybody in the world. It is honest until told otherwise.
    pub fn on(world: &mut World, seed: u64) -> Self {
        let ids = (0..world.devices.len()).map(|who| world.id(who)).collect();
        let hand = Self(Rc::new(RefCell::new(Liar::new(world.hub_id(), ids, seed))));
        let (down, up) = (hand.clone(), hand.clone());
        world.tamper = Some(Box::new(move |who, frame| down.0.borrow_mut().down(who, frame)));
        world.overhear = Some(Box::new(move |who, frame| up.0.borrow_mut().up(who, frame)));
        hand
    }

    /// Orders a lie to one node, told as soon as there is occasion, so many times.
    pub fn lie(&self, victim: usize, lie: Lie, times: u32) {
        self.0.borrow_mut().order = Some((victim, lie, times));
    }

    /// No more lies.
    pub fn be_honest(&self) {
        let mut liar = self.0.borrow_mut();
        (liar.order, liar.mood) = (None, 0);
    }

    /// Random lies from here on: chance in a thousand for each frame.
    pub fn mood(&self, mood: u64) {
        self.0.borrow_mut().mood = mood;
    }

    /// Lies told so far.
    pub fn told(&self) -> u32 {
        self.0.borrow().told
    }

    /// Somebody signs a claim an honest hub would refuse: another's name.
    pub fn claim_as(&self, by: &Identity, name: &str) {
        let mut liar = self.0.borrow_mut();
        let claim = NickClaim {
            hub: liar.hub,
            nickname: Nickname::prepare(name).unwrap(),
            node: by.id(),
            seq: 1,
            prev: Digest([0; 32]),
            ts: DAWN,
        };
        liar.accomplice = Some(claim.sign(by));
    }

    /// Somebody who helps the hub writes the next entry of a group's log, as the hub knows it.
    pub fn prepare(&self, by: &Identity, group: &GroupId, op: Op) {
        let mut liar = self.0.borrow_mut();
        let entry = liar.logs[group].0.propose(by, op, DAWN);
        liar.prepared = Some(entry);
    }

    /// Entries in a group's log.
    pub fn log_length(&self, group: &GroupId) -> u64 {
        self.0.borrow().logs.get(group).map_or(0, |(log, _)| log.seq() + 1)
    }

    /// How often a node asked for a membership log.
    pub fn log_reads(&self, who: usize) -> usize {
        self.0.borrow().reads.keys().filter(|(reader, _)| *reader == who).count()
    }

    /// Mallory's key.
    pub fn mallory(&self) -> NodeId {
        self.0.borrow().mallory.id()
    }
}

impl Liar {
    fn new(hub: HubId, ids: Vec<NodeId>, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x6c69_6172);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let mallory = Identity::from_seed(Secret32::from_bytes(secret));
        let keys = LocalPrekeys::generate(&mallory, DAWN, &mut rng);
        let genesis = ControlLog::create(&mallory, Policy::closed(), DAWN, &mut rng);
        let lobby = ControlLog::create_lobby(&mallory, DAWN, &mut rng);
        Self {
            mallory,
            told: 0,
            mood: 0,
            rng,
            hub,
            ids,
            order: None,
            memory: BTreeMap::new(),
            logs: BTreeMap::new(),
            pocket: BTreeMap::new(),
            reads: BTreeMap::new(),
            keys,
            genesis,
            lobby,
            accomplice: None,
            prepared: None,
            claims: BTreeMap::new(),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.rng.next_u64() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    // --- What nodes say ---

    fn up(&mut self, who: usize, frame: ToHub) -> ToHub {
        match frame {
            ToHub::Ack(mut ack) => {
                ack.upto /= ROOM;
                ToHub::Ack(ack)
            }
            ToHub::ReadControl(read) => {
                self.reads.insert((who, read.req), read.group);
                ToHub::ReadControl(read)
            }
            other => other,
        }
    }

    fn learn(&mut self, group: GroupId, entry: &[u8]) {
        match self.logs.get_mut(&group) {
            Some((log, entries)) => {
                if log.apply(entry).is_ok() {
                    entries.push(entry.to_vec());
                }
            }
            None => {
                if let Ok(log) = ControlLog::check_genesis(entry, &group) {
                    self.logs.insert(group, (log, vec![entry.to_vec()]));
                }
            }
        }
    }

    // --- What nodes are told ---

    fn down(&mut self, who: usize, frame: FromHub) -> Vec<FromHub> {
        let frame = self.honest(frame);
        let before = frame.clone();
        let lie = match self.order {
            Some((victim, lie, left)) if victim == who && left > 0 => Some(lie),
            _ if self.rng.next_u64() % 1_000 < self.mood => Some(self.any_lie(&frame)),
            _ => None,
        };
        let (mut frame, pocketed) = self.unpocket(who, frame);
        if let (Some(mut lie), false) = (lie, pocketed) {
            frame = self.bend(who, frame, lie);
            // At random: not every lie fits everywhere.
            for _ in 0..if self.mood > 0 { 4 } else { 0 } {
                if frame == before {
                    lie = self.any_lie(&frame);
                    frame = self.bend(who, frame, lie);
                }
            }
            if frame != before {
                self.told += 1;
                if let Some((_, _, left)) = &mut self.order {
                    *left = left.saturating_sub(1);
                }
            }
        }
        match &frame {
            FromHub::Deliver(deliver) if deliver.items.is_empty() => Vec::new(),
            _ => vec![frame],
        }
    }

    /// Remembers what the relay says, and makes room in it.
    fn honest(&mut self, frame: FromHub) -> FromHub {
        match frame {
            FromHub::Deliver(mut deliver) => {
                for item in &mut deliver.items {
                    let known = self.memory.entry(deliver.log).or_default();
                    if !known.iter().any(|old| old.seq == item.seq) {
                        known.push(item.clone());
                    }
                    item.seq *= ROOM;
                }
                if let LogId::Channel(group) = deliver.log {
                    for item in deliver.items.iter().filter(|i| i.kind == ItemKind::Control) {
                        self.learn(group, &item.bytes);
                    }
                }
                FromHub::Deliver(deliver)
            }
            FromHub::Found(found) => {
                if let Ok(claim) = NickClaim::check(&found.claim, &self.hub, None) {
                    self.claims.entry(claim.node).or_insert_with(|| found.claim.to_vec());
                }
                FromHub::Found(found)
            }
            FromHub::ControlPage(page) => {
                for entry in &page.entries {
                    self.learn(page.group, entry);
                }
                FromHub::ControlPage(page)
            }
            other => other,
        }
    }

    /// What was kept back for a reordering comes after the next delivery.
    fn unpocket(&mut self, who: usize, frame: FromHub) -> (FromHub, bool) {
        match frame {
            FromHub::Deliver(mut deliver) => {
                let kept = self.pocket.remove(&(who, deliver.log));
                let found = kept.is_some();
                if let Some(item) = kept {
                    add(&mut deliver, item);
                }
                (FromHub::Deliver(deliver), found)
            }
            other => (other, false),
        }
    }

    fn any_lie(&mut self, frame: &FromHub) -> Lie {
        let at = self.below(self.ids.len());
        let somebody = self.ids[at];
        let entries = [FalseEntry::InFoundersName, FalseEntry::BySelf, FalseEntry::OnOtherHistory];
        let entry = entries[self.below(3)];
        let claims = [FalseClaim::OtherName, FalseClaim::OtherKey, FalseClaim::OtherSigner];
        let claim = claims[self.below(3)];
        let kind = [Kind::PairInit, Kind::Pair, Kind::Group][self.below(3)];
        let group = self.logs.keys().next().copied().unwrap_or(self.genesis.0);
        let choice: &[Lie] = match frame {
            FromHub::Deliver(_) => &[
                Lie::FlipBit(Part::Envelope),
                Lie::FlipBit(Part::Entry),
                Lie::Replay(kind),
                Lie::Reorder,
                Lie::Drop,
                Lie::Relabel(somebody),
                Lie::Misroute,
                Lie::Splice(ItemKind::Envelope),
                Lie::Splice(ItemKind::Control),
                Lie::Inject(entry),
                Lie::Inject(FalseEntry::Replayed),
            ],
            FromHub::ControlPage(_) => &[
                Lie::FlipBit(Part::Page),
                Lie::SwapGenesis,
                Lie::Inject(entry),
                Lie::Withhold(group, 2),
            ],
            FromHub::Found(_) => &[Lie::FlipBit(Part::Claim), Lie::SwapClaim(claim)],
            FromHub::Bundle(_) => &[Lie::FlipBit(Part::Bundle), Lie::SwapBundle, Lie::MixBundle],
            _ => &[Lie::ForgeLobby],
        };
        choice[self.below(choice.len())]
    }

    fn bend(&mut self, who: usize, frame: FromHub, lie: Lie) -> FromHub {
        match frame {
            FromHub::Deliver(deliver) => FromHub::Deliver(self.bend_delivery(who, deliver, lie)),
            FromHub::ControlPage(page) => FromHub::ControlPage(self.bend_page(page, lie)),
            FromHub::Bundle(bundle) => FromHub::Bundle(self.bend_bundle(bundle, lie)),
            FromHub::Found(mut found) => {
                found.claim = ByteBuf::from(self.bend_claim(found.claim.into_vec(), lie));
                FromHub::Found(found)
            }
            FromHub::Room(mut room) => {
                match lie {
                    Lie::SwapRoom(group, keeper) => {
                        (room.group, room.keepers) = (group, vec![keeper]);
                    }
                    Lie::DenyRoom => {
                        let (req, code) = (room.req, RefusalCode::NoSuchGroup);
                        let refused = Refused { req, refusal: code.plain() };
                        return FromHub::Refused(refused);
                    }
                    _ => {}
                }
                FromHub::Room(room)
            }
            FromHub::Welcome(mut welcome) => {
                match lie {
                    Lie::ForgeLobby => welcome.lobby = self.lobby.0,
                    Lie::Beacon(FalseBeacon::None) => welcome.beacon = None,
                    Lie::Beacon(FalseBeacon::Other) => welcome.beacon = Some(vec![7; 200].into()),
                    Lie::Beacon(FalseBeacon::Sent) => welcome.appends = u64::MAX,
                    _ => {}
                }
                FromHub::Welcome(welcome)
            }
            FromHub::Refused(refused) if lie == Lie::ForgeLobby => {
                let (group, genesis) = self.lobby.clone();
                if self.reads.get(&(who, refused.req)) != Some(&group) {
                    return FromHub::Refused(refused);
                }
                let entries = vec![ByteBuf::from(genesis)];
                let req = refused.req;
                FromHub::ControlPage(ControlPage { req, group, from: 0, entries, total: 1 })
            }
            other => other,
        }
    }

    fn flip(&mut self, bytes: &mut ByteBuf) {
        let bit = self.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }

    // --- Deliveries ---

    fn bend_delivery(&mut self, who: usize, mut deliver: Deliver, lie: Lie) -> Deliver {
        let first = |kind| deliver.items.iter().position(|item| item.kind == kind);
        let envelope = first(ItemKind::Envelope);
        match lie {
            Lie::FlipBit(Part::Envelope) => {
                if let Some(at) = envelope {
                    self.flip(&mut deliver.items[at].bytes);
                }
            }
            Lie::FlipBit(Part::Entry) => {
                if let Some(at) = first(ItemKind::Control) {
                    self.flip(&mut deliver.items[at].bytes);
                }
            }
            Lie::Drop => {
                envelope.map(|at| deliver.items.remove(at));
            }
            Lie::Reorder => {
                if let Some(at) = envelope {
                    let item = deliver.items.remove(at);
                    self.pocket.insert((who, deliver.log), item);
                }
            }
            Lie::Relabel(to) => {
                if let Some(at) = envelope {
                    deliver.items[at].from = to;
                }
            }
            Lie::Withhold(group, _) if deliver.log == LogId::Channel(group) => {
                deliver.items.retain(|item| item.kind == ItemKind::Envelope);
            }
            _ => {
                if let Some(item) = self.extra(&deliver, lie) {
                    add(&mut deliver, item);
                }
            }
        }
        deliver
    }

    /// An entry that does not belong where it is put.
    fn extra(&mut self, deliver: &Deliver, lie: Lie) -> Option<Item> {
        let log = deliver.log;
        match (lie, log) {
            (Lie::Replay(kind), _) => {
                let now = deliver.items.last()?.seq / ROOM;
                self.recall(|at, item| {
                    at == log && item.seq < now && Envelope::kind_of(&item.bytes) == Some(kind)
                })
            }
            (Lie::Misroute, LogId::Mailbox(_)) => {
                self.recall(|at, _| at != log && matches!(at, LogId::Mailbox(_)))
            }
            (Lie::Splice(kind), LogId::Channel(_)) => self.recall(|at, item| {
                at != log && matches!(at, LogId::Channel(_)) && item.kind == kind
            }),
            (Lie::Inject(entry), LogId::Channel(group)) => {
                let bytes = self.false_entry(group, entry)?;
                let last = deliver.items.last()?.clone();
                let from = self.mallory.id();
                Some(Item { kind: ItemKind::Control, from, bytes: ByteBuf::from(bytes), ..last })
            }
            _ => None,
        }
    }

    /// Something remembered.
    fn recall(&mut self, fits: impl Fn(LogId, &Item) -> bool) -> Option<Item> {
        let all = self.memory.iter().flat_map(|(log, items)| items.iter().map(|i| (*log, i)));
        let found: Vec<Item> =
            all.filter(|(log, item)| fits(*log, item)).map(|(_, item)| item.clone()).collect();
        let at = self.below(found.len());
        found.get(at).cloned()
    }

    // --- Membership ---

    fn false_entry(&self, group: GroupId, which: FalseEntry) -> Option<Vec<u8>> {
        let (log, entries) = self.logs.get(&group)?;
        let node = self.mallory.id();
        let op = Op::add(node, Role::Member, 0);
        let body = |author, prev| EntryBody {
            v: VERSION,
            gid: Some(group),
            seq: log.seq() + 1,
            prev,
            author,
            ts: DAWN,
            op: op.clone(),
        };
        let sign = |body| Entry::sign(&self.mallory, body).bytes();
        Some(match which {
            FalseEntry::InFoundersName => sign(body(log.founder(), log.head())),
            FalseEntry::BySelf => sign(body(node, log.head())),
            FalseEntry::OnOtherHistory => sign(body(node, log.head_at(0)?)),
            FalseEntry::Replayed => entries.get(1)?.clone(),
            FalseEntry::Prepared => self.prepared.clone()?,
        })
    }

    fn bend_page(&mut self, mut page: ControlPage, lie: Lie) -> ControlPage {
        match lie {
            Lie::FlipBit(Part::Page) if !page.entries.is_empty() => {
                let at = self.below(page.entries.len());
                self.flip(&mut page.entries[at]);
            }
            Lie::SwapGenesis if page.from == 0 && !page.entries.is_empty() => {
                page.entries[0] = ByteBuf::from(self.genesis.1.clone());
            }
            Lie::Inject(entry) => {
                if let Some(bytes) = self.false_entry(page.group, entry) {
                    page.entries.push(ByteBuf::from(bytes));
                    page.total += 1;
                }
            }
            Lie::Withhold(group, end) if page.group == group => {
                page.total = page.total.min(end);
                let left = end.saturating_sub(page.from);
                page.entries.truncate(usize::try_from(left).unwrap());
            }
            _ => {}
        }
        page
    }

    // --- Names and prekeys ---

    fn bend_claim(&mut self, claim: Vec<u8>, lie: Lie) -> Vec<u8> {
        let Ok(genuine) = NickClaim::check(&claim, &self.hub, None) else { return claim };
        let mallory = self.mallory.id();
        let first = NickClaim { seq: 1, prev: Digest([0; 32]), ..genuine };
        match lie {
            Lie::FlipBit(Part::Claim) => {
                let mut bytes = ByteBuf::from(claim);
                self.flip(&mut bytes);
                bytes.into_vec()
            }
            Lie::SwapClaim(FalseClaim::OtherName) => {
                let nickname = Nickname::prepare("mallory").unwrap();
                NickClaim { nickname, node: mallory, ..first }.sign(&self.mallory)
            }
            Lie::SwapClaim(FalseClaim::OtherKey) => {
                NickClaim { node: mallory, ..first }.sign(&self.mallory)
            }
            Lie::SwapClaim(FalseClaim::Accomplice) => self.accomplice.clone().unwrap_or(claim),
            Lie::SwapClaim(FalseClaim::Older) => {
                self.claims.get(&genuine.node).cloned().unwrap_or(claim)
            }
            Lie::SwapClaim(FalseClaim::OtherSigner) => first.sign(&self.mallory),
            _ => claim,
        }
    }

    fn bend_bundle(&mut self, mut bundle: Bundle, lie: Lie) -> Bundle {
        let mine = self.keys.publication();
        match lie {
            Lie::FlipBit(Part::Bundle) => {
                let one_time = bundle.one_time.is_some();
                match self.below(2 + usize::from(one_time)) {
                    0 => self.flip(&mut bundle.identity),
                    1 => self.flip(&mut bundle.signed_prekey),
                    _ => bundle.one_time.as_mut().into_iter().for_each(|otk| self.flip(otk)),
                }
            }
            Lie::SwapBundle => {
                bundle.identity = ByteBuf::from(encode(&mine.identity));
                bundle.signed_prekey = ByteBuf::from(encode(&mine.spk));
                bundle.one_time = None;
            }
            Lie::MixBundle => bundle.signed_prekey = ByteBuf::from(encode(&mine.spk)),
            _ => {}
        }
        bundle
    }
}

/// Puts an entry behind the others, under a number the relay has not given.
fn add(deliver: &mut Deliver, item: Item) {
    let seq = deliver.items.last().map_or(item.seq, |last| last.seq + 1);
    deliver.items.push(Item { seq, ..item });
}
