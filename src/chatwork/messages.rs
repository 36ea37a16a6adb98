//! Messages of a room.

use super::operations::{
    DeleteMessage, GetMessage, ListMessages, MarkRead, MarkUnread, PostMessage, UpdateMessage,
};
use super::{MessageId, RoomHandle, requests, returns};

impl RoomHandle {
    /// The messages that this token has not fetched yet, at most 100. The order is not documented: sort by `send_time`, then
    /// by id.
    ///
    /// The service remembers which messages it has returned: a second reader with the same token, or a lost response, loses
    /// messages. With `.force(true)` it returns the newest 100, and only then is the request retried after a failure.
    /// [`watch`](Self::watch) reads the messages as a stream, and reports gaps.
    #[doc = returns!(ListMessages)]
    pub fn messages(&self) -> requests::ListMessages {
        self.call(ListMessages::new(self.id))
    }

    /// Posts a message of 1 to 65535 characters, in Chatwork's notation.
    /// [`MessageBuilder::split`](super::notation::MessageBuilder::split) makes parts of a longer one.
    ///
    /// The service has no idempotency keys, so the post is never sent again once it may have arrived.
    /// [`Error::outcome`](crate::Error::outcome) says whether to post again.
    /// [`with_reconcile`](crate::Request::with_reconcile) checks the room and does so, and [`post_once`](Self::post_once) also
    /// after the program was killed.
    #[doc = returns!(PostMessage)]
    pub fn post(&self, body: impl Into<String>) -> requests::PostMessage {
        self.call(PostMessage::new(self.id, body))
    }

    /// Marks the messages up to and including `.message_id(…)` as read; without it, all of them.
    ///
    /// If all of them are read already, the service responds with status 400.
    #[doc = returns!(MarkRead)]
    pub fn mark_read(&self) -> requests::MarkRead {
        self.call(MarkRead::new(self.id))
    }

    /// Marks this message and all later ones as unread.
    #[doc = returns!(MarkUnread)]
    pub fn mark_unread(&self, from: impl Into<MessageId>) -> requests::MarkUnread {
        self.call(MarkUnread::new(self.id, from))
    }

    /// One message.
    pub fn message(&self, id: impl Into<MessageId>) -> MessageHandle {
        MessageHandle { room: self.clone(), id: id.into() }
    }
}

/// A message, by its room and id.
#[derive(Clone, Debug)]
pub struct MessageHandle {
    room: RoomHandle,
    id: MessageId,
}

impl MessageHandle {
    /// The message.
    #[doc = returns!(GetMessage)]
    pub fn get(&self) -> requests::GetMessage {
        self.room.call(GetMessage::new(self.room.id, &self.id))
    }

    /// Replaces the text of one of the account's own messages: 1 to 65535 characters.
    #[doc = returns!(UpdateMessage)]
    pub fn update(&self, body: impl Into<String>) -> requests::UpdateMessage {
        self.room.call(UpdateMessage::new(self.room.id, &self.id, body))
    }

    /// Deletes one of the account's own messages. It stays in lists, with the text `[deleted]`.
    #[doc = returns!(DeleteMessage)]
    pub fn delete(&self) -> requests::DeleteMessage {
        self.room.call(DeleteMessage::new(self.room.id, &self.id))
    }
}
