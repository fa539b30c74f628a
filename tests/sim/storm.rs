//! Storms by seed, and the tests of the test: whatever is broken on purpose is noticed.

use hubbub_tests::hurt::Hurt;
use hubbub_tests::storm::{GOVERNED, TOLD, live};

/// Seeds that once found something.
const FAILED: &str = include_str!("seeds.txt");

/// Storms lived through by each of the tests below; they run side by side.
const STORMS: u64 = 40;

fn storms(from: u64) {
    for seed in from..from + STORMS {
        assert_eq!(live(seed, None, false), Ok(()));
    }
}

#[test]
fn nothing_is_lost_or_doubled_in_a_storm() {
    storms(0);
}

#[test]
fn nothing_is_lost_or_doubled_in_other_storms() {
    storms(10_000);
}

#[test]
fn nothing_is_lost_or_doubled_in_yet_other_storms() {
    storms(20_000);
}

#[test]
fn members_agree_and_nobody_opens_what_is_not_theirs_however_a_group_is_governed() {
    storms(GOVERNED);
}

#[test]
fn nor_in_other_storms_over_its_government() {
    storms(GOVERNED + 10_000);
}

#[test]
fn nor_where_newcomers_are_told_what_was_said_before() {
    storms(TOLD);
}

#[test]
fn what_once_went_wrong_does_not_again() {
    for line in FAILED.lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split_whitespace().next().unwrap().parse().unwrap();
        assert_eq!(live(seed, None, false), Ok(()));
    }
}

// --- The tests of the test ---

/// Storms after which something broken must have been noticed.
const PATIENCE: u64 = 400;

#[track_caller]
fn caught(hurt: Hurt) {
    caught_from(0, hurt);
}

#[track_caller]
fn caught_from(from: u64, hurt: Hurt) {
    let wrong = (from..from + PATIENCE).find_map(|seed| {
        // A broken shell may well make a core say that it cannot be: that is noticing, too.
        let outcome = std::panic::catch_unwind(|| live(seed, Some(hurt), false));
        outcome.map_or(Some(format!("seed {seed}: a panic")), Result::err)
    });
    assert!(wrong.is_some(), "{hurt:?} goes unnoticed in {PATIENCE} storms");
}

#[test]
fn a_hub_that_answers_before_it_commits_is_caught() {
    caught(Hurt::HubAnswersEarly);
}

#[test]
fn a_hub_whose_disk_skips_the_sync_is_caught() {
    caught(Hurt::HubSkipsSync);
}

#[test]
fn a_node_that_sends_before_it_commits_is_caught() {
    caught(Hurt::NodeSendsEarly);
}

#[test]
fn a_node_whose_disk_skips_the_sync_is_caught() {
    caught(Hurt::NodeSkipsSync);
}

#[test]
fn a_history_that_takes_a_message_twice_is_caught() {
    caught(Hurt::NoDedupe);
}

#[test]
fn a_ledger_that_forgets_receipts_is_caught() {
    caught(Hurt::ForgottenReceipts);
}

#[test]
fn a_node_that_never_hears_of_bans_is_caught() {
    caught_from(GOVERNED, Hurt::BansUnheard);
}

#[test]
fn a_node_that_gives_its_chains_to_outsiders_is_caught() {
    caught_from(GOVERNED, Hurt::ChainsForAll);
}
