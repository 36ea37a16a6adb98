//! The schedule: which call is made next, and when.
//!
//! A single room is polled. With several rooms the list is polled, and then the rooms whose `message_num` or
//! `last_update_time` has changed. Each room is also rechecked at long intervals, since it is not documented what changes
//! these fields.
//!
//! The states of a room:
//!
//! ```text
//!   a stream names it
//!     │          its turn              read
//!     ▼     ┌────────────► READING ────────────► QUIET
//!   BEHIND ─┘               ▲  │ ▲                │ │
//!     ▲         pause over, │  │ └────────────────┘ │
//!     │         its turn    │  │ failed    recheck  │
//!     │                     │  ▼           due, its │
//!     │                  BACKING OFF       turn     │
//!     │                                             │
//!     └─────────────────────────────────────────────┘
//!                listed with another version
//! ```
//!
//! A new version does not shorten a pause. For a single room, and while the list fails, a QUIET room is read whenever its
//! interval has passed.
//!
//! The next call is the first of these that is due and that the budget allows: a room that is BEHIND; then, in turns, the list
//! and a room that is BACKING OFF; then a recheck, which leaves half of the saved calls.

use super::backoff::{Backoff, FailureScope};
use super::budget::{SavedUp, WatchBudget};
use super::failure::bounded;
use super::proven::Proven;
use super::subscriber::{Subscriber, WatchPace};
use super::window::{MessageWindow, RoomList, RoomVersion};
use crate::chatwork::RoomId;
use crate::{Error, RateLimit};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything that the streams of one client read, and when it is polled.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    subscribers: BTreeMap<u64, Subscriber>,
    rooms: BTreeMap<RoomId, RoomSchedule>,
    list: List,
    budget: WatchBudget,
    /// The time up to which the lists are complete, by the service's own times.
    proven: Proven,
    /// The pause of all calls.
    service: Backoff,
    last_id: u64,
}

/// The schedule of a room.
#[derive(Debug)]
struct RoomSchedule {
    /// How many subscribers have named this room.
    named: usize,
    /// The room's version in the list, if it is in it.
    version: Option<RoomVersion>,
    /// Whether a subscriber has not seen this version.
    behind: bool,
    /// Whether a subscriber has not seen the room at all.
    fresh: bool,
    /// When it was last polled, or first named.
    last: Instant,
    interval: Duration,
    backoff: Backoff,
    /// The digest of its last window.
    digest: Option<u64>,
}

/// The schedule of the list of rooms.
#[derive(Debug, Default)]
struct List {
    /// When it is due; `None` for at once.
    next: Option<Instant>,
    interval: Duration,
    /// Whether it was read since the subscribers changed.
    seen: bool,
    /// Whether it was called since a failed room was last retried.
    called: bool,
    /// Once its failure is lasting, every room is polled instead.
    backoff: Backoff,
}

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NextCall {
    /// No call for this long; `None` until something changes.
    Wait(Option<Duration>),
    ReadList,
    /// A poll of a room, with its version in the list.
    ReadRoom(RoomId, Option<RoomVersion>),
}

/// A call, and when it is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    next_call: NextCall,
}

/// The first due call of each kind.
#[derive(Debug, Default)]
struct Agenda {
    /// A poll of a room with a new version.
    news: Option<Due>,
    list: Option<Due>,
    /// A retry of a room that failed, or the interval poll of a room without the list.
    retry: Option<Due>,
    /// A poll of a room without a known change.
    recheck: Option<Due>,
}

impl Schedule {
    pub(super) fn add(&mut self, subscriber: Subscriber, now: Instant) -> u64 {
        if !subscriber.all {
            for room in subscriber.rooms.keys() {
                let schedule = self.rooms.entry(*room).or_insert_with(|| RoomSchedule::new(now));
                schedule.named += 1;
                schedule.fresh = true;
            }
        }
        self.list.next = None;
        self.list.backoff.until = None;
        self.list.seen = false;
        self.last_id += 1;
        self.subscribers.insert(self.last_id, subscriber);
        self.last_id
    }

