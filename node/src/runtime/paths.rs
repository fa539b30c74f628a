//! How each peer is reached, in rows for people: directly, through the hub, or not just now; since
//! when nothing was heard of them, and why there is no direct connection. Pure: what is known in,
//! rows out.
//!
//! Invariant: where two do not share when they are there, no row says so, but for a direct
//! connection, which both ends see anyway. So it says neither why none came about, since nobody
//! answers who is away, nor when the next is tried, which comes sooner when they are heard from.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};

use crate::api::Addresses;
use crate::api::people::ACTIVE_NOW;
use crate::api::view::{Path, PathView, PersonView};
use crate::reach::{PEERS, Way, Why};

/// Whoever was heard from within this time counts as there: what goes through the hub reaches them
/// at once. The same as for being active now, since nobody says anything without a reason.
const THERE: Millis = Millis(ACTIVE_NOW);

/// When peers were last heard from since this node started; of as many as ways are kept of, those
/// not heard from for longest forgotten first.
#[derive(Default)]
pub(super) struct LastHeard(BTreeMap<NodeId, Timestamp>);

impl LastHeard {
    /// Somebody was heard from.
    pub(super) fn note(&mut self, peer: NodeId, now: Timestamp) {
        if self.0.len() >= PEERS && !self.0.contains_key(&peer) {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at).map(|(peer, _)| *peer);
            oldest.and_then(|peer| self.0.remove(&peer));
        }
        self.0.insert(peer, now);
    }

    /// When somebody was.
    pub(super) fn of(&self, peer: &NodeId) -> Option<Timestamp> {
        self.0.get(peer).copied()
    }

    /// Who was.
    pub(super) fn peers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.keys().copied()
    }
}

/// What is known of a peer.
pub(super) struct Known {
    pub(super) person: PersonView,
    /// What became of reaching them directly, if it was tried.
    pub(super) way: Option<Way>,
    /// Of the direct connection: its round trip in milliseconds, and where its other end is.
    pub(super) measured: Option<(u32, String)>,
    pub(super) heard: Option<Timestamp>,
    /// Whether both show each other when they are there.
    pub(super) presence: bool,
    /// The setting that keeps this device's address from them, where it does.
    pub(super) hidden: Option<Addresses>,
}

fn shown(heard: Option<Timestamp>, presence: bool, now: Timestamp) -> Option<Timestamp> {
    heard.filter(|_| presence).map(|at| at.min(now))
}

/// What tells how bytes reach a peer now.
#[derive(Clone, Copy)]
pub(super) struct Signs {
    /// What became of reaching them directly, if it was tried.
    pub(super) way: Option<Way>,
    /// Whether the hub is reached.
    pub(super) hub: bool,
    pub(super) heard: Option<Timestamp>,
    /// Whether both show each other when they are there.
    pub(super) presence: bool,
}

/// How bytes reach a peer now. Whoever says it to people has it from here.
pub(super) fn path(signs: Signs, now: Timestamp) -> Path {
    let Signs { way, hub, heard, presence } = signs;
    if way.is_some_and(|way| way.link.is_some()) {
        return Path::Direct;
    }
    match hub && is_there(way, shown(heard, presence, now), now) {
        true => Path::Relay,
        false => Path::Stored,
    }
}

/// The row of a peer; `hub` is the round trip to the hub in milliseconds, while it is reached.
pub(super) fn row(known: Known, hub: Option<u32>, now: Timestamp) -> PathView {
    let Known { person, way, measured, heard, presence, hidden } = known;
    let link = way.and_then(|way| way.link);
    let path = path(Signs { way, hub: hub.is_some(), heard, presence }, now);
    let heard = shown(heard, presence, now);
    let able = link.is_none() && hidden.is_none() && hub.is_some();
    let tried = way.filter(|_| able && presence);
    let (rtt_ms, address) = measured.unzip();
    PathView {
        person,
        path,
        direct_since: link.map(|(_, since)| since),
        rtt_ms,
        hub_rtt_ms: hub.filter(|_| path == Path::Relay),
        address,
        presence,
        last_heard: heard,
        trying: tried.is_some_and(|way| way.trying),
        why_not: match link {
            Some(_) => None,
            None => why_not((hidden, hub), way, presence).map(str::to_owned),
        },
        next_try: tried.and_then(|way| way.next),
    }
}

/// Whether somebody was heard from lately, and has not let questions go by since.
fn is_there(way: Option<Way>, heard: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(heard) = heard.filter(|at| now.since(*at) < THERE) else { return false };
    let silent = way.filter(|way| way.why == Some(Why::Silent)).and_then(|way| way.failed);
    silent.is_none_or(|at| at <= heard)
}

