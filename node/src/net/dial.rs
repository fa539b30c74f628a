//! One try to reach the hub: its addresses in turn, the pinned key, the proof, the welcome.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hubbub_shared::crypto::label::EXPORTER_LABEL;
use hubbub_shared::crypto::link_auth;
use hubbub_shared::wire::from_hub::Welcome;
use hubbub_shared::wire::to_hub::Hello;
use hubbub_shared::wire::version::{MIN_VERSION, VERSION};
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode, ToHub};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};

use super::frames;
use super::hub_link::LinkSettings;
use super::tls;
use crate::api::Code;
use crate::api::error::from_refusal;

/// How long one address may take to answer, and the hub to welcome.
const PATIENCE: Duration = Duration::from_secs(6);
/// Addresses tried for one name.
const RESOLVED_MAX: usize = 4;

/// An accepted connection.
pub(super) struct Dialled {
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    pub(super) welcome: Welcome,
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// No name server knows it.
    #[error("the name in {0} is unknown; check the spelling and the network")]
    NoSuchName(String),
    /// Nothing answered.
    #[error("{0} does not answer; is the hub running, and does the network let UDP through?")]
    NoAnswer(String),
    /// Somebody else answered.
    #[error(
        "somebody else answers at {0}: not the hub of the invite; if the hub was set up anew, ask \
         its operator for a new invite"
    )]
    WrongHub(String),
    /// It speaks no protocol of ours.
    #[error("{0} answers, but speaks no version of the protocol known here; update hub or node")]
    NoCommonVersion(String),
    /// The hub said why.
    #[error("{}", refusal_words(*.0))]
    Refused(RefusalCode),
    /// It broke off.
    #[error("the connection to {0} broke off: {1}")]
    Broken(String, String),
    /// No socket, no randomness: nothing was tried.
    #[error("cannot use the network: {0}")]
    Local(String),
}

impl DialError {
    /// Whether trying again by itself is pointless until somebody acts.
    #[must_use]
    pub fn is_final(&self) -> bool {
        use RefusalCode as R;
        matches!(
            self,
            Self::NoCommonVersion(_)
                | Self::Refused(
                    R::WrongVersion
                        | R::BadProof
                        | R::NotAdmitted
                        | R::InviteUnknown
                        | R::InviteExpired
                        | R::InviteUsedUp
                        | R::Replaced
                )
        )
    }

    /// What kind of failure it is for whoever asked for the link.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::WrongHub(_) => Code::WrongHub,
            Self::NoCommonVersion(_) => Code::Version,
            Self::Refused(code) => from_refusal(&code.plain(), "you").code,
            Self::NoSuchName(_) | Self::NoAnswer(_) | Self::Broken(..) | Self::Local(_) => {
                Code::HubUnreachable
            }
        }
    }
}

fn refusal_words(code: RefusalCode) -> String {
    if code == RefusalCode::Stopping {
        return "the hub is stopping; it is tried again by itself".to_owned();
    }
    let error = from_refusal(&code.plain(), "you");
    format!("{}; {}", error.what, error.hint)
}

/// Tries the addresses in turn. A refusal by the right hub ends it; anything else tries the next.
pub(super) async fn dial(
    endpoint: &Endpoint,
    settings: &LinkSettings,
    admission: Option<&[u8; 16]>,
) -> Result<Dialled, DialError> {
    let mut failed = DialError::Local("the hub has no address".to_owned());
    for name in &settings.addresses {
        let resolved = match tokio::net::lookup_host(name).await {
            Ok(resolved) => resolved.take(RESOLVED_MAX).collect::<Vec<_>>(),
            Err(_) => Vec::new(),
        };
        if resolved.is_empty() {
            failed = worse(failed, DialError::NoSuchName(name.clone()));
        }
        for address in resolved {
            match attempt(endpoint, settings, admission, (name, address)).await {
                Err(DialError::Refused(code)) => return Err(DialError::Refused(code)),
                Err(error) => failed = worse(failed, error),
                Ok(dialled) => return Ok(dialled),
            }
        }
    }
    Err(failed)
}

