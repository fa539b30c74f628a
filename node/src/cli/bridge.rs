//! `hubbub api`: the node API on stdin and stdout, one JSON object a line.
//!
//! In: `{"id":1,"command":{…}}`, `{"id":2,"query":{…}}`, `{"id":3,"subscribe":true}`.
//! Out: `{"id":1,"reply":{…}}`, `{"id":2,"answer":{…}}`, `{"id":3,"reply":"done"}`,
//! `{"id":…,"error":{…}}`, `{"event":{…}}`. Requests are answered in the order they came; the end
//! of stdin ends it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::sync::mpsc;

use super::out::{Done, json_line};
use crate::api::{ApiError, Code, Command, Event, Node, Query};

/// Longest request line in bytes: the longest text as JSON, every byte escaped.
const LINE_MAX: u64 = 128 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    command: Option<Command>,
    #[serde(default)]
    query: Option<Query>,
    #[serde(default)]
    subscribe: bool,
}

/// Speaks on the process's own stdin and stdout.
pub(super) async fn run(node: Arc<dyn Node>) -> Done {
    speak(&*node, BufReader::new(tokio::io::stdin()), tokio::io::stdout()).await
}

/// Speaks until `input` ends.
async fn speak(
    node: &dyn Node,
    mut input: impl AsyncBufRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> Done {
    let mut events: Option<mpsc::Receiver<Event>> = None;
    let mut line = Vec::new();
    loop {
        let mut bounded = (&mut input).take(LINE_MAX);
        let event = tokio::select! {
            // What was read before an event came stays in `line`; nothing is lost.
            read = bounded.read_until(b'\n', &mut line) => {
                if read? == 0 && line.is_empty() {
                    return Ok(());
                }
                None
            }
            event = next(&mut events) => Some(event),
        };
        let out = match event {
            Some(Some(event)) => json!({ "event": event }),
            Some(None) => return Ok(()), // the node stopped
            None => {
                let request = core::mem::take(&mut line);
                if request.trim_ascii().is_empty() {
                    continue;
                }
                answer(node, &request, &mut events).await
            }
        };
        output.write_all(format!("{}\n", json_line(&out)).as_bytes()).await?;
        output.flush().await?;
    }
}

async fn next(events: &mut Option<mpsc::Receiver<Event>>) -> Option<Event> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn answer(node: &dyn Node, line: &[u8], events: &mut Option<mpsc::Receiver<Event>>) -> Value {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => {
            let hint = "one JSON object a line: {\"id\":1,\"query\":\"whoami\"}";
            let error = ApiError::new(Code::Usage, format!("not a request: {error}"), hint);
            return json!({ "id": null, "error": error });
        }
    };
    let id = request.id;
    let done = match (request.command, request.query, request.subscribe) {
        (Some(command), None, false) => node.command(command).await.map(|r| json!({ "reply": r })),
        (None, Some(query), false) => node.query(query).await.map(|a| json!({ "answer": a })),
        (None, None, true) => node.subscribe().await.map(|subscribed| {
            *events = Some(subscribed);
            json!({ "reply": "done" })
        }),
        _ => {
            let hint = "exactly one of command, query and subscribe";
            Err(ApiError::new(Code::Usage, "not a request", hint))
        }
    };
    let mut done = done.unwrap_or_else(|error| json!({ "error": error }));
    if let Some(fields) = done.as_object_mut() {
        fields.insert("id".to_owned(), id);
    }
    done
}
