//! The events of a watch.

use crate::UndecodableItem;
use crate::chatwork::{Message, MessageId, RoomId};

/// An event in a room, or a finding about the room.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A new message. If it was edited before it was first seen, this is the edited text.
    #[non_exhaustive]
    Message {
        /// Where it was posted.
        room: RoomId,
        /// The message.
        message: Message,
    },
    /// A message has a new text. Of several edits between two polls only the last one is seen.
    #[non_exhaustive]
    Edited {
        /// Where it was posted.
        room: RoomId,
        /// The message as it is now.
        message: Message,
    },
    /// A message was deleted. If it was deleted before it was first seen, this is its only event.
    #[non_exhaustive]
    Deleted {
        /// Where it was posted.
        room: RoomId,
        /// The rest of it: author and times, with the text `[deleted]`.
        message: Message,
    },
    /// Messages may be missing here: the service returns only the newest 100, and these do not reach back to the known
    /// messages. The messages in between cannot be read.
    #[non_exhaustive]
    Gap {
        /// Where.
        room: RoomId,
        /// The newest known message before the gap; `None` if there was none.
        after: Option<MessageId>,
        /// The first message after the gap, which is the next event.
        before: MessageId,
    },
    /// A message does not decode: the service writes it in a form that this version does not know. It is yielded once, after
    /// the other messages of the same poll. It is not known whether it is new, edited or deleted. If it decodes later, it is
    /// yielded as any other message.
    #[non_exhaustive]
    Undecodable {
        /// Where it was posted.
        room: RoomId,
        /// The raw message, and why it does not decode.
        item: UndecodableItem,
    },
    /// The service began to hide messages, as on the free plan, or hides more or fewer than before.
    #[non_exhaustive]
    Limited {
        /// Where.
        room: RoomId,
        /// How much is hidden from now on.
        hidden: Hidden,
        /// The service's text about it, for people.
        summary: Option<String>,
    },
}

impl Event {
    /// The room of the event.
    pub fn room(&self) -> RoomId {
        match self {
            Self::Message { room, .. }
            | Self::Edited { room, .. }
            | Self::Deleted { room, .. }
            | Self::Gap { room, .. }
            | Self::Undecodable { room, .. }
            | Self::Limited { room, .. } => *room,
        }
    }

    /// The message that was posted, edited or deleted.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Message { message, .. } | Self::Edited { message, .. } | Self::Deleted { message, .. } => {
                Some(message)
            }
            Self::Gap { .. } | Self::Undecodable { .. } | Self::Limited { .. } => None,
        }
    }
}

/// How much of a room the service hides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Hidden {
    /// Nothing.
    #[default]
    Nothing,
    /// Some of the older messages.
    Some,
    /// Every message: the list is empty, but the room need not be.
    All,
}
