//! Where a passphrase comes from: a file, the environment, or the person. Never the command line,
//! which every user of the machine can read.

use std::io::Read;
use std::path::Path;

use hubbub_shared::crypto::SecretBytes;

use super::args::Global;
use super::ask;
use super::out::is_terminal;
use crate::api::{ApiError, Code};

/// Environment variable with the passphrase.
const VARIABLE: &str = "HUBBUB_PASSPHRASE";
/// Longest passphrase read, in bytes.
const LONGEST: u64 = 4_096;

/// The passphrase if it can be had without asking.
pub(super) fn given(global: &Global) -> Result<Option<SecretBytes>, ApiError> {
    if let Some(file) = &global.passphrase_file {
        return first_line(file).map(Some);
    }
    let set = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    Ok(set.map(|value| SecretBytes::from_vec(value.into_bytes())))
}

/// The passphrase of a locked profile, asked for when it must be.
pub(super) async fn needed(global: &Global) -> Result<SecretBytes, ApiError> {
    if let Some(secret) = given(global)? {
        return Ok(secret);
    }
    if !is_terminal() {
        return Err(ApiError::new(
            Code::Profile,
            "this profile is locked by a passphrase",
            format!("set {VARIABLE} or give --passphrase-file"),
        ));
    }
    asked("Passphrase: ").await
}

/// A new passphrase, typed twice.
pub(super) async fn chosen() -> Result<SecretBytes, ApiError> {
    let first = asked("New passphrase: ").await?;
    let again = asked("The same again: ").await?;
    if first.expose() != again.expose() {
        return Err(ApiError::new(Code::Usage, "the two are not the same", "try again"));
    }
    if first.is_empty() {
        let hint = "type one, or take the lock off with `hubbub passphrase --remove`";
        return Err(ApiError::new(Code::Usage, "an empty passphrase locks nothing", hint));
    }
    Ok(first)
}

async fn asked(prompt: &str) -> Result<SecretBytes, ApiError> {
    ask::secret(prompt).await.map(|typed| SecretBytes::from_vec(typed.into_bytes()))
}

/// The first line of a file, or of stdin for `-`, without its end.
pub(super) fn first_line(file: &Path) -> Result<SecretBytes, ApiError> {
    let wrong = |why: &str| {
        let what = format!("cannot read a passphrase from {}: {why}", file.display());
        ApiError::new(Code::Usage, what, "check the path and its permissions")
    };
    let mut bytes = Vec::new();
    let mut from: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(file).map_err(|e| wrong(&e.to_string()))?),
    };
    from.by_ref().take(LONGEST).read_to_end(&mut bytes).map_err(|e| wrong(&e.to_string()))?;
    let all = SecretBytes::from_vec(bytes);
    let line = all.expose().split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(wrong("its first line is empty"));
    }
    Ok(SecretBytes::from_vec(line.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_file_counts_up_to_its_first_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p");
        std::fs::write(&file, "correct horse\r\nnot this\n").unwrap();
        assert_eq!(first_line(&file).unwrap().expose(), b"correct horse");
        std::fs::write(&file, "\n").unwrap();
        assert!(first_line(&file).is_err());
    }
}
