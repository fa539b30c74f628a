//! `node.toml`: the few things about a node that are a matter of taste.
//!
//! Invariant: without the file everything has its default, and `config/node.toml` lists every key
//! at that default (a test holds it to this file). A key nobody knows is an error, not a surprise
//! later.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// A node's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Whether others learn that their messages were read.
    pub receipts: bool,
    /// What is logged: a level, or `target=level` pairs.
    pub log: String,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { receipts: true, log: "info".to_owned() }
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
        let error = NodeConfig::parse("reciepts = false", Path::new("/n.toml")).unwrap_err();
        let text = error.to_string();
        assert_eq!(text, "/n.toml: there is no key `reciepts`; did you mean `receipts`?");
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
