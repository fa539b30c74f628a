//! A storm: one seed makes people, what they do, and everything that goes wrong meanwhile.
//!
//! Afterwards everything heals, and time passes until the model (`model.rs`) has nothing to
//! complain of any more, or has had its time.
//!
//! There are four editions, so that a number keeps its meaning: below [`GOVERNED`] people do what
//! they could do in the first one; from it on they use all ways in and out of a group
//! (`govern.rs`); from [`TOLD`] on many groups tell newcomers what was said before; from [`BESIDE`]
//! on devices are connected with each other, too, and nobody is put back to a copy: of what was
//! said without a hub a copy learns only from peers.

use std::collections::BTreeMap;

use hubbub_hub::relay::{LogBounds, RelayConfig};
use hubbub_node::api::command::MessageText;
use hubbub_node::api::group::SettingsChange;
use hubbub_node::api::view::Role;
use hubbub_node::api::{Command, ConversationId};
use hubbub_shared::id::MessageId;
use hubbub_shared::time::Millis;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::disk::Disk;
use crate::hurt::Hurt;
use crate::keywatch::KeyWatch;
use crate::model::{Door, Model};
use crate::world::World;

/// Seeds from here on are of the governed edition.
pub const GOVERNED: u64 = 1_000_000;
/// From here on every other group tells newcomers from the start.
pub const TOLD: u64 = 2_000_000;
/// From here on devices are connected with each other.
pub const BESIDE: u64 = 3_000_000;

pub(crate) const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
pub(crate) const GROUPS: [&str; 2] = ["team", "club"];
/// Longest that healing may take; pauses after refusals and silences grow to hours.
const HEALING: Millis = Millis::hours(60);
const HOUR: Millis = Millis::hours(1);
const DAY_MS: i64 = 24 * 3_600_000;

/// A storm going on.
pub(crate) struct Storm {
    pub(crate) world: World,
    pub(crate) model: Model,
    rng: ChaCha20Rng,
    seed: u64,
    pub(crate) people: usize,
    said: u64,
    /// Invite links that were made so far, by group.
    pub(crate) links: Vec<(usize, String)>,
    copies: BTreeMap<usize, (u64, Disk)>,
    wiped: bool,
    /// Prints what happens.
    trace: bool,
}

/// Lives through a storm. `hurt` breaks something on purpose; `trace` prints what happens.
///
/// # Errors
/// What is wrong in the end.
pub fn live(seed: u64, hurt: Option<Hurt>, trace: bool) -> Result<(), String> {
    let mut storm = Storm::gather(seed, trace);
    if let Some(hurt) = hurt {
        storm.world.hurt(hurt);
    }
    let watch = KeyWatch::on(&mut storm.world);
    storm.rage();
    let healed = storm.heal();
    storm.log(|| storm.aftermath());
    healed?;
    let broken = storm.world.broken.first();
    if let Some(broken) = broken.or(storm.world.holdings.wrong()) {
        return Err(format!("seed {seed}: {broken}"));
    }
    match watch.reused().first() {
        Some(reused) => Err(reused.clone()),
        None => Ok(()),
    }
}

