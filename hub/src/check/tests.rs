//! Every judgement, as the operator reads it.

use super::*;

fn well() -> Facts {
    let status = Status {
        hub: "whole id".to_owned(),
        listen: "0.0.0.0:4433".to_owned(),
        since: Timestamp(0),
        connections: 12,
        streams: 0,
        files: 0,
        file_bytes: 0,
        version: "1.2.3".to_owned(),
    };
    let health = Health {
        nodes: 12,
        addresses: 9,
        private: 2,
        newest: Some(Timestamp(999_000)),
        now: Timestamp(1_000_000),
        held: 1024 * MIB,
        buffers: Some(Buffers { receive: SOCKET_BUFFER, send: SOCKET_BUFFER }),
        open_files: Some(4_096),
        versions: BTreeMap::from([(1, 12)]),
    };
    Facts {
        version: "1.2.3".to_owned(),
        listen: "0.0.0.0:4433".parse().unwrap(),
        alive: Some(Alive { status, health: Some(health) }),
        named: vec![named("chat.example.org:4433", &["203.0.113.7:4433"])],
        disk: Some(Disk { free: 80 * 1024 * MIB, size: 100 * 1024 * MIB }),
        room: Room { messages: 20 * 1024 * MIB, files: Some(kept(50)) },
        firewalls: vec![Firewall::Ufw, Firewall::Nft],
    }
}

/// Room for files, `total` GiB of them, of which one is there.
fn kept(total: u64) -> FileRoom {
    FileRoom { total: total * 1024 * MIB, reserve: 2 * 1024 * MIB, taken: 1024 * MIB }
}

fn named(address: &str, means: &[&str]) -> Named {
    let means = Ok(means.iter().map(|one| one.parse().unwrap()).collect());
    Named { address: address.to_owned(), means }
}

/// The hub's own part of facts.
fn health(facts: &mut Facts) -> &mut Health {
    facts.alive.as_mut().unwrap().health.as_mut().unwrap()
}

/// What is not well, in lines.
fn complaints(facts: &Facts) -> Vec<String> {
    let unwell = findings(facts).into_iter().filter(|finding| finding.verdict != Verdict::Ok);
    let line = |finding: Finding| {
        let Finding { about, verdict, said, advice } = finding;
        format!("{verdict:?} {about}: {said} → {}", advice.unwrap())
    };
    unwell.map(line).collect()
}

#[test]
fn a_hub_that_is_well_is_said_to_be_so_in_every_line() {
    let facts = well();
    assert_eq!(complaints(&facts), Vec::<String>::new());
    let lines: Vec<_> =
        findings(&facts).iter().map(|f| format!("{}: {}", f.about, f.said)).collect();
    assert_eq!(
        lines,
        [
            "hub: runs, version 1.2.3",
            "port: listens on UDP 0.0.0.0:4433",
            "address: chat.example.org:4433 is 203.0.113.7",
            "buffers: 4096 KiB to receive, 4096 KiB to send",
            "files: 4096 may be open",
            "disk: 80 GiB of 100 GiB free",
            "firewall: UDP 4433 is let in: nodes come from outside",
            "clock: not before the newest entry",
            "nodes: 12 connected, from 9 addresses, by protocol 1",
        ]
    );
}

#[test]
fn a_hub_that_does_not_run_is_wrong_and_what_can_be_seen_without_it_is_judged() {
    let facts = Facts { alive: None, ..well() };
    assert_eq!(complaints(&facts), ["Wrong hub: does not run → hubbub-hub run"]);
    let about: Vec<_> = findings(&facts).iter().map(|finding| finding.about).collect();
    assert_eq!(about, ["hub", "address", "disk", "firewall"]);
}

#[test]
fn a_hub_of_another_version_is_worth_a_look() {
    let facts = Facts { version: "1.3.0".to_owned(), ..well() };
    let expected = "Look hub: runs, version 1.2.3; this program is 1.3.0 → restart the hub, so \
                    that both are the same";
    assert_eq!(complaints(&facts), [expected]);
}

#[test]
fn a_port_only_this_machine_reaches_and_one_that_is_not_the_configured_are_worth_a_look() {
    let mut facts = well();
    facts.listen = "0.0.0.0:4434".parse().unwrap();
    let found = complaints(&facts);
    assert!(found[0].starts_with("Look port: listens on UDP 0.0.0.0:4433; the settings say"));
    let mut facts = well();
    facts.alive.as_mut().unwrap().status.listen = "127.0.0.1:4433".to_owned();
    let found = complaints(&facts);
    assert!(found[0].contains("nobody but this machine"), "{found:?}");
}

#[test]
fn an_address_that_leads_nowhere_is_wrong() {
    let mut facts = well();
    let means = Err("no such name".to_owned());
    facts.named = vec![Named { address: "chat.exmaple.org:4433".to_owned(), means }];
    let found = complaints(&facts);
    assert!(found[0].starts_with("Wrong address: chat.exmaple.org:4433 leads nowhere: no such"));
    facts.named = vec![named("chat.example.org:4433", &[])];
    assert!(complaints(&facts)[0].starts_with("Wrong address"));
}

#[test]
fn an_address_only_some_can_reach_is_worth_a_look() {
    let mut facts = well();
    facts.named = vec![named("192.168.1.5:4433", &["192.168.1.5:4433"])];
    assert!(complaints(&facts)[0].contains("nobody outside this network"));
    facts.named = vec![named("x:4433", &["203.0.113.7:4433", "[2001:db8::7]:4433"])];
    assert!(complaints(&facts)[0].contains("listens on IPv4 alone → set network.listen to \"[::]"));
    facts.named = vec![named("x:5000", &["203.0.113.7:5000"])];
    assert!(complaints(&facts)[0].contains("listens on port 4433 → make sure"));
}

