//! From an HTTP server's handlers into the store.

use super::listener::Shared;
use crate::Error;
use crate::outbox::Commit;
use std::fmt;
use std::sync::Arc;

/// Takes events of webhooks; from [`DurableBot::inbox`](super::DurableBot::inbox).
#[derive(Clone)]
pub struct Inbox(pub(super) Arc<Shared>);

/// An event of either service: of a verified webhook, or of a watch.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// An event of Chatwork.
    #[cfg(feature = "chatwork")]
    Chatwork(crate::chatwork::bot::Input),
    /// A delivery of TAS-CHA.
    #[cfg(all(feature = "tascha", feature = "webhooks"))]
    Tascha(Box<crate::tascha::webhook::Delivery>),
    /// A message of TAS-CHA.
    #[cfg(feature = "tascha")]
    TaschaMessage(Box<crate::tascha::Message>),
}

impl Inbox {
    /// Stores a verified event. Once this returns, the message is handled, also if the process is killed: respond with 200. A
    /// repeat is recognized by the ids of its message. Returns whether there is a message in it that is not the bot's own.
    ///
    /// # Errors
    /// The store failed ([`ErrorKind::Store`](crate::ErrorKind::Store)), and the event may not be stored. TAS-CHA sends it again
    /// if the response is an error, such as 503. Chatwork does not, and switches a webhook off after many errors: log the event,
    /// and respond with 200. An event of another service is refused.
    pub async fn push(&self, event: impl Into<Incoming>) -> Result<bool, Error> {
        let Some(entry) = self.0.listener.entry(event.into())? else { return Ok(false) };
        let commit = Commit::new(Vec::new(), vec![entry]);
        self.0.outbox.store().commit(commit).await.map_err(Error::store)?;
        self.0.added.notify_one();
        Ok(true)
    }
}

#[cfg(feature = "tascha")]
impl Incoming {
    pub(super) fn into_tascha(self) -> Result<crate::tascha::bot::Input, Error> {
        match self {
            #[cfg(feature = "webhooks")]
            Self::Tascha(delivery) => Ok(crate::tascha::bot::Input::Delivery(delivery)),
            Self::TaschaMessage(message) => Ok(crate::tascha::bot::Input::Message(message)),
            #[cfg(feature = "chatwork")]
            Self::Chatwork(_) => Err(Error::config("an event of Chatwork was given to a bot of TAS-CHA")),
        }
    }
}

#[cfg(feature = "chatwork")]
impl From<crate::chatwork::bot::Input> for Incoming {
    fn from(input: crate::chatwork::bot::Input) -> Self {
        Self::Chatwork(input)
    }
}

#[cfg(all(feature = "chatwork", feature = "webhooks"))]
impl From<crate::chatwork::webhook::Event> for Incoming {
    fn from(event: crate::chatwork::webhook::Event) -> Self {
        Self::Chatwork(event.into())
    }
}

#[cfg(all(feature = "chatwork", feature = "webhooks"))]
impl From<crate::chatwork::webhook::Delivery> for Incoming {
    fn from(delivery: crate::chatwork::webhook::Delivery) -> Self {
        Self::Chatwork(delivery.into())
    }
}

#[cfg(all(feature = "tascha", feature = "webhooks"))]
impl From<crate::tascha::webhook::Delivery> for Incoming {
    fn from(delivery: crate::tascha::webhook::Delivery) -> Self {
        Self::Tascha(Box::new(delivery))
    }
}

#[cfg(feature = "tascha")]
impl From<crate::tascha::Message> for Incoming {
    fn from(message: crate::tascha::Message) -> Self {
        Self::TaschaMessage(Box::new(message))
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("queue", &self.0.listener.queue()).finish_non_exhaustive()
    }
}
