//! Those who read what the schedule brings in.

use super::failure::{answer_bytes, bounded};
use super::room::Position;
use super::window::{MessageWindow, RoomList, RoomVersion};
use crate::Error;
use crate::chatwork::RoomId;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The failures that are kept for a subscriber that does not come for them: so many, and no more of them than have
/// together so many bytes of answers.
const FAILURES: usize = 32;
const FAILED_BYTES: usize = 64 * 1024;

/// A room that so many lists in a row do not name is left, and not just forgotten by one answer.
const GONE: u8 = 3;

/// How often a subscriber wants to be served, and at what cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchPace {
    /// From one look to the next while something happens.
    pub(super) min: Duration,
    /// The same while nothing does.
    pub(super) max: Duration,
    /// From one look at a room to the next when the list of rooms says that nothing happened there.
    pub(super) recheck: Duration,
    /// The share of the account's calls.
    pub(super) budget_share: f64,
}

impl WatchPace {
    /// What serves both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.min(other.max),
            recheck: self.recheck.min(other.recheck),
            budget_share: self.budget_share.max(other.budget_share),
        }
    }
}

/// One stream, as the schedule sees it.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) pace: WatchPace,
    /// Whether it reads every room that the account is in.
    pub(super) all: bool,
    pub(super) rooms: BTreeMap<RoomId, Subscription>,
    /// Where rooms begin that are not among `rooms` yet, if it reads all of them.
    pub(super) absent: Position,
    /// How many rooms of the list did not tell their ids when it was last seen, if it reads all of them.
    pub(super) unknown: usize,
    pub(super) mailbox: Mailbox,
}

/// A room that a subscriber reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    /// What the list of rooms said before the subscriber was last shown the room.
    pub(super) seen: Option<RoomVersion>,
    /// Whether all that is there now is old to the subscriber.
    pub(super) from_now: bool,
    /// Whether lists have not named it since then, so that it begins when the account comes into it.
    pub(super) awaited: bool,
    /// How many lists in a row did not name it.
    pub(super) missing: u8,
}

/// What waits to be read.
///
/// It is bounded: of two windows of a room only the later one is kept, as if nobody had looked in between. It keeps its
/// place, or else a subscriber that comes seldom would find the same room in front each time.
#[derive(Debug, Default)]
pub(super) struct Mailbox(VecDeque<Item>);

#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Where a room begins that the subscriber has seen nothing of yet.
    Begin(RoomId, Position, Option<RoomVersion>),
    /// The room is no longer there.
    End(RoomId),
    /// Rooms that were not listed until now begin here.
    Listed(Timestamp),
    Window(RoomId, Arc<MessageWindow>, Option<RoomVersion>),
    /// A failure with a room, or with the list of rooms.
    Failed(Option<RoomId>, Error),
}

impl Item {
    /// The room of whose state it is a part.
    fn room(&self) -> Option<RoomId> {
        match self {
            Self::Window(room, ..) | Self::Begin(room, ..) | Self::End(room) => Some(*room),
            Self::Listed(_) | Self::Failed(..) => None,
        }
    }
}

impl Mailbox {
    pub(super) fn push(&mut self, item: Item) {
        let last = item.room().and_then(|room| self.0.iter().rposition(|other| other.room() == Some(room)));
        match &item {
            Item::Window(..) => {
                if let Some(earlier @ Item::Window(..)) = last.map(|last| &mut self.0[last]) {
                    *earlier = item;
                    return;
                }
            }
            Item::Listed(_) => self.0.retain(|other| !matches!(other, Item::Listed(_))),
            Item::Failed(_, error) => {
                let (mut kept, mut bytes) = (1, answer_bytes(error));
                // The newest stay.
                let mut place = self.0.len();
                while place > 0 {
                    place -= 1;
                    let Item::Failed(_, earlier) = &self.0[place] else { continue };
                    (kept, bytes) = (kept + 1, bytes + answer_bytes(earlier));
                    if kept > FAILURES || bytes > FAILED_BYTES {
                        self.0.remove(place);
                    }
                }
            }
            Item::Begin(..) => {
                // Of two beginnings with nothing between them only the later one counts.
                if let Some(last) = last.filter(|last| matches!(self.0[*last], Item::Begin(..))) {
                    self.0.remove(last);
                }
            }
            Item::End(_) => {
                if let Some(Item::Begin(..)) = last.and_then(|last| self.0.get(last)) {
                    last.and_then(|last| self.0.remove(last));
                }
                let ended = |other: &Item| other.room() == item.room();
                if let Some(Item::End(_)) = self.0.iter().rfind(|other| ended(other)) {
                    return;
                }
            }
        }
        self.0.push_back(item);
    }

    /// Whether the subscriber has not come for what was seen in a room.
    fn has_window(&self, room: RoomId) -> bool {
        self.0.iter().any(|item| matches!(item, Item::Window(other, ..) if *other == room))
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        self.0.pop_front()
    }
}

