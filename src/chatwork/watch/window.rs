//! What the service shows of a room, and of the rooms.

use super::event::Hidden;
use super::room::fingerprint;
use crate::chatwork::operations::{ListMessages, ListRooms};
use crate::chatwork::{Message, Room, RoomId};
use crate::transport::Transport;
use crate::{Error, ErrorKind, Lenient, Outcome, Rejected, Request, Response, RetryPolicy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// The most that the service shows of a room.
pub(super) const CAP: usize = 100;

/// How long before the `Date` of an answer the service may have read its data, and then some.
const LAG: Duration = Duration::from_secs(5);

/// The newest messages of a room, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) messages: Vec<Message>,
    /// What stands among them and does not decode.
    pub(super) rejected: Vec<Rejected>,
    pub(super) hidden: Hidden,
    pub(super) summary: Option<String>,
    /// What was posted before this time and is not hidden is in the window.
    pub(super) settled: Option<Timestamp>,
}

/// What the list of rooms says of a room that changes when something happens in it: `message_num` and
/// `last_update_time`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp(pub(super) u64, #[serde(with = "crate::wire::unix_time")] pub(super) Timestamp);

/// The list of rooms.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) rooms: BTreeMap<RoomId, Stamp>,
    /// A failure for each room that is not among these, since it does not even tell its id.
    pub(super) unknown: Vec<Error>,
    /// When it was answered, by the service's clock.
    pub(super) date: Option<Timestamp>,
}

impl Window {
    /// Looks at a room. It sends one request and never repeats it: that is for the schedule to do, which counts them.
    pub(super) async fn fetch(transport: &Arc<Transport>, room: RoomId) -> (Result<Self, Error>, u32) {
        let request = Request::new(transport, ListMessages::new(room)).force(true).lenient();
        let answer = request.with_retry(RetryPolicy::none()).send().await;
        let attempts = attempts(&answer);
        (answer.and_then(|answer| recognised(answer, "message_id")).map(Self::of), attempts)
    }

    fn of(answer: Response<Lenient<Message>>) -> Self {
        let header = |name| answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let limited = header("chatwork-message-limitation").is_some_and(|value| value.trim() == "true");
        let summary = header("chatwork-message-limitation-summary").filter(|_| limited);
        let summary = summary.map(|summary| summary.into_owned());
        let settled = settled(crate::limits::date(answer.headers()));
        let Lenient { items: mut messages, mut rejected, .. } = answer.into_inner();
        let hidden = match (limited, messages.is_empty() && rejected.is_empty()) {
            (false, _) => Hidden::Nothing,
            (true, false) => Hidden::Some,
            (true, true) => Hidden::All,
        };
        // Nobody documents an order.
        messages.sort_by(|a, b| (a.send_time, &a.message_id).cmp(&(b.send_time, &b.message_id)));
        messages.dedup_by(|a, b| a.message_id == b.message_id);
        let mut identities = BTreeSet::new();
        rejected.retain(|message| identities.insert(identity(message)));
        Self { messages, rejected, hidden, summary, settled }
    }

    pub(super) fn is_full(&self) -> bool {
        self.messages.len() + self.rejected.len() >= CAP
    }

    /// Differs when anything has happened.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for message in &self.messages {
            (&message.message_id, message.update_time, &message.body).hash(&mut hasher);
        }
        self.rejected.iter().for_each(|message| identity(message).hash(&mut hasher));
        hasher.finish()
    }
}

impl Stamp {
    /// Whether nothing has happened in the room at or after a time.
    pub(super) fn is_older_than(&self, time: Timestamp) -> bool {
        self.1 < time
    }

    /// What happens in the room at this second or later is news after this. It is the clock of the messages: that of
    /// `Date` may be another one.
    pub(super) fn next_second(&self) -> Timestamp {
        self.1.checked_add(Duration::from_secs(1)).unwrap_or(self.1)
    }
}

impl Listing {
    pub(super) async fn fetch(transport: &Arc<Transport>) -> (Result<Self, Error>, u32) {
        let request = Request::new(transport, ListRooms::new()).lenient();
        let answer = request.with_retry(RetryPolicy::none()).send().await;
        let attempts = attempts(&answer);
        (answer.and_then(|answer| recognised(answer, "room_id")).map(Self::of), attempts)
    }

    fn of(answer: Response<Lenient<Room>>) -> Self {
        let date = crate::limits::date(answer.headers());
        let Lenient { items, rejected, .. } = answer.into_inner();
        let stamp = |room: Room| (room.room_id, Stamp(room.message_num, room.last_update_time));
        let mut listing = Self { rooms: items.into_iter().map(stamp).collect(), unknown: Vec::new(), date };
        for room in rejected {
            match id(&room, "room_id").and_then(|id| id.parse().ok()) {
                // Whatever changes there may be a message.
                Some(id) => {
                    let any = fingerprint(&room.value.to_string()).into();
                    let updated = time(&room, "last_update_time").unwrap_or(Timestamp::UNIX_EPOCH);
                    listing.rooms.insert(RoomId(id), Stamp(any, updated));
                }
                None => listing.unknown.push(undecodable(&room)),
            }
        }
        listing
    }

    /// Whether a room that is not there is one that the account is not in. Everybody is at least in "My Chat".
    pub(super) fn is_whole(&self) -> bool {
        self.unknown.is_empty() && !self.rooms.is_empty()
    }

    /// What happened before this time is in the listing.
    pub(super) fn settled(&self) -> Option<Timestamp> {
        settled(self.date)
    }
}

/// What happened before this time is in an answer of this date.
fn settled(date: Option<Timestamp>) -> Option<Timestamp> {
    date?.checked_sub(LAG).ok()
}

/// An answer of which not one item shows as much as its id is spoilt as a whole.
fn recognised<T>(answer: Response<Lenient<T>>, name: &str) -> Result<Response<Lenient<T>>, Error> {
    match answer.rejected.first() {
        Some(first)
            if answer.items.is_empty() && answer.rejected.iter().all(|item| id(item, name).is_none()) =>
        {
            let error = undecodable(first);
            Err(answer.explain(error))
        }
        _ => Ok(answer),
    }
}

/// Tells apart messages that do not decode: by their ids, or by all that they are.
pub(super) fn identity(message: &Rejected) -> u32 {
    fingerprint(&id(message, "message_id").unwrap_or_else(|| message.value.to_string()))
}

/// A time of an item that does not decode, if that is not why.
pub(super) fn time(item: &Rejected, name: &str) -> Option<Timestamp> {
    Timestamp::from_second(id(item, name)?.parse().ok()?).ok()
}

/// What is to be had of an id, or another number, of an item.
fn id(item: &Rejected, name: &str) -> Option<String> {
    item.value.get(name).and_then(crate::error::text)
}

fn undecodable(item: &Rejected) -> Error {
    let (path, problem) = (item.path.clone(), item.problem.clone());
    Error::new(ErrorKind::Decode { path, problem }, Outcome::Applied)
}

/// A token that was renewed on the way makes two of one.
fn attempts<T>(answer: &Result<Response<T>, Error>) -> u32 {
    answer.as_ref().map_or_else(Error::attempts, Response::attempts)
}
