//! `hubbub` alone, and what `up` and `join` end in: the chat on a terminal, or a node that keeps
//! running without one.

use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::args::{Global, Up};
use super::out::{Done, Out, is_terminal};
use super::up::{UP_FOR, UP_USES};
use super::{open, own_hub, stop};
use crate::api::{ApiError, Code, Event, Node};
use crate::config::NodeConfig;
use crate::display::{line, link};
use crate::tui;

/// Opens the chat of the profile there is, and the hub that belongs to it, if one does.
pub(super) async fn open_profile(global: &Global, out: &mut Out) -> Done {
    if !is_terminal() {
        let hint = "run it in a terminal; `hubbub read` and `hubbub send` work without one";
        return Err(ApiError::new(Code::Usage, "the chat needs a terminal", hint).into());
    }
    let own_hub = own_hub::of(&open::profile_dir(global)?);
    if own_hub.is_some() && !open::is_running(global).await? {
        return Box::pin(super::up::run(global, Up::again(), out)).await;
    }
    let opened = open::existing(global).await?;
    let invite = match own_hub {
        // Without an invite to show it is a chat all the same.
        Some(dir) => super::up::invite(&dir, UP_USES, UP_FOR).await.ok(),
        None => None,
    };
    let done = show(opened.node.clone(), invite, out).await;
    opened.close().await;
    done
}

/// Shows the chat until the person leaves.
pub(super) async fn show(
    node: Arc<dyn Node>,
    invite: Option<tui::InviteCard>,
    out: &mut Out,
) -> Done {
    let (colour, charset) = (out.look.colour, out.look.charset);
    // What terminals that know all colours say of themselves.
    let says = std::env::var("COLORTERM").unwrap_or_default();
    let every_colour = matches!(says.as_str(), "truecolor" | "24bit");
    let theme = tui::Theme { colour, every_colour, charset };
    tui::run(node, tui::Options { theme, invite, mouse: true }, stop::asked()?).await?;
    Ok(())
}

/// Logs to stderr from now on, as much as `HUBBUB_LOG` or else `node.toml` says. Only where no chat
/// owns the screen.
pub(super) fn log_to_stderr(global: &Global) -> Result<(), ApiError> {
    // Settings that cannot be read are told when the profile is opened.
    let settings = NodeConfig::load(None, &open::profile_dir(global)?.config()).unwrap_or_default();
    let wanted =
        EnvFilter::try_from_env("HUBBUB_LOG").unwrap_or_else(|_| EnvFilter::new(settings.log));
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(colour);
    // A second one changes nothing: the first goes on.
    log.with_env_filter(wanted).try_init().unwrap_or_default();
    Ok(())
}

/// Runs without a face until told to stop, saying on stderr what the link does.
pub(super) async fn headless(node: Arc<dyn Node>, out: &mut Out) -> Done {
    let mut events = node.subscribe();
    let stop = stop::asked()?;
    tokio::pin!(stop);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = &mut stop => return Ok(()),
        };
        match event {
            Some(Event::Link(state)) => {
                out.hint(&format!("hub {}", link(&state, super::start::now())));
            }
            Some(Event::Warning { reason, explanation }) => {
                out.hint(&format!("warning ({}): {}", line(&reason), line(&explanation)));
            }
            Some(_) => {}
            None => {
                let hint = "start it again; if it stops again, report it";
                return Err(
                    ApiError::new(Code::Internal, "the node stopped by itself", hint).into()
                );
            }
        }
    }
}