/// The failure that says more: a stranger at one address matters more than silence at the next.
fn worse(one: DialError, other: DialError) -> DialError {
    let keep = matches!(one, DialError::WrongHub(_) | DialError::NoCommonVersion(_));
    if keep { one } else { other }
}

async fn attempt(
    endpoint: &Endpoint,
    settings: &LinkSettings,
    admission: Option<&[u8; 16]>,
    (name, address): (&str, SocketAddr),
) -> Result<Dialled, DialError> {
    let local = |error: &dyn std::fmt::Display| DialError::Local(error.to_string());
    let (config, stranger) =
        tls::client_config(settings.hub, address.ip()).map_err(|e| local(&e))?;
    let connecting =
        endpoint.connect_with(config, address, "hub.invalid").map_err(|error| local(&error))?;
    let connection = match tokio::time::timeout(PATIENCE, connecting).await {
        Err(_) => return Err(DialError::NoAnswer(name.to_owned())),
        Ok(Err(_)) if stranger.load(Ordering::Relaxed) => {
            return Err(DialError::WrongHub(name.to_owned()));
        }
        Ok(connection) => connection.map_err(|error| lost(name, &error))?,
    };
    let greeted = tokio::time::timeout(PATIENCE, greet(&connection, settings, admission)).await;
    let (send, recv, welcome) = match greeted {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(error)) => return Err(closed_for(&connection).unwrap_or(error)),
        Err(_) => return Err(DialError::NoAnswer(name.to_owned())),
    };
    if welcome.hub != settings.hub {
        return Err(DialError::WrongHub(name.to_owned()));
    }
    Ok(Dialled { connection, send, recv, welcome })
}

/// Hello and the hub's answer (PROTOCOL.md, Link handshake).
async fn greet(
    connection: &Connection,
    settings: &LinkSettings,
    admission: Option<&[u8; 16]>,
) -> Result<(SendStream, RecvStream, Welcome), DialError> {
    let broken = |error: &dyn std::fmt::Display| {
        DialError::Broken(connection.remote_address().to_string(), error.to_string())
    };
    let node = settings.identity.id();
    let mut exporter = [0; 32];
    connection
        .export_keying_material(&mut exporter, EXPORTER_LABEL, node.as_bytes())
        .map_err(|_| broken(&"no keys could be derived from it"))?;
    let hello = ToHub::Hello(Hello {
        version: VERSION,
        min_version: MIN_VERSION,
        node,
        proof: link_auth::prove(&settings.identity, &settings.hub, &exporter),
        admission: admission.map(|token| ByteBuf::from(token.to_vec())),
    });
    let (mut send, mut recv) = connection.open_bi().await.map_err(|error| broken(&error))?;
    send.write_all(&hello.encode()).await.map_err(|error| broken(&error))?;
    match frames::read(&mut recv).await.map_err(|error| broken(&error))? {
        FromHub::Welcome(welcome) => Ok((send, recv, welcome)),
        FromHub::Bye(bye) => Err(DialError::Refused(bye.code)),
        _ => Err(broken(&"the hub did not begin with a welcome")),
    }
}

fn lost(name: &str, error: &ConnectionError) -> DialError {
    let name = name.to_owned();
    match error {
        ConnectionError::TimedOut => DialError::NoAnswer(name),
        ConnectionError::VersionMismatch => DialError::NoCommonVersion(name),
        // TLS alert 120: no protocol name in common.
        ConnectionError::TransportError(e) if e.code == quinn_alert(120) => {
            DialError::NoCommonVersion(name)
        }
        ConnectionError::ConnectionClosed(e) if e.error_code == quinn_alert(120) => {
            DialError::NoCommonVersion(name)
        }
        other => DialError::Broken(name, other.to_string()),
    }
}

fn quinn_alert(alert: u8) -> quinn::TransportErrorCode {
    quinn::TransportErrorCode::crypto(alert)
}

/// Why the hub closed the connection, when it said so in the close code.
pub(super) fn closed_for(connection: &Connection) -> Option<DialError> {
    let Some(ConnectionError::ApplicationClosed(close)) = connection.close_reason() else {
        return None;
    };
    let code = u16::try_from(close.error_code.into_inner()).ok().filter(|code| *code > 0)?;
    Some(DialError::Refused(RefusalCode::from(code)))
}
