//! Comparing costs on a machine that does other things too.
//!
//! The cases of one comparison take turns, round by round, so that whatever slows one round slows
//! all of them. What is quoted is the median of the rounds' ratios, never a ratio of figures from
//! different times.

#![allow(clippy::print_stdout)] // a table is what a benchmark makes

use std::fmt;
use std::time::{Duration, Instant};

/// One thing to measure: a name, and a round that gives seconds per operation (or any other figure
/// a ratio of which means something).
pub struct Case<'a> {
    /// What the table calls it.
    pub name: &'a str,
    round: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Case<'a> {
    /// A case and how to run one round of it.
    pub fn new(name: &'a str, round: impl FnMut() -> f64 + 'a) -> Self {
        Self { name, round: Box::new(round) }
    }
}

/// What came of it: per case, one figure a round.
pub struct Rounds(Vec<Vec<f64>>);

/// A median and what lies around it: nine rounds in ten are between `low` and `high`.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// The fifth percentile.
    pub low: f64,
    /// The ninety-fifth percentile.
    pub high: f64,
}

impl Spread {
    /// Of any figures.
    #[must_use]
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let last = figures.len().saturating_sub(1);
            figures.get((last * percent).div_ceil(100)).copied().unwrap_or(f64::NAN)
        };
        Self { median: at(50), low: at(5), high: at(95) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.low, self.high)
    }
}

/// Runs every case once per round, each round beginning with another one.
pub fn in_turn(rounds: usize, cases: &mut [Case<'_>]) -> Rounds {
    for case in cases.iter_mut() {
        (case.round)(); // the first one finds cold caches
    }
    let mut took = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let index = (round + turn) % cases.len();
            if let (Some(case), Some(took)) = (cases.get_mut(index), took.get_mut(index)) {
                took.push((case.round)());
            }
        }
    }
    Rounds(took)
}

impl Rounds {
    /// What one case took.
    #[must_use]
    pub fn figure(&self, case: usize) -> Spread {
        Spread::of(self.0.get(case).cloned().unwrap_or_default())
    }

    /// What one case took for each unit of another, round by round.
    #[must_use]
    pub fn ratio(&self, case: usize, over: usize) -> Spread {
        let empty = Vec::new();
        let (a, b) = (self.0.get(case).unwrap_or(&empty), self.0.get(over).unwrap_or(&empty));
        Spread::of(a.iter().zip(b).map(|(a, b)| a / b).collect())
    }
}

/// Seconds per call of `work`, called once for each of `inputs`, which were made before.
pub fn each<T>(inputs: Vec<T>, mut work: impl FnMut(T)) -> f64 {
    let count = inputs.len();
    let began = Instant::now();
    inputs.into_iter().for_each(&mut work);
    per(began.elapsed(), count)
}

/// Seconds each of `count` took.
#[must_use]
#[allow(clippy::cast_precision_loss)] // counts here are far below 2^52
pub fn per(took: Duration, count: usize) -> f64 {
    took.as_secs_f64() / count.max(1) as f64
}

/// The line under every table: processor, processors, system, and how busy it is.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches(['\t', ' ', ':']).to_owned();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/etc/os-release");
    let system = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!("{count} × {model}, {}, load {load}", system.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_and_not_of_the_figures() {
        let (mut slow, mut round) = (false, 0.0);
        let mut cases = [
            Case::new("ours", move || {
                slow = !slow;
                if slow { 20.0 } else { 2.0 }
            }),
            Case::new("theirs", move || {
                round += 1.0;
                if round % 2.0 == 1.0 { 10.0 } else { 1.0 }
            }),
        ];
        let rounds = in_turn(9, &mut cases);
        assert!((rounds.ratio(0, 1).median - 2.0).abs() < 1e-9);
        assert!((rounds.figure(1).low - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_spread_leaves_out_the_odd_round() {
        let spread = Spread::of((0..101).map(f64::from).collect());
        assert_eq!((spread.low, spread.median, spread.high), (5.0, 50.0, 95.0));
    }
}
