//! The operator's settings: defaults, `hub.toml`, environment, command line, in this order.
//!
//! Invariant: the defaults stand here and in the commented `config/hub.toml`, and a test holds the
//! two together. A key nobody knows is an error that names it, where it stands and the nearest key.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hubbub_shared::blob::Shape;
use hubbub_shared::time::Millis;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::cache::{AHEAD, Bounds};
use crate::relay::RelayConfig;

/// The file `init` writes: every key, commented, at its default.
pub const TEMPLATE: &str = include_str!("../../config/hub.toml");
/// Its name in a hub's directory.
pub const FILE: &str = "hub.toml";
/// What environment variables start with; section and key are joined by two underscores.
const ENV: &str = "HUBBUB_HUB_";
const MIB: u64 = 1024 * 1024;

/// Everything an operator can set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubConfig {
    /// Where it listens and how it is reached.
    pub network: Network,
    /// Who may use it.
    pub access: Access,
    /// What it holds and bears.
    pub limits: Limits,
    /// What it keeps of files.
    pub files: Files,
    /// What it writes down.
    pub log: Log,
}

/// Section `network`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// UDP address to listen on.
    pub listen: SocketAddr,
    /// Addresses invites name; empty for this machine's own.
    pub addresses: Vec<String>,
}

/// Section `access`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Whether anybody may use the hub without an invite.
    pub open: bool,
    /// Uses of an invite.
    pub invite_uses: u32,
    /// Days an invite holds.
    pub invite_days: u32,
}

/// Section `limits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once (31 to 48 KiB each).
    pub connections: usize,
    /// Connections at once that have not proven who they are.
    pub unproven: usize,
    /// Of those, from one IPv4 address or one IPv6 network.
    pub unproven_per_address: usize,
    /// Seconds from a connection's first packet to its proof.
    pub hello_seconds: u32,
    /// Identities admitted.
    pub nodes: usize,
    /// MiB that may wait in one mailbox.
    pub mailbox_mib: u32,
    /// MiB that may wait in one group's channel.
    pub group_mib: u32,
    /// MiB that may wait in all.
    pub total_mib: u32,
    /// Relayed streams one identity may have open.
    pub streams: u32,
    /// Relayed streams of all.
    pub streams_total: u32,
    /// MiB a second that these may carry together; 0 for any.
    pub streams_mib_per_second: u32,
}

/// Section `files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// Whether sealed files are kept for those who are away.
    pub enabled: bool,
    /// MiB of the largest.
    pub largest_mib: u32,
    /// MiB of one identity.
    pub identity_mib: u32,
    /// MiB in all.
    pub total_mib: u32,
    /// Days one is kept.
    pub keep_days: u32,
    /// MiB of the disk that stay free: below, no new file is taken.
    pub reserve_mib: u32,
}

/// Section `log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Levels, as `tracing` filters read them.
    pub level: String,
}

impl Default for Network {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 4433)), addresses: Vec::new() }
    }
}

impl Default for Access {
    fn default() -> Self {
        Self { open: false, invite_uses: 10, invite_days: 7 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            unproven: 512,
            unproven_per_address: 64,
            hello_seconds: 10,
            nodes: 100_000,
            mailbox_mib: 64,
            group_mib: 256,
            total_mib: 65_536,
            streams: 8,
            streams_total: 512,
            streams_mib_per_second: 512,
        }
    }
}

impl Default for Files {
    fn default() -> Self {
        Self {
            enabled: true,
            largest_mib: 2_048,
            identity_mib: 10_240,
            total_mib: 51_200,
            keep_days: 14,
            reserve_mib: 2_048,
        }
    }
}

impl Files {
    /// The same as the files' own bounds.
    pub(crate) fn bounds(&self) -> Bounds {
        let bytes = |mib: u32| u64::from(mib) * MIB;
        Bounds {
            on: self.enabled,
            // A file of this size fits, though sealed it is longer.
            largest: Shape::of(bytes(self.largest_mib)).map_or(u64::MAX, |shape| shape.sealed()),
            each: bytes(self.identity_mib),
            total: bytes(self.total_mib),
            keep: Millis::days(self.keep_days.into()),
            reserve: bytes(self.reserve_mib),
            ahead: AHEAD,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}

impl Limits {
    /// How long a connection has to prove who it is.
    #[must_use]
    pub fn hello_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.hello_seconds))
    }

    /// Bytes a second that the streams of one identity may carry; 0 for any.
    #[must_use]
    pub fn streamed(&self) -> u64 {
        u64::from(self.streams_mib_per_second) * MIB
    }

    /// The relay's part of the limits.
    #[must_use]
    pub fn relay(&self, open: bool) -> RelayConfig {
        let mut relay = RelayConfig { open, nodes: self.nodes, ..RelayConfig::default() };
        relay.mailbox.bytes = u64::from(self.mailbox_mib) * MIB;
        relay.mailbox_share.bytes = relay.mailbox.bytes / 4;
        relay.channel.bytes = u64::from(self.group_mib) * MIB;
        relay.channel_share.bytes = relay.channel.bytes / 2;
        relay.total.bytes = u64::from(self.total_mib) * MIB;
        relay.streams_per_node = self.streams;
        relay.streams = self.streams_total;
        relay
    }
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// This file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// `--set`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::CommandLine => f.write_str("--set"),
        }
    }
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file cannot be read.
    #[error("cannot read {path}: {error}; `hubbub-hub init` writes one, or leave out --config")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Not TOML.
    #[error("{origin} is not valid TOML: {error}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser said.
        error: toml::de::Error,
    },
    /// A key that does not exist.
    #[error("{origin}: there is no key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The key most like it.
        nearest: String,
    },
    /// `--set` without a value.
    #[error("`--set {0}`: write section.key=value, for example `--set access.open=true`")]
    NotASetting(String),
    /// A value of the wrong kind.
    #[error("{origin}: `{key}` cannot be {value}: {reason}")]
    BadValue {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The value.
        value: String,
        /// Why not.
        reason: String,
    },
}

