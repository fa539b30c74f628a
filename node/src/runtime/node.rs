//! A node as faces see it: in this process or in another, asked in the same way.

use std::time::Duration;

use super::{Client, Events, Handle};
use crate::api::command::MessageText;
use crate::api::view::{Delivery, LinkState};
use crate::api::{Answer, ApiError, Code, Command, Event, Query, Reply};

/// A running node.
#[derive(Clone)]
pub enum Node {
    /// In this process.
    Local(Handle),
    /// In another, over its socket.
    Attached(Client),
}

impl Node {
    /// Has something done. Returns when it is carried out and durable, or refused.
    ///
    /// # Errors
    /// [`ApiError`] in words for people.
    pub async fn command(&self, command: Command) -> Result<Reply, ApiError> {
        match self {
            Self::Local(node) => node.command(command).await,
            Self::Attached(node) => node.command(command).await,
        }
    }

    /// Looks something up.
    ///
    /// # Errors
    /// [`ApiError`] in words for people.
    pub async fn query(&self, query: Query) -> Result<Answer, ApiError> {
        match self {
            Self::Local(node) => node.query(query).await,
            Self::Attached(node) => node.query(query).await,
        }
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        match self {
            Self::Local(node) => node.subscribe(),
            Self::Attached(node) => node.subscribe(),
        }
    }

    /// Tries the hub again now, even after a refusal.
    pub async fn reconnect(&self) {
        match self {
            Self::Local(node) => node.reconnect().await,
            Self::Attached(node) => node.reconnect().await,
        }
    }

    /// Waits until the hub has welcomed this node, or a try has failed.
    ///
    /// # Errors
    /// Why the link is down.
    pub async fn linked(&self) -> Result<(), ApiError> {
        let mut events = self.subscribe();
        loop {
            let Answer::Status(status) = self.query(Query::Status).await? else {
                return Err(super::handle::stopped());
            };
            match status.link {
                LinkState::Up { .. } => return Ok(()),
                LinkState::Down { code, why, .. } => {
                    let (what, hint) = why.split_once("; ").unwrap_or((&why, "try again later"));
                    return Err(ApiError::new(code, what, hint));
                }
                LinkState::Connecting => {}
            }
            events.next().await.ok_or_else(super::handle::stopped)?;
        }
    }

    /// A face is done with it: a node in this process stops, one in another goes on.
    pub async fn leave(&self) {
        if let Self::Local(node) = self {
            node.stop().await;
        }
    }

    /// Waits until an own message is at least this far with every recipient.
    ///
    /// # Errors
    /// [`Code::NotYetDelivered`] when `patience` ends before; the message goes on by itself.
    pub async fn wait_delivered(
        &self,
        message: MessageText,
        at_least: Delivery,
        patience: Duration,
    ) -> Result<Delivery, ApiError> {
        let waiting = self.until_delivered(message, at_least);
        tokio::time::timeout(patience, waiting).await.unwrap_or_else(|_| {
            Err(ApiError::new(
                Code::NotYetDelivered,
                "the message is safe here but not yet where it should be",
                "it goes on by itself while the node runs; `hubbub message info` shows who lacks it",
            ))
        })
    }

    async fn until_delivered(
        &self,
        message: MessageText,
        at_least: Delivery,
    ) -> Result<Delivery, ApiError> {
        let mut events = self.subscribe();
        loop {
            if let Answer::MessageInfo { message, .. } =
                self.query(Query::MessageInfo { message }).await?
                && let Some(delivery) = message.delivery.filter(|delivery| *delivery >= at_least)
            {
                return Ok(delivery);
            }
            loop {
                match events.next().await.ok_or_else(super::handle::stopped)? {
                    Event::Delivery { message: moved, .. } if moved == message => break,
                    Event::Missed(_) => break,
                    _ => {}
                }
            }
        }
    }
}
