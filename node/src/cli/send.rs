//! `hubbub send`: one message, and how far it must get before this is done.

use std::io::Read;
use std::time::Duration;

use hubbub_shared::limits::TEXT_MAX;
use tokio::time::timeout;

use super::args::{Send, Wait};
use super::out::{Done, Failure, Out};
use super::{render, stop};
use crate::api::command::MessageText;
use crate::api::view::{Delivery, LinkState};
use crate::api::{Answer, ApiError, Code, Command, Event, Events, Node, Query, Reply};
use crate::display::{WAITS, line};

/// A message that is nowhere after this time waits for something.
const SOON: Duration = Duration::from_secs(1);

/// Sends, waits, and says how far it got.
pub(super) async fn run(node: &dyn Node, args: Send, out: &mut Out) -> Done {
    let text = if args.text == "-" { from_stdin().await? } else { args.text };
    // Listening before sending: what happens in between must not be missed.
    let events = node.subscribe();
    let command = Command::Send { to: args.to, text, id: args.id };
    let interrupted = stop::asked()?;
    tokio::pin!(interrupted);
    // In this order: from before anything is queued on, an interruption ends nothing unsaid.
    let reply = tokio::select! {
        biased;
        () = &mut interrupted => return Err(early().into()),
        reply = node.command(command) => reply?,
    };
    let Reply::Queued { message, conversation, delivery } = reply else {
        return Err(super::open::unexpected().into());
    };
    let enough = async { drop(timeout(args.timeout, interrupted).await) };
    let waiting = wait(node, events, message, (delivery, args.wait.delivery()), enough);
    tokio::pin!(waiting);
    let reached = tokio::select! {
        reached = &mut waiting => reached,
        () = tokio::time::sleep(SOON) => {
            say_if_cut_off(node, out).await;
            waiting.await
        }
    };
    let queued = Reply::Queued { message, conversation, delivery: reached };
    out.result(&queued, |_, look| render::sent(&String::from(message), reached, look))?;
    if reached < args.wait.delivery() {
        return Err(Failure::Error(not_yet(reached, args.wait)));
    }
    Ok(())
}

/// Says why nothing goes, where the hub is not reached; whoever waits is not to wonder.
async fn say_if_cut_off(node: &dyn Node, out: &mut Out) {
    let asked = timeout(SOON, node.query(Query::Status)).await;
    let Ok(Ok(Answer::Status(status))) = asked else { return };
    let why = match &status.link {
        LinkState::Up { .. } => return,
        LinkState::Connecting => String::new(),
        LinkState::Down { why, .. } => format!(" ({})", line(why)),
    };
    out.hint(&format!("the hub is not reached{why}: what you write {WAITS}"));
}

/// Interrupted before the node said that the message is durable.
fn early() -> ApiError {
    let what = "interrupted before the message was queued";
    let hint = "`hubbub read` shows whether it was; with --id, sending it again is safe";
    ApiError::new(Code::Interrupted, what, hint)
}

fn not_yet(reached: Delivery, wanted: Wait) -> ApiError {
    let (what, hint) = match (reached, wanted) {
        (Delivery::Queued, _) => (
            "queued here, not yet at the hub",
            "it goes out when the hub is reached and hubbub runs; `hubbub status` shows the link",
        ),
        _ => (
            "stored at the hub, not yet on every recipient's device",
            "it arrives when they are back; `hubbub message info <id>` shows who lacks it",
        ),
    };
    ApiError::new(Code::NotYetDelivered, what, hint)
}

/// Waits until the message got as far as wanted, or `enough` says that it has waited enough.
async fn wait(
    node: &dyn Node,
    mut events: Box<dyn Events>,
    message: MessageText,
    (mut reached, wanted): (Delivery, Delivery),
    enough: impl Future<Output = ()>,
) -> Delivery {
    let further = async {
        while reached < wanted {
            match events.next().await {
                Some(Event::Delivery { message: of, delivery, .. }) if of == message => {
                    reached = reached.max(delivery);
                }
                Some(Event::Missed(_)) => {
                    if let Ok(Answer::MessageInfo { message, .. }) =
                        node.query(Query::MessageInfo { message }).await
                    {
                        reached = reached.max(message.delivery.unwrap_or_default());
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
    };
    // Out of patience, or interrupted, is an outcome like any other: what was reached says so.
    tokio::select! {
        () = further => {}
        () = enough => {}
    }
    reached
}

/// All of stdin but its last line break. Reads no more than a message may hold.
async fn from_stdin() -> Result<String, Failure> {
    let limit = u64::try_from(TEXT_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        std::io::stdin().lock().take(limit).read_to_string(&mut text).map(|_| text)
    });
    let hint = "give it UTF-8 text, or send the text as an argument";
    let wrong = |what: String| ApiError::new(Code::Usage, what, hint);
    let text = read.await.map_err(|e| wrong(e.to_string()))?;
    let text = text.map_err(|e| wrong(format!("cannot read the text from stdin: {e}")))?;
    if text.len() > TEXT_MAX {
        let what = format!("a message holds at most {TEXT_MAX} bytes");
        return Err(ApiError::new(Code::Usage, what, "send it in parts").into());
    }
    Ok(text.strip_suffix('\n').map_or(text.clone(), |t| t.trim_end_matches('\r').to_owned()))
}