/// Settings and where each comes from.
#[derive(Debug)]
pub struct Effective {
    /// The settings.
    pub config: HubConfig,
    /// Each key with its value and origin, in the file's order of names.
    pub origins: BTreeMap<String, (Value, Origin)>,
}

/// Puts the settings together. A `file` is read only if given; `env` are all environment variables,
/// `sets` the arguments of `--set`.
///
/// # Errors
/// [`ConfigError`], naming the key and where it stands.
pub fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    sets: &[String],
) -> Result<Effective, ConfigError> {
    let mut merged = Merged::default()?;
    if let Some(path) = file {
        let origin = Origin::File(path.to_owned());
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        let table = text
            .parse::<Table>()
            .map_err(|error| ConfigError::Syntax { origin: origin.clone(), error })?;
        for (key, value) in flatten(&table) {
            merged.set(key, value, &origin)?;
        }
    }
    for (name, text) in env {
        let Some((section, key)) = name.strip_prefix(ENV).and_then(|key| key.split_once("__"))
        else {
            continue;
        };
        let key = format!("{section}.{key}").to_lowercase();
        merged.set(key, value(&text), &Origin::Environment(name))?;
    }
    for set in sets {
        let (key, text) =
            set.split_once('=').ok_or_else(|| ConfigError::NotASetting(set.clone()))?;
        merged.set(key.trim().to_owned(), value(text.trim()), &Origin::CommandLine)?;
    }
    Ok(Effective { config: merged.config, origins: merged.origins })
}

struct Merged {
    config: HubConfig,
    origins: BTreeMap<String, (Value, Origin)>,
}

impl Merged {
    fn default() -> Result<Self, ConfigError> {
        let config = HubConfig::default();
        let table = Table::try_from(&config).unwrap_or_default();
        let origins = flatten(&table).map(|(k, v)| (k, (v, Origin::Default))).collect();
        Ok(Self { config, origins })
    }

    /// Sets one key, or says why it cannot be set.
    fn set(&mut self, key: String, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        let Some(slot) = self.origins.get_mut(&key) else {
            let nearest = nearest(&key, self.origins.keys());
            return Err(ConfigError::UnknownKey { key, origin: origin.clone(), nearest });
        };
        let shown = value.to_string();
        *slot = (value, origin.clone());
        self.config = build(&self.origins).map_err(|error| ConfigError::BadValue {
            key,
            origin: origin.clone(),
            value: shown,
            reason: error.message().to_owned(),
        })?;
        Ok(())
    }
}

fn build(values: &BTreeMap<String, (Value, Origin)>) -> Result<HubConfig, toml::de::Error> {
    let mut table = Table::new();
    for (key, (value, _)) in values {
        let (section, key) = key.split_once('.').unwrap_or((key, ""));
        let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(key.to_owned(), value.clone());
        }
    }
    table.try_into()
}

/// `section.key` and value of everything in a file; a key outside any section keeps its bare name.
fn flatten(table: &Table) -> impl Iterator<Item = (String, Value)> {
    let flat = table.iter().flat_map(|(section, value)| match value {
        Value::Table(keys) => {
            keys.iter().map(|(key, value)| (format!("{section}.{key}"), value.clone())).collect()
        }
        other => vec![(section.clone(), other.clone())],
    });
    flat.collect::<Vec<_>>().into_iter()
}

/// A value as typed: TOML if it is some, otherwise text.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::from(text))
}

fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> String {
    known.min_by_key(|candidate| distance(key, candidate)).cloned().unwrap_or_default()
}

/// Edits (insert, delete, replace) between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *slot;
            left = (corner + usize::from(x != y)).min(above + 1).min(left + 1);
            corner = above;
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
