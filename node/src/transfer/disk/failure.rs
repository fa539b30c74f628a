//! Why a disk does not do what it should, said so that somebody can do something about it.

use core::fmt;
use std::io;

/// Which disk it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where the file lies that is sent.
    Source,
    /// The folder a file lands in.
    Target,
    /// The profile, with what is known about files.
    Profile,
}

/// What is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such file or folder, or there is none any more.
    Missing,
    /// It may not be read, or not be written; a file system without writing is one of these.
    Denied,
    /// No room.
    Full,
    /// The file system takes no file of this size.
    TooLarge,
    /// The file system takes no name of this length, or not these letters.
    Name,
    /// Something else has the name that is needed on the way.
    InTheWay,
    /// Neither a file nor a folder: a device, a pipe, a socket.
    NotPlain,
    /// The content is not what it was.
    Changed,
    /// More entries, deeper or with longer names than a folder may have to be sent.
    Crowded,
    /// Anything else.
    Failing(io::ErrorKind),
}

/// A disk that does not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskError {
    /// Which one.
    pub place: Place,
    /// And why.
    pub trouble: Trouble,
}

impl DiskError {
    /// Whether it may pass without anybody doing anything about the file: a disk is given room. All
    /// else takes somebody.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.place == Place::Profile || self.trouble == Trouble::Full
    }

    /// What the system said, about this place.
    #[must_use]
    pub fn of(place: Place, error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let trouble = match error.kind() {
            Kind::NotFound | Kind::NotADirectory => Trouble::Missing,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Trouble::Denied,
            Kind::StorageFull | Kind::QuotaExceeded => Trouble::Full,
            Kind::FileTooLarge => Trouble::TooLarge,
            Kind::InvalidFilename => Trouble::Name,
            Kind::UnexpectedEof if place == Place::Source => Trouble::Changed,
            other => Trouble::Failing(other),
        };
        Self { place, trouble }
    }

    /// The file is not what it was when it was sealed.
    #[must_use]
    pub fn changed() -> Self {
        Self { place: Place::Source, trouble: Trouble::Changed }
    }

    /// A word for programs; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match (self.place, self.trouble) {
            (Place::Source, Trouble::Missing) => "file-missing",
            (Place::Source, Trouble::Denied) => "file-denied",
            (Place::Source, Trouble::NotPlain) => "file-not-plain",
            (Place::Source, Trouble::Changed) => "file-changed",
            (Place::Source, Trouble::Crowded) => "folder-crowded",
            (Place::Source, _) => "file-failing",
            (Place::Target, Trouble::Missing) => "target-missing",
            (Place::Target, Trouble::Denied) => "target-denied",
            (Place::Target, Trouble::Full) => "target-full",
            (Place::Target, Trouble::TooLarge) => "target-too-large",
            (Place::Target, Trouble::Name) => "target-name",
            (Place::Target, Trouble::InTheWay) => "target-in-the-way",
            (Place::Target, _) => "target-failing",
            (Place::Profile, Trouble::Full) => "disk-full",
            (Place::Profile, _) => "disk-failing",
        }
    }
}

impl std::error::Error for DiskError {}

/// What happened, and what to try.
impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match (self.place, self.trouble) {
            (Place::Source, Trouble::Missing) => {
                "the file is not there any more; send it again from where it is now"
            }
            (Place::Source, Trouble::Denied) => {
                "the file may not be read; give yourself the right to, then send it again"
            }
            (Place::Source, Trouble::NotPlain) => {
                "this is neither a file nor a folder; pipe it in and send `-` instead"
            }
            (Place::Source, Trouble::Changed) => {
                "the file changed since it was sent; send it again when nobody writes to it"
            }
            (Place::Source, Trouble::Crowded) => {
                "the folder holds too much to be sent as one; pack it into an archive first"
            }
            (Place::Target, Trouble::Missing) => {
                "the folder it should land in is not there; bring it back and resume, or cancel \
                 the file and accept it into another one"
            }
            (Place::Target, Trouble::Denied) => {
                "nothing may be written in the folder it should land in; change that and resume, \
                 or cancel the file and accept it into another one"
            }
            (Place::Target, Trouble::Full) => {
                "there is no room for it on that disk; make some, or cancel the file and accept \
                 it into another folder"
            }
            (Place::Target, Trouble::TooLarge) => {
                "that disk's file system takes no file so large; cancel the file and accept it \
                 into another folder"
            }
            (Place::Target, Trouble::Name) => {
                "that folder's file system does not take the file's name; cancel the file and \
                 accept it into another folder"
            }
            (Place::Target, Trouble::InTheWay) => {
                "something else has the name of the folder with `.unpacking` behind it; rename \
                 that, then resume"
            }
            (Place::Profile, Trouble::Full) => {
                "the disk with the profile is full; make room, then resume"
            }
            (place, trouble) => return odd(f, place, trouble),
        };
        f.write_str(said)
    }
}

/// What nobody expects, in the system's words.
fn odd(f: &mut fmt::Formatter<'_>, place: Place, trouble: Trouble) -> fmt::Result {
    let place = match place {
        Place::Source => "the file cannot be read",
        Place::Target => "the file cannot be written",
        Place::Profile => "what is known about the file cannot be kept in the profile",
    };
    match trouble {
        Trouble::Failing(kind) => write!(f, "{place}: {kind}; look after that disk, then resume"),
        _ => write!(f, "{place}; look after that disk, then resume"),
    }
}

/// Says which place an error of the system is about.
pub(in crate::transfer) trait About<T> {
    /// As [`DiskError::of`].
    fn about(self, place: Place) -> Result<T, DiskError>;
}

impl<T> About<T> for io::Result<T> {
    fn about(self, place: Place) -> Result<T, DiskError> {
        self.map_err(|error| DiskError::of(place, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_what_to_try() {
        let of = |kind: io::ErrorKind| DiskError::of(Place::Target, &kind.into());
        for (kind, reason, word) in [
            (io::ErrorKind::StorageFull, "target-full", "make some"),
            (io::ErrorKind::QuotaExceeded, "target-full", "make some"),
            (io::ErrorKind::ReadOnlyFilesystem, "target-denied", "accept it into another"),
            (io::ErrorKind::NotFound, "target-missing", "accept it into another"),
            (io::ErrorKind::FileTooLarge, "target-too-large", "into another"),
            (io::ErrorKind::InvalidFilename, "target-name", "accept it into another"),
            (io::ErrorKind::BrokenPipe, "target-failing", "look after"),
        ] {
            assert_eq!(of(kind).reason(), reason);
            assert!(of(kind).to_string().contains(word), "{kind}: {}", of(kind));
        }
    }

    #[test]
    fn a_file_that_ends_early_has_changed() {
        let short = io::ErrorKind::UnexpectedEof.into();
        assert_eq!(DiskError::of(Place::Source, &short).trouble, Trouble::Changed);
        assert_ne!(DiskError::of(Place::Profile, &short).trouble, Trouble::Changed);
    }
}
