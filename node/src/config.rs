//! `node.toml`: the few things about a node that are a matter of taste.
//!
//! Invariant: without the file everything has its default, and `config/node.toml` lists every key
//! at that default (a test holds it to this file). A key nobody knows is an error, not a surprise
//! later.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::api::file::AcceptFrom;
use crate::api::{Addresses, FileSettings, Settings, Strangers};
use crate::paths;

/// A node's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Whether others learn that their messages were read here, and we that ours were there.
    pub read_receipts: bool,
    /// Whether contacts may see when this node was last heard from, and we when theirs were.
    pub presence: bool,
    /// Who may write to us without asking.
    pub strangers: Strangers,
    /// Who may learn this device's network address.
    pub addresses: Addresses,
    /// Whether contacts are looked for on the local network.
    pub lan: bool,
    /// Whose files are fetched without asking.
    pub files_from: AcceptFrom,
    /// Up to which size in bytes.
    pub files_up_to: u64,
    /// Of which types, by how they begin.
    pub files_types: Vec<String>,
    /// Where files land; empty for the usual folder.
    pub files_folder: String,
    /// Bytes a second for files, each way; 0 for as many as there are.
    pub files_rate: u64,
    /// What is logged: a level, or `target=level` pairs.
    pub log: String,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let Settings { read_receipts, presence, strangers, addresses, lan } = Settings::default();
        let FileSettings { from, up_to, types, folder, rate } = FileSettings::default();
        Self {
            read_receipts,
            presence,
            strangers,
            addresses,
            lan,
            files_from: from,
            files_up_to: up_to,
            files_types: types,
            files_folder: folder,
            files_rate: rate,
            log: "info".to_owned(),
        }
    }
}

/// A configuration file is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Named, and not there or not readable.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A key that does not exist.
    #[error("{path}: there is no key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The one most like it.
        nearest: String,
    },
    /// Not TOML, or a value of the wrong kind.
    #[error("{path}: {why}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },
}

impl NodeConfig {
    /// Reads the file `named` by the user, or else the one at `usual` if it is there.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file and the key.
    pub fn load(named: Option<&Path>, usual: &Path) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(usual);
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(error) => Err(ConfigError::Unreadable {
                path: path.to_path_buf(),
                why: format!("{error}; check the name, or leave the option away"),
            }),
        }
    }

    /// What of it concerns people.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let Self { read_receipts, presence, strangers, addresses, lan, .. } = *self;
        Settings { read_receipts, presence, strangers, addresses, lan }
    }

    /// What of it concerns files.
    #[must_use]
    pub fn files(&self) -> FileSettings {
        FileSettings {
            from: self.files_from,
            up_to: self.files_up_to,
            types: self.files_types.clone(),
            folder: self.files_folder.clone(),
            rate: self.files_rate,
        }
    }

    /// Writes settings into the file at `path`, each on its line; everything else in it stays.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read or written, or is wrong as it stands.
    pub fn write(path: &Path, settings: &impl Serialize) -> Result<(), ConfigError> {
        let refused = |error: std::io::Error| ConfigError::Unreadable {
            path: path.to_path_buf(),
            why: format!("{error}; check its owner and the free space"),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(refused(error)),
        };
        Self::parse(&text, path)?;
        let changed = with_settings(&text, settings);
        Self::parse(&changed, path)?;
        paths::replace_private(path, changed.as_bytes()).map_err(refused)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let invalid = |why: String| ConfigError::Invalid { path: path.to_path_buf(), why };
        let table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| invalid(e.to_string()))?;
        let known = keys();
        if let Some(key) = table.keys().find(|key| !known.contains(key)) {
            let nearest = known.iter().min_by_key(|known| distance(key, known));
            let nearest = nearest.cloned().unwrap_or_default();
            return Err(ConfigError::UnknownKey {
                path: path.to_path_buf(),
                key: key.clone(),
                nearest,
            });
        }
        let config: Self = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if let Err(error) = EnvFilter::try_new(&config.log) {
            return Err(invalid(format!("`log` cannot be \"{}\": {error}", config.log)));
        }
        Ok(config)
    }
}

