//! From an HTTP server's handlers into the store.

use super::incoming::Incoming;
use super::listener::Shared;
use crate::Error;
use crate::outbox::Commit;
use std::fmt;
use std::sync::Arc;

/// Takes events of webhooks; from [`DurableBot::inbox`](super::DurableBot::inbox).
#[derive(Clone)]
pub struct Inbox(pub(super) Arc<Shared>);

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

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("queue", &self.0.listener.queue()).finish_non_exhaustive()
    }
}
