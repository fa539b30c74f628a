//! Being told to stop: ctrl-c, SIGTERM, or the terminal going away.

use crate::api::{ApiError, Code};

/// What a shell says of a program that ctrl-c ended.
#[cfg(unix)]
const INTERRUPTED: i32 = 130;

/// Listens from now on: gives a future that ends when the process is asked to stop. Asked again
/// after that, it ends at once; nothing is lost by that either, it is a crash like any other.
///
/// # Errors
/// [`Code::Internal`] when the system gives no signals.
#[cfg(unix)]
pub(super) fn asked() -> Result<impl Future<Output = ()> + Send, ApiError> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn next([interrupt, terminate, hangup]: &mut [Signal; 3]) {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
    let listen = |kind| signal(kind).map_err(|error| deaf(&error));
    let mut signals = [
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
    ];
    Ok(async move {
        next(&mut signals).await;
        // Ends with the runtime, which is soon.
        drop(tokio::spawn(async move {
            next(&mut signals).await;
            std::process::exit(INTERRUPTED);
        }));
    })
}

/// As above, for the one signal there is.
#[cfg(not(unix))]
pub(super) fn asked() -> Result<impl Future<Output = ()> + Send, ApiError> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!("{}", deaf(&error).what);
        }
    })
}

fn deaf(error: &std::io::Error) -> ApiError {
    let what = format!("cannot listen for signals: {error}");
    ApiError::new(Code::Internal, what, "this machine's system is broken")
}
