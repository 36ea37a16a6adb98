//! The argument of a durable bot's handler.

use super::received::Received;
use super::reply::Reply;
use super::staged::{Queued, Staged};
use super::state::State;
use crate::Error;
use crate::request::{Endpoint, Request};
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// A message to handle, what the bot knows of the conversation, and the replies, which are posted once the handler has returned.
///
/// If the handler returns an error, nothing of it is stored. Clones are the same context.
#[derive(Clone)]
pub struct DurableContext {
    pub(super) received: Received,
    pub(super) staged: Arc<Staged>,
    /// The queue and the room, for the keys of states.
    pub(super) lane: Arc<str>,
    pub(super) attempt: u32,
}

impl DurableContext {
    /// The author's own text: without markup, quotes and the names of those who are addressed.
    pub fn text(&self) -> String {
        match &self.received {
            #[cfg(feature = "chatwork")]
            Received::Chatwork(context) => context.own_text(),
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => received.own_text(),
        }
    }

    /// Whether the message is for the bot: it is addressed, or the room is a direct chat.
    pub fn is_addressed(&self) -> bool {
        match &self.received {
            #[cfg(feature = "chatwork")]
            Received::Chatwork(context) => context.mentions_me(),
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => received.is_addressed(),
        }
    }

    /// The id of the author's account, as the service writes it.
    pub fn author_id(&self) -> String {
        match &self.received {
            #[cfg(feature = "chatwork")]
            Received::Chatwork(context) => context.message().account_id.to_string(),
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => {
                received.message().author_id.as_ref().map(ToString::to_string).unwrap_or_default()
            }
        }
    }

    /// The id of the room, as the service writes it.
    pub fn room_id(&self) -> String {
        match &self.received {
            #[cfg(feature = "chatwork")]
            Received::Chatwork(context) => context.message().room_id.to_string(),
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => received.room_id().to_string(),
        }
    }

    /// The id of the message, as the service writes it. With the room's it is good as a key of what the handler does elsewhere.
    pub fn message_id(&self) -> String {
        match &self.received {
            #[cfg(feature = "chatwork")]
            Received::Chatwork(context) => context.message().message_id.to_string(),
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => received.message().id.to_string(),
        }
    }

    /// When the message was posted, as far as the service says: after a long stop a bot may have to answer old ones differently.
    pub fn posted_at(&self) -> Option<Timestamp> {
        match &self.received {
            #[cfg(feature = "chatwork")]
            Received::Chatwork(context) => Some(context.message().send_time),
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => received.message().created_at,
        }
    }

    /// Which run of the handler for this message this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The context of a bot of Chatwork: the message, its notation and the client. Requests that are sent by it directly are no
    /// part of what is stored.
    #[cfg(feature = "chatwork")]
    pub fn chatwork(&self) -> Option<&crate::chatwork::bot::Context> {
        match &self.received {
            Received::Chatwork(context) => Some(context),
            #[cfg(feature = "tascha")]
            Received::Tascha(_) => None,
        }
    }

    /// The message of TAS-CHA, and the client.
    #[cfg(feature = "tascha")]
    pub fn tascha(&self) -> Option<&crate::tascha::bot::Received> {
        match &self.received {
            Received::Tascha(received) => Some(received),
            #[cfg(feature = "chatwork")]
            Received::Chatwork(_) => None,
        }
    }

    /// Queues a reply to the message, which notifies its author. It is posted once the handler has returned.
    ///
    /// # Errors
    /// The service would refuse the text, such as an empty or too long one; or the handler has returned.
    pub fn reply(&self, text: impl Into<Reply>) -> Result<Queued, Error> {
        let text = text.into();
        match &self.received {
            #[cfg(feature = "chatwork")]
            Received::Chatwork(context) => {
                let text = context.reply_text(&text.notation());
                self.queue(context.room().post(text))
            }
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => self.queue(received.reply(text.plain())),
        }
    }

    /// Queues any write, also into another room, or of another service if the [outbox](super::DurableBot::outbox) has its client.
    ///
    /// # Errors
    /// The request cannot be stored, as [`Outbox::enqueue`](crate::outbox::Outbox::enqueue) says; or the handler has returned.
    pub fn queue<E: Endpoint>(&self, request: Request<E>) -> Result<Queued, Error> {
        self.staged.queue(&request)
    }

    /// What the bot knows of its conversation with this person in this room.
    pub fn state<T>(&self) -> State<'_, T> {
        self.state_of(&self.author_id())
    }

    /// The same of another person in this room, by the account's id.
    pub fn state_of<T>(&self, author_id: &str) -> State<'_, T> {
        State::new(&self.staged, format!("{}/state/{author_id}", self.lane))
    }

    /// What the bot knows of the room, whoever writes.
    pub fn room_state<T>(&self) -> State<'_, T> {
        State::new(&self.staged, format!("{}/room-state", self.lane))
    }
}

/// The message is left out.
impl fmt::Debug for DurableContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, attempt, .. } = self;
        f.debug_struct("DurableContext").field("lane", lane).field("attempt", attempt).finish_non_exhaustive()
    }
}
