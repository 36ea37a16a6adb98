//! Subscribers: the streams that read the results of the schedule.

use super::failure::{answer_bytes, bounded};
use super::room::Position;
use super::window::{MessageWindow, RoomList, RoomVersion};
use crate::Error;
use crate::chatwork::RoomId;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The most failures that are kept for a subscriber that is not polled, and the most bytes of their responses.
const FAILURES: usize = 32;
const FAILED_BYTES: usize = 64 * 1024;

/// After this number of lists in a row without the room, the account has left it: one list may be incomplete.
const GONE: u8 = 3;

/// The intervals and the budget of a subscriber.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchPace {
    /// Between polls while something happens.
    pub(super) min: Duration,
    /// The longest between polls while nothing happens.
    pub(super) max: Duration,
    /// Between polls of a room without changes in the list of rooms.
    pub(super) recheck: Duration,
    /// The share of the account's calls.
    pub(super) budget_share: f64,
}

impl WatchPace {
    /// The shortest intervals and the largest share of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.min(other.max),
            recheck: self.recheck.min(other.recheck),
            budget_share: self.budget_share.max(other.budget_share),
        }
    }
}

/// The schedule's view of one stream.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) pace: WatchPace,
    /// Whether it reads every room of the account.
    pub(super) all: bool,
    pub(super) rooms: BTreeMap<RoomId, Subscription>,
    /// The position at which new rooms begin, if it reads all rooms.
    pub(super) absent: Position,
    /// How many entries of the last list had no id, if it reads all rooms.
    pub(super) unknown: usize,
    pub(super) mailbox: Mailbox,
}

/// A room that a subscriber reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    /// The room's version in the list before its last window for the subscriber.
    pub(super) seen: Option<RoomVersion>,
    /// Whether all current messages are old to the subscriber.
    pub(super) from_now: bool,
    /// Whether no list has named it since then; it begins when the account joins it.
    pub(super) awaited: bool,
    /// How many lists in a row did not name it.
    pub(super) missing: u8,
}

/// The items that a subscriber has not read.
///
/// It is bounded: of two windows of a room only the later one is kept, in the position of the earlier one. Otherwise a
/// subscriber that is polled rarely would always get the same room first.
#[derive(Debug, Default)]
pub(super) struct Mailbox(VecDeque<Item>);

#[derive(Clone, Debug)]
pub(super) enum Item {
    /// The position at which a new room begins.
    Begin(RoomId, Position, Option<RoomVersion>),
    /// The room is no longer there.
    End(RoomId),
    /// The position at which rooms that are not in the list begin.
    Listed(Timestamp),
    Window(RoomId, Arc<MessageWindow>, Option<RoomVersion>),
    /// A failure with a room, or with the list of rooms.
    Failed(Option<RoomId>, Error),
}

impl Item {
    /// The room whose state it changes.
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
                // Of two beginnings in a row only the later one counts.
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

    /// Whether the subscriber has an unread window of the room.
    fn has_window(&self, room: RoomId) -> bool {
        self.0.iter().any(|item| matches!(item, Item::Window(other, ..) if *other == room))
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        self.0.pop_front()
    }
}

impl Subscriber {
    /// Stores a list of rooms, and returns the rooms whose version the subscriber has not seen. The list is complete up to
    /// `proven`, a time of the rooms' clock.
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
            // A room without a time in the list begins with its first poll.
            if let Some(since) = version.next_second().filter(|_| subscription.from_now) {
                // Only a poll distinguishes messages before and after the list within one second.
                let seen = list.is_past(version).then_some(version);
                subscription.from_now = false;
                subscription.seen = seen;
                self.mailbox.push(Item::Begin(room, Position::Since(since), seen));
            }
            if subscription.seen != Some(version) {
                behind.push(room);
            }
        }
        // A list without rooms is ignored. In a list without times everything later is new.
        if !list.rooms.is_empty() {
            let proven = proven.unwrap_or(Timestamp::UNIX_EPOCH);
            // In a room that the account joins later, the first poll does not decide what is old.
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
                    // An unread window is not dropped, and nothing accumulates for a subscriber that is not polled.
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
            subscription.seen = version;
            subscription.from_now = false;
            subscription.awaited = false;
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
    fn a_slow_reader_sees_each_busy_room() {
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
    fn the_backlog_of_an_absent_reader_is_bounded() {
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
            // The account joins and leaves two rooms, and only one of them is ever polled.
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
    fn a_rejoined_room_is_shown_from_its_new_beginning() {
        let mut mailbox = Mailbox::default();
        let shown = || Item::Window(RoomId(1), Arc::new(MessageWindow::default()), None);
        let items =
            [shown(), Item::End(RoomId(1)), Item::Begin(RoomId(1), Position::Now, None), shown(), shown()];
        items.into_iter().for_each(|item| mailbox.push(item));
        let last = mailbox.0.back();
        assert!(mailbox.0.len() == 4 && matches!(last, Some(Item::Window(..))), "{mailbox:?}");
    }
}
