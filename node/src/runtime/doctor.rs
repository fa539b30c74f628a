//! What works and what does not, in words, with what to do about it. Pure: findings in, words out.

use std::net::SocketAddr;

use hubbub_shared::time::Millis;
use hubbub_shared::wire::version::{MIN_VERSION, VERSION};

use crate::api::view::{CheckView, Health, LinkState};
use crate::api::{Addresses, Code};
use crate::reach::Router;

/// Clocks this far apart are worth a word: marks and ends of links look odd from there on.
const CLOCK: Millis = Millis::minutes(1);
/// From here on keys and links are judged by the wrong day.
const WRONG: Millis = Millis::minutes(10);

/// Where a node is on the network, and how many peers it reaches in which way.
pub(super) struct Place {
    /// As the hub sees it.
    pub(super) observed: Option<SocketAddr>,
    pub(super) router: Router,
    /// Peers that were heard from.
    pub(super) known: usize,
    pub(super) direct: usize,
    /// Peers with a router, theirs or ours, that lets nothing through.
    pub(super) blocked: usize,
    /// Peers that show no address.
    pub(super) hidden: usize,
}

/// What was found.
pub(super) struct Findings<'a> {
    pub(super) link: &'a LinkState,
    pub(super) clock: Option<(Millis, bool)>,
    pub(super) place: Place,
    pub(super) addresses: Addresses,
}

/// Everything that was looked at.
pub(super) fn examine(found: &Findings<'_>) -> Vec<CheckView> {
    vec![hub(found.link), clock(found.clock), router(&found.place), direct(found), version()]
}

fn check(what: &str, health: Health, found: String, todo: Option<&str>) -> CheckView {
    CheckView { what: what.to_owned(), health, found, todo: todo.map(str::to_owned) }
}

fn hub(link: &LinkState) -> CheckView {
    match link {
        LinkState::Up { rtt_ms, .. } => {
            check("hub", Health::Good, format!("answers in {rtt_ms} ms"), None)
        }
        LinkState::Connecting => check(
            "hub",
            Health::Fair,
            "is being dialled".to_owned(),
            Some("look again in a moment"),
        ),
        LinkState::Down { code, why, .. } => {
            let (what, hint) = why.split_once("; ").unwrap_or((why, "it is tried again by itself"));
            let hint = match code {
                // A hub that is off and a network that drops UDP look alike.
                Code::HubUnreachable => {
                    "ask whether the hub runs; if it does, this network may let no UDP through: \
                     try another one, such as a phone's"
                }
                _ => hint,
            };
            check("hub", Health::Bad, what.to_owned(), Some(hint))
        }
    }
}

fn clock(clock: Option<(Millis, bool)>) -> CheckView {
    let Some((apart, ahead)) = clock else {
        let found = "not compared: the hub is away".to_owned();
        return check("clock", Health::Fair, found, None);
    };
    let seconds = apart.0 / 1_000;
    let side = if ahead { "ahead of" } else { "behind" };
    let found = format!("{seconds} s {side} the hub's");
    let todo = Some("set this machine's clock, or let it be set by the network");
    match apart {
        apart if apart >= WRONG => check("clock", Health::Bad, found, todo),
        apart if apart >= CLOCK => check("clock", Health::Fair, found, todo),
        _ => check("clock", Health::Good, found, None),
    }
}

fn router(place: &Place) -> CheckView {
    let seen = place.observed.map_or_else(String::new, |at| format!("the hub sees {at}: "));
    let (health, kind, todo) = match place.router {
        Router::Unknown => (Health::Fair, "not known while the hub is away", None),
        Router::None => (Health::Good, "no router in between", None),
        Router::Behind => {
            (Health::Good, "behind a router, how strict a one shows with peers", None)
        }
        Router::Steady => (Health::Good, "behind a router that lets peers through", None),
        Router::PerPeer => (
            Health::Fair,
            "behind a router that gives another port for every peer: most are reached through the \
             hub",
            Some(
                "if it is yours, look for \"symmetric NAT\" or \"endpoint-independent mapping\" in \
                 its settings",
            ),
        ),
    };
    check("router", health, format!("{seen}{kind}"), todo)
}

fn direct(found: &Findings<'_>) -> CheckView {
    let Place { known, direct, blocked, hidden, .. } = found.place;
    if found.addresses == Addresses::Never {
        let words = "never: addresses are shown to nobody, everything goes through the hub";
        return check("direct", Health::Good, words.to_owned(), None);
    }
    let mut words = format!("{direct} of {known} peers heard from");
    if hidden > 0 {
        words.push_str(&format!("; {hidden} show no address"));
    }
    if blocked > 0 {
        words.push_str(&format!("; {blocked} behind routers that let nothing through"));
        let todo = "nothing has to be done: the hub relays; `hubbub paths` shows whom";
        return check("direct", Health::Fair, words, Some(todo));
    }
    check("direct", Health::Good, words, None)
}

fn version() -> CheckView {
    let own = env!("CARGO_PKG_VERSION");
    let found = format!("hubbub {own}, protocol {VERSION} (from {MIN_VERSION} on)");
    check("version", Health::Good, found, None)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::time::Timestamp;

    use super::*;

    fn well() -> Place {
        let observed = Some("203.0.113.7:4711".parse().unwrap());
        Place { observed, router: Router::Steady, known: 3, direct: 2, blocked: 0, hidden: 1 }
    }

    fn words(link: &LinkState, clock: Option<(Millis, bool)>, place: Place) -> Vec<String> {
        let addresses = Addresses::Contacts;
        let checks = examine(&Findings { link, clock, place, addresses });
        let line = |c: CheckView| {
            let todo = c.todo.map_or_else(String::new, |todo| format!(" -> {todo}"));
            format!("{:?} {}: {}{todo}", c.health, c.what, c.found)
        };
        checks.into_iter().map(line).collect()
    }

    #[test]
    fn a_healthy_node_has_nothing_to_do() {
        let link = LinkState::Up { since: Timestamp(1), rtt_ms: 23 };
        let lines = words(&link, Some((Millis(400), true)), well());
        assert_eq!(lines[0], "Good hub: answers in 23 ms");
        assert_eq!(lines[1], "Good clock: 0 s ahead of the hub's");
        assert!(
            lines.iter().all(|line| line.starts_with("Good") && !line.contains("->")),
            "{lines:?}"
        );
    }

    #[test]
    fn a_silent_hub_brings_up_the_network() {
        let why = "203.0.113.1:4433 does not answer; is it running".to_owned();
        let link = LinkState::Down { code: Code::HubUnreachable, why, retry_at: None };
        let lines = words(&link, None, Place { observed: None, router: Router::Unknown, ..well() });
        assert!(lines[0].starts_with("Bad hub: 203.0.113.1:4433 does not answer -> "));
        assert!(lines[0].contains("UDP"));
    }

    #[test]
    fn a_wrong_clock_and_a_strict_router_are_named_with_what_to_do() {
        let link = LinkState::Up { since: Timestamp(1), rtt_ms: 23 };
        let place = Place { router: Router::PerPeer, blocked: 1, ..well() };
        let lines = words(&link, Some((Millis::hours(24), false)), place);
        assert!(lines[1].starts_with("Bad clock: 86400 s behind the hub's -> "));
        assert!(lines[2].starts_with("Fair router: the hub sees 203.0.113.7:4711: "));
        assert!(lines[3].contains("1 behind routers"), "{lines:?}");
    }
}
