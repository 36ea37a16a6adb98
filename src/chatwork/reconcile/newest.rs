//! The newest messages of a room, as a search has to know them.

use crate::Unsure;
use crate::chatwork::operations::ListMessages;
use crate::chatwork::{AccountId, Message, MessageId, RoomId};
use crate::reconcile::{Row, Rows};
use crate::response::Response;
use crate::wire::Flag;
use jiff::Timestamp;
use reqwest::StatusCode;

/// The most messages that the service returns.
const SHOWN: usize = 100;

/// The messages of a list, of which some may be missing.
pub(super) fn rows(messages: &[Message], author: AccountId, missing: Option<Unsure>) -> Rows<'_, MessageId> {
    let rows = messages.iter().map(|message| Row {
        id: &message.message_id,
        text: &message.body,
        is_own: message.account.account_id == author,
        // The beginning of Unix time is how the list reads if the service does not say.
        sent: Some(message.send_time).filter(|sent| *sent > Timestamp::UNIX_EPOCH),
        is_changed: message.update_time.is_some(),
    });
    Rows { rows: rows.collect(), missing }
}

/// Why the list may lack messages.
pub(super) fn missing(list: &Response<Vec<Message>>) -> Option<Unsure> {
    if list.headers().contains_key("chatwork-message-limitation") {
        return Some(Unsure::Hidden);
    }
    // An empty list with another status than 204 may be a broken response and not an empty room.
    let is_lost = list.is_empty() && list.status() != StatusCode::NO_CONTENT;
    if is_lost {
        return Some(Unsure::Incomplete);
    }
    (list.len() >= SHOWN).then_some(Unsure::OutOfReach)
}

/// A read of the newest 100 messages.
pub(super) fn newest(room: RoomId) -> ListMessages {
    ListMessages { force: Some(Flag(true)), ..ListMessages::new(room) }
}
