//! From an HTTP server's handlers into the store.

use super::incoming::Incoming;
use super::listener::Shared;
use super::notice::SetAside;
use crate::Error;
use crate::outbox::{Commit, Filter, Phase};
use std::fmt;
use std::sync::Arc;

/// The messages that a durable bot has to handle; from [`DurableBot::inbox`](super::DurableBot::inbox). It takes events of webhooks.
/// Clones are the same inbox.
#[derive(Clone)]
pub struct Inbox(pub(super) Arc<Shared>);

impl Inbox {
    /// Stores a verified event. Once this returns, the message is handled, also if the process is killed: respond with 200. A
    /// repeat is recognized by the ids of its message. Returns whether there is a message in it that is not the bot's own: in a
    /// process that does not run the bot, its account is known if it was set.
    ///
    /// A verifier's replay cache would refuse the repeat of an event that could not be stored. So do without it, which the store
    /// replaces, or say that the event is done only after this has returned.
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

    /// The messages that are set aside, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_aside(&self, limit: usize) -> Result<Vec<SetAside>, Error> {
        let filter = Filter::new(self.0.listener.queue(), limit).phase(Phase::Failed);
        let entries = self.0.outbox.store().list(filter).await.map_err(Error::store)?;
        Ok(entries.iter().map(SetAside::read).collect())
    }

    /// Handles a message that is set aside once more, because the handler was mended. Returns whether there was one with this
    /// key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retry(&self, key: &str) -> Result<bool, Error> {
        self.decide(key, Phase::Waiting).await
    }

    /// Gives up a message that is set aside. Returns whether there was one with this key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn discard(&self, key: &str) -> Result<bool, Error> {
        self.decide(key, Phase::Discarded).await
    }

    async fn decide(&self, key: &str, to: Phase) -> Result<bool, Error> {
        let store = self.0.outbox.store();
        let decided = store.decide(key, &[Phase::Failed], to).await.map_err(Error::store)?;
        if decided {
            self.0.added.notify_one();
        }
        Ok(decided)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("queue", &self.0.listener.queue()).finish_non_exhaustive()
    }
}
