//! A file from one program to another, beside bare QUIC and beside what else people use for it.
//!
//! Every end is a process of its own; what is timed is from the question until the file is whole,
//! synced and has its name. `bare`: a stream of quinn's, read from a file and written to one.
//! `sealed`: the same, each 64 KiB sealed by its sender, hashed by both and opened, by the crates
//! alone, with the cipher of messages; `sealed alike` with that of files. `spliced`: what `sealed`
//! sends, through a third process that only copies. `direct` and
//! `relayed`: `hubbub` as people run it, from "accept" to "whole", the second between two who show
//! nobody their address. For ours the sender has read the file before, which stands by itself.
//!
//! Where they are installed: `scp` (aes128-gcm, to an sshd of its own on the loopback) and `sendme`
//! straight from one end to the other, timed from their start; `scp relayed` by way of a host in
//! between (`-J`, aes128-gcm on that leg, too), where another session of that sshd passes on what
//! it cannot read.
//!
//! `sendme` goes directly wherever it can. So `sendme relayed in namespaces` puts its ends on two
//! machines that reach a third and nothing else, with its own relay on the third (`iroh-relay
//! --dev`: plain HTTP outside, so that nothing is encrypted twice). `relayed in namespaces` is ours
//! on the same machines, with the hub on the third. Each round looks at the counters of the
//! third's cables: the whole file came and went, and its system forwarded nothing by itself. Needs
//! root, `ip` and `nft`; without them both cases are left out aloud.
//!
//! Processor seconds are those of all ends together; memory is the most each process ever had
//! (of sshd the daemon's alone, not its sessions').
//!
//! `HUBBUB_MIB=256 cargo bench --workspace --bench peers`; the files lie in `TMPDIR`.

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod apart;
mod bare;
mod costs;
mod others;
mod ours;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use hubbub_tests::hub::Hub;
use hubbub_tests::lab::HUB;
use hubbub_tests::measure::{Case, Rounds, in_turn, machine};
use hubbub_tests::process::Stage;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::bare::{ALIKE, BARE, Ends, SEALED};
use crate::costs::Costs;
use crate::others::{Scp, Sendme};
use crate::ours::Pair;

const MIB: usize = 1024 * 1024;
const ROUNDS: usize = 5;
/// What the others are measured by.
const FLOORS: [&str; 3] = ["bare", "sealed", "spliced"];
/// Ours, and what does the same.
const RIVALS: [(&str, &str); 4] = [
    ("direct", "scp"),
    ("direct", "sendme"),
    ("relayed", "scp relayed"),
    ("relayed in namespaces", "sendme relayed in namespaces"),
];
/// A hub that keeps no files.
const SETTINGS: [&str; 1] = ["files.enabled=false"];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("source") => bare::source(args[2].parse().ok(), Path::new(&args[3])),
        Some("taker") => bare::taker(args[2].parse().unwrap(), Path::new(&args[3])),
        Some("splice") => bare::splice(),
        _ => compare(),
    }
}

fn compare() {
    let mib = std::env::var("HUBBUB_MIB").map_or(256, |mib| mib.parse().unwrap());
    println!("{}; {mib} MiB, {ROUNDS} rounds\n", machine());
    let stage = Stage::new();
    let content = stage.path("content");
    write_random(&content, mib);
    let bytes = u64::try_from(mib * MIB).unwrap();
    let (straight, spliced) = (Ends::straight(&stage, &content), Ends::spliced(&stage, &content));
    let hub = Hub::with(&stage, &SETTINGS);
    let (direct, relayed) = (Pair::direct(&stage, &hub), Pair::relayed(&stage, &hub));
    let (scp, sendme) = (Scp::start(&stage, &content), Sendme::direct(&stage, &content));
    // On a stage of its own, for there is one hub on each.
    let (far, lab) = (Stage::new(), apart::machines());
    let far_hub = lab.as_ref().map(|lab| Hub::at_with(&far, lab.place("net"), HUB, &SETTINGS));
    let both = lab.as_ref().zip(far_hub.as_ref());
    let far_pair = both.map(|(lab, hub)| Pair::apart(&far, hub, lab));
    let far_sendme = lab.as_ref().and_then(|lab| Sendme::relayed(&far, &content, lab));
    let costs = Costs::default();
    let mut cases = vec![
        costs.case("bare", straight.processes(), || straight.take(BARE)),
        costs.case("sealed", straight.processes(), || straight.take(SEALED)),
        costs.case("sealed alike", straight.processes(), || straight.take(ALIKE)),
        costs.case("direct", direct.processes(), || direct.take(&content)),
        costs.case("spliced", spliced.processes(), || spliced.take(SEALED)),
        costs.case("relayed", relayed.processes(), || relayed.take(&content)),
    ];
    if let Some(scp) = &scp {
        cases.push(costs.case("scp", scp.processes(), || scp.direct()));
        cases.push(costs.case("scp relayed", scp.processes(), || scp.relayed()));
    }
    if let Some(sendme) = &sendme {
        cases.push(costs.case("sendme", sendme.processes(), || sendme.take()));
    }
    if let Some(pair) = &far_pair {
        let take = || apart::through(pair.hub, bytes, || pair.take(&content));
        cases.push(costs.case("relayed in namespaces", pair.processes(), take));
    }
    if let Some((sendme, relay)) = far_sendme.as_ref().and_then(|one| Some((one, one.carrier()?))) {
        let take = move || apart::through(relay, bytes, || sendme.take());
        cases.push(costs.case("sendme relayed in namespaces", sendme.processes(), take));
    }
    measure(cases, &costs, mib);
    println!("\nread and sealed for the first time until offered: {} s", direct.sealing());
    println!("{}", machine());
}

/// Runs all cases, or those by which others are measured and the ones that are asked for.
fn measure(mut cases: Vec<Case<'_>>, costs: &Costs, mib: usize) {
    if let Ok(only) = std::env::var("HUBBUB_CASE") {
        let asked = |name| only.split(',').any(|one| one == name);
        cases.retain(|case| FLOORS.contains(&case.name) || asked(case.name));
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    let rounds = in_turn(ROUNDS, &mut cases);
    table(&names, &rounds, costs, mib);
    rivals(&names, &rounds);
}

fn table(names: &[&str], rounds: &Rounds, costs: &Costs, mib: usize) {
    let size = f64::from(u32::try_from(mib).unwrap());
    println!("| | s | MiB/s | × bare | × sealed | × spliced | processor s | memory MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    for (case, name) in names.iter().enumerate() {
        let took = rounds.figure(case);
        let [bare, sealed, spliced] =
            FLOORS.map(|floor| rounds.ratio(named(names, floor).unwrap(), case));
        let (busy, memory) = costs.of(name);
        println!(
            "| {name} | {took} | {:.0} | {bare} | {sealed} | {spliced} | {busy} | {memory} |",
            size / took.median
        );
    }
}

fn rivals(names: &[&str], rounds: &Rounds) {
    println!("\n| ours | theirs | times as fast |\n|---|---|---|");
    for (ours, theirs) in RIVALS {
        if let Some((one, other)) = named(names, ours).zip(named(names, theirs)) {
            println!("| {ours} | {theirs} | {} |", rounds.ratio(other, one));
        }
    }
}

fn named(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|one| *one == name)
}

fn write_random(path: &Path, mib: usize) {
    let (mut rng, mut part) = (ChaCha20Rng::seed_from_u64(1), vec![0; MIB]);
    let mut file = File::create(path).unwrap();
    for _ in 0..mib {
        rng.fill_bytes(&mut part);
        file.write_all(&part).unwrap();
    }
    file.sync_all().unwrap();
}
