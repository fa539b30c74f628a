//! A running node's local socket (docs/API.md): one question a connection, or what happens.

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

/// Hears what happens at a node.
pub struct Ear(BufReader<UnixStream>);

impl Ear {
    /// At the node that runs on `profile`, from now on.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn at(profile: &Path) -> std::io::Result<Self> {
        let mut stream = UnixStream::connect(profile.join("api.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"{\"id\":1,\"subscribe\":{}}\n")?;
        let mut ear = Self(BufReader::new(stream));
        let mut answer = String::new();
        ear.0.read_line(&mut answer)?;
        Ok(ear)
    }

    /// Waits until the node shows this text.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn until_said(&mut self, text: &str) {
        self.until(text, |event| {
            event.pointer("/message/body/text").and_then(Value::as_str) == Some(text)
        });
    }

    /// Waits until something happens that `look` wants, called `claim` where it does not.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn until(&mut self, claim: &str, look: impl Fn(&Value) -> bool) {
        loop {
            let mut line = String::new();
            let heard = self.0.read_line(&mut line);
            assert!(heard.is_ok_and(|bytes| bytes > 0), "never said: {claim}");
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said.get("event").is_some_and(&look) {
                return;
            }
        }
    }
}
