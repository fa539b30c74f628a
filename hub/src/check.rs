//! What is well with a hub and its machine, what is worth a look, and what is wrong; with what to
//! change.
//!
//! Judges [`Facts`] that others gathered: it asks neither the system nor the hub. `room` judges the
//! disk, and `outside` what cannot be seen from here: whether the world reaches the port.

mod outside;
mod room;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::address::is_private;
use serde::{Deserialize, Serialize};

pub use self::room::{FileRoom, Room};
use crate::admin::Status;
use crate::firewall::Firewall;
use crate::tls::SOCKET_BUFFER;

const MIB: u64 = 1024 * 1024;
/// Open files the store may want at once, and some for everything else.
const FILES: u64 = 1_024;
/// What two readings of one clock may lie apart.
const CLOCK: Millis = Millis::minutes(1);

/// What a running hub knows of itself and its process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Connected nodes.
    pub nodes: usize,
    /// Different addresses these come from.
    pub addresses: usize,
    /// How many of the addresses are private.
    pub private: usize,
    /// When the newest entry that waits for somebody came.
    pub newest: Option<Timestamp>,
    /// The hub's clock.
    pub now: Timestamp,
    /// Sealed bytes that wait.
    pub held: u64,
    /// The socket's buffers.
    pub buffers: Option<Buffers>,
    /// Files it may have open; `None` without a bound.
    pub open_files: Option<u64>,
    /// How many nodes speak which protocol; empty from a hub of a version that does not say.
    #[serde(default)]
    pub versions: BTreeMap<u8, usize>,
}

/// What the system gave a socket, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffers {
    /// For what comes.
    pub receive: usize,
    /// For what goes.
    pub send: usize,
}

/// A hub that answers.
#[derive(Clone, Debug)]
pub struct Alive {
    /// What `hubbub-hub status` says.
    pub status: Status,
    /// `None` from a hub of a version that does not know the question.
    pub health: Option<Health>,
}

/// One address that invites name.
#[derive(Clone, Debug)]
pub struct Named {
    /// As invites name it.
    pub address: String,
    /// What it means here, or why nothing.
    pub means: Result<Vec<SocketAddr>, String>,
}

/// A disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes the hub may still write.
    pub free: u64,
    /// Bytes in all.
    pub size: u64,
}

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct Facts {
    /// This program's version.
    pub version: String,
    /// Where the settings say to listen.
    pub listen: SocketAddr,
    /// The hub, if it runs.
    pub alive: Option<Alive>,
    /// What invites name.
    pub named: Vec<Named>,
    /// Where the store is, if the system says.
    pub disk: Option<Disk>,
    /// What may come to lie there.
    pub room: Room,
    /// The firewalls installed here.
    pub firewalls: Vec<Firewall>,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Well.
    Ok,
    /// It works; somebody should look.
    Look,
    /// It does not work, or soon will not.
    Wrong,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: one of the words in docs/HUB.md.
    pub about: &'static str,
    /// How that is.
    pub verdict: Verdict,
    /// What was found.
    pub said: String,
    /// What to change; where there are several ways, a line each.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(about: &'static str, said: String) -> Self {
        Self { about, verdict: Verdict::Ok, said, advice: None }
    }

    fn look(about: &'static str, said: String, advice: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Look, said, advice: Some(advice.into()) }
    }

    fn wrong(about: &'static str, said: String, advice: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Wrong, said, advice: Some(advice.into()) }
    }
}

/// All there is to say, in a fixed order.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all = vec![running(facts)];
    if let Some(alive) = &facts.alive {
        all.push(port(facts.listen, alive));
    }
    let listen = facts.alive.as_ref().and_then(|alive| alive.status.listen.parse().ok());
    let listen = listen.unwrap_or(facts.listen);
    all.extend(facts.named.iter().map(|named| address(named, listen)));
    let health = facts.alive.as_ref().and_then(|alive| alive.health.as_ref());
    if let Some(health) = health {
        all.extend([buffers(health.buffers), files(health.open_files)]);
    }
    all.extend(
        facts.disk.map(|disk| room::finding(disk, &facts.room, health.map_or(0, |h| h.held))),
    );
    // One that listens on this machine alone is told so by its port.
    if !listen.ip().is_loopback() {
        all.push(outside::firewall(&facts.firewalls, listen.port(), health));
    }
    if let Some(health) = health {
        all.extend([clock(health), outside::nodes(health, listen.port())]);
    }
    all
}