/// What is in the way on this side comes first: nothing is tried until that is changed.
fn why_not(
    own: (Option<Addresses>, Option<u32>),
    way: Option<Way>,
    presence: bool,
) -> Option<&'static str> {
    match own {
        (Some(setting), _) => Some(words_for(setting)),
        (None, None) => Some("this device is not connected to the hub"),
        (None, Some(_)) if !presence => Some("no direct connection came about"),
        (None, Some(_)) => match way {
            Some(way) => way.why.map(words),
            None => Some(NOT_TRIED),
        },
    }
}

/// Why there is no attempt at all.
const NOT_TRIED: &str = "not tried: nothing was heard from the other device lately";

/// Why somebody is not shown where this node is.
fn words_for(setting: Addresses) -> &'static str {
    match setting {
        Addresses::Never => {
            "you show nobody your address: `hubbub settings addresses contacts` shows it to contacts"
        }
        Addresses::Verified => {
            "you show your address only to contacts you verified: `hubbub verify`, or `hubbub \
             settings addresses contacts`"
        }
        Addresses::Contacts => {
            "you show your address only to contacts: `hubbub settings addresses groups` shows it \
             to closed groups, too"
        }
        Addresses::Groups => "you show your address only to contacts and in closed groups",
    }
}

fn words(why: Why) -> &'static str {
    match why {
        Why::Silent => "the other device is not connected, or does not answer",
        Why::Hidden => "the other device shows you no address",
        Why::Nowhere => "the other device knows no address of its own",
        Why::Busy => "the other device was asked too often",
        Why::Blocked => "the routers between you let nothing through",
        Why::Unsteady => "the connection broke again soon after it was made",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::view::NodeText;
    use crate::reach::LinkId;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const HUB: Option<u32> = Some(12);

    fn bob() -> Known {
        let node = NodeText(NodeId([2; 32]));
        Known {
            person: PersonView { node, name: "bob".to_owned(), verified: false },
            way: None,
            measured: None,
            heard: None,
            presence: true,
            hidden: None,
        }
    }

    fn ago(seconds: u64) -> Timestamp {
        Timestamp(NOW.0 - seconds * 1_000)
    }

    fn tried(why: Option<Why>, failed: Option<Timestamp>) -> Option<Way> {
        let next = failed.map(|at| at + Millis::minutes(5));
        Some(Way { link: None, trying: false, why, failed, next })
    }

    fn why(known: Known, hub: Option<u32>) -> String {
        row(known, hub, NOW).why_not.unwrap_or_default()
    }

    #[test]
    fn whoever_was_not_heard_from_lately_is_not_called_relayed() {
        let path = |heard| row(Known { heard, ..bob() }, HUB, NOW).path;
        assert_eq!(path(None), Path::Stored);
        assert_eq!(path(Some(ago(119))), Path::Relay);
        assert_eq!(path(Some(ago(120))), Path::Stored);
        let lately = Known { heard: Some(ago(5)), ..bob() };
        assert_eq!(row(lately, None, NOW).path, Path::Stored, "our own link is down");
    }

    #[test]
    fn a_contact_is_reached_as_its_row_says_whatever_is_known() {
        let link = Some(Way { link: Some((LinkId(7), ago(9))), ..tried(None, None).unwrap() });
        let ways = [None, tried(Some(Why::Silent), Some(ago(9))), link];
        let heards = [None, Some(ago(5)), Some(ago(500)), Some(NOW + Millis::hours(1))];
        let mut said = Vec::new();
        for (way, heard) in ways.into_iter().flat_map(|way| heards.map(|heard| (way, heard))) {
            for (hub, presence) in [(HUB, true), (HUB, false), (None, true), (None, false)] {
                let signs = Signs { way, hub: hub.is_some(), heard, presence };
                let row = row(Known { way, heard, presence, ..bob() }, hub, NOW);
                assert_eq!(path(signs, NOW), row.path);
                said.push(row.path);
            }
        }
        for path in [Path::Direct, Path::Relay, Path::Stored] {
            assert!(said.contains(&path), "{path:?}");
        }
    }

    #[test]
    fn whoever_lets_questions_go_by_is_away_until_heard_from_again() {
        let path = |failed| {
            let way = tried(Some(Why::Silent), Some(failed));
            row(Known { heard: Some(ago(60)), way, ..bob() }, HUB, NOW).path
        };
        assert_eq!(path(ago(50)), Path::Stored);
        assert_eq!(path(ago(70)), Path::Relay);
        let way = tried(Some(Why::Blocked), Some(ago(50)));
        let blocked = row(Known { heard: Some(ago(60)), way, ..bob() }, HUB, NOW);
        assert_eq!(blocked.path, Path::Relay, "whose routers are strict is there all the same");
    }

    #[test]
    fn a_relayed_peer_has_the_way_to_the_hub_and_no_round_trip_of_its_own() {
        let relayed = row(Known { heard: Some(ago(5)), ..bob() }, HUB, NOW);
        assert_eq!((relayed.rtt_ms, relayed.hub_rtt_ms), (None, HUB));
        assert_eq!(row(bob(), HUB, NOW).hub_rtt_ms, None, "nothing goes to whoever is away");
    }

    #[test]
    fn what_keeps_our_own_address_back_is_said_whatever_was_tried_before() {
        let hidden = |setting| {
            let way = tried(Some(Why::Blocked), Some(ago(50)));
            let known = Known { hidden: Some(setting), way, heard: Some(ago(5)), ..bob() };
            assert_eq!(row(known, HUB, NOW).next_try, None, "nothing is tried");
            why(Known { hidden: Some(setting), way, ..bob() }, HUB)
        };
        assert!(hidden(Addresses::Never).starts_with("you show nobody your address: `hubbub set"));
        assert!(hidden(Addresses::Verified).contains("only to contacts you verified"));
        assert!(hidden(Addresses::Contacts).contains("`hubbub settings addresses groups`"));
        assert!(hidden(Addresses::Groups).contains("in closed groups"));
    }

    #[test]
    fn without_the_hub_nothing_else_is_in_the_way_first() {
        let way = tried(Some(Why::Blocked), Some(ago(50)));
        let known = || Known { way, ..bob() };
        assert_eq!(why(known(), None), "this device is not connected to the hub");
        assert_eq!(row(known(), None, NOW).next_try, None);
        assert_eq!(why(known(), HUB), "the routers between you let nothing through");
        assert!(row(known(), HUB, NOW).next_try.is_some());
    }

    #[test]
    fn where_presence_is_not_shared_nothing_tells_when_they_were_there() {
        let known = Known { presence: false, heard: Some(ago(5)), ..bob() };
        let quiet = row(known, HUB, NOW);
        assert_eq!((quiet.path, quiet.last_heard, quiet.presence), (Path::Stored, None, false));
        let all = [Why::Silent, Why::Hidden, Why::Nowhere, Why::Busy, Why::Blocked, Why::Unsteady];
        let row_of = |why: Why| {
            let way = tried(Some(why), Some(ago(50)));
            row(Known { presence: false, heard: Some(ago(5)), way, ..bob() }, HUB, NOW)
        };
        let first = row_of(Why::Silent);
        assert_eq!(first.why_not.as_deref(), Some("no direct connection came about"));
        for why in all {
            let row = row_of(why);
            assert_eq!(row.why_not, first.why_not, "{why:?} says that they answered");
            assert_eq!((row.trying, row.next_try), (false, None));
        }
        let hidden = Some(Addresses::Never);
        let own = row(Known { presence: false, hidden, ..bob() }, HUB, NOW).why_not.unwrap();
        assert!(own.starts_with("you show nobody"), "what is in the way here is no secret");
        let untried = row(Known { presence: false, ..bob() }, HUB, NOW).why_not;
        assert_eq!(untried, first.why_not, "it says that they were never heard from");
    }

    #[test]
    fn whoever_was_never_heard_from_is_stored_and_the_row_says_that_nothing_was_tried() {
        let row = row(bob(), HUB, NOW);
        assert_eq!((row.path, row.trying, row.next_try), (Path::Stored, false, None));
        assert_eq!(row.why_not.as_deref(), Some(NOT_TRIED));
        let way = Some(Way { trying: true, ..tried(None, None).unwrap() });
        assert_eq!(why(Known { way, ..bob() }, HUB), "", "the first attempt is being made");
    }

    #[test]
    fn a_direct_connection_has_its_own_round_trip_and_nothing_in_its_way() {
        let link = Some((LinkId(7), ago(300)));
        let way = Some(Way { link, trying: true, why: None, failed: None, next: None });
        let measured = Some((23, "203.0.113.7:4711".to_owned()));
        let direct = row(Known { way, measured, presence: false, ..bob() }, None, NOW);
        assert_eq!((direct.path, direct.rtt_ms, direct.why_not), (Path::Direct, Some(23), None));
        assert_eq!((direct.direct_since, direct.trying), (Some(ago(300)), false));
    }

    #[test]
    fn a_clock_that_was_set_back_puts_nothing_into_the_future() {
        let heard = Some(NOW + Millis::hours(1));
        assert_eq!(row(Known { heard, ..bob() }, HUB, NOW).last_heard, Some(NOW));
    }

    #[test]
    fn no_more_peers_are_remembered_than_ways_and_the_oldest_goes_first() {
        let mut heard = LastHeard::default();
        let peer = |n: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            NodeId(id)
        };
        for n in 0..=PEERS {
            heard.note(peer(n), Timestamp(NOW.0 + n as u64));
        }
        assert_eq!(heard.peers().count(), PEERS);
        assert_eq!(heard.of(&peer(0)), None);
        assert!(heard.of(&peer(PEERS)).is_some());
    }
}
