//! `hubbub api`: the local API (docs/API.md) on stdin and stdout, for whoever would rather start a
//! process than open a socket. Requests are answered in the order they came.

use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::out::{Done, json_line};
use super::stop;
use crate::api::{ApiError, Code, Event};
use crate::runtime::lines::{Line, Outcome, Read, Request, Wanted, read_line};
use crate::runtime::{Events, Node};

/// Speaks on the process's own stdin and stdout until stdin ends or the process is asked to stop.
pub(super) async fn run(node: &Node) -> Done {
    let stop = stop::asked()?;
    tokio::select! {
        spoken = speak(node, BufReader::new(tokio::io::stdin()), tokio::io::stdout()) => spoken,
        () = stop => Ok(()),
    }
}

async fn speak(
    node: &Node,
    mut input: impl AsyncBufRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> Done {
    let mut events: Option<Events> = None;
    let mut request = Vec::new();
    loop {
        let line = tokio::select! {
            read = read_line(&mut input, &mut request) => match read {
                Read::Line => {
                    let request = core::mem::take(&mut request);
                    if request.trim_ascii().is_empty() {
                        continue;
                    }
                    answer(node, &request, &mut events).await
                }
                Read::End => return Ok(()),
                Read::Broken => {
                    let hint = "end every request with a line break; keep it below a megabyte";
                    return Err(ApiError::new(Code::Usage, "a request is cut off", hint).into());
                }
            },
            event = next(&mut events) => match event {
                Some(event) => Line::Event { event },
                None => return Ok(()), // the node stopped
            },
        };
        output.write_all(format!("{}\n", json_line(&line)).as_bytes()).await?;
        output.flush().await?;
    }
}

async fn next(events: &mut Option<Events>) -> Option<Event> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn answer(node: &Node, line: &[u8], events: &mut Option<Events>) -> Line {
    let Request { id, ask } = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => {
            let id = serde_json::from_slice::<serde_json::Value>(line)
                .ok()
                .and_then(|request| request.get("id")?.as_u64());
            let hint =
                format!("one JSON object a line, such as {}", json!({"id":1,"query":"whoami"}));
            let what = format!("not a request: {error}");
            return Line::Error { id, error: ApiError::new(Code::Usage, what, hint) };
        }
    };
    let done = match ask {
        Wanted::Command(command) => node.command(command).await.map(Outcome::Reply),
        Wanted::Query(query) => node.query(query).await.map(Outcome::Answer),
        Wanted::Subscribe {} => {
            *events = Some(node.subscribe());
            Ok(Outcome::Reply(crate::api::Reply::Done))
        }
        Wanted::Reconnect {} => {
            node.reconnect().await;
            Ok(Outcome::Reply(crate::api::Reply::Done))
        }
        Wanted::Stop {} => {
            stop(node).await;
            Ok(Outcome::Reply(crate::api::Reply::Done))
        }
    };
    match done {
        Ok(ok) => Line::Ok { id, ok },
        Err(error) => Line::Error { id: Some(id), error },
    }
}

async fn stop(node: &Node) {
    match node {
        Node::Local(node) => node.stop().await,
        Node::Attached(node) => node.stop().await,
    }
}
