//! `hubbub-hub check`: gathers what can be known, has it judged, prints it.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use hubbub_hub::admin::{self, Reply, Request, Status};
use hubbub_hub::check::{
    self, Alive, Disk, Facts, FileRoom, Finding, Health, Named, Room, Verdict,
};
use hubbub_hub::config::HubConfig;
use hubbub_hub::{FILES, firewall, invites, keys};

use super::{Failure, Place, watch};

/// How long a name server may take.
const NAMES: Duration = Duration::from_secs(5);
/// What the system counts a file's blocks in.
const BLOCK: u64 = 512;
/// Addresses shown of one name.
const SHOWN: usize = 4;

/// Prints a line for everything looked at; fails if something is wrong.
pub(super) async fn check(place: &Place, json: bool) -> Result<(), Failure> {
    keys::load(&place.dir)?;
    let findings = check::findings(&facts(place).await?);
    let mut out = io::stdout().lock();
    for finding in &findings {
        if json {
            writeln!(out, "{}", serde_json::to_string(finding).map_err(io::Error::from)?)?;
        } else {
            print(&mut out, finding)?;
        }
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count() {
        0 => Ok(()),
        wrong => Err(Failure::Unwell(wrong)),
    }
}

fn print(out: &mut impl io::Write, finding: &Finding) -> io::Result<()> {
    let Finding { about, verdict, said, advice } = finding;
    let verdict = match verdict {
        Verdict::Ok => "OK",
        Verdict::Look => "look",
        Verdict::Wrong => "wrong",
    };
    writeln!(out, "{verdict:<6} {about:<8} {said}")?;
    let mut lines = advice.iter().flat_map(|advice| advice.lines());
    lines.try_for_each(|advice| writeln!(out, "{:<15} → {advice}", ""))
}

async fn facts(place: &Place) -> Result<Facts, Failure> {
    let config = &place.effective.config;
    let alive = match status(&place.dir).await? {
        Some(status) => Some(Alive { status, health: health(&place.dir).await? }),
        None => None,
    };
    let listen = alive.as_ref().and_then(|alive| alive.status.listen.parse().ok());
    let listen: SocketAddr = listen.unwrap_or(config.network.listen);
    let mut named = Vec::new();
    for address in invites::addresses(&config.network, listen) {
        let means = means(&address).await;
        named.push(Named { address, means });
    }
    Ok(Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listen: config.network.listen,
        alive,
        named,
        disk: disk(&place.dir),
        room: room(&place.dir, config),
        firewalls: firewall::installed(),
    })
}

async fn status(dir: &Path) -> Result<Option<Status>, Failure> {
    let Some(mut asked) = admin::ask(dir, &Request::Status).await? else { return Ok(None) };
    watch::read_status(&mut asked).await.map(Some)
}

/// None from a hub that does not know the question.
async fn health(dir: &Path) -> Result<Option<Health>, Failure> {
    let Some(mut asked) = admin::ask(dir, &Request::Health).await? else { return Ok(None) };
    match asked.next().await? {
        Some(Reply::Health(health)) => Ok(Some(health)),
        _ => Ok(None),
    }
}

async fn means(address: &str) -> Result<Vec<SocketAddr>, String> {
    match tokio::time::timeout(NAMES, tokio::net::lookup_host(address)).await {
        Ok(found) => Ok(found.map_err(|error| error.to_string())?.take(SHOWN).collect()),
        Err(_) => Err("no name server answers".to_owned()),
    }
}

fn room(dir: &Path, config: &HubConfig) -> Room {
    let files = &config.files;
    let bytes = |mib: u32| u64::from(mib) * 1024 * 1024;
    let files = files.enabled.then(|| FileRoom {
        total: bytes(files.total_mib),
        reserve: bytes(files.reserve_mib),
        taken: taken(&dir.join(FILES)),
    });
    Room { messages: config.limits.relay(false).total.bytes, files }
}

/// What the files in a folder take of the disk: what is set aside for one and has not come does
/// not count. What goes away meanwhile takes nothing.
fn taken(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok());
    files.map(|file| file.blocks().saturating_mul(BLOCK)).fold(0, u64::saturating_add)
}

/// The disk a folder is on, as far as its user may fill it.
fn disk(dir: &Path) -> Option<Disk> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(Disk { free: bytes(disk.f_bavail), size: bytes(disk.f_blocks) })
}
