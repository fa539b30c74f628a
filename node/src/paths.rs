//! Where a profile lives, and how its private files are written.
//!
//! Order of precedence for the root: `HUBBUB_HOME`, then the platform's data directory. Profiles
//! stand side by side in `profiles/NAME`; a directory named outright is a profile by itself.
//! Invariant: what is written here can be read by its owner alone, and a file is there whole or not
//! at all, power loss included.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The profile used when none is named.
pub const DEFAULT_PROFILE: &str = "default";
/// Environment variable that moves everything elsewhere.
pub const HOME_VARIABLE: &str = "HUBBUB_HOME";
/// Longest profile name in bytes: it becomes a directory.
const PROFILE_NAME_MAX: usize = 64;

/// Ending of what is to replace a file, until it does.
pub const FRESH: &str = "new";

/// Names tried for a file that is being written where a person said: who has so many of them there
/// is to look why.
const BESIDE: u32 = 1_000;

/// No directory for a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The platform names no data directory.
    #[error("this system names no place for data; set {HOME_VARIABLE} to a directory")]
    NoHome,
    /// A name that could leave the directory.
    #[error("\"{0}\" cannot name a profile; use letters, digits, dots, dashes and underscores")]
    Name(String),
}

/// The files of one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileDir(PathBuf);

impl ProfileDir {
    /// A directory named outright (`--profile-dir`).
    #[must_use]
    pub fn at(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// The profile called `name` below the root.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn named(name: &str) -> Result<Self, PathError> {
        let home = std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty());
        Self::below(root(home.map(PathBuf::from))?, name)
    }

    /// The profile called `name` below this root.
    ///
    /// # Errors
    /// [`PathError::Name`].
    pub fn below(root: PathBuf, name: &str) -> Result<Self, PathError> {
        if is_profile_name(name) {
            Ok(Self(root.join("profiles").join(name)))
        } else {
            Err(PathError::Name(name.to_owned()))
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The encrypted database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("node.db")
    }

    /// Which hub, where, and what admits.
    #[must_use]
    pub fn hub(&self) -> PathBuf {
        self.0.join("hub.toml")
    }

    /// Settings, when there are any.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("node.toml")
    }

    /// What is known of files on their way, and of those that are served.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    /// Where what is sent and not kept elsewhere is written down while it is offered.
    #[must_use]
    pub fn sent(&self) -> PathBuf {
        self.0.join("sent")
    }

    /// Held by the process that owns the profile; holds its process id.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
}

fn root(home: Option<PathBuf>) -> Result<PathBuf, PathError> {
    home.or_else(|| {
        let dirs = directories::ProjectDirs::from("", "", "hubbub")?;
        Some(dirs.data_dir().to_path_buf())
    })
    .ok_or(PathError::NoHome)
}

fn is_profile_name(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    letters && !name.starts_with('.') && (1..=PROFILE_NAME_MAX).contains(&name.len())
}

/// Where files land that others offer, when nothing else is said: the folder `Hubbub` among the
/// user's downloads.
#[must_use]
pub fn downloads() -> Option<PathBuf> {
    let dirs = directories::UserDirs::new()?;
    let usual = || dirs.home_dir().join("Downloads");
    let downloads = dirs.download_dir().map_or_else(usual, Path::to_path_buf);
    Some(downloads.join("Hubbub"))
}

/// The user's own folder, which `~` stands for.
#[must_use]
pub fn home() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf())
}

/// Makes a directory only its owner may enter, and its parents. One that is there is narrowed.
///
/// # Errors
/// What the system says.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    #[cfg(unix)]
    fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Opens a file for reading and writing, made for its owner alone when absent, never cut.
///
/// # Errors
/// What the system says.
pub fn private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Replaces a file: after power loss the old or the new content is there, whole.
///
/// # Errors
/// What the system says; the old content is still there.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension(FRESH);
    let mut file = private_file(&fresh)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_parent(path)
}

/// Writes a file where a person said, whole or not at all, for its owner alone. On its way it has a
/// name that nothing had: whatever stands beside it is theirs.
///
/// # Errors
/// What the system says; nothing else is there then, and what had the name is as it was.
pub fn write_for_person(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (fresh, mut file) = beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| {
        // The first error counts; it is our own, and nobody knows of it.
        fs::remove_file(&fresh).ok();
    })?;
    sync_parent(path)
}

/// A new file in the same folder.
fn beside(path: &Path) -> io::Result<(PathBuf, fs::File)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for number in 1..=BESIDE {
        let mut fresh = name.to_owned();
        fresh.push(format!(".{number}.new"));
        let fresh = path.with_file_name(fresh);
        match options.open(&fresh) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((fresh, opened?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes a file and makes that durable; one that is not there is fine.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_parent(path),
    }
}

/// Makes durable that a file or directory has this name.
///
/// # Errors
/// What the system says.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened, and a rename is durable by itself.
    if cfg!(unix) {
        // What is said without a folder is in the one where this program stands.
        let here =
            |dir: &Path| if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir.into() };
        path.parent().map_or(Ok(()), |dir| fs::File::open(here(dir))?.sync_all())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_moves_everything_and_profiles_stand_side_by_side() {
        let root = root(Some("/x".into())).unwrap();
        let profile = ProfileDir::below(root, "work").unwrap();
        assert_eq!(profile.database(), Path::new("/x/profiles/work/node.db"));
    }

    #[test]
    fn a_file_in_the_folder_where_this_stands_has_a_folder() {
        assert!(sync_parent(Path::new("name-alone")).is_ok());
        assert!(sync_parent(Path::new("no-such-folder/name")).is_err());
    }

    #[test]
    fn a_name_that_leaves_the_directory_is_refused() {
        for name in ["", "..", "../x", "a/b", ".hidden", &"x".repeat(65)] {
            let refused = ProfileDir::below("/x".into(), name);
            assert_eq!(refused, Err(PathError::Name(name.to_owned())));
        }
    }

    #[test]
    fn what_is_written_for_a_person_touches_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["pic.new", "pic.jpg.new", "pic.jpg.1.new"] {
            fs::write(at(name), "mine").unwrap();
        }
        write_for_person(&at("pic.jpg"), b"old").unwrap();
        write_for_person(&at("pic.jpg"), b"new").unwrap();
        assert_eq!(fs::read(at("pic.jpg")).unwrap(), b"new");
        for name in ["pic.new", "pic.jpg.new", "pic.jpg.1.new"] {
            assert_eq!(fs::read(at(name)).unwrap(), b"mine", "{name}");
        }
        fs::create_dir(at("folder")).unwrap();
        assert!(write_for_person(&at("folder"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5, "nothing is left of that");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_what_is_written() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a").join("b");
        private_dir(&dir).unwrap();
        let file = dir.join("f");
        replace_private(&file, b"old and longer").unwrap();
        replace_private(&file, b"new").unwrap();
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }
}
