//! What the service shows of a room, and of the rooms.

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

/// The most that the service shows of a room.
pub(super) const CAP: usize = 100;

/// How long before its answer the service may have read its data, and then some.
pub(super) const LAG: Duration = Duration::from_secs(5);

/// The year 2100: no time of a message or a room is as late as this.
const NEVER: Timestamp = Timestamp::constant(4_102_444_800, 0);

const MESSAGE_ID: &str = "message_id";
const ROOM_ID: &str = "room_id";

/// The newest messages of a room, oldest first.
#[derive(Debug, Default)]
pub(super) struct MessageWindow {
    pub(super) messages: Vec<Message>,
    /// What stands among them without a time that could be one. It has no place among the others.
    pub(super) timeless: Vec<Message>,
    /// What stands among them and does not decode.
    pub(super) undecodable: Vec<UndecodableItem>,
    pub(super) hidden: Hidden,
    pub(super) summary: Option<String>,
}

/// What the list of rooms says of a room that changes when something happens in it: `message_num` and
/// `last_update_time`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RoomVersion(pub(super) u64, #[serde(with = "crate::wire::unix_time")] pub(super) Timestamp);

/// The list of rooms.
#[derive(Debug, Default)]
pub(super) struct RoomList {
    pub(super) rooms: BTreeMap<RoomId, RoomVersion>,
    /// A failure for each room that is not among these, since it does not even tell its id.
    pub(super) unknown: Vec<Error>,
    /// What `Date` says. It may come from another clock than the times of rooms and messages.
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

    /// Differs when anything has happened.
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
    /// When something last happened in the room, if that is a time.
    fn updated(&self) -> Option<Timestamp> {
        Some(self.1).filter(|time| is_sane(*time))
    }

    /// What happens in the room at this second or later is news after this. It is a time of the same clock as those of
    /// the messages.
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
                // Whatever changes there may be a message.
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

    /// Whether a room that is not there is one that the account is not in. Everybody is at least in "My Chat".
    pub(super) fn is_whole(&self) -> bool {
        self.unknown.is_empty() && !self.rooms.is_empty()
    }

    /// When something last happened in any of the rooms.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.rooms.values().filter_map(RoomVersion::updated).max()
    }

    /// Whether the second in which something last happened in a room is over, as far as that can be known without a
    /// look at it.
    ///
    /// Another room's later time proves it. `Date` does only if it is of the same clock, so that it may save a look but
    /// never decides which message is old.
    pub(super) fn is_past(&self, version: RoomVersion) -> bool {
        let Some(then) = version.updated().and_then(|updated| updated.checked_add(LAG).ok()) else {
            return false;
        };
        [self.newest(), self.date].into_iter().flatten().any(|time| time > then)
    }
}

/// Whether a time can be one at which something was posted. What is not is what stands for none, or for one that was
/// out of bounds.
fn is_sane(time: Timestamp) -> bool {
    Timestamp::UNIX_EPOCH < time && time < NEVER
}

/// When a message was last edited, if that is a time.
pub(super) fn updated(message: &Message) -> Option<Timestamp> {
    message.update_time.filter(|time| is_sane(*time))
}

/// The window that an answer shows.
pub(super) fn recognised_window(answer: Response<Lenient<Message>>) -> Result<MessageWindow, Error> {
    recognised(answer, MESSAGE_ID).map(MessageWindow::of)
}

/// The list of rooms that an answer shows.
pub(super) fn recognised_list(answer: Response<Lenient<Room>>) -> Result<RoomList, Error> {
    recognised(answer, ROOM_ID).map(RoomList::of)
}

/// An answer of which not one item shows as much as its id is spoilt as a whole.
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

/// Tells apart messages that do not decode: by their ids, or by all that they are.
pub(super) fn identity(message: &UndecodableItem) -> u32 {
    fingerprint(&id(message, MESSAGE_ID).unwrap_or_else(|| message.value.to_string()))
}

/// Tells apart messages without a time, which were told all the same.
pub(super) fn timeless_identity(message: &Message) -> u32 {
    fingerprint(&format!("{} without a time", message.message_id))
}

/// A time of an item that does not decode, if that is not why.
pub(super) fn time(item: &UndecodableItem, name: &str) -> Option<Timestamp> {
    Timestamp::from_second(id(item, name)?.parse().ok()?).ok().filter(|time| is_sane(*time))
}

/// What is to be had of an id, or another number, of an item.
fn id(item: &UndecodableItem, name: &str) -> Option<String> {
    item.value.get(name).and_then(crate::call::text)
}

/// A failure for an item without an id. What stands in the item is not quoted: people may have written it.
fn unidentified(item: &UndecodableItem, name: &str) -> Error {
    let path = format!("[{}]", item.index);
    let problem = format!("the item does not decode, and has no `{name}` that would tell which one it is");
    Error::new(ErrorKind::Decode { path, problem }, Outcome::Applied)
}

/// A token that was renewed on the way makes two of one.

/// FNV-1a, which is short, and the same in every version: it is kept in checkpoints.
pub(crate) const fn fingerprint(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let (mut hash, mut index) = (0x811c_9dc5_u32, 0);
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    hash
}
