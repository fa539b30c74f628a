//! What a case costs beside its time: processor seconds of all ends, and the memory of each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use hubbub_tests::measure::{Case, Spread};

/// Of the system's clock that counts processor time.
const TICK: f64 = 0.01;
/// Between two looks at another's memory and processor time.
const LOOK: Duration = Duration::from_millis(5);

/// What one round came to.
pub(crate) struct Taken {
    pub(crate) seconds: f64,
    /// By processes that are gone by now.
    pub(crate) gone: Gone,
}

impl From<f64> for Taken {
    fn from(seconds: f64) -> Self {
        Self { seconds, gone: Gone::default() }
    }
}

/// What processes came to that have ended.
#[derive(Default)]
pub(crate) struct Gone {
    memory_kib: Vec<u64>,
    /// Processor seconds.
    busy: f64,
}

pub(crate) fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

/// Per case and round: processor seconds, and the most memory of each process in KiB.
#[derive(Default)]
pub(crate) struct Costs(RefCell<Vec<(&'static str, f64, Vec<u64>)>>);

impl Costs {
    pub(crate) fn case<'a>(
        &'a self,
        name: &'static str,
        ends: Vec<u32>,
        take: impl Fn() -> Taken + 'a,
    ) -> Case<'a> {
        Case::new(name, move || {
            let before: f64 = ends.iter().map(|end| busy(*end)).sum();
            let Taken { seconds, gone } = take();
            let spent = ends.iter().map(|end| busy(*end)).sum::<f64>() - before + gone.busy;
            let memory = ends.iter().map(|end| most_memory(*end)).chain(gone.memory_kib).collect();
            self.0.borrow_mut().push((name, spent, memory));
            seconds
        })
    }

    pub(crate) fn of(&self, name: &str) -> (Spread, String) {
        let all = self.0.borrow();
        let of = || all.iter().filter(|(case, ..)| *case == name);
        let memory = of().next_back().map(|(.., memory)| memory.clone()).unwrap_or_default();
        let memory: Vec<String> = memory.iter().map(|kib| (kib / 1024).to_string()).collect();
        (Spread::of(of().map(|(_, spent, _)| *spent).collect()), memory.join(", "))
    }
}

/// Processor seconds of a process and of all its children that have ended.
fn busy(process: u32) -> f64 {
    spent(process, 4)
}

/// The first so many of: its own in user space and in the system, its ended children's likewise.
fn spent(process: u32, figures: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(figures);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap() * TICK).sum()
}

fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    most.map_or(0, |most| most.trim().trim_end_matches(" kB").parse().unwrap())
}

/// What a process of one thread has started, as far as it still runs.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// Waits for a process, and gives what it and those below it came to, looked at while they run:
/// whether ssh waits for the program that it reaches a host through, so that the system adds its
/// time to ssh's, is chance.
pub(crate) fn watch(mut child: Child) -> Gone {
    let (id, mut most, mut below) = (child.id(), 0, 0);
    let mut busy: BTreeMap<u32, f64> = BTreeMap::new();
    loop {
        most = most.max(most_memory(id));
        let near = children(id);
        let further = near.iter().flat_map(|child| children(*child));
        let others: Vec<u32> = near.iter().copied().chain(further).collect();
        below = below.max(others.iter().map(|process| most_memory(*process)).sum());
        for process in others.into_iter().chain([id]) {
            let seen = busy.entry(process).or_default();
            *seen = seen.max(spent(process, 2));
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            let memory_kib = if below == 0 { vec![most] } else { vec![most, below] };
            return Gone { memory_kib, busy: busy.values().sum() };
        }
        std::thread::sleep(LOOK);
    }
}
