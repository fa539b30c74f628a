//! Frames go before streams.
//!
//! While a batch of frames is stored and answered, relayed streams hand on nothing more: on a busy
//! machine a message would wait for what many streams copy meanwhile. Invariant: whoever waits
//! longest comes next, so frames without a pause slow streams down and never stop them.

use std::sync::Arc;

use tokio::sync::{RwLock, RwLockWriteGuard};

/// Who goes first at one hub.
#[derive(Clone, Default)]
pub(crate) struct Precedence(Arc<RwLock<()>>);

impl Precedence {
    /// Until it is dropped, streams wait.
    pub(crate) async fn frames(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().await
    }

    /// Lets every other task have its turn, and waits until no frames are under way.
    pub(crate) async fn streams(&self) {
        tokio::task::yield_now().await;
        drop(self.0.read().await);
    }
}
