//! A running node's local socket (docs/API.md), one question a connection.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the node that runs on `profile`.
///
/// # Errors
/// What the node answered: an object with `error`; or else a text that says why there is no answer.
pub fn ask(profile: &Path, request: &Value) -> Result<Value, Value> {
    let broken = |error: std::io::Error| json!(error.to_string());
    let mut stream = UnixStream::connect(profile.join("api.sock")).map_err(broken)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    stream.write_all(format!("{request}\n").as_bytes()).map_err(broken)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(broken)?;
    let answer: Value = serde_json::from_str(&line).map_err(|error| json!(error.to_string()))?;
    answer.get("ok").cloned().ok_or(answer)
}

/// The stable code of an answer that was a refusal; none where there was no answer.
#[must_use]
pub fn refusal(answer: &Value) -> Option<&str> {
    answer.pointer("/error/code")?.as_str()
}
