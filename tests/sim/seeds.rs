//! Lives through many storms side by side; `scripts/sim` builds and calls it.
//!
//! `storms FROM COUNT JOBS` prints seeds a minute and those that fail, and ends with 1 if any does;
//! `storms trace SEED` prints what happens in one.

// A tool of the tests: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hubbub_tests::storm::live;

/// Failures after which there is no point in going on.
const ENOUGH: u64 = 20;
/// Between two lines about how it goes.
const REPORT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args[at].parse::<u64>().unwrap();
    if args[0] == "trace" {
        let outcome = live(number(1), None, true);
        println!("{outcome:?}");
        return if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (from, count, jobs) = (number(0), number(1), number(2));
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let (failed, said) = (AtomicU64::new(0), Mutex::new(Instant::now()));
    let began = Instant::now();
    let rate =
        |done: u64| done * 60_000 / u64::try_from(began.elapsed().as_millis()).unwrap().max(1);
    let work = || {
        while failed.load(Ordering::Relaxed) < ENOUGH {
            let seed = from + next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                return;
            }
            let outcome = std::panic::catch_unwind(|| live(seed, None, false));
            let wrong = match outcome {
                Ok(outcome) => outcome.err(),
                Err(_) => Some(format!("seed {seed}: something panicked, see above")),
            };
            if let Some(wrong) = wrong {
                failed.fetch_add(1, Ordering::Relaxed);
                println!("FAILED {wrong}");
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.elapsed() > REPORT {
                *said = Instant::now();
                println!("{done} of {count}, {} a minute", rate(done));
            }
        }
    };
    std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(work))));
    let done = done.into_inner();
    println!("{done} seeds from {from} on in {:?}, {} a minute", began.elapsed(), rate(done));
    if failed.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
