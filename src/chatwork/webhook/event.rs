//! What the service tells.

use super::VerifyError;
use crate::chatwork::{AccountId, MessageId, RoomId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::Deserializer;
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
    /// When it happened, `webhook_event_time`.
    pub time: Timestamp,
    /// The event.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// `message_created`: somebody posted a message in the webhook's room. This may be the account itself: a bot
    /// should pass over what it [sent](Event::sender), or it answers itself.
    MessageCreated(MessageEvent),
    /// `message_updated`: somebody edited a message in the webhook's room.
    MessageUpdated(MessageEvent),
    /// `mention_to_me`: a message names or answers the webhook's account, in any room.
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
    pub body: String,
    /// When it was posted.
    #[serde(with = "seconds")]
    pub send_time: Timestamp,
    /// When it was last edited, if it was; `0` on the wire if it was not.
    #[serde(default, with = "seconds_or_zero")]
    pub update_time: Option<Timestamp>,
}

/// A message that names or answers the account.
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
    pub body: String,
    /// When it was posted.
    #[serde(with = "seconds")]
    pub send_time: Timestamp,
    /// When it was last edited, if it was; `0` on the wire if it was not.
    #[serde(default, with = "seconds_or_zero")]
    pub update_time: Option<Timestamp>,
}

/// An event without a type of its own.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// The name of the event.
    pub event_type: String,
    /// Its fields as they came, `webhook_event`.
    pub json: Value,
}

#[derive(Deserialize)]
struct Envelope {
    webhook_setting_id: Value,
    webhook_event_type: String,
    #[serde(with = "seconds")]
    webhook_event_time: Timestamp,
    webhook_event: Value,
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
    /// [`VerifyError::Malformed`] if it is not an event with the fields that all events have.
    pub fn parse(body: &[u8]) -> Result<Self, VerifyError> {
        let envelope: Envelope = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        let setting_id = match envelope.webhook_setting_id {
            Value::String(id) => id,
            Value::Number(id) => id.to_string(),
            _ => return Err(VerifyError::Malformed { line: 0, column: 0 }),
        };
        let (event_type, json) = (envelope.webhook_event_type, envelope.webhook_event);
        // The service switches off a webhook whose events are refused, so that fields which changed are no reason to.
        let typed = match event_type.as_str() {
            "message_created" => MessageEvent::deserialize(&json).ok().map(Event::MessageCreated),
            "message_updated" => MessageEvent::deserialize(&json).ok().map(Event::MessageUpdated),
            "mention_to_me" => MentionEvent::deserialize(&json).ok().map(Event::MentionToMe),
            _ => None,
        };
        let event =
            typed.unwrap_or_else(|| Event::Other(OtherEvent { event_type: event_type.clone(), json }));
        Ok(Self { setting_id, event_type, time: envelope.webhook_event_time, event })
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

/// serde's own messages quote what they found, which is not to be told; where it was is.
fn malformed(error: &serde_json::Error) -> VerifyError {
    VerifyError::Malformed { line: error.line(), column: error.column() }
}

/// A time in unix seconds, as lenient as ids are: an integer, digits, or a float. The service switches off a webhook
/// whose events are refused, and a bot hears nothing of one that does not read.
fn time<E: serde::de::Error>(json: &Value) -> Result<Timestamp, E> {
    let number = match json {
        Value::String(digits) => digits.parse().ok(),
        Value::Number(number) => Some(number.clone()),
        _ => None,
    };
    let seconds = number.and_then(|number| {
        // Beyond the bounds of an integer a float becomes the nearest, which is no time.
        number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))
    });
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or_else(|| E::custom("not a time in unix seconds"))
}

/// A time in unix seconds.
mod seconds {
    use super::*;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        time(&Value::deserialize(deserializer)?)
    }

    pub(super) fn serialize<S: serde::Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_second())
    }
}

/// A time in unix seconds, or `0` for none.
mod seconds_or_zero {
    use super::*;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let json = Value::deserialize(deserializer)?;
        if json.is_null() {
            return Ok(None);
        }
        let time = time(&json)?;
        Ok((time != Timestamp::UNIX_EPOCH).then_some(time))
    }

    pub(super) fn serialize<S: serde::Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.map_or(0, Timestamp::as_second))
    }
}
