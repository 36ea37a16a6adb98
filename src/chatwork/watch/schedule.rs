//! What is called next, and when.
//!
//! One room is looked at itself. Of several rooms the list is looked at, and then the rooms whose `message_num` or
//! `last_update_time` has changed; each room also now and then without that, since nobody documents what changes them.

use super::budget::Budget;
use super::reader::{Pace, Reader};
use super::trouble::Trouble;
use super::window::{Listing, Stamp, Window};
use crate::chatwork::RoomId;
use crate::{Error, RateLimit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All that the streams of one client read, and when it is looked at.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    readers: BTreeMap<u64, Reader>,
    lines: BTreeMap<RoomId, Line>,
    list: List,
    budget: Budget,
    /// Nothing is called until then.
    paused: Option<Instant>,
    /// How many calls have failed in a row.
    failures: u32,
    last_id: u64,
}

/// A room.
#[derive(Debug)]
struct Line {
    /// How many readers have asked for this very room.
    named: usize,
    /// What the list of rooms says, if the room is in it.
    told: Option<Stamp>,
    /// Whether a reader has not seen what the list tells of.
    behind: bool,
    /// Whether a reader waits to see the room at all.
    fresh: bool,
    /// When it was last looked at, or first wanted.
    last: Instant,
    interval: Duration,
    /// It is not looked at before, since it is not to be had.
    refused: Option<Instant>,
    /// What it looked like.
    digest: Option<u64>,
}

/// The list of rooms.
#[derive(Debug, Default)]
struct List {
    /// When it is due; at once if there is none.
    next: Option<Instant>,
    interval: Duration,
    /// Whether it has been seen since the readers changed.
    seen: bool,
    /// Whether it is not to be had, so that every room is looked at by itself.
    refused: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Turn {
    /// Nothing for so long; or until something changes.
    Wait(Option<Duration>),
    List,
    /// A look at a room, of which the list says this.
    Look(RoomId, Option<Stamp>),
}

/// A call, and when it is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    /// When it was last made.
    last: Instant,
    turn: Turn,
}

#[derive(Debug)]
struct Agenda {
    first: Option<Due>,
    /// A look at a room that nothing is known to have happened in.
    recheck: Option<Due>,
}

impl Due {
    /// What is due first, or of two at the same time the one that has waited longer.
    fn or(self, other: Self) -> Self {
        if (other.at, other.last) < (self.at, self.last) { other } else { self }
    }
}

impl Schedule {
    pub(super) fn add(&mut self, reader: Reader, now: Instant) -> u64 {
        if !reader.all {
            for room in reader.rooms.keys() {
                let line = self.lines.entry(*room).or_insert_with(|| Line::new(now));
                line.named += 1;
                line.fresh = true;
            }
        }
        (self.list.next, self.list.seen) = (None, false);
        self.last_id += 1;
        self.readers.insert(self.last_id, reader);
        self.last_id
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(reader) = self.readers.remove(&id) else { return };
        if !reader.all {
            for room in reader.rooms.keys() {
                if let Some(line) = self.lines.get_mut(room) {
                    line.named = line.named.saturating_sub(1);
                }
            }
        }
        let all = self.readers.values().any(|reader| reader.all);
        self.lines.retain(|_, line| line.named > 0 || all);
    }

