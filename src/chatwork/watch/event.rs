//! What a watch tells.

use crate::UndecodableItem;
use crate::chatwork::{Message, MessageId, RoomId};

/// Something that happened in a room, or that was found out about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A message that was not there before. If it was edited before it was first seen, this is the edited text.
    #[non_exhaustive]
    Message {
        /// Where it was posted.
        room: RoomId,
        /// The message.
        message: Message,
    },
    /// A message has another text now. Of several edits between two looks only the last one is seen.
    #[non_exhaustive]
    Edited {
        /// Where it was posted.
        room: RoomId,
        /// The message as it is now.
        message: Message,
    },
    /// A message was deleted. If that was before it was first seen, this is all that is ever told of it.
    #[non_exhaustive]
    Deleted {
        /// Where it was posted.
        room: RoomId,
        /// What is left of it: author and times, and `[deleted]` for a text.
        message: Message,
    },
    /// Messages may be missing here: the newest 100, which is all that the service shows, do not reach back to what
    /// was known. Nobody can read what lies between.
    #[non_exhaustive]
    Gap {
        /// Where.
        room: RoomId,
        /// The newest message that was known; `None` if none was.
        after: Option<MessageId>,
        /// The oldest message that there is now. It is the next that is told.
        before: MessageId,
    },
    /// A message does not decode: the service writes it in a way that this version does not know. It is told once,
    /// after the other messages of the same look, and whether it is new, edited or deleted is not known. If it decodes
    /// later, it is told as any other.
    #[non_exhaustive]
    Undecodable {
        /// Where it was posted.
        room: RoomId,
        /// The message as it came, and what is wrong with it.
        item: UndecodableItem,
    },
    /// The service began to hide messages, or to hide more or less than it did, as it does on the free plan.
    #[non_exhaustive]
    Limited {
        /// Where.
        room: RoomId,
        /// How much is hidden from now on.
        hidden: Hidden,
        /// The service's own words about it, for people.
        summary: Option<String>,
    },
}

impl Event {
    /// The room that it is about.
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
