//! The local API as lines of JSON (docs/API.md): what a client writes, what the node answers.
//!
//! Invariant: one line, one JSON object, at most [`LINE_MAX`] bytes of a request and [`ANSWER_MAX`]
//! of an answer; every request is answered once, with its own number.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::api::{Answer, ApiError, Command, Event, Query, Reply};

/// Longest line a client may write, in bytes.
pub const LINE_MAX: usize = 1024 * 1024;
/// Longest line a client of ours takes from its node: a page of 1,000 of the longest messages,
/// every other character of them escaped.
pub const ANSWER_MAX: usize = 32 * 1024 * 1024;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The caller's number, in the answer again.
    pub id: u64,
    /// What is wanted.
    #[serde(flatten)]
    pub ask: Wanted,
}

/// What a request wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Have something done.
    Command(Command),
    /// Look something up.
    Query(Query),
    /// Hear of everything that happens from now on, on this connection.
    Subscribe {},
    /// Try the hub again now, even after a refusal.
    Reconnect {},
    /// Stop the node.
    Stop {},
}

/// One line from the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// A request was carried out.
    Ok {
        /// The request's number.
        id: u64,
        /// What came of it.
        ok: Outcome,
    },
    /// A request was refused; without a number when it could not be read.
    Error {
        /// The request's number.
        id: Option<u64>,
        /// Why.
        error: ApiError,
    },
    /// Something happened.
    Event {
        /// What.
        event: Event,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Of a command.
    Reply(Reply),
    /// Of a query.
    Answer(Answer),
}

/// A line as sent, its end included.
#[must_use]
pub fn to_line(value: &impl Serialize) -> Vec<u8> {
    // Our own values have string keys only: this cannot fail, and an empty line says nothing.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// A whole line.
    Line,
    /// No more lines.
    End,
    /// A line that is too long, or the connection broke: nothing more can be read.
    Broken,
}

/// Reads the next line into `line`, without its end. Safe to cancel: a part that was read stays in
/// `line` and is gone on with.
pub async fn read_line(from: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> Read {
    read_line_of(from, line, LINE_MAX).await
}

/// The same with lines of at most so many bytes.
pub(super) async fn read_line_of(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    limit: usize,
) -> Read {
    loop {
        let Ok(waiting) = from.fill_buf().await else { return Read::Broken };
        if waiting.is_empty() {
            return if line.is_empty() { Read::End } else { Read::Broken };
        }
        let end = waiting.iter().position(|byte| *byte == b'\n');
        let (part, _) = waiting.split_at_checked(end.unwrap_or(waiting.len())).unwrap_or_default();
        if line.len() + part.len() > limit {
            return Read::Broken;
        }
        line.extend_from_slice(part);
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Read::Line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/API.md");

    /// The lines of the document's ```json blocks.
    fn examples() -> Vec<&'static str> {
        let blocks = DOCUMENT.split("```json\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split("```").next());
        blocks.flat_map(str::lines).filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn every_example_of_the_document_is_spoken_here() {
        let mut asked = 0;
        for example in examples() {
            let spoken = serde_json::from_str::<Request>(example)
                .map(|request| to_line(&request))
                .inspect(|_| asked += 1)
                .or_else(|_| serde_json::from_str::<Line>(example).map(|line| to_line(&line)));
            let spoken = spoken.unwrap_or_else(|error| panic!("{example}: {error}"));
            // What is optional may be left away when asking; what the node says is written out.
            let again: serde_json::Value = serde_json::from_slice(&spoken).unwrap();
            let shown: serde_json::Value = serde_json::from_str(example).unwrap();
            assert!(contains(&again, &shown), "{example} is not {again}");
        }
        assert!(asked >= 20, "only {asked} requests are shown");
        assert!(examples().len() >= asked + 15, "too few answers are shown");
    }

    fn contains(whole: &serde_json::Value, part: &serde_json::Value) -> bool {
        match (whole, part) {
            (serde_json::Value::Object(whole), serde_json::Value::Object(part)) => {
                part.iter().all(|(key, value)| whole.get(key).is_some_and(|w| contains(w, value)))
            }
            _ => whole == part,
        }
    }

    #[tokio::test]
    async fn a_line_too_long_and_a_line_cut_off_are_refused() {
        let mut line = Vec::new();
        let long = vec![b'x'; LINE_MAX + 1];
        assert_eq!(read_line(&mut &long[..], &mut line).await, Read::Broken);
        line.clear();
        let mut two = &b"one\ntw"[..];
        assert_eq!(read_line(&mut two, &mut line).await, Read::Line);
        assert_eq!(line, b"one");
        line.clear();
        assert_eq!(read_line(&mut two, &mut line).await, Read::Broken);
    }
}
