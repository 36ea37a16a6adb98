//! The known messages of one room, and the changes that a poll of its newest messages shows.

use super::event::{Event, Hidden};
use super::window::{
    CAP, MessageWindow, RoomVersion, fingerprint, identity, time, timeless_identity, updated,
};
use crate::UndecodableItem;
use crate::chatwork::{Message, MessageId, RoomId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The text of a deleted message.
const DELETED: &str = "[deleted]";

/// One subscriber's knowledge of one room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RoomState {
    pub(super) position: Position,
    hidden: Hidden,
    /// The last 100 yielded messages that did not decode, or had no time.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    undecodable: VecDeque<u32>,
    /// The room's version in the list before the last poll.
    pub(super) version: Option<RoomVersion>,
    /// Whether it comes from a checkpoint and has not been compared with the room since.
    #[serde(skip)]
    resumed: bool,
}

/// The position of a subscriber in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Position {
    /// The messages of the first poll are old.
    Now,
    /// The messages of the first poll are new.
    Window,
    /// Events at this second or later are new.
    Since(#[serde(with = "crate::wire::unix_time")] Timestamp),
    At(Seen),
}

/// The position of a message in its room.
type Key = (Timestamp, MessageId);

/// The messages that were yielded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "SavedSeen", into = "SavedSeen")]
pub(super) struct Seen {
    /// A message that is older than this and not known is not new: it was yielded long ago, or skipped on purpose. The floor
    /// only rises.
    floor: Option<Key>,
    /// The newest 100.
    known: BTreeMap<Key, Entry>,
}

/// The version of a message that was yielded.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    updated: Option<Timestamp>,
    /// Distinguishes two edits within one second, with a poll in between.
    text: u32,
}

/// An event, and what is known once it was yielded.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) event: Event,
    learned: Learned,
}

#[derive(Debug)]
enum Learned {
    Version(Key, Entry),
    /// Messages before this one may be lost.
    Lost(Key),
    Hidden(Hidden),
    /// A message that does not decode, or has no time.
    UndecodableItem(u32),
}

impl RoomState {
    pub(super) fn new(position: Position) -> Self {
        Self {
            position,
            hidden: Hidden::Nothing,
            undecodable: VecDeque::new(),
            version: None,
            resumed: false,
        }
    }

    /// Marks it as loaded from a checkpoint.
    pub(super) fn resume(&mut self) {
        self.resumed = true;
    }

    /// The form for a checkpoint.
    pub(super) fn saved(&self) -> Self {
        Self { resumed: false, ..self.clone() }
    }

