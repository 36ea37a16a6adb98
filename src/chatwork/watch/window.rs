//! The service's responses: the newest messages of a room, and the list of rooms.

use super::event::Hidden;
use crate::call::{CallInfo, HttpAnswer};
use crate::chatwork::table::LIST_ROOMS;
use crate::chatwork::{Message, Room, RoomId};
use crate::{Error, ErrorKind, Lenient, Outcome, Response, UndecodableItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// The most messages that the service returns of a room.
pub(super) const CAP: usize = 100;

/// How long before its response the service may have read its data, with a margin.
pub(super) const LAG: Duration = Duration::from_secs(5);

/// The year 2100: later times of messages or rooms are invalid.
const NEVER: Timestamp = Timestamp::constant(4_102_444_800, 0);

const MESSAGE_ID: &str = "message_id";
const ROOM_ID: &str = "room_id";

/// The newest messages of a room, oldest first.
#[derive(Debug, Default)]
pub(super) struct MessageWindow {
    pub(super) messages: Vec<Message>,
    /// Messages without a valid time, which have no position among the others.
    pub(super) timeless: Vec<Message>,
    /// Messages that do not decode.
    pub(super) undecodable: Vec<UndecodableItem>,
    pub(super) hidden: Hidden,
    pub(super) summary: Option<String>,
}

/// The fields in the list of rooms that change when something happens in a room: `message_num` and `last_update_time`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RoomVersion(pub(super) u64, #[serde(with = "crate::wire::unix_time")] pub(super) Timestamp);

/// The list of rooms.
#[derive(Debug, Default)]
pub(super) struct RoomList {
    pub(super) rooms: BTreeMap<RoomId, RoomVersion>,
    /// A failure for each entry without a readable id.
    pub(super) unknown: Vec<Error>,
    /// The header `Date`. It may come from another clock than the times of rooms and messages.
    pub(super) date: Option<Timestamp>,
}

impl MessageWindow {
    fn of(answer: Response<Lenient<Message>>) -> Self {
        let header = |name| answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let limited = header("chatwork-message-limitation").is_some_and(|value| value.trim() == "true");
        let summary = header("chatwork-message-limitation-summary").filter(|_| limited);
        let summary = summary.map(|summary| summary.into_owned());
        let Lenient { items: mut messages, mut undecodable, .. } = answer.into_inner();
        let hidden = match (limited, messages.is_empty() && undecodable.is_empty()) {
            (false, _) => Hidden::Nothing,
            (true, false) => Hidden::Some,
            (true, true) => Hidden::All,
        };
        // No order is documented.
        messages.sort_by(|a, b| (a.send_time, &a.message_id).cmp(&(b.send_time, &b.message_id)));
        messages.dedup_by(|a, b| a.message_id == b.message_id);
        let (messages, timeless) = messages.into_iter().partition(|message| is_sane(message.send_time));
        let mut identities = BTreeSet::new();
        undecodable.retain(|message| identities.insert(identity(message)));
        Self { messages, timeless, undecodable, hidden, summary }
    }

    pub(super) fn is_full(&self) -> bool {
        self.messages.len() + self.timeless.len() + self.undecodable.len() >= CAP
    }

    /// A digest that changes when anything happens.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for message in self.messages.iter().chain(&self.timeless) {
            (&message.message_id, message.update_time, &message.body).hash(&mut hasher);
        }
        self.undecodable.iter().for_each(|message| identity(message).hash(&mut hasher));
        hasher.finish()
    }
}

impl RoomVersion {
    /// When something last happened in the room, if the time is valid.
    fn updated(&self) -> Option<Timestamp> {
        Some(self.1).filter(|time| is_sane(*time))
    }

    /// The first second that is certainly after this version, by the clock of the messages.
    pub(super) fn next_second(&self) -> Option<Timestamp> {
        self.updated()?.checked_add(Duration::from_secs(1)).ok()
    }
}