/// The text with these settings in it: in place of what stands there, or at the end.
fn with_settings(text: &str, settings: &impl Serialize) -> String {
    let table = toml::Table::try_from(settings).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (key, value) in table {
        let line = format!("{key} = {value}");
        let is_it =
            |other: &&mut String| other.split_once('=').is_some_and(|(name, _)| name.trim() == key);
        match lines.iter_mut().find(is_it) {
            Some(there) => *there = line,
            None => lines.push(line),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Every key there is.
fn keys() -> Vec<String> {
    let all = toml::Table::try_from(NodeConfig::default()).unwrap_or_default();
    all.keys().cloned().collect()
}

/// Edits between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut corner = i;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(corner + usize::from(from != *to));
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../config/node.toml");

    #[test]
    fn the_shipped_file_lists_every_key_at_its_default() {
        let mut listed = String::new();
        for line in SHIPPED.lines() {
            let line = line.strip_prefix('#').unwrap_or(line);
            if line.split_once(" = ").is_some_and(|(key, _)| keys().iter().any(|k| k == key)) {
                listed.push_str(line);
                listed.push('\n');
            }
        }
        let table: toml::Table = listed.parse().unwrap();
        assert_eq!(table, toml::Table::try_from(NodeConfig::default()).unwrap());
        assert_eq!(NodeConfig::parse(SHIPPED, Path::new("x")), Ok(NodeConfig::default()));
    }

    #[test]
    fn an_unknown_key_names_the_file_and_the_nearest() {
        let wrong = "read_reciepts = false";
        let text = NodeConfig::parse(wrong, Path::new("/n.toml")).unwrap_err().to_string();
        let expected = "/n.toml: there is no key `read_reciepts`; did you mean `read_receipts`?";
        assert_eq!(text, expected);
    }

    #[test]
    fn settings_are_written_over_what_stood_there_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        let (strangers, addresses) = (Strangers::Welcome, Addresses::Never);
        let (read_receipts, presence, lan) = (false, true, true);
        let settings = Settings { read_receipts, presence, strangers, addresses, lan };
        NodeConfig::write(&path, &settings).unwrap();
        assert_eq!(NodeConfig::load(None, &path).unwrap().settings(), settings);
        let mine = "# mine\nlog = \"warn\"\n  presence=true\n# presence = false\n";
        std::fs::write(&path, mine).unwrap();
        let settings = Settings { presence: false, ..Settings::default() };
        NodeConfig::write(&path, &settings).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let begins = "# mine\nlog = \"warn\"\npresence = false\n# presence = false\n";
        assert!(text.starts_with(begins), "{text}");
        let read = NodeConfig::load(None, &path).unwrap();
        assert_eq!((read.settings(), read.log.as_str()), (settings, "warn"));
        std::fs::write(&path, "nonsense = 1\n").unwrap();
        assert!(NodeConfig::write(&path, &settings).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "nonsense = 1\n");
    }

    #[test]
    fn settings_about_files_are_written_beside_the_others_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, "presence = false\nfiles_types = []\n").unwrap();
        let types = vec!["image/".to_owned(), "text/plain".to_owned()];
        let folder = "/home/a \"b\"".to_owned();
        let files = FileSettings { from: AcceptFrom::Members, up_to: 7, types, folder, rate: 9 };
        NodeConfig::write(&path, &files).unwrap();
        let read = NodeConfig::load(None, &path).unwrap();
        assert_eq!((read.files(), read.presence), (files, false));
    }

    #[test]
    fn a_file_named_and_absent_is_refused_and_one_not_named_is_fine() {
        let absent = Path::new("/nonexistent/node.toml");
        assert!(matches!(
            NodeConfig::load(Some(absent), absent),
            Err(ConfigError::Unreadable { .. })
        ));
        assert_eq!(NodeConfig::load(None, absent), Ok(NodeConfig::default()));
        let wrong = NodeConfig::parse("log = \"net=loud\"", absent);
        assert!(matches!(wrong, Err(ConfigError::Invalid { .. })));
    }
}