#[test]
fn small_buffers_and_few_files_are_worth_a_look_with_what_to_type() {
    let mut facts = well();
    let small = 208 * 1024;
    health(&mut facts).buffers = Some(Buffers { receive: small, send: SOCKET_BUFFER });
    health(&mut facts).open_files = Some(256);
    let found = complaints(&facts);
    assert!(found[0].starts_with("Look buffers: 208 KiB to receive, 4096 KiB to send; below"));
    assert!(found[0].contains("sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304"));
    assert!(found[1].starts_with("Look files: 256 may be open; the store wants 1024"));
    health(&mut facts).open_files = None;
    assert_eq!(complaints(&facts).len(), 1);
}

/// What is said of a disk with so much free.
fn disk(free: u64, room: Room) -> Vec<String> {
    let disk = Some(Disk { free, size: 100 * 1024 * MIB });
    complaints(&Facts { disk, room, ..well() })
}

#[test]
fn a_disk_is_judged_by_what_is_free_and_by_what_may_still_come() {
    let disk = |free| disk(free, Room { messages: 64 * 1024 * MIB, files: None });
    assert!(disk(255 * MIB)[0].starts_with("Wrong disk: 255 MiB of 100 GiB free"));
    assert_eq!(disk(2_047 * MIB), ["Look disk: 2047 MiB of 100 GiB free → make room"]);
    assert!(disk(62 * 1024 * MIB)[0].contains("63 GiB more may come to wait → set limits.total"));
    assert!(disk(63 * 1024 * MIB).is_empty());
}

#[test]
fn files_that_may_still_come_count_beside_messages() {
    let disk = |gib: u64, files| {
        let room = Room { messages: 21 * 1024 * MIB, files: Some(files) };
        disk(gib * 1024 * MIB, room)
    };
    // Twenty more of messages, and forty-nine of files.
    let found = disk(68, kept(50));
    assert!(found[0].contains("20 GiB more may come to wait, and 49 GiB more of files"));
    assert!(found[0].contains("→ set limits.total_mib or files.total_mib lower"), "{found:?}");
    assert!(disk(69, kept(50)).is_empty());
    // Files stop where the reserve begins: one that holds all messages is enough.
    assert!(disk(68, FileRoom { reserve: 20 * 1024 * MIB, ..kept(50) }).is_empty());
    assert!(!disk(68, FileRoom { reserve: 19 * 1024 * MIB, ..kept(50) }).is_empty());
}

#[test]
fn a_disk_with_nothing_but_the_reserve_takes_no_files_and_says_so() {
    let room = Room { messages: 2 * 1024 * MIB, files: Some(kept(50)) };
    let expected = "Look disk: 2048 MiB of 100 GiB free; no new file is taken while 2048 MiB are \
                    kept for messages → make room, or set files.reserve_mib lower";
    assert_eq!(disk(2_048 * MIB, room), [expected]);
}

#[test]
fn a_clock_that_went_back_behind_what_is_stored_is_wrong() {
    let mut facts = well();
    health(&mut facts).newest = Some(Timestamp(1_000_000) + CLOCK);
    assert!(complaints(&facts).is_empty());
    health(&mut facts).newest = Some(Timestamp(1_000_000) + Millis::hours(2));
    let expected = "Wrong clock: an entry came 2 hours from now: the clock was set back → set it \
                    right: timedatectl set-ntp true";
    assert_eq!(complaints(&facts), [expected]);
}

#[test]
fn when_everybody_comes_from_private_addresses_the_port_may_be_shut_to_the_rest() {
    let mut facts = well();
    (health(&mut facts).addresses, health(&mut facts).private) = (1, 1);
    let found = complaints(&facts);
    let said = "Look nodes: 12 connected, from one address, by protocol 1, nobody from outside";
    assert!(found[0].starts_with(said), "{found:?}");
    assert!(found[0].contains("let UDP 4433 in"), "{found:?}");
    (health(&mut facts).nodes, health(&mut facts).addresses) = (0, 0);
    health(&mut facts).private = 0;
    assert!(complaints(&facts).is_empty());
}

/// The line about the firewall, and what is advised.
fn firewall(facts: &Facts) -> (String, Option<String>) {
    let found = findings(facts).into_iter().find(|finding| finding.about == "firewall");
    found.map(|finding| (finding.said, finding.advice)).unwrap()
}

#[test]
fn the_firewalls_line_is_there_until_somebody_came_from_outside() {
    let mut facts = well();
    assert_eq!(firewall(&facts).1, None);
    (health(&mut facts).nodes, health(&mut facts).addresses) = (0, 0);
    health(&mut facts).private = 0;
    let (said, advice) = firewall(&facts);
    assert_eq!(said, "whether UDP 4433 is let in cannot be seen from inside");
    let advice = advice.unwrap();
    assert!(advice.starts_with("ufw allow 4433/udp\nto be sure, make an invite"), "{advice}");
    assert!(advice.contains("`hubbub join <invite>`"), "{advice}");
    let stopped = Facts { alive: None, firewalls: Vec::new(), ..well() };
    let all = firewall(&stopped).1.unwrap();
    for program in ["ufw allow", "\nfirewall-cmd", "\nnft insert"] {
        assert!(all.contains(program), "{all}");
    }
}

#[test]
fn nodes_that_speak_different_protocols_are_counted() {
    let mut facts = well();
    health(&mut facts).versions = BTreeMap::from([(1, 2), (2, 10)]);
    let nodes = findings(&facts).into_iter().find(|finding| finding.about == "nodes").unwrap();
    assert_eq!(nodes.said, "12 connected, from 9 addresses, by protocol 1: 2, 2: 10");
}