impl RoomList {
    fn of(answer: Response<Lenient<Room>>) -> Self {
        let date = crate::limits::date(answer.headers());
        let parts = HttpAnswer {
            status: Some(answer.status()),
            headers: answer.headers().clone(),
            body: answer.body().clone(),
            rate_limit: answer.rate_limit().cloned(),
            ..HttpAnswer::default()
        };
        let attempts = answer.attempts();
        let Lenient { items, undecodable, .. } = answer.into_inner();
        let version = |room: Room| (room.room_id, RoomVersion(room.message_num, room.last_update_time));
        let mut list = Self { rooms: items.into_iter().map(version).collect(), unknown: Vec::new(), date };
        for room in undecodable {
            match id(&room, ROOM_ID).and_then(|id| id.parse().ok()) {
                // Any change of the entry may be a message.
                Some(id) => {
                    let any = fingerprint(&room.value.to_string()).into();
                    let updated = time(&room, "last_update_time").unwrap_or(Timestamp::UNIX_EPOCH);
                    list.rooms.insert(RoomId(id), RoomVersion(any, updated));
                }
                None => {
                    let call = CallInfo::new(&LIST_ROOMS, LIST_ROOMS.safety);
                    let error = unidentified(&room, ROOM_ID).with_answer(parts.clone());
                    list.unknown.push(error.with_call(call, attempts));
                }
            }
        }
        list
    }

    /// Whether the list is complete, so that the account is in no other room. Every account has at least "My Chat".
    pub(super) fn is_whole(&self) -> bool {
        self.unknown.is_empty() && !self.rooms.is_empty()
    }

    /// When something last happened in any of the rooms.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.rooms.values().filter_map(RoomVersion::updated).max()
    }

    /// Whether the second in which something last happened in a room is over, as far as the list shows.
    ///
    /// Another room's later time proves it. `Date` proves it only if it is of the same clock: it may save a poll, but never
    /// decides which message is old.
    pub(super) fn is_past(&self, version: RoomVersion) -> bool {
        let Some(then) = version.updated().and_then(|updated| updated.checked_add(LAG).ok()) else {
            return false;
        };
        [self.newest(), self.date].into_iter().flatten().any(|time| time > then)
    }
}

/// Whether a time is valid. An invalid one means no time, or one out of bounds.
fn is_sane(time: Timestamp) -> bool {
    Timestamp::UNIX_EPOCH < time && time < NEVER
}

/// When a message was last edited, if the time is valid.
pub(super) fn updated(message: &Message) -> Option<Timestamp> {
    message.update_time.filter(|time| is_sane(*time))
}

/// The window in a response.
pub(super) fn recognised_window(answer: Response<Lenient<Message>>) -> Result<MessageWindow, Error> {
    recognised(answer, MESSAGE_ID).map(MessageWindow::of)
}

/// The list of rooms in a response.
pub(super) fn recognised_list(answer: Response<Lenient<Room>>) -> Result<RoomList, Error> {
    recognised(answer, ROOM_ID).map(RoomList::of)
}

/// Fails if not one item of a response has a readable id.
fn recognised<T>(answer: Response<Lenient<T>>, name: &str) -> Result<Response<Lenient<T>>, Error> {
    match answer.undecodable.first() {
        Some(first)
            if answer.items.is_empty() && answer.undecodable.iter().all(|item| id(item, name).is_none()) =>
        {
            let error = unidentified(first, name);
            Err(answer.explain(error))
        }
        _ => Ok(answer),
    }
}

/// Identifies a message that does not decode: by its id, or else by its whole content.
pub(super) fn identity(message: &UndecodableItem) -> u32 {
    fingerprint(&id(message, MESSAGE_ID).unwrap_or_else(|| message.value.to_string()))
}

/// Identifies a message without a time.
pub(super) fn timeless_identity(message: &Message) -> u32 {
    fingerprint(&format!("{} without a time", message.message_id))
}

/// A time of an item that does not decode, if the time itself is readable.
pub(super) fn time(item: &UndecodableItem, name: &str) -> Option<Timestamp> {
    Timestamp::from_second(id(item, name)?.parse().ok()?).ok().filter(|time| is_sane(*time))
}

/// An id, or another number, of an item, if it is readable.
fn id(item: &UndecodableItem, name: &str) -> Option<String> {
    item.value.get(name).and_then(crate::call::text)
}

/// A failure for an item without an id. The item's content is not quoted: people may have written it.
fn unidentified(item: &UndecodableItem, name: &str) -> Error {
    let path = format!("[{}]", item.index);
    let problem = format!("the item does not decode, and has no `{name}` to identify it");
    Error::new(ErrorKind::Decode { path, problem }, Outcome::Applied)
}

/// FNV-1a, which is short, and the same in every version: checkpoints hold it.
pub(crate) const fn fingerprint(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let (mut hash, mut index) = (0x811c_9dc5_u32, 0);
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    hash
}