    pub(super) fn reader(&mut self, id: u64) -> Option<&mut Reader> {
        self.readers.get_mut(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// What all readers together want.
    fn pace(&self) -> Option<Pace> {
        self.readers.values().map(|reader| reader.pace).reduce(Pace::and)
    }

    /// Whether the list of rooms is read. One room is cheaper to look at than the list and the room.
    fn lists(&self) -> bool {
        self.lines.len() > 1 || self.readers.values().any(|reader| reader.all)
    }

    pub(super) fn turn(&mut self, told: Option<&RateLimit>, now: Instant) -> Turn {
        self.budget.learn(told, now);
        let Some(pace) = self.pace() else { return Turn::Wait(None) };
        let paused = self.paused.map_or(now, |until| until.max(now));
        let Agenda { first, recheck } = self.agenda(&pace, now);
        let candidates = [(first, false), (recheck, true)].into_iter().filter_map(|(due, can_wait)| {
            let Due { at, turn, .. } = due?;
            let affordable = self.budget.wait(pace.share, can_wait, now);
            Some((at.max(paused).saturating_duration_since(now).max(affordable), turn))
        });
        match candidates.min_by_key(|(wait, _)| *wait) {
            Some((Duration::ZERO, turn)) => turn,
            next => Turn::Wait(next.map(|(wait, _)| wait)),
        }
    }

    fn agenda(&self, pace: &Pace, now: Instant) -> Agenda {
        let lists = self.lists();
        let at = self.list.next.unwrap_or(now).max(now);
        let list = lists.then_some(Due { at, last: now, turn: Turn::List });
        if lists && !self.list.refused && !self.list.seen {
            return Agenda { first: list, recheck: None };
        }
        let direct = !lists || self.list.refused;
        let mut agenda = Agenda { first: None, recheck: None };
        for (&room, line) in &self.lines {
            let urgent = if direct || line.told.is_none() { line.fresh } else { line.behind };
            let at = match (urgent, direct) {
                (true, _) => now,
                (false, true) => line.last + line.interval.clamp(pace.min, pace.max.max(pace.min)),
                (false, false) if line.told.is_some() || line.named > 0 => line.last + pace.recheck,
                // It is only of interest because it was listed, and it no longer is.
                (false, false) => continue,
            };
            let at = line.refused.map_or(at, |until| at.max(until)).max(now);
            let due = Due { at, last: line.last, turn: Turn::Look(room, line.told) };
            let best = if urgent || direct { &mut agenda.first } else { &mut agenda.recheck };
            *best = Some(best.take().map_or(due, |best| best.or(due)));
        }
        // A room that has news goes before the list, which would only bring more of them: the rooms come to an end, and
        // the list never does.
        agenda.first = match (agenda.first, list) {
            (Some(room), Some(list)) if list.at < room.at => Some(list),
            (room, list) => room.or(list),
        };
        agenda
    }

    pub(super) fn listed(&mut self, result: Result<Listing, Error>, calls: u32, now: Instant) {
        self.budget.spend(calls);
        let Some(pace) = self.pace() else { return };
        let listing = match result {
            Ok(listing) => listing,
            Err(error) => {
                if let Trouble::Here(wait) = self.failed(None, &error, &pace, now) {
                    (self.list.refused, self.list.next) = (true, Some(now + wait));
                }
                return;
            }
        };
        (self.paused, self.failures) = (None, 0);
        let known = self.list.seen;
        (self.list.seen, self.list.refused) = (true, false);
        let mut active = false;
        for (room, line) in &mut self.lines {
            let told = listing.rooms.get(room).copied();
            active |= known && told != line.told;
            (line.told, line.behind) = (told, false);
        }
        for reader in self.readers.values_mut() {
            for room in reader.listed(&listing) {
                let line = self.lines.entry(room).or_insert_with(|| Line::new(now));
                (line.told, line.behind) = (listing.rooms.get(&room).copied(), true);
            }
            if reader.all {
                // Rooms with nothing to read yet are to be rechecked too.
                for (room, stamp) in &listing.rooms {
                    self.lines.entry(*room).or_insert_with(|| Line::new(now)).told = Some(*stamp);
                }
            }
        }
        self.lines.retain(|_, line| line.named > 0 || line.told.is_some());
        self.list.interval = pace.next_interval(self.list.interval, active || !known);
        self.list.next = Some(now + self.list.interval);
    }

    pub(super) fn looked(
        &mut self,
        room: RoomId,
        stamp: Option<Stamp>,
        result: Result<Window, Error>,
        calls: u32,
        now: Instant,
    ) {
        self.budget.spend(calls);
        let Some(pace) = self.pace() else { return };
        match result {
            Ok(window) => {
                (self.paused, self.failures) = (None, 0);
                let window = Arc::new(window);
                self.readers.values_mut().for_each(|reader| reader.shown(room, &window, stamp));
                let Some(line) = self.lines.get_mut(&room) else { return };
                let digest = Some(window.digest());
                let active = line.digest != digest;
                (line.digest, line.interval) = (digest, pace.next_interval(line.interval, active));
                (line.last, line.refused) = (now, None);
                (line.fresh, line.behind) = (false, false);
            }
            Err(error) => {
                let trouble = self.failed(Some(room), &error, &pace, now);
                if let (Trouble::Here(wait), Some(line)) = (trouble, self.lines.get_mut(&room)) {
                    (line.last, line.refused) = (now, Some(now + wait));
                }
            }
        }
    }

    fn failed(&mut self, room: Option<RoomId>, error: &Error, pace: &Pace, now: Instant) -> Trouble {
        self.failures = self.failures.saturating_add(1);
        self.readers.values_mut().for_each(|reader| reader.failed(room, error));
        let trouble = Trouble::of(error, self.failures, pace);
        match trouble {
            Trouble::Everywhere(pause) => self.paused = Some(now + pause),
            // The service answers, as far as the others are concerned.
            Trouble::Here(_) => self.failures = 0,
        }
        trouble
    }
}

impl Line {
    fn new(now: Instant) -> Self {
        Self {
            named: 0,
            told: None,
            behind: false,
            fresh: false,
            last: now,
            interval: Duration::ZERO,
            refused: None,
            digest: None,
        }
    }
}

impl Pace {
    /// As short as allowed while something happens, and half as long again each time that nothing did.
    fn next_interval(&self, interval: Duration, active: bool) -> Duration {
        let max = self.max.max(self.min);
        if active {
            self.min
        } else {
            interval.saturating_mul(3).checked_div(2).unwrap_or(max).clamp(self.min, max)
        }
    }
}