    /// The changes that a poll of the room shows, oldest first. `listed` is the room's version in the list before the poll.
    /// Each change must be [learned](Self::learn) when it is yielded and not before, so that a checkpoint has exactly the
    /// yielded events.
    pub(super) fn changes(
        &mut self,
        room: RoomId,
        window: &MessageWindow,
        listed: Option<RoomVersion>,
    ) -> VecDeque<Change> {
        let mut changes = VecDeque::new();
        if window.hidden != self.hidden {
            let (hidden, summary) = (window.hidden, window.summary.clone());
            let event = Event::Limited { room, hidden, summary };
            changes.push_back(Change { event, learned: Learned::Hidden(hidden) });
        }
        self.begin(window, listed);
        let Position::At(seen) = &mut self.position else { return changes };
        let reported = |message: &&UndecodableItem| self.undecodable.contains(&identity(message));
        let is_reported_timeless =
            |message: &&Message| self.undecodable.contains(&timeless_identity(message));
        // An item that does not decode has no position, but if its id is known, it was there before.
        let overlaps = window
            .undecodable
            .iter()
            .filter(reported)
            .any(|message| message.value.get("message_id").is_some())
            || window.timeless.iter().any(|message| is_reported_timeless(&message) || seen.knows(message));
        if let Some(oldest) = window.messages.first().map(key).filter(|_| !overlaps) {
            let latest = seen.latest();
            let severed = match latest {
                Some(latest) => oldest > *latest,
                None => window.is_full(),
            };
            // If the service hides older messages, there are less than 100, and the known messages may just be hidden.
            // Between two polls of one run a change in hiding is noticed, but not between two runs.
            if severed && (window.is_full() || window.hidden == Hidden::Nothing || self.resumed) {
                let (after, before) = (latest.map(|(_, id)| id.clone()), oldest.1.clone());
                let event = Event::Gap { room, after, before };
                changes.push_back(Change { event, learned: Learned::Lost(oldest) });
            }
        }
        // Messages that were yielded without a time may have one now.
        for message in window.messages.iter().filter(is_reported_timeless) {
            if !seen.known.contains_key(&key(message)) {
                seen.insert(key(message), Entry::of(message));
            }
        }
        changes.extend(window.messages.iter().filter_map(|message| seen.compare(room, message)));
        let timeless =
            window.timeless.iter().filter(|message| !is_reported_timeless(message) && !seen.knows(message));
        changes.extend(timeless.map(|message| {
            let (entry, message) = (Entry::of(message), message.clone());
            let learned = Learned::UndecodableItem(timeless_identity(&message));
            let deleted = entry.is_deleted();
            let event =
                if deleted { Event::Deleted { room, message } } else { Event::Message { room, message } };
            Change { event, learned }
        }));
        changes.extend(window.undecodable.iter().filter(|message| !reported(message)).map(|message| {
            Change {
                event: Event::Undecodable { room, item: message.clone() },
                learned: Learned::UndecodableItem(identity(message)),
            }
        }));
        self.resumed = false;
        changes
    }

    pub(super) fn learn(&mut self, change: Change) -> Event {
        match (change.learned, &mut self.position) {
            (Learned::Hidden(hidden), _) => self.hidden = hidden,
            (Learned::UndecodableItem(identity), _) => self.reject(identity),
            (Learned::Version(key, entry), Position::At(seen)) => seen.insert(key, entry),
            (Learned::Lost(before), Position::At(seen)) => {
                seen.known = seen.known.split_off(&before);
                seen.rise(before);
            }
            // `begin` has set the position to `At` before there are messages.
            (Learned::Version(..) | Learned::Lost(_), _) => {}
        }
        change.event
    }

    fn reject(&mut self, identity: u32) {
        self.undecodable.push_back(identity);
        if self.undecodable.len() > CAP {
            self.undecodable.pop_front();
        }
    }

    /// Sets the position to `At` at the first poll that shows anything, with all messages that are old by then.
    fn begin(&mut self, window: &MessageWindow, listed: Option<RoomVersion>) {
        if window.hidden == Hidden::All {
            // When messages become visible, only their time distinguishes the old ones. Without a time to compare with, all
            // of them are new, with a gap if there may be more than the window shows.
            self.position = match std::mem::replace(&mut self.position, Position::Now) {
                Position::Now => Position::since(listed.and_then(|version| version.next_second())),
                Position::Window => Position::since(None),
                other => other,
            };
            return;
        }
        let mut seen = Seen::default();
        let new_from = match self.position {
            Position::At(_) => return,
            Position::Now => Some(Timestamp::MAX),
            Position::Since(time) => Some(time),
            Position::Window => {
                // Messages before its oldest one do not count.
                seen.floor = window.messages.first().map(key);
                None
            }
        };
        for message in &window.messages {
            if new_from.is_some_and(|new_from| message.send_time < new_from) {
                let edited_since = updated(message) >= new_from;
                seen.insert(key(message), if edited_since { Entry::OUTDATED } else { Entry::of(message) });
            }
        }
        // The time of posting may be what does not decode; then the message counts as new.
        if new_from == Some(Timestamp::MAX) {
            window.timeless.iter().for_each(|message| self.reject(timeless_identity(message)));
        }
        for message in &window.undecodable {
            let old =
                |from| from == Timestamp::MAX || time(message, "send_time").is_some_and(|sent| sent < from);
            if new_from.is_some_and(old) {
                self.reject(identity(message));
            }
        }
        if let Some(oldest) = seen.known.keys().next().cloned() {
            seen.rise(oldest);
        }
        self.position = Position::At(seen);
    }
}

