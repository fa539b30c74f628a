//! `hubbub-hub run`: the hub in the foreground, its log on stderr, until it is told to stop.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use hubbub_hub::config::HubConfig;
use hubbub_hub::{ServeOptions, serve};
use tracing_subscriber::EnvFilter;

use super::log::Log;
use super::signals::Stop;
use super::{Failure, Place};
use crate::args::Run;

/// Runs until ctrl-c or SIGTERM, then stops without losing anything; at once when asked again.
pub(super) async fn run(place: Place, args: Run) -> Result<(), Failure> {
    let config = place.effective.config;
    let filter = EnvFilter::try_new(&config.log.level)
        .map_err(|_| Failure::LogLevel(config.log.level.clone()))?;
    let log = Log::to(io::stderr())?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log.lines())
        .with_ansi(io::stderr().is_terminal())
        .init();
    let ended = until_stopped(place.dir, &config, &args).await;
    log.finish();
    ended
}

async fn until_stopped(dir: PathBuf, config: &HubConfig, args: &Run) -> Result<(), Failure> {
    let open = args.open || config.access.open;
    let listen = args.listen.unwrap_or(config.network.listen);
    let mut stop = Stop::listen()?;
    let limits = config.limits.clone();
    let files = config.files.clone();
    let running = serve(ServeOptions { dir, listen, open, limits, files }).await?;
    tracing::info!("hub {} listens on UDP {}", running.hub, running.local_addr);
    if open {
        tracing::warn!("this hub is open: whoever finds it may use it");
    }
    stop.asked().await;
    tracing::info!("stopping: everyone is told, everything is stored");
    stop.unless_asked_again(running.stop()).await;
    Ok(())
}
