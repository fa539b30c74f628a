//! How a command gets at a node: attached to the one that runs, or opened for as long as it takes.

use std::sync::Arc;

use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::invite::Invite;

use super::args::Global;
use super::secret;
use crate::api::{Answer, ApiError, Code, Command, Event, Events, Later, Node, Query, Reply};
use crate::paths::{PathError, ProfileDir};
use crate::runtime::{self, profile};

impl Node for runtime::Node {
    fn command(&self, command: Command) -> Later<'_, Result<Reply, ApiError>> {
        Box::pin(patiently(self, command))
    }

    fn query(&self, query: Query) -> Later<'_, Result<Answer, ApiError>> {
        Box::pin(Self::query(self, query))
    }

    fn subscribe(&self) -> Box<dyn Events> {
        Box::new(Self::subscribe(self))
    }
}

/// A node that was only just opened gets the time to reach its hub before a command that needs the
/// hub is given up.
async fn patiently(node: &runtime::Node, command: Command) -> Result<Reply, ApiError> {
    // A nickname is claimed by itself as soon as the hub is there.
    let waits = !matches!(command, Command::SetNickname { .. });
    match runtime::Node::command(node, command.clone()).await {
        Err(error) if error.code == Code::HubUnreachable && waits => match node.linked().await {
            Ok(()) => runtime::Node::command(node, command).await,
            Err(_) => Err(error),
        },
        outcome => outcome,
    }
}

impl Events for runtime::Events {
    fn next(&mut self) -> Later<'_, Option<Event>> {
        Box::pin(Self::next(self))
    }
}

/// A node, ours or somebody's.
pub(super) struct Opened {
    /// To talk to.
    pub(super) node: Arc<dyn Node>,
    /// The same, with what only its owner may do.
    pub(super) owned: runtime::Node,
}

impl Opened {
    fn of(owned: runtime::Node) -> Self {
        Self { node: Arc::new(owned.clone()), owned }
    }

    /// Lets go of it; one that was opened here is stopped, everything in it durable.
    pub(super) async fn close(self) {
        self.owned.leave().await;
    }
}

/// The profile's running node, or the profile opened here.
pub(super) async fn existing(global: &Global) -> Result<Opened, ApiError> {
    let dir = profile_dir(global)?;
    if !profile::exists(&dir) {
        return Err(no_profile(&dir));
    }
    if let Ok(attached) = profile::attach(&dir).await {
        return Ok(Opened::of(attached));
    }
    let passphrase = unlock(global, &dir).await?;
    let passphrase = passphrase.as_ref().map(SecretBytes::expose);
    profile::open_or_attach(&dir, passphrase).await.map(Opened::of)
}

/// Nobody has joined anything under this name.
pub(super) fn no_profile(dir: &ProfileDir) -> ApiError {
    ApiError::new(
        Code::Profile,
        format!("there is no profile at {}", dir.path().display()),
        "`hubbub up` starts a hub of your own, `hubbub join <invite>` joins one",
    )
}

/// The profile, made when absent, bound to the invite's hub, opened here.
pub(super) async fn joined(global: &Global, invite: Invite) -> Result<Opened, ApiError> {
    let dir = profile_dir(global)?;
    let passphrase = match profile::exists(&dir) {
        true => unlock(global, &dir).await?,
        false => secret::given(global)?,
    };
    let passphrase = passphrase.as_ref().map(SecretBytes::expose);
    profile::join(&dir, &invite, None, passphrase)?;
    let handle = profile::open(&dir, passphrase).await?;
    Ok(Opened::of(runtime::Node::Local(handle)))
}

async fn unlock(global: &Global, dir: &ProfileDir) -> Result<Option<SecretBytes>, ApiError> {
    match profile::is_locked(dir)? {
        true => secret::needed(global).await.map(Some),
        false => Ok(None),
    }
}

/// Whether a node runs on the profile now.
pub(super) async fn is_running(global: &Global) -> Result<bool, ApiError> {
    Ok(profile::attach(&profile_dir(global)?).await.is_ok())
}

/// Where the profile is.
pub(super) fn profile_dir(global: &Global) -> Result<ProfileDir, ApiError> {
    let dir = match &global.home {
        Some(home) => ProfileDir::below(home.clone(), &global.profile),
        None => ProfileDir::named(&global.profile),
    };
    dir.map_err(|error| {
        let (code, hint) = match error {
            PathError::Name(_) => (Code::Usage, "choose another --profile"),
            PathError::NoHome => (Code::Profile, "or give --home DIR"),
        };
        ApiError::new(code, error.to_string(), hint)
    })
}

/// Whether a passphrase is needed to open the profile.
pub(super) fn is_locked(global: &Global) -> Result<bool, ApiError> {
    profile::is_locked(&profile_dir(global)?)
}

/// Locks the profile anew.
pub(super) async fn lock(
    global: &Global,
    old: Option<SecretBytes>,
    new: Option<SecretBytes>,
) -> Result<(), ApiError> {
    let dir = profile_dir(global)?;
    // Deriving keys takes its time: on a thread that serves nothing else.
    let change = tokio::task::spawn_blocking(move || {
        let (old, new) = (old.as_ref(), new.as_ref());
        profile::change_passphrase(&dir, old.map(SecretBytes::expose), new.map(SecretBytes::expose))
    });
    change.await.unwrap_or_else(|_| Err(unexpected()))
}

/// An answer that does not belong to what was asked.
pub(super) fn unexpected() -> ApiError {
    let what = "the node answered something else than was asked";
    ApiError::new(Code::Internal, what, "is another version of hubbub running? stop it and retry")
}
