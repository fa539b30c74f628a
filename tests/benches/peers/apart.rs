//! Machines of their own for the two ends and for what carries between them.

use std::fs;

use hubbub_tests::lab::{Lab, missing};

use crate::costs::Taken;

/// The machines, or word of why there are none.
pub(crate) fn machines() -> Option<Lab> {
    if let Some(why) = missing() {
        println!("NOT MEASURED: what is relayed in namespaces: {why}\n");
        return None;
    }
    Some(Lab::apart("peers"))
}

/// Takes a file, and ends the comparison unless a process of the machine in the middle, that
/// `carrier` runs on, had all of it from the one side and gave all of it to the other.
pub(crate) fn through(carrier: u32, bytes: u64, take: impl FnOnce() -> Taken) -> Taken {
    let before = cables(carrier);
    let taken = take();
    let after = cables(carrier);
    let [came, went] = [after[0] - before[0], after[1] - before[1]];
    assert!(came >= bytes && went >= bytes, "of {bytes} bytes {came} came and {went} went");
    let beside = forwarded(carrier);
    assert_eq!(beside, 0, "packets went past the process that carries");
    taken
}

/// Bytes that the machine of `process` had from `m1` and gave to `m2`.
fn cables(process: u32) -> [u64; 2] {
    let counters = fs::read_to_string(format!("/proc/{process}/net/dev")).unwrap();
    // Received are the first figure of a cable, sent the ninth.
    [("m1:", 0), ("m2:", 8)].map(|(cable, figure)| {
        let of = counters.lines().find_map(|line| line.trim().strip_prefix(cable)).unwrap();
        of.split_whitespace().nth(figure).unwrap().parse().unwrap()
    })
}

/// Packets that its system passed from one cable to the other by itself.
fn forwarded(process: u32) -> u64 {
    let counters = fs::read_to_string(format!("/proc/{process}/net/snmp")).unwrap();
    let mut ip = counters.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, figures) = (ip.next().unwrap(), ip.next().unwrap());
    let at = names.split(' ').position(|name| name == "ForwDatagrams").unwrap();
    figures.split(' ').nth(at).unwrap().parse().unwrap()
}
