//! Deliveries and their events.

use super::error::VerifyError;
use crate::chatwork::{AccountId, MessageId, RoomId};
use crate::wire::{self, Budget};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An event, with what the service says about its delivery.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The webhook that it is for, `webhook_setting_id`.
    pub setting_id: String,
    /// The name of the event, `webhook_event_type`.
    pub event_type: String,
    /// When it happened, `webhook_event_time`. Where that is not a time: when the message was edited or posted, or else
    /// when the request was verified; from [`parse`](Self::parse), which has no clock, the beginning of Unix time.
    pub time: Timestamp,
    /// The event.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// `message_created`: a message was posted in the webhook's room. This may be the account itself: a bot
    /// should pass over what it [sent](Event::sender), or it answers itself.
    MessageCreated(MessageEvent),
    /// `message_updated`: a message was edited in the webhook's room.
    MessageUpdated(MessageEvent),
    /// `mention_to_me`: a message names or answers the webhook's account, in any room. A message in a direct chat needs no tag
    /// for that.
    MentionToMe(MentionEvent),
    /// An event that this version does not know, or one whose fields are not those that it knows.
    Other(OtherEvent),
}

/// A message that was posted or edited.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct MessageEvent {
    /// The message.
    pub message_id: MessageId,
    /// The room it is in.
    pub room_id: RoomId,
    /// Who posted it.
    pub account_id: AccountId,
    /// Its text, in [notation](crate::chatwork::notation).
    #[serde(default, deserialize_with = "crate::wire::null_as_default")]
    pub body: String,
    /// When it was posted; the beginning of Unix time if the service does not say.
    #[serde(default, with = "crate::wire::any_time")]
    pub send_time: Timestamp,
    /// When it was last edited, if it was; `0` on the wire if it was not.
    #[serde(default, with = "crate::wire::any_time::option")]
    pub update_time: Option<Timestamp>,
}

/// A message that names or answers the account, or that was posted in a direct chat with it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct MentionEvent {
    /// Who posted it.
    pub from_account_id: AccountId,
    /// The account that is named: the one that the webhook belongs to.
    pub to_account_id: AccountId,
    /// The room it is in.
    pub room_id: RoomId,
    /// The message.
    pub message_id: MessageId,
    /// Its text, in [notation](crate::chatwork::notation).
    #[serde(default, deserialize_with = "crate::wire::null_as_default")]
    pub body: String,
    /// When it was posted; the beginning of Unix time if the service does not say.
    #[serde(default, with = "crate::wire::any_time")]
    pub send_time: Timestamp,
    /// When it was last edited, if it was; `0` on the wire if it was not.
    #[serde(default, with = "crate::wire::any_time::option")]
    pub update_time: Option<Timestamp>,
}

/// An event without a type of its own.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// The name of the event.
    pub event_type: String,
    /// Its fields as they came, `webhook_event`, as far as they can be read.
    pub json: Value,
}

impl Delivery {
    /// Reads a body without verifying it: for tests, and for a queue that holds what was verified before.
    ///
    /// ```
    /// use kaiwa::chatwork::webhook::{Delivery, Event};
    ///
    /// let body = br#"{"webhook_setting_id": "1", "webhook_event_type": "new", "webhook_event_time": 1498028130,
    ///     "webhook_event": {"a": 1}}"#;
    /// let delivery = Delivery::parse(body)?;
    /// let Event::Other(other) = delivery.event else { panic!() };
    /// assert_eq!(other.json["a"], 1);
    /// # Ok::<(), kaiwa::chatwork::webhook::VerifyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`VerifyError::Malformed`] if it is no JSON object with a `webhook_event_type` or a `webhook_event`. Whatever else
    /// is odd about it, it is read as far as it can be: the service switches off a webhook whose events are refused.
    pub fn parse(body: &[u8]) -> Result<Self, VerifyError> {
        let (delivery, _) = Self::read(body)?;
        Ok(delivery)
    }

