//! Finding nodes on the local network, and being found: multicast DNS (RFC 6762, 6763).
//!
//! What is announced says nothing to those who do not know this node's key already (PROTOCOL.md,
//! Local network). Only what is on the same network is handed on. Invariant: what others announce
//! takes bounded memory, and whoever is there is found again every minute. Dropping it takes back
//! what was announced. What is absent: who was found.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hubbub_shared::crypto::Identity;
use hubbub_shared::id::{HubId, RunKey, Signature};
use hubbub_shared::lan::{Announcement, SERVICE};
use if_addrs::{IfAddr, Interface};
use mdns_sd::{Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use rand_core::Rng;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::direct::{DirectInput, in_order};
use super::hub_link::LinkInput;
use super::tls::os_rng;

/// Pause between two announcements: whose they are takes looking at everybody known.
const PAUSE: Duration = Duration::from_millis(100);
/// Announcements that wait for that; a network with more of them has somebody who makes them up.
const WAITING: usize = 512;
/// The search begins anew in this time, and with it everybody who is there is found again: a
/// connection may have broken meanwhile.
const ANEW: Duration = Duration::from_secs(60);
/// What a search remembers is forgotten, and it rests for [`ANEW`], after so many have been heard
/// of: somebody makes them up.
const CROWDED: usize = 4_096;

/// Somebody's announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was announced.
    pub announcement: Announcement,
    /// Where to dial, on this network.
    pub addresses: Vec<SocketAddr>,
}

/// Who announces itself, and who hears of others.
pub(super) struct Announcer {
    pub(super) hub: HubId,
    pub(super) me: Arc<Identity>,
    pub(super) key: RunKey,
    pub(super) port: u16,
    pub(super) out: mpsc::Sender<LinkInput>,
}

/// The announcement of this node, and the search for others.
pub(super) struct Lan(JoinHandle<()>);

impl Lan {
    /// Begins; where the network has no multicast, that stands in the log.
    pub(super) fn start(announcer: Arc<Announcer>) -> Self {
        Self(tokio::spawn(async move {
            while let Some(daemon) = Daemon::new() {
                if search(&daemon, &announcer).await.is_none() {
                    return;
                }
                tracing::warn!("the local network is full of announcements: nobody is looked for");
                drop(daemon);
                tokio::time::sleep(ANEW).await;
            }
        }))
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends with its owner.
struct Daemon(ServiceDaemon);

impl Daemon {
    fn new() -> Option<Self> {
        ServiceDaemon::new().inspect_err(refused).ok().map(Self)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::debug!("the announcement was not taken back: {error}");
        }
    }
}

fn refused(error: &mdns_sd::Error) {
    tracing::warn!("nobody is looked for on the local network: {error}");
}

/// Announces and searches until too many were heard of; `None` when it cannot be done, or nobody
/// wants to know any more.
async fn search(Daemon(daemon): &Daemon, announcer: &Announcer) -> Option<()> {
    let mut salt = [0; 16];
    os_rng().inspect_err(|error| tracing::warn!("{error}")).ok()?.fill_bytes(&mut salt);
    let (mut announced, mut heard) = (Vec::new(), 0);
    while heard < CROWDED {
        let here = in_order(&if_addrs::get_if_addrs().ok()?, announcer.port);
        if here != announced {
            announce(daemon, announcer, salt, &here)?;
            announced = here;
        }
        let found = daemon.browse(SERVICE).inspect_err(refused).ok()?;
        hand_over(&found, (&salt, &mut heard), &announcer.out).await?;
        if let Err(error) = daemon.stop_browse(SERVICE) {
            tracing::trace!("the search had ended already: {error}");
        }
    }
    Some(())
}

fn announce(
    daemon: &ServiceDaemon,
    announcer: &Announcer,
    salt: [u8; 16],
    here: &[SocketAddr],
) -> Option<()> {
    let Announcer { hub, me, key, port, .. } = announcer;
    let useful: Vec<_> = here.iter().copied().filter(|at| !at.ip().is_loopback()).collect();
    let made = Announcement::new(hub, me, (salt, *key), &useful);
    let name = HEXLOWER.encode(&salt);
    let host = format!("{name}.local.");
    let words = HashMap::from([
        ("s".to_owned(), name.clone()),
        ("t".to_owned(), HEXLOWER.encode(&made.tag)),
        ("k".to_owned(), HEXLOWER.encode(made.key.as_bytes())),
        ("a".to_owned(), HEXLOWER.encode(&made.addresses)),
        ("g".to_owned(), HEXLOWER.encode(made.sig.as_bytes())),
    ]);
    let info = ServiceInfo::new(SERVICE, &name, &host, "", *port, words);
    let info = info.inspect_err(refused).ok()?.enable_addr_auto();
    daemon.register(info).inspect_err(refused).ok()
}

/// Hands over whoever is found, for a while; `None` when nobody wants to know any more.
async fn hand_over(
    events: &Receiver<ServiceEvent>,
    (ours, heard): (&[u8; 16], &mut usize),
    out: &mpsc::Sender<LinkInput>,
) -> Option<()> {
    let mut waiting = VecDeque::new();
    let mut pace = tokio::time::interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let over = tokio::time::sleep(ANEW);
    tokio::pin!(over);
    loop {
        // What comes is always taken at once: the search ends when nobody does.
        tokio::select! {
            () = &mut over => return Some(()),
            event = events.recv_async() => match event {
                Ok(ServiceEvent::ServiceFound(..)) => *heard += 1,
                Ok(ServiceEvent::ServiceResolved(service)) if waiting.len() < WAITING => {
                    waiting.push_back(service);
                }
                Ok(_) => {}
                // Too much came at once.
                Err(_) => *heard = CROWDED,
            },
            _ = pace.tick(), if !waiting.is_empty() => {
                let found = waiting.pop_front().and_then(|service| read(&service));
                if let Some(found) = found.filter(|found| found.announcement.salt != *ours) {
                    out.send(LinkInput::Direct(DirectInput::Found(found))).await.ok()?;
                }
            }
        }
        if *heard >= CROWDED {
            return Some(());
        }
    }
}

fn read(service: &ResolvedService) -> Option<Found> {
    let text = service.txt_properties.get_property_val_str("a")?;
    let announcement = Announcement {
        salt: word(service, "s")?,
        tag: word(service, "t")?,
        key: RunKey(word(service, "k")?),
        addresses: HEXLOWER.decode(text.as_bytes()).ok()?,
        sig: Signature(word(service, "g")?),
    };
    let interfaces = if_addrs::get_if_addrs().ok()?;
    let mut addresses = announcement.places();
    addresses.retain(|at| is_on_this_network(at.ip(), &interfaces));
    Some(Found { announcement, addresses })
}

fn word<const LENGTH: usize>(service: &ResolvedService, key: &str) -> Option<[u8; LENGTH]> {
    let text = service.txt_properties.get_property_val_str(key)?;
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Anybody can announce anything: nobody is to be dialled out there because of it.
fn is_on_this_network(ip: IpAddr, interfaces: &[Interface]) -> bool {
    interfaces.iter().any(|interface| match (ip, &interface.addr) {
        (IpAddr::V4(ip), IfAddr::V4(own)) => {
            let mask = own.netmask.to_bits();
            ip.to_bits() & mask == own.ip.to_bits() & mask
        }
        (IpAddr::V6(ip), IfAddr::V6(own)) => {
            let mask = own.netmask.to_bits();
            ip.to_bits() & mask == own.ip.to_bits() & mask
        }
        _ => false,
    })
}
