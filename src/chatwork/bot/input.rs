//! The input of a bot.

use crate::Error;
#[cfg(feature = "webhooks")]
use crate::chatwork::webhook::{self, MentionEvent, MessageEvent, OtherEvent};
use crate::chatwork::{AccountId, Message, MessageId, RoomId, watch};
use crate::handler::HandlerFailure;
use jiff::Timestamp;
use std::fmt;

/// One item of a bot's source. The items of a [`watch`] and of an [`Inbox`](super::Inbox) convert into it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A message was posted.
    Message(ReceivedMessage),
    /// A message was edited.
    Edited(ReceivedMessage),
    /// Something that is not for the handler.
    Notice(Notice),
}

/// A message, from a watch or a webhook.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReceivedMessage {
    /// The room of the message.
    pub room_id: RoomId,
    /// The message's id.
    pub message_id: MessageId,
    /// The author's account.
    pub account_id: AccountId,
    /// The author's name; `None` from a webhook.
    pub name: Option<String>,
    /// Its text, in [notation](crate::chatwork::notation).
    pub body: String,
    /// When it was posted.
    pub send_time: Timestamp,
    /// When it was last edited; `None` if never.
    pub update_time: Option<Timestamp>,
    /// The account that the service names as the addressee, in a `mention_to_me`; `None` from other sources.
    pub mentioned: Option<AccountId>,
}

/// What a bot reports to [`Bot::on_notice`](super::Bot::on_notice).
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A handler failed. Other messages are not affected, and this one is not handled again.
    #[non_exhaustive]
    Failed {
        /// The message.
        message: ReceivedMessage,
        /// How it failed.
        failure: HandlerFailure,
    },
    /// A message that was taken was not handled by the end of the [`shutdown_timeout`](super::Bot::shutdown_timeout), or the
    /// replay cache failed in the shutdown and the policy is to [refuse](crate::webhook::StoreFailure::Refuse). A watch's
    /// checkpoint is past it. Its claim is released, so that another bot with the same
    /// [replay cache](super::Bot::replay_cache) handles it if it has received it too.
    #[non_exhaustive]
    Abandoned {
        /// The message.
        message: ReceivedMessage,
        /// Whether its handler had begun, and may have done part of its work.
        begun: bool,
    },
    /// The source failed, and continues by itself, as a watch does.
    Source(Error),
    /// Another event of a watch than a message: a gap, a deletion, hidden messages.
    Watch(watch::Event),
    /// A webhook event that this version does not know, or whose fields cannot be read. It is complete, including the text of
    /// the message.
    #[cfg(feature = "webhooks")]
    Webhook(OtherEvent),
}

/// One line for a log, with the ids of room and message but without texts, unless the handler's own error has them.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { message, failure } => write!(f, "{message} was not handled: {failure}"),
            Self::Abandoned { message, begun: false } => {
                write!(f, "{message} was not handled before the bot was shut down")
            }
            Self::Abandoned { message, begun: true } => {
                write!(f, "{message} was being handled when the bot was shut down")
            }
            Self::Source(error) => write!(f, "the bot goes on, after a failure of its source: {error}"),
            Self::Watch(event) => {
                let room = event.room();
                match event {
                    watch::Event::Gap { before, .. } => {
                        write!(f, "messages before message {before} of room {room} may be missing")
                    }
                    watch::Event::Undecodable { item, .. } => {
                        write!(f, "a message of room {room} does not decode: {item}")
                    }
                    watch::Event::Limited { .. } => write!(f, "the service hides messages of room {room}"),
                    watch::Event::Deleted { message, .. } => {
                        write!(f, "message {} of room {room} was deleted", message.message_id)
                    }
                    watch::Event::Message { message, .. } | watch::Event::Edited { message, .. } => {
                        write!(f, "message {} of room {room}", message.message_id)
                    }
                }
            }
            #[cfg(feature = "webhooks")]
            Self::Webhook(event) => {
                write!(f, "a webhook event is unknown, or its fields do not read: {}", event.event_type)
            }
        }
    }
}

/// Where it is, without its text.
impl fmt::Display for ReceivedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of room {}", self.message_id, self.room_id)
    }
}

impl From<(RoomId, Message)> for ReceivedMessage {
    fn from((room_id, message): (RoomId, Message)) -> Self {
        Self {
            room_id,
            message_id: message.message_id,
            account_id: message.account.account_id,
            name: Some(message.account.name),
            body: message.body,
            send_time: message.send_time,
            update_time: message.update_time,
            mentioned: None,
        }
    }
}

impl From<watch::Event> for Input {
    fn from(event: watch::Event) -> Self {
        match event {
            watch::Event::Message { room, message } => Self::Message((room, message).into()),
            watch::Event::Edited { room, message } => Self::Edited((room, message).into()),
            other => Self::Notice(Notice::Watch(other)),
        }
    }
}

/// For sources that can fail.
impl<T: Into<Input>> From<Result<T, Error>> for Input {
    fn from(item: Result<T, Error>) -> Self {
        item.map_or_else(|error| Self::Notice(Notice::Source(error)), Into::into)
    }
}

#[cfg(feature = "webhooks")]
impl From<MessageEvent> for ReceivedMessage {
    fn from(event: MessageEvent) -> Self {
        let MessageEvent { message_id, room_id, account_id, body, send_time, update_time } = event;
        let (name, mentioned) = (None, None);
        Self { room_id, message_id, account_id, name, body, send_time, update_time, mentioned }
    }
}

#[cfg(feature = "webhooks")]
impl From<MentionEvent> for ReceivedMessage {
    fn from(event: MentionEvent) -> Self {
        let MentionEvent { from_account_id, to_account_id, room_id, message_id, body, .. } = event;
        let (send_time, update_time) = (event.send_time, event.update_time);
        let (account_id, mentioned) = (from_account_id, Some(to_account_id));
        Self { room_id, message_id, account_id, name: None, body, send_time, update_time, mentioned }
    }
}

#[cfg(feature = "webhooks")]
impl From<webhook::Event> for Input {
    fn from(event: webhook::Event) -> Self {
        match event {
            webhook::Event::MessageCreated(message) => Self::Message(message.into()),
            webhook::Event::MessageUpdated(message) => Self::Edited(message.into()),
            // The event does not say whether the mention is new or was added by an edit.
            webhook::Event::MentionToMe(mention) => Self::Message(mention.into()),
            webhook::Event::Other(other) => Self::Notice(Notice::Webhook(other)),
        }
    }
}

#[cfg(feature = "webhooks")]
impl From<webhook::Delivery> for Input {
    fn from(delivery: webhook::Delivery) -> Self {
        delivery.event.into()
    }
}
