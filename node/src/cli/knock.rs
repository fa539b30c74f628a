//! Knocking at a group: `hubbub join <room>` with its passphrase, `hubbub group ask` without.

use std::time::Duration;

use super::open;
use super::out::{Done, Out};
use crate::api::group::KnockView;
use crate::api::secret::SecretText;
use crate::api::{Answer, ApiError, Code, Command, ConversationId, Node, Query, Reply};
use crate::display::line;

/// How long being let in is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Knocks, and waits a little: members who are there answer at once.
pub(super) async fn run(
    node: &dyn Node,
    (room, passphrase, note): (String, Option<SecretText>, String),
    out: &mut Out,
) -> Done {
    let asks = passphrase.is_none();
    let command = Command::GroupKnock { room: room.clone(), passphrase, note };
    let Reply::Knocked { conversation, keepers } = node.command(command).await? else {
        return Err(open::unexpected().into());
    };
    if keepers == 0 {
        let what = format!("nobody in {} may let people in", line(&room));
        return Err(ApiError::new(Code::NotFound, what, "ask somebody in it").into());
    }
    let outcome = if asks { None } else { outcome(node, &room, conversation).await? };
    let told = serde_json::json!({ "room": room, "in": outcome, "keepers": keepers });
    let room = line(&room).into_owned();
    match outcome {
        Some(true) => out.result(&told, |_, _| format!("you are in {room}")),
        Some(false) => {
            let what =
                format!("{room} does not let you in: the passphrase is wrong, or its door shut");
            Err(ApiError::new(Code::Forbidden, what, "check it; `hubbub status` says more").into())
        }
        None => {
            out.result(&told, |_, _| format!("{room} was asked ({keepers} of its members)"))?;
            out.hint(match asks {
                true => "One of them decides; this node waits, for up to three days.",
                false => "None of them is there now. This node waits, for up to three days.",
            });
            out.hint("`hubbub group knocks` lists what waits.");
            Ok(())
        }
    }
}

/// Whether we were let in or turned away; none while nobody has answered.
async fn outcome(
    node: &dyn Node,
    room: &str,
    group: ConversationId,
) -> Result<Option<bool>, ApiError> {
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        let knocking = knocks(node).await?.iter().any(|knock| knock.room == room);
        match (knocking, is_in(node, group).await?) {
            (_, true) => return Ok(Some(true)),
            (false, false) => return Ok(Some(false)),
            (true, false) => tokio::time::sleep(PAUSE).await,
        }
        waited += PAUSE;
    }
    Ok(None)
}

async fn knocks(node: &dyn Node) -> Result<Vec<KnockView>, ApiError> {
    match node.query(Query::Knocks).await? {
        Answer::Knocks(list) => Ok(list),
        _ => Err(open::unexpected()),
    }
}

/// Whether we are in this group.
async fn is_in(node: &dyn Node, group: ConversationId) -> Result<bool, ApiError> {
    match node.query(Query::Conversations).await? {
        Answer::Conversations(list) => Ok(list.iter().any(|c| c.id == group && c.active)),
        _ => Err(open::unexpected()),
    }
}