impl Position {
    /// Events at this time or later are new; without a time, all events. Unlike [`Window`](Self::Window), it begins with a gap
    /// if there may have been more messages than the window shows.
    pub(super) fn since(time: Option<Timestamp>) -> Self {
        Self::Since(time.unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

impl Seen {
    /// The newest message that was yielded or skipped.
    fn latest(&self) -> Option<&Key> {
        self.known.keys().next_back().max(self.floor.as_ref())
    }

    /// Whether a message without a time was yielded before.
    fn knows(&self, message: &Message) -> bool {
        self.known.keys().any(|(_, id)| *id == message.message_id)
    }

    fn rise(&mut self, floor: Key) {
        self.floor = self.floor.take().max(Some(floor));
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        self.known.insert(key, entry);
        if self.known.len() > CAP {
            self.known.pop_first();
            if let Some(oldest) = self.known.keys().next().cloned() {
                self.rise(oldest);
            }
        }
    }

    fn compare(&mut self, room: RoomId, message: &Message) -> Option<Change> {
        let (key, entry) = (key(message), Entry::of(message));
        let below_floor = self.floor.as_ref().is_some_and(|floor| key < *floor);
        let event = match self.known.get(&key) {
            Some(known) if !known.is_followed_by(&entry) => return None,
            None if below_floor => {
                // It has become visible again, and from now on its edits are new.
                if self.known.len() < CAP {
                    self.known.insert(key, entry);
                }
                return None;
            }
            _ if entry.is_deleted() => Event::Deleted { room, message: message.clone() },
            Some(_) => Event::Edited { room, message: message.clone() },
            None => Event::Message { room, message: message.clone() },
        };
        Some(Change { event, learned: Learned::Version(key, entry) })
    }
}

impl Entry {
    /// A version that is older than every real one.
    const OUTDATED: Self = Self { updated: None, text: 0 };

    fn of(message: &Message) -> Self {
        Self { updated: updated(message), text: fingerprint(&message.body) }
    }

    fn is_deleted(&self) -> bool {
        const MARK: u32 = fingerprint(DELETED);
        self.text == MARK
    }

    /// Whether another version is later than this one.
    ///
    /// An older version is not: the service may respond from a copy that lags behind. Nor is a version with another text but
    /// without an `update_time`, such as a file's message when its preview is created. A deletion always is later, since it is
    /// not documented whether it sets `update_time`.
    fn is_followed_by(&self, other: &Self) -> bool {
        if other.updated != self.updated {
            return other.updated > self.updated && !(self.is_deleted() && other.is_deleted());
        }
        let another_text = other.text != self.text && !self.is_deleted();
        another_text && (other.is_deleted() || other.updated.is_some())
    }
}

fn key(message: &Message) -> Key {
    (message.send_time, message.message_id.clone())
}

/// The serialised form of [`Seen`]: id, `send_time`, `update_time` (0 for none) and fingerprint of each message.
#[derive(Serialize, Deserialize)]
struct SavedSeen {
    floor: Option<(MessageId, i64)>,
    known: Vec<(MessageId, i64, i64, u32)>,
}

impl From<Seen> for SavedSeen {
    fn from(seen: Seen) -> Self {
        let floor = seen.floor.map(|(time, id)| (id, time.as_second()));
        let known = seen.known.into_iter().map(|((time, id), entry)| {
            (id, time.as_second(), entry.updated.map_or(0, Timestamp::as_second), entry.text)
        });
        Self { floor, known: known.collect() }
    }
}

impl From<SavedSeen> for Seen {
    fn from(saved: SavedSeen) -> Self {
        // An invalid time was not written by this crate; the earliest time does no harm.
        let time = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN);
        let mut seen = Self::default();
        for (id, sent, updated, text) in saved.known {
            let updated = (updated != 0).then(|| time(updated));
            seen.insert((time(sent), id), Entry { updated, text });
        }
        if let Some((id, sent)) = saved.floor {
            seen.rise((time(sent), id));
        }
        seen
    }
}
