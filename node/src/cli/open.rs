//! How a command gets at a node: attached to the one that runs, or opened for as long as it takes.
//!
//! The only file of this face that names the runtime.

use std::path::PathBuf;
use std::sync::Arc;

use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::invite::Invite;

use super::args::Global;
use crate::api::{ApiError, Code, Node};

/// A node, ours or somebody's.
pub(super) struct Opened {
    /// To talk to.
    pub(super) node: Arc<dyn Node>,
}

impl Opened {
    /// Lets go of it; one that we opened is stopped.
    pub(super) async fn close(self) {}
}

fn absent<T>() -> Result<T, ApiError> {
    Err(ApiError::new(Code::Internal, "this build has no node inside", "merge the runtime"))
}

/// The profile's running node, or the profile opened here.
pub(super) async fn existing(_: &Global) -> Result<Opened, ApiError> {
    absent()
}

/// The profile, made when absent, bound to the invite's hub.
pub(super) async fn joined(_: &Global, _: Invite) -> Result<Opened, ApiError> {
    absent()
}

/// The profile's folder.
pub(super) fn profile_dir(_: &Global) -> Result<PathBuf, ApiError> {
    absent()
}

/// Whether a passphrase is needed to open the profile.
pub(super) fn is_locked(_: &Global) -> Result<bool, ApiError> {
    absent()
}

/// Locks the profile anew.
pub(super) async fn lock(
    _: &Global,
    _: Option<SecretBytes>,
    _: Option<SecretBytes>,
) -> Result<(), ApiError> {
    absent()
}

/// An answer that does not belong to what was asked.
pub(super) fn unexpected() -> ApiError {
    let what = "the node answered something else than was asked";
    ApiError::new(Code::Internal, what, "is another version of hubbub running? stop it and retry")
}
