//! Messages of a room.

use super::operations::{CreateMessage, ListMessages};
use super::{RoomHandle, requests, returns};

impl RoomHandle {
    /// The messages. Their order is not documented: sort by `created_at` where it matters.
    #[doc = returns!(ListMessages)]
    pub fn messages(&self) -> requests::ListMessages {
        self.call(ListMessages::new(&self.id))
    }

    /// Posts a message of 1 to 10000 characters. It carries an idempotency key, so it is sent again after a failure without
    /// being posted twice.
    ///
    /// This requires a user's credential: an organization's API key gets status 403.
    #[doc = returns!(CreateMessage)]
    pub fn post(&self, body: impl Into<String>) -> requests::CreateMessage {
        self.call(CreateMessage::new(&self.id, body))
    }
}