impl Storm {
    /// Two to five people, in groups of most of them.
    fn gather(seed: u64, trace: bool) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5707);
        let fewest = if seed < GOVERNED { 2 } else { 3 };
        let people = fewest + usize::try_from(rng.next_u64() % 3).unwrap();
        let items = if rng.next_u64().is_multiple_of(4) { 12 } else { 1_000 };
        let small = LogBounds { bytes: 1 << 20, items };
        let config = RelayConfig {
            open: true,
            mailbox: small,
            channel: small,
            mailbox_share: small,
            channel_share: small,
            ..RelayConfig::default()
        };
        let world = World::on(config, seed, &NAMES[..people]);
        let model = Model::default();
        let (copies, wiped) = (BTreeMap::new(), false);
        let mut storm = Self {
            world,
            model,
            rng,
            seed,
            people,
            said: 0,
            links: Vec::new(),
            copies,
            wiped,
            trace,
        };
        storm.found(0, GROUPS[0]);
        if people > 2 {
            storm.found(1, GROUPS[1]);
        }
        storm.world.run(Millis::secs(5));
        storm
    }

    fn found(&mut self, founder: usize, name: &'static str) {
        let others = (0..self.people).filter(|who| *who != founder);
        let members: Vec<&str> = others.map(|who| NAMES[who]).collect();
        let one_in = if self.is_governed() { 2 } else { 4 };
        let left_out = self.below(one_in) == 0 && members.len() > 1;
        let members = if left_out { &members[1..] } else { &members[..] };
        let group = self.world.found(founder, name, members);
        self.model.found(name, group);
        for member in members {
            let node = self.world.id(self.world.who(member));
            self.model.let_in(Door::Invited, name, node);
        }
        if self.seed >= TOLD && self.below(2) == 0 {
            let change = SettingsChange { history: Some(true), ..SettingsChange::default() };
            self.world.begin(founder, Command::GroupSet { group: format!("#{name}"), change });
        }
    }

    pub(crate) fn is_governed(&self) -> bool {
        self.seed >= GOVERNED
    }

    /// One such seed in eight has passphrases: checking one costs a tenth of a second.
    pub(crate) fn has_passphrases(&self) -> bool {
        self.seed.is_multiple_of(8)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    pub(crate) fn somebody(&mut self) -> usize {
        usize::try_from(self.below(self.people as u64)).unwrap()
    }

    #[allow(clippy::print_stdout)] // what `trace` is for
    pub(crate) fn log(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12} {}", self.world.now.since(crate::world::DAWN).0, what());
        }
    }

    fn rage(&mut self) {
        self.world.delay = 1 + self.below(2_000);
        self.world.crashes = self.below(200);
        self.world.hub_crashes = self.below(60);
        for _ in 0..10 + self.below(25) {
            self.act();
            let pause = match self.below(12) {
                0 => self.below(600_000),
                1..4 => 0,
                _ => self.below(8_000),
            };
            self.world.run(Millis(pause));
        }
    }

    fn act(&mut self) {
        let governed = self.is_governed();
        let beside = self.seed >= BESIDE;
        match self.below(if beside {
            44
        } else if governed {
            36
        } else {
            22
        }) {
            0..11 => self.say(),
            11 => self.say_again(),
            12 => {
                let who = self.somebody();
                self.log(|| format!("{} is cut off", NAMES[who]));
                self.world.disconnect(who);
            }
            13 => (0..self.people).for_each(|who| self.world.connect(who)),
            14 => {
                let who = self.somebody();
                self.log(|| format!("{} crashes", NAMES[who]));
                self.world.crash(who);
            }
            15 => self.trouble_the_hub(),
            16 | 17 if governed => self.govern_fully(),
            16 | 17 => self.govern(),
            18 => self.turn_a_clock(),
            19 => self.slow_one_down(),
            20 if !beside => self.copy_or_restore(),
            20 | 36.. if beside => self.join_or_part(),
            22.. => self.govern_fully(),
            _ => self.mark_read(),
        }
    }

    // --- What people do ---

    fn say(&mut self) {
        let who = self.somebody();
        let place = self.below(3);
        let peer =
            (who + 1 + usize::try_from(self.below(self.people as u64 - 1)).unwrap()) % self.people;
        let to = match place {
            0 => NAMES[peer].to_owned(),
            1 if self.people > 2 => format!("#{}", GROUPS[1]),
            _ => format!("#{}", GROUPS[0]),
        };
        let id = self.next_id();
        self.send(who, to, id);
    }

    fn next_id(&mut self) -> MessageId {
        self.said += 1;
        let mut id = [0xaa; 16];
        id[..8].copy_from_slice(&self.said.to_le_bytes());
        MessageId(id)
    }

    /// As a script does that had no answer.
    fn say_again(&mut self) {
        if let Some((who, to, id)) = self.model.last_tried() {
            self.send(who, to, id);
        }
    }

    fn send(&mut self, who: usize, to: String, id: MessageId) {
        let text = format!("{id:?}");
        let command = Command::Send { to: to.clone(), text, id: Some(MessageText(id)) };
        self.model.tried(who, to.clone(), id);
        let ticket = self.world.begin(who, command);
        let queued = self.model.note(&self.world, who, id);
        self.log(|| format!("{} says {id:?} to {to} ({ticket}): {queued}", NAMES[who]));
    }

    fn mark_read(&mut self) {
        let who = self.somebody();
        let line = self.world.devices[who].disk.history.last();
        if let Some(conversation) = line.map(|line| line.conversation) {
            self.world.begin(who, Command::MarkRead { conversation });
        }
    }

    /// Somebody changes a group, or two at once do.
    fn govern(&mut self) {
        self.change_a_group();
        if self.below(2) == 0 {
            self.change_a_group();
        }
    }

    fn change_a_group(&mut self) {
        let (who, whom) = (self.somebody(), self.somebody());
        let name = GROUPS[usize::try_from(self.below(2)).unwrap()];
        let (group, member) = (format!("#{name}"), NAMES[whom].to_owned());
        let command = match self.below(7) {
            0 => Command::GroupRemove { group, member },
            1 if self.below(2) == 0 => Command::GroupLeave { group },
            2 => Command::GroupRole { group, member, role: Role::Admin },
            3 => Command::GroupDescribe { group, name: None, topic: Some(format!("{whom}")) },
            _ => Command::GroupInvite { group, member },
        };
        match &command {
            Command::GroupRemove { .. } => self.model.may_be_out(name, whom),
            Command::GroupLeave { .. } => self.model.may_be_out(name, who),
            Command::GroupInvite { .. } => {
                self.model.let_in(Door::Invited, name, self.world.id(whom));
            }
            _ => {}
        }
        self.log(|| format!("{} wants {command:?}", NAMES[who]));
        self.world.begin(who, command);
    }

    // --- What happens to them ---

    fn trouble_the_hub(&mut self) {
        match self.below(4) {
            0 if !self.wiped => {
                self.log(|| "the hub loses its disk".to_owned());
                self.wiped = true;
                self.model.wiped();
                self.world.wipe_hub();
            }
            0 | 1 => {
                let away = Millis::secs(self.below(300));
                self.log(|| format!("the hub is away for {away:?}"));
                self.world.hub_up(false);
                self.world.run(away);
                self.world.hub_up(true);
            }
            _ => {
                self.log(|| "the hub crashes".to_owned());
                self.world.crash_hub();
            }
        }
    }

    fn turn_a_clock(&mut self) {
        let who = self.somebody();
        let skew = match self.below(4) {
            0 => DAY_MS,
            1 => -DAY_MS,
            2 => 0,
            _ => i64::try_from(self.below(7_200_000)).unwrap() - 3_600_000,
        };
        self.log(|| format!("{}'s clock is {skew} ms ahead", NAMES[who]));
        self.world.devices[who].skew = skew;
        self.model.turned(who);
    }

    fn slow_one_down(&mut self) {
        let who = self.somebody();
        let slow = self.below(2) * 90_000;
        self.log(|| format!("{} reads with up to {slow} ms delay", NAMES[who]));
        self.world.devices[who].slow = slow;
    }

    /// Two devices are connected, or no longer, or by another connection than before; or one of
    /// them cannot commit, and they stay so.
    fn join_or_part(&mut self) {
        let (one, other) = (self.somebody(), self.somebody());
        match self.below(8) {
            0 | 1 => {
                self.log(|| format!("{} and {} part", NAMES[one], NAMES[other]));
                self.world.part(one, other);
            }
            2 => {
                self.log(|| format!("{} cannot commit", NAMES[one]));
                self.world.devices[one].fails = true;
            }
            3 => {
                self.log(|| format!("{} goes on to another connection", NAMES[one]));
                self.world.switch(one, other);
            }
            _ => {
                self.log(|| format!("{} and {} are connected", NAMES[one], NAMES[other]));
                self.world.join(one, other);
            }
        }
    }

    /// A copy of somebody's disk is made, or put back.
    fn copy_or_restore(&mut self) {
        let who = self.somebody();
        match self.copies.remove(&who) {
            None => {
                self.log(|| format!("{}'s disk is copied", NAMES[who]));
                let disk = self.world.devices[who].disk.clone();
                self.copies.insert(who, (self.said, disk));
            }
            Some((said, disk)) => {
                self.log(|| format!("{}'s disk is put back", NAMES[who]));
                self.world.restore(who, disk);
                self.model.restored(&self.world, who, said);
            }
        }
    }

    // --- Afterwards ---

    /// What each device warned of and refused since its start.
    fn aftermath(&self) -> String {
        let one = |who: usize| {
            let (device, refused) =
                (&self.world.devices[who], self.world.engine(who).status().refused);
            format!("\n{}: warned {:?}, refused {refused:?}", device.name, device.warnings)
        };
        let mut entries: Vec<_> = self.world.holdings.entries().collect();
        entries.sort_by_key(|body| (body.gid, body.seq, body.ts));
        let entries = entries.iter().map(|body| {
            let (gid, seq, author) = (body.gid, body.seq, body.author);
            format!("\n{gid:?} {seq} at {} by {author:?}: {:?}", body.ts.0, body.op)
        });
        (0..self.people).map(one).chain(entries).collect()
    }

    fn heal(&mut self) -> Result<(), String> {
        self.world.crashes = 0;
        self.world.hub_crashes = 0;
        self.world.delay = 20;
        for who in 0..self.people {
            self.world.devices[who].slow = 0;
            self.world.devices[who].fails = false;
            self.world.connect(who);
        }
        self.log(|| "the storm is over".to_owned());
        self.until_right()?;
        if self.is_governed() {
            self.say_all();
            self.until_right().map_err(|wrong| format!("in the end {wrong}"))?;
        }
        // And it stays so.
        self.world.run(HOUR);
        self.model.check(&self.world).map_err(|wrong| format!("seed {}: later {wrong}", self.seed))
    }

    fn until_right(&mut self) -> Result<(), String> {
        let end = self.world.now + HEALING;
        let mut wrong = Err("no time has passed".to_owned());
        while wrong.is_err() && self.world.now < end {
            self.world.run(HOUR);
            wrong = self.model.check(&self.world);
        }
        wrong.map_err(|wrong| format!("seed {}: {wrong}", self.seed))
    }

    /// Everybody who may says something in each group.
    fn say_all(&mut self) {
        for name in GROUPS {
            for who in 0..self.people {
                let id = self.next_id();
                self.send(who, format!("#{name}"), id);
            }
        }
    }
}

/// How a conversation is written.
pub(crate) fn place(world: &World, conversation: ConversationId) -> String {
    match conversation {
        ConversationId::Group(id) => {
            format!("group {}", &data_encoding::HEXLOWER.encode(&id.0)[..6])
        }
        ConversationId::Direct(node) => {
            let who = (0..world.devices.len()).find(|who| world.id(*who) == node);
            who.map_or("nobody".to_owned(), |who| format!("@{}", world.devices[who].name))
        }
    }
}
