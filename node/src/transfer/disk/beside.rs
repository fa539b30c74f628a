//! What stands in a folder already, by what it looks like: a file that lands gets a number where
//! its name would only look like another one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hubbub_shared::content::FileName;

/// Names looked at in one folder. Of more, those beyond are told apart as their file system does:
/// whoever has so many in one place finds none of them by looking.
const NAMES: usize = 65_536;

/// What the names in a folder look like.
pub(super) struct Beside(BTreeSet<String>);

impl Beside {
    /// Of a folder that cannot be looked into nothing is known; what lands there says why.
    pub(super) fn of(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().take(NAMES);
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Self(names.flat_map(|name| FileName::clean(&name).skeletons()).collect())
    }

    /// Whether something is there that looks like this.
    pub(super) fn has(&self, name: &str) -> bool {
        FileName::clean(name).skeletons().iter().any(|look| self.0.contains(look))
    }
}