    /// Continues with the saved calls of an earlier process.
    pub(super) fn resume(&mut self, saved_up: SavedUp, wall: Timestamp) {
        self.budget.resume(saved_up, wall);
    }

    pub(super) fn saved_up(&self, now: Instant, wall: Timestamp) -> Option<SavedUp> {
        self.budget.saved_up(now, wall)
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(subscriber) = self.subscribers.remove(&id) else { return };
        if !subscriber.all {
            for room in subscriber.rooms.keys() {
                if let Some(schedule) = self.rooms.get_mut(room) {
                    schedule.named = schedule.named.saturating_sub(1);
                }
            }
        }
        let all = self.subscribers.values().any(|subscriber| subscriber.all);
        self.rooms.retain(|_, schedule| schedule.named > 0 || all);
    }

    pub(super) fn subscriber(&mut self, id: u64) -> Option<&mut Subscriber> {
        self.subscribers.get_mut(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// The combined settings of all subscribers.
    fn pace(&self) -> Option<WatchPace> {
        let pace = self.subscribers.values().map(|subscriber| subscriber.pace).reduce(WatchPace::and)?;
        Some(WatchPace { max: pace.max.max(pace.min), ..pace })
    }

    /// Whether the list of rooms is read. For a single room, polling it is cheaper than the list and the room.
    fn lists(&self) -> bool {
        self.rooms.len() > 1 || self.subscribers.values().any(|subscriber| subscriber.all)
    }

    pub(super) fn next_call(&mut self, limit: Option<&RateLimit>, now: Instant) -> NextCall {
        self.budget.learn(limit, now);
        let Some(pace) = self.pace() else { return NextCall::Wait(None) };
        let paused = self.service.until.map_or(now, |until| until.max(now));
        let Agenda { news, list, retry, recheck } = self.agenda(&pace, now);
        // Rooms with news come before the list, which would only add more of them: the rooms end, and the list never does.
        // A failed room may never end either, so the list and failed rooms take turns.
        let (one, other) = if self.list.called { (retry, list) } else { (list, retry) };
        let candidates = [(news, false), (one, false), (other, false), (recheck, true)];
        let candidates = candidates.into_iter().filter_map(|(due, can_wait)| {
            let Due { at, next_call } = due?;
            let affordable = self.budget.wait(pace.budget_share, can_wait, now);
            Some((at.max(paused).saturating_duration_since(now).max(affordable), next_call))
        });
        match candidates.min_by_key(|(wait, _)| *wait) {
            Some((Duration::ZERO, next_call)) => {
                self.list.called &= retry.is_none_or(|retry| retry.next_call != next_call);
                next_call
            }
            next => NextCall::Wait(next.map(|(wait, _)| wait)),
        }
    }

    fn agenda(&self, pace: &WatchPace, now: Instant) -> Agenda {
        let lists = self.lists();
        let direct = !lists || self.list.backoff.is_lasting();
        let mut agenda = Agenda::default();
        if lists {
            let at = self.list.backoff.until.or(self.list.next).unwrap_or(now);
            agenda.list = Some(Due { at, next_call: NextCall::ReadList });
        }
        if !direct && !self.list.seen {
            return agenda;
        }
        for (&room, schedule) in &self.rooms {
            let listed = schedule.version.is_some();
            let urgent = schedule.behind || schedule.fresh && (direct || !listed);
            let interval = if direct { schedule.interval.clamp(pace.min, pace.max) } else { pace.recheck };
            let (best, at) = match schedule.backoff.until {
                None if urgent => (&mut agenda.news, schedule.last),
                until if urgent || direct => (&mut agenda.retry, until.unwrap_or(schedule.last + interval)),
                until if listed || schedule.named > 0 => {
                    (&mut agenda.recheck, until.unwrap_or(schedule.last + interval))
                }
                // It was only polled because it was listed, and it no longer is.
                _ => continue,
            };
            if best.is_none_or(|best| at < best.at) {
                *best = Some(Due { at, next_call: NextCall::ReadRoom(room, schedule.version) });
            }
        }
        agenda
    }

    pub(super) fn on_list(&mut self, result: Result<RoomList, Error>, calls: u32, now: Instant) {
        // A call that failed before anything was sent counts too, to bound its retries.
        self.budget.spend(calls.max(1));
        self.list.called = true;
        let Some(pace) = self.pace() else { return };
        let list = match result {
            Ok(list) => list,
            Err(error) => return self.on_failure(None, &error, &pace, now),
        };
        self.service = Backoff::default();
        self.list.backoff = Backoff::default();
        let known = std::mem::replace(&mut self.list.seen, true);
        let mut active = false;
        for (room, schedule) in &mut self.rooms {
            let version = list.rooms.get(room).copied();
            active |= known && version != schedule.version;
            schedule.version = version;
            schedule.behind = false;
        }
        let proven = self.proven.on_list(&list, now);
        for subscriber in self.subscribers.values_mut() {
            for room in subscriber.on_list(&list, proven) {
                let schedule = self.rooms.entry(room).or_insert_with(|| RoomSchedule::new(now));
                schedule.version = list.rooms.get(&room).copied();
                schedule.behind = true;
            }
            if subscriber.all {
                // Rooms without news are rechecked too.
                for (room, version) in &list.rooms {
                    self.rooms.entry(*room).or_insert_with(|| RoomSchedule::new(now)).version =
                        Some(*version);
                }
            }
        }
        self.rooms.retain(|_, schedule| schedule.named > 0 || schedule.version.is_some());
        self.list.interval = pace.next_interval(self.list.interval, active || !known);
        self.list.next = Some(now + self.list.interval);
    }

    pub(super) fn on_room(
        &mut self,
        room: RoomId,
        version: Option<RoomVersion>,
        result: Result<MessageWindow, Error>,
        calls: u32,
        now: Instant,
    ) {
        self.budget.spend(calls.max(1));
        let Some(pace) = self.pace() else { return };
        match result {
            Ok(window) => {
                if std::mem::take(&mut self.service).has_failed() {
                    // The list may work again too, which saves polling every room.
                    self.list.backoff.until = None;
                }
                let window = Arc::new(window);
                self.subscribers
                    .values_mut()
                    .for_each(|subscriber| subscriber.on_window(room, &window, version));
                let Some(schedule) = self.rooms.get_mut(&room) else { return };
                let digest = Some(window.digest());
                let active = schedule.digest != digest;
                schedule.digest = digest;
                schedule.interval = pace.next_interval(schedule.interval, active);
                schedule.last = now;
                schedule.backoff = Backoff::default();
                schedule.fresh = false;
                schedule.behind = false;
            }
            Err(error) => self.on_failure(Some(room), &error, &pace, now),
        }
    }

    fn on_failure(&mut self, room: Option<RoomId>, error: &Error, pace: &WatchPace, now: Instant) {
        let kept = bounded(error);
        self.subscribers.values_mut().for_each(|subscriber| subscriber.on_failure(room, &kept));
        let mut ended = Backoff::default();
        let here = match room.map(|room| self.rooms.get_mut(&room)) {
            None => &mut self.list.backoff,
            Some(Some(schedule)) => {
                schedule.last = now;
                &mut schedule.backoff
            }
            Some(None) => &mut ended,
        };
        match FailureScope::of(error, pace) {
            FailureScope::Service(least) => {
                // A target that fails again although another call succeeded in between must not delay the others.
                if self.service.has_failed() || !here.has_failed() {
                    self.service.back_off(least, pace, now);
                }
                here.back_off(least, pace, now);
            }
            FailureScope::Target(wait) => {
                here.refuse(wait, now);
                // The service responds, so the other calls are not affected.
                self.service = Backoff::default();
            }
        }
    }
}

impl RoomSchedule {
    fn new(now: Instant) -> Self {
        Self {
            named: 0,
            version: None,
            behind: false,
            fresh: false,
            last: now,
            interval: Duration::ZERO,
            backoff: Backoff::default(),
            digest: None,
        }
    }
}

impl WatchPace {
    /// The shortest interval while something happens, and half as long again each time that nothing did.
    fn next_interval(&self, interval: Duration, active: bool) -> Duration {
        if active { self.min } else { (interval.saturating_mul(3) / 2).clamp(self.min, self.max) }
    }
}

#[cfg(test)]
mod tests;
