//! Paths as people type them, or as a terminal puts them in when a file is dropped on it.

use std::path::{Path, PathBuf, absolute};

use crate::api::{ApiError, Code};

/// What file managers and some terminals put in front of a path.
const AS_LINK: &str = "file://";

/// The path that is meant by a word: `~` is `home`, and a link to a file of this machine leads
/// there.
///
/// # Errors
/// It is no path of this machine.
pub fn meant(word: &str, home: Option<&Path>) -> Result<PathBuf, ApiError> {
    if let Some(link) = word.strip_prefix(AS_LINK) {
        return linked(link).map(PathBuf::from);
    }
    match (word.strip_prefix('~'), home) {
        (Some(""), Some(home)) => Ok(home.to_path_buf()),
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            Ok(home.join(rest.trim_start_matches('/')))
        }
        _ => Ok(PathBuf::from(word)),
    }
}

fn linked(link: &str) -> Result<String, ApiError> {
    let wrong = |what: &str| Err(ApiError::new(Code::Usage, what, "give its path"));
    let Some(path) = link.strip_prefix("localhost").unwrap_or(link).strip_prefix('/') else {
        return wrong("that leads to a file of another machine");
    };
    match decoded(path) {
        Some(path) => Ok(format!("/{path}")),
        None => wrong("that leads to no file"),
    }
}

/// What stands in a link in place of other letters is `%` and two digits.
fn decoded(link: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(link.len());
    let mut rest = link.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next()?)? * 16 + digit(rest.next()?)?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The node may run elsewhere: what it is given is the whole path, as text.
///
/// # Errors
/// There is none.
pub fn whole(path: &Path) -> Result<String, ApiError> {
    let wrong = |what: String| ApiError::new(Code::Usage, what, "give another path");
    let whole: PathBuf =
        absolute(path).map_err(|error| wrong(format!("cannot use {}: {error}", path.display())))?;
    let text = whole.to_str().map(str::to_owned);
    text.ok_or_else(|| wrong(format!("{} is no text", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_or_dropped_leads_to_the_same_file() {
        let home = Some(Path::new("/home/alice"));
        for (typed, path) in [
            ("/tmp/a b", "/tmp/a b"),
            ("~", "/home/alice"),
            ("~/cat.png", "/home/alice/cat.png"),
            ("~//cat.png", "/home/alice/cat.png"),
            ("~bob/cat.png", "~bob/cat.png"),
            ("cat.png~", "cat.png~"),
            ("file:///tmp/a%20b%C3%A9.png", "/tmp/a bé.png"),
            ("file://localhost/tmp/100%25", "/tmp/100%"),
        ] {
            assert_eq!(meant(typed, home).unwrap(), Path::new(path), "{typed}");
        }
        assert_eq!(meant("~/x", None).unwrap(), Path::new("~/x"));
    }

    #[test]
    fn a_link_to_elsewhere_or_to_nothing_is_no_path() {
        for wrong in ["file://server/tmp/x", "file://", "file:///a%2", "file:///%ff", "file:///%xy"]
        {
            assert_eq!(meant(wrong, None).unwrap_err().code, Code::Usage, "{wrong}");
        }
    }
}