impl Subscriber {
    /// Takes over what the list of rooms says, and answers in which of the listed rooms it has something to read. What
    /// happened before `proven`, a time of the rooms' own clock, is in the list.
    pub(super) fn on_list(&mut self, list: &RoomList, proven: Option<Timestamp>) -> Vec<RoomId> {
        let mut behind = Vec::new();
        for (&room, &version) in &list.rooms {
            if self.all && !self.rooms.contains_key(&room) {
                let from_now = self.absent == Position::Now;
                self.rooms.insert(room, Subscription { seen: None, from_now, awaited: false, missing: 0 });
                self.mailbox.push(Item::Begin(room, self.absent.clone(), None));
            }
            let Some(subscription) = self.rooms.get_mut(&room) else { continue };
            subscription.awaited = false;
            // A room that does not say when something last happened there begins with the first look.
            if let Some(since) = version.next_second().filter(|_| subscription.from_now) {
                // Only a look tells apart what was posted before and after the list in one second.
                let seen = list.is_past(version).then_some(version);
                (subscription.from_now, subscription.seen) = (false, seen);
                self.mailbox.push(Item::Begin(room, Position::Since(since), seen));
            }
            if subscription.seen != Some(version) {
                behind.push(room);
            }
        }
        // A list without rooms is not taken at its word, and in one without any time everything later is new.
        if !list.rooms.is_empty() {
            let proven = proven.unwrap_or(Timestamp::UNIX_EPOCH);
            // What is old in a room that the account comes into later is not decided by the first look.
            for (room, subscription) in
                self.rooms.iter_mut().filter(|(room, _)| !list.rooms.contains_key(room))
            {
                subscription.awaited |= std::mem::take(&mut subscription.from_now);
                if subscription.awaited {
                    self.mailbox.push(Item::Begin(*room, Position::Since(proven), None));
                }
            }
            if self.all {
                self.absent = Position::Since(proven);
                self.mailbox.push(Item::Listed(proven));
            }
        }
        if self.all {
            if list.is_whole() {
                self.rooms.retain(|room, subscription| {
                    let listed = list.rooms.contains_key(room);
                    subscription.missing = if listed { 0 } else { subscription.missing.saturating_add(1) };
                    // What a subscriber is still to be told is not forgotten, and nothing piles up where it never comes.
                    let gone = subscription.missing >= GONE && !self.mailbox.has_window(*room);
                    if gone {
                        self.mailbox.push(Item::End(*room));
                    }
                    !gone
                });
            }
            list.unknown.iter().skip(self.unknown).for_each(|error| self.on_failure(None, &bounded(error)));
            self.unknown = list.unknown.len();
        }
        behind
    }

    pub(super) fn on_window(
        &mut self,
        room: RoomId,
        window: &Arc<MessageWindow>,
        version: Option<RoomVersion>,
    ) {
        if let Some(subscription) = self.rooms.get_mut(&room) {
            (subscription.seen, subscription.from_now, subscription.awaited) = (version, false, false);
            self.mailbox.push(Item::Window(room, Arc::clone(window), version));
        }
    }

    pub(super) fn on_failure(&mut self, room: Option<RoomId>, error: &Error) {
        if room.is_none_or(|room| self.rooms.contains_key(&room)) {
            self.mailbox.push(Item::Failed(room, error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_comes_seldom_is_shown_each_busy_room() {
        let (mut mailbox, mut shown) = (Mailbox::default(), BTreeMap::<RoomId, u32>::new());
        let window = || Arc::new(MessageWindow::default());
        for _ in 0..90 {
            (1..=3).for_each(|room| mailbox.push(Item::Window(RoomId(room), window(), None)));
            let Some(Item::Window(room, ..)) = mailbox.pop() else { panic!("there is a window") };
            *shown.entry(room).or_default() += 1;
        }
        assert_eq!(shown, [1, 2, 3].map(|room| (RoomId(room), 30)).into());
        assert_eq!(mailbox.0.len(), 2);
    }

    #[test]
    fn what_waits_for_a_reader_who_never_comes_is_bounded() {
        let pace = WatchPace {
            min: Duration::ZERO,
            max: Duration::ZERO,
            recheck: Duration::ZERO,
            budget_share: 0.5,
        };
        let (rooms, absent) = (BTreeMap::new(), Position::Window);
        let mut subscriber =
            Subscriber { pace, all: true, rooms, absent, unknown: 0, mailbox: Mailbox::default() };
        let list = |rooms: &[u64]| {
            let version = |room: &u64| (RoomId(*room), RoomVersion(1, Timestamp::constant(1_767_193_200, 0)));
            RoomList { rooms: rooms.iter().map(version).collect(), ..RoomList::default() }
        };
        let window = Arc::new(MessageWindow::default());
        for round in 0..1000 {
            // Two rooms come and go, and only one of them is ever looked at.
            let rooms: &[u64] = if round % 8 < 4 { &[1, 2, 3] } else { &[1] };
            subscriber.on_list(&list(rooms), Some(Timestamp::constant(1_767_193_200, 0)));
            if round % 8 == 2 {
                subscriber.on_window(RoomId(3), &window, None);
            }
            let error = crate::Error::token("none");
            subscriber.on_failure(None, &error);
        }
        let waiting =
            |room| subscriber.mailbox.0.iter().filter(|item| item.room() == Some(RoomId(room))).count();
        assert!([1, 2, 3].iter().all(|room| waiting(*room) <= 3), "{:?}", subscriber.mailbox);
        assert!(subscriber.mailbox.0.len() <= 9 + FAILURES + 1, "{}", subscriber.mailbox.0.len());
    }

    #[test]
    fn a_room_that_comes_back_is_shown_after_its_new_beginning() {
        let mut mailbox = Mailbox::default();
        let shown = || Item::Window(RoomId(1), Arc::new(MessageWindow::default()), None);
        let items =
            [shown(), Item::End(RoomId(1)), Item::Begin(RoomId(1), Position::Now, None), shown(), shown()];
        items.into_iter().for_each(|item| mailbox.push(item));
        let last = mailbox.0.back();
        assert!(mailbox.0.len() == 4 && matches!(last, Some(Item::Window(..))), "{mailbox:?}");
    }
}
