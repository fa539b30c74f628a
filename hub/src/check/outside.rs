//! Whether people outside reach the hub. From inside nobody sees that: the only proof is that nodes
//! from outside are connected, and what is said without it is what to type, here and elsewhere.

use std::collections::BTreeMap;

use super::{Finding, Health};
use crate::firewall::{Firewall, openings};

/// How to see it from where it counts.
const ELSEWHERE: &str = "to be sure, make an invite (hubbub-hub invite --uses 1) and run `hubbub \
                         join <invite>` on a machine in another network: it says when the hub does \
                         not answer";

/// The line that lets people in.
pub(super) fn firewall(firewalls: &[Firewall], port: u16, health: Option<&Health>) -> Finding {
    const ABOUT: &str = "firewall";
    if health.is_some_and(|health| health.addresses > health.private) {
        return Finding::ok(ABOUT, format!("UDP {port} is let in: nodes come from outside"));
    }
    let said = format!("whether UDP {port} is let in cannot be seen from inside");
    let mut advice = openings(firewalls, port);
    advice.push(ELSEWHERE.to_owned());
    Finding { advice: Some(advice.join("\n")), ..Finding::ok(ABOUT, said) }
}

/// Who is connected, from where, and what they speak.
pub(super) fn nodes(health: &Health, port: u16) -> Finding {
    const ABOUT: &str = "nodes";
    let Health { nodes, addresses, private, versions, .. } = health;
    let said = match (nodes, addresses) {
        (0, _) => return Finding::ok(ABOUT, "nobody is connected".to_owned()),
        (_, 1) => format!("{nodes} connected, from one address"),
        _ => format!("{nodes} connected, from {addresses} addresses"),
    };
    let said = format!("{said}{}", spoken(versions));
    if private == addresses {
        let said = format!("{said}, nobody from outside this network");
        let advice = format!(
            "if people outside cannot join: let UDP {port} in, and have the router forward it here"
        );
        return Finding::look(ABOUT, said, advice);
    }
    Finding::ok(ABOUT, said)
}

fn spoken(versions: &BTreeMap<u8, usize>) -> String {
    let mut each = versions.iter();
    match (each.next(), each.next()) {
        (None, _) => String::new(),
        (Some((version, _)), None) => format!(", by protocol {version}"),
        _ => {
            let each = versions.iter().map(|(version, nodes)| format!("{version}: {nodes}"));
            format!(", by protocol {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}