fn running(facts: &Facts) -> Finding {
    const ABOUT: &str = "hub";
    let Some(Alive { status, health }) = &facts.alive else {
        let said = "does not run".to_owned();
        return Finding::wrong(ABOUT, said, "hubbub-hub run");
    };
    let said = format!("runs, version {}", status.version);
    if status.version != facts.version || health.is_none() {
        let said = format!("{said}; this program is {}", facts.version);
        return Finding::look(ABOUT, said, "restart the hub, so that both are the same");
    }
    Finding::ok(ABOUT, said)
}

fn port(configured: SocketAddr, alive: &Alive) -> Finding {
    const ABOUT: &str = "port";
    let listen = &alive.status.listen;
    let said = format!("listens on UDP {listen}");
    let Ok(listen) = listen.parse::<SocketAddr>() else { return Finding::ok(ABOUT, said) };
    if listen.ip().is_loopback() {
        let advice = "set network.listen to \"0.0.0.0:4433\", or \"[::]:4433\" for IPv6 too";
        return Finding::look(ABOUT, format!("{said}: nobody but this machine gets there"), advice);
    }
    if configured.port() != 0 && configured != listen {
        let said = format!("{said}; the settings say {configured}");
        return Finding::look(
            ABOUT,
            said,
            "restart the hub; `run --listen` wins over the settings",
        );
    }
    Finding::ok(ABOUT, said)
}

fn address(named: &Named, listen: SocketAddr) -> Finding {
    const ABOUT: &str = "address";
    let Named { address, means } = named;
    let means = match means {
        Ok(means) if !means.is_empty() => means,
        means => {
            let why = means.as_ref().err().map_or("it means no address", String::as_str);
            let advice = "check the spelling in network.addresses, and the name's A or AAAA record";
            return Finding::wrong(ABOUT, format!("{address} leads nowhere: {why}"), advice);
        }
    };
    let ips: Vec<String> = means.iter().map(|one| one.ip().to_canonical().to_string()).collect();
    let said = format!("{address} is {}", ips.join(", "));
    if means.iter().all(|one| is_private(one.ip())) {
        let said = format!("{said}: nobody outside this network gets there");
        let advice = "set network.addresses to what the outside reaches, if it should";
        return Finding::look(ABOUT, said, advice);
    }
    if listen.is_ipv4() && means.iter().any(|one| one.ip().to_canonical().is_ipv6()) {
        let said = format!("{said}; the hub listens on IPv4 alone");
        let advice = format!("set network.listen to \"[::]:{}\"", listen.port());
        return Finding::look(ABOUT, said, advice);
    }
    if means.iter().any(|one| one.port() != listen.port()) {
        let said = format!("{said}; the hub listens on port {}", listen.port());
        return Finding::look(ABOUT, said, "make sure that the router leads one to the other");
    }
    Finding::ok(ABOUT, said)
}

fn buffers(given: Option<Buffers>) -> Finding {
    const ABOUT: &str = "buffers";
    let Some(Buffers { receive, send }) = given else {
        let said = "the system does not say what it gave the socket".to_owned();
        return Finding::look(ABOUT, said, "nothing, unless connecting often takes a second");
    };
    let kib = |bytes: usize| bytes / 1024;
    let said = format!("{} KiB to receive, {} KiB to send", kib(receive), kib(send));
    if receive < SOCKET_BUFFER || send < SOCKET_BUFFER {
        let said = format!("{said}; below {} KiB bursts lose packets", kib(SOCKET_BUFFER));
        let advice = format!(
            "sysctl -w net.core.rmem_max={SOCKET_BUFFER} net.core.wmem_max={SOCKET_BUFFER} \
             (for good: in /etc/sysctl.d), then restart the hub"
        );
        return Finding::look(ABOUT, said, advice);
    }
    Finding::ok(ABOUT, said)
}

fn files(limit: Option<u64>) -> Finding {
    const ABOUT: &str = "files";
    let Some(limit) = limit else { return Finding::ok(ABOUT, "any number may be open".to_owned()) };
    let said = format!("{limit} may be open");
    if limit < FILES {
        let advice = "LimitNOFILE=4096 in the service's unit, or `ulimit -n 4096`";
        return Finding::look(ABOUT, format!("{said}; the store wants {FILES}"), advice);
    }
    Finding::ok(ABOUT, said)
}

fn clock(health: &Health) -> Finding {
    const ABOUT: &str = "clock";
    let Some(newest) = health.newest else {
        return Finding::ok(ABOUT, "nothing is stored that it could be held to".to_owned());
    };
    let ahead = newest.since(health.now);
    if ahead > CLOCK {
        let said = format!("an entry came {} from now: the clock was set back", ahead.in_words());
        return Finding::wrong(ABOUT, said, "set it right: timedatectl set-ntp true");
    }
    Finding::ok(ABOUT, "not before the newest entry".to_owned())
}

#[cfg(test)]
mod tests;