    /// The delivery, and whether it says when it happened.
    pub(super) fn read(body: &[u8]) -> Result<(Self, bool), VerifyError> {
        let names = ["webhook_setting_id", "webhook_event_type", "webhook_event_time", "webhook_event"];
        let [setting_id, event_type, time, event] = wire::members(body, names);
        if event_type.or(event).is_none() {
            return Err(malformed(body));
        }
        let text = |json: Option<&[u8]>| {
            let value = json.map(|json| wire::outline(json, &mut Budget::EVENT.clone()));
            value.as_ref().and_then(crate::call::text).unwrap_or_default()
        };
        let event_type = text(event_type);
        let event = Event::read(&event_type, event);
        let known = |time: &Timestamp| *time != Timestamp::UNIX_EPOCH && !wire::is_beyond(*time);
        let time = time.and_then(wire::time).filter(known);
        // An event is of the message's making, or of its last edit.
        let time = time.or_else(|| event.changed().filter(known));
        let is_timed = time.is_some();
        let delivery =
            Self { setting_id: text(setting_id), event_type, time: time.unwrap_or_default(), event };
        Ok((delivery, is_timed))
    }

    /// What the event is remembered by. Two edits of a message differ in their time, and within a second in the text.
    pub(super) fn replay_key(&self, body: &[u8]) -> String {
        let Self { setting_id, event_type, event, .. } = self;
        let (message, update) = match event {
            Event::MessageCreated(message) | Event::MessageUpdated(message) => {
                (message.message_id.as_str(), message.update_time)
            }
            Event::MentionToMe(mention) => (mention.message_id.as_str(), mention.update_time),
            Event::Other(_) => ("", None),
        };
        let update = update.map_or(0, Timestamp::as_second);
        let digest = Sha256::digest(event.body().map_or(body, str::as_bytes));
        let digest = URL_SAFE_NO_PAD.encode(&digest[..12]);
        format!("chatwork:{setting_id}:{event_type}:{message}:{update}:{digest}")
    }
}

impl Event {
    /// The event of this type, or another one if its fields are not those that are known.
    fn read(event_type: &str, json: Option<&[u8]>) -> Self {
        let json = json.unwrap_or(b"null");
        let typed = match event_type {
            "message_created" => wire::read(json).ok().map(Self::MessageCreated),
            "message_updated" => wire::read(json).ok().map(Self::MessageUpdated),
            "mention_to_me" => wire::read(json).ok().map(Self::MentionToMe),
            _ => None,
        };
        typed.unwrap_or_else(|| {
            let json = wire::outline(json, &mut Budget::EVENT.clone());
            Self::Other(OtherEvent { event_type: event_type.to_owned(), json })
        })
    }

    /// When its message was edited, or else posted.
    fn changed(&self) -> Option<Timestamp> {
        match self {
            Self::MessageCreated(message) | Self::MessageUpdated(message) => {
                Some(message.update_time.unwrap_or(message.send_time))
            }
            Self::MentionToMe(mention) => Some(mention.update_time.unwrap_or(mention.send_time)),
            Self::Other(_) => None,
        }
    }

    /// Who wrote the message.
    pub fn sender(&self) -> Option<AccountId> {
        match self {
            Self::MessageCreated(message) | Self::MessageUpdated(message) => Some(message.account_id),
            Self::MentionToMe(mention) => Some(mention.from_account_id),
            Self::Other(_) => None,
        }
    }

    /// The room of the message.
    pub fn room_id(&self) -> Option<RoomId> {
        match self {
            Self::MessageCreated(message) | Self::MessageUpdated(message) => Some(message.room_id),
            Self::MentionToMe(mention) => Some(mention.room_id),
            Self::Other(_) => None,
        }
    }

    /// The message.
    pub fn message_id(&self) -> Option<&MessageId> {
        match self {
            Self::MessageCreated(message) | Self::MessageUpdated(message) => Some(&message.message_id),
            Self::MentionToMe(mention) => Some(&mention.message_id),
            Self::Other(_) => None,
        }
    }

    /// The text of the message, in [notation](crate::chatwork::notation).
    pub fn body(&self) -> Option<&str> {
        match self {
            Self::MessageCreated(message) | Self::MessageUpdated(message) => Some(&message.body),
            Self::MentionToMe(mention) => Some(&mention.body),
            Self::Other(_) => None,
        }
    }
}

/// Where the body ends to be JSON. The message of serde quotes what it found, which must not be shown.
fn malformed(body: &[u8]) -> VerifyError {
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => VerifyError::Malformed { line: 0, column: 0 },
        Err(error) => VerifyError::Malformed { line: error.line(), column: error.column() },
    }
}
