//! What works and what does not, in words, with what to do about it. Pure: findings in, words out.

use std::net::SocketAddr;
use std::path::Path;

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
    /// The version spoken with the hub, while it is there.
    pub(super) spoken: Option<u8>,
    /// The program that takes videos apart, where it is installed.
    pub(super) ffmpeg: Option<&'a Path>,
}

/// Everything that was looked at.
pub(super) fn examine(found: &Findings<'_>) -> Vec<CheckView> {
    let Findings { link, clock: off, ffmpeg, spoken, .. } = found;
    vec![hub(link), clock(*off), router(found), direct(found), video(*ffmpeg), version(*spoken)]
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

/// What helps with a router that keeps peers out.
const LOOSEN: &str = "if it is yours, look for \"symmetric NAT\" or \"endpoint-independent \
                      mapping\" in its settings";

fn router(found: &Findings<'_>) -> CheckView {
    let place = &found.place;
    let seen = place.observed.map_or_else(String::new, |at| format!("the hub sees {at}: "));
    let (health, kind, todo) = match place.router {
        Router::Unknown => (Health::Fair, "not known while the hub is away", None),
        Router::None => (Health::Good, "no router in between", None),
        Router::Behind if found.addresses == Addresses::Never => {
            (Health::Good, "behind a router, which is no matter while addresses are hidden", None)
        }
        Router::Behind => behind(place),
        Router::Steady => (Health::Good, "behind a router that lets peers through", None),
        Router::PerPeer => (
            Health::Fair,
            "behind a router that gives another port for every peer: most are reached through the \
             hub",
            Some(LOOSEN),
        ),
    };
    check("router", health, format!("{seen}{kind}"), todo)
}

/// Only peers outside this network can say how strict a router is, and those whom it keeps out
/// never do.
fn behind(place: &Place) -> (Health, &'static str, Option<&'static str>) {
    match (place.blocked, place.direct) {
        (0, 0) => (
            Health::Fair,
            "behind a router, how strict a one is not known: nobody was reached directly yet",
            Some("write to a contact in another network, and look again a minute later"),
        ),
        (0, _) => (
            Health::Fair,
            "behind a router, how strict a one is not known: whoever is reached directly is in \
             this network",
            Some("write to a contact in another network, and look again a minute later"),
        ),
        _ => (
            Health::Fair,
            "behind a router that may be strict: nobody outside this network was reached directly",
            Some(LOOSEN),
        ),
    }
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

fn video(ffmpeg: Option<&Path>) -> CheckView {
    match ffmpeg {
        Some(path) => {
            let found = format!("small pictures and --strip by {}", path.display());
            check("videos", Health::Good, found, None)
        }
        None => check(
            "videos",
            Health::Fair,
            "go without a small picture, and cannot be stripped: no ffmpeg here".to_owned(),
            Some("if you send videos, install it, for example by `apt install ffmpeg`"),
        ),
    }
}

fn version(spoken: Option<u8>) -> CheckView {
    let own = env!("CARGO_PKG_VERSION");
    let found = format!("hubbub {own}, protocol {VERSION} (from {MIN_VERSION} on)");
    match spoken {
        None => check("version", Health::Good, found, None),
        Some(spoken) if spoken < VERSION => {
            let found = format!("{found}; the hub speaks no newer one than {spoken}");
            let todo = Some("ask whoever runs the hub to bring it up to date");
            check("version", Health::Fair, found, todo)
        }
        Some(spoken) => {
            let found = format!("{found}; with the hub {spoken}");
            check("version", Health::Good, found, None)
        }
    }
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
        let ffmpeg = Some(Path::new("/usr/bin/ffmpeg"));
        let spoken = clock.map(|_| VERSION);
        let checks = examine(&Findings { link, clock, place, addresses, spoken, ffmpeg });
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
        assert!(lines[5].ends_with(&format!("; with the hub {VERSION}")), "{lines:?}");
        assert!(
            lines.iter().all(|line| line.starts_with("Good") && !line.contains("->")),
            "{lines:?}"
        );
    }

    #[test]
    fn whether_videos_can_be_taken_apart_is_said_and_what_to_install() {
        let there = video(Some(Path::new("/usr/bin/ffmpeg")));
        assert_eq!(there.found, "small pictures and --strip by /usr/bin/ffmpeg");
        let absent = video(None);
        assert_eq!((there.health, absent.health), (Health::Good, Health::Fair));
        assert!(absent.todo.unwrap().contains("install"));
    }

    #[test]
    fn a_router_nobody_was_reached_through_is_not_called_good() {
        let link = LinkState::Up { since: Timestamp(1), rtt_ms: 23 };
        let line = |(blocked, direct)| {
            let place = Place { router: Router::Behind, blocked, direct, ..well() };
            words(&link, None, place)[2].clone()
        };
        let strict = line((2, 0));
        assert!(strict.starts_with("Fair router: ") && strict.contains("may be strict"));
        assert!(strict.contains("-> if it is yours, look for \"symmetric NAT\""), "{strict}");
        assert!(line((1, 1)).contains("nobody outside this network"), "those inside say nothing");
        let fresh = line((0, 0));
        assert!(fresh.starts_with("Fair router: ") && fresh.contains("-> write to a contact"));
        assert!(line((0, 1)).contains("is in this network -> write to a contact"));
    }

    #[test]
    fn whoever_hides_their_address_has_nothing_to_do_about_a_router() {
        let link = LinkState::Up { since: Timestamp(1), rtt_ms: 23 };
        let (place, addresses) = (Place { router: Router::Behind, ..well() }, Addresses::Never);
        let found =
            Findings { link: &link, clock: None, place, addresses, spoken: None, ffmpeg: None };
        assert_eq!(router(&found).health, Health::Good);
    }

    #[test]
    fn a_hub_that_speaks_an_older_protocol_is_named() {
        let old = version(Some(VERSION - 1));
        assert_eq!(old.health, Health::Fair);
        assert!(old.found.ends_with(&format!("no newer one than {}", VERSION - 1)));
        assert!(!version(None).found.contains("hub "), "nothing is said of a hub that is away");
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
