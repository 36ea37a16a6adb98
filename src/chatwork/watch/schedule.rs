//! What is called next, and when.
//!
//! One room is looked at itself. Of several rooms the list is looked at, and then the rooms whose `message_num` or
//! `last_update_time` has changed; each room also now and then without that, since nobody documents what changes them.

use super::budget::{Budget, SavedUp};
use super::failure::bounded;
use super::proven::Proven;
use super::reader::{Pace, Reader};
use super::trouble::{Setback, Trouble};
use super::window::{Listing, Stamp, Window};
use crate::chatwork::RoomId;
use crate::{Error, RateLimit};
use jiff::Timestamp;
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
    /// Until when the lists have told what happened, by the service's own times.
    proven: Proven,
    /// Of all calls.
    service: Setback,
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
    /// When it was last tried, or first wanted.
    last: Instant,
    interval: Duration,
    setback: Setback,
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
    /// Whether it was called since a room was last tried again.
    called: bool,
    /// Once it is lasting, every room is looked at by itself.
    setback: Setback,
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

/// A call, and since when or from when on it is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    turn: Turn,
}

/// Of each kind of call the one that is due first.
#[derive(Debug, Default)]
struct Agenda {
    /// A look at a room that has something new.
    news: Option<Due>,
    list: Option<Due>,
    /// Another look at a room that failed, or one that nobody but the room itself tells whether it is needed.
    retry: Option<Due>,
    /// A look at a room that nothing is known to have happened in.
    recheck: Option<Due>,
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
        (self.list.next, self.list.setback.until, self.list.seen) = (None, None, false);
        self.last_id += 1;
        self.readers.insert(self.last_id, reader);
        self.last_id
    }

    /// Goes on with what an earlier process had saved up of its calls.
    pub(super) fn resume(&mut self, saved_up: SavedUp, wall: Timestamp) {
        self.budget.resume(saved_up, wall);
    }

    pub(super) fn saved_up(&self, now: Instant, wall: Timestamp) -> Option<SavedUp> {
        self.budget.saved_up(now, wall)
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
        let pace = self.readers.values().map(|reader| reader.pace).reduce(Pace::and)?;
        Some(Pace { max: pace.max.max(pace.min), ..pace })
    }

    /// Whether the list of rooms is read. One room is cheaper to look at than the list and the room.
    fn lists(&self) -> bool {
        self.lines.len() > 1 || self.readers.values().any(|reader| reader.all)
    }

    pub(super) fn turn(&mut self, told: Option<&RateLimit>, now: Instant) -> Turn {
        self.budget.learn(told, now);
        let Some(pace) = self.pace() else { return Turn::Wait(None) };
        let paused = self.service.until.map_or(now, |until| until.max(now));
        let Agenda { news, list, retry, recheck } = self.agenda(&pace, now);
        // A room that has news goes before the list, which would only bring more of them: the rooms come to an end, and
        // the list never does. What has failed may never come to an end either, so the list and it take turns.
        let (one, other) = if self.list.called { (retry, list) } else { (list, retry) };
        let candidates = [(news, false), (one, false), (other, false), (recheck, true)];
        let candidates = candidates.into_iter().filter_map(|(due, can_wait)| {
            let Due { at, turn } = due?;
            let affordable = self.budget.wait(pace.share, can_wait, now);
            Some((at.max(paused).saturating_duration_since(now).max(affordable), turn))
        });
        match candidates.min_by_key(|(wait, _)| *wait) {
            Some((Duration::ZERO, turn)) => {
                self.list.called &= retry.is_none_or(|retry| retry.turn != turn);
                turn
            }
            next => Turn::Wait(next.map(|(wait, _)| wait)),
        }
    }

    fn agenda(&self, pace: &Pace, now: Instant) -> Agenda {
        let lists = self.lists();
        let direct = !lists || self.list.setback.is_lasting();
        let mut agenda = Agenda::default();
        if lists {
            let at = self.list.setback.until.or(self.list.next).unwrap_or(now);
            agenda.list = Some(Due { at, turn: Turn::List });
        }
        if !direct && !self.list.seen {
            return agenda;
        }
        for (&room, line) in &self.lines {
            let listed = line.told.is_some();
            let urgent = line.behind || line.fresh && (direct || !listed);
            let interval = if direct { line.interval.clamp(pace.min, pace.max) } else { pace.recheck };
            let (best, at) = match line.setback.until {
                None if urgent => (&mut agenda.news, line.last),
                until if urgent || direct => (&mut agenda.retry, until.unwrap_or(line.last + interval)),
                until if listed || line.named > 0 => {
                    (&mut agenda.recheck, until.unwrap_or(line.last + interval))
                }
                // It is only of interest because it was listed, and it no longer is.
                _ => continue,
            };
            if best.is_none_or(|best| at < best.at) {
                *best = Some(Due { at, turn: Turn::Look(room, line.told) });
            }
        }
        agenda
    }

    pub(super) fn listed(&mut self, result: Result<Listing, Error>, calls: u32, now: Instant) {
        // What failed before anything was sent is not to be tried without bound either.
        self.budget.spend(calls.max(1));
        self.list.called = true;
        let Some(pace) = self.pace() else { return };
        let listing = match result {
            Ok(listing) => listing,
            Err(error) => return self.failed(None, &error, &pace, now),
        };
        (self.service, self.list.setback) = Default::default();
        let known = std::mem::replace(&mut self.list.seen, true);
        let mut active = false;
        for (room, line) in &mut self.lines {
            let told = listing.rooms.get(room).copied();
            active |= known && told != line.told;
            (line.told, line.behind) = (told, false);
        }
        let proven = self.proven.listed(&listing, now);
        for reader in self.readers.values_mut() {
            for room in reader.listed(&listing, proven) {
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
        self.budget.spend(calls.max(1));
        let Some(pace) = self.pace() else { return };
        match result {
            Ok(window) => {
                if std::mem::take(&mut self.service).has_failed() {
                    // The list is perhaps back too, which saves looking at every room.
                    self.list.setback.until = None;
                }
                let window = Arc::new(window);
                self.readers.values_mut().for_each(|reader| reader.shown(room, &window, stamp));
                let Some(line) = self.lines.get_mut(&room) else { return };
                let digest = Some(window.digest());
                let active = line.digest != digest;
                (line.digest, line.interval) = (digest, pace.next_interval(line.interval, active));
                (line.last, line.setback) = (now, Setback::default());
                (line.fresh, line.behind) = (false, false);
            }
            Err(error) => self.failed(Some(room), &error, &pace, now),
        }
    }

    fn failed(&mut self, room: Option<RoomId>, error: &Error, pace: &Pace, now: Instant) {
        let kept = bounded(error);
        self.readers.values_mut().for_each(|reader| reader.failed(room, &kept));
        let mut ended = Setback::default();
        let here = match room.map(|room| self.lines.get_mut(&room)) {
            None => &mut self.list.setback,
            Some(Some(line)) => {
                line.last = now;
                &mut line.setback
            }
            Some(None) => &mut ended,
        };
        match Trouble::of(error, pace) {
            Trouble::Everywhere(least) => {
                // What fails again although another call went well in between is not to hold the others up.
                if self.service.has_failed() || !here.has_failed() {
                    self.service.back_off(least, pace, now);
                }
                here.back_off(least, pace, now);
            }
            Trouble::Here(wait) => {
                here.refuse(wait, now);
                // The service answers, as far as the others are concerned.
                self.service = Setback::default();
            }
        }
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
            setback: Setback::default(),
            digest: None,
        }
    }
}

impl Pace {
    /// As short as allowed while something happens, and half as long again each time that nothing did.
    fn next_interval(&self, interval: Duration, active: bool) -> Duration {
        if active { self.min } else { (interval.saturating_mul(3) / 2).clamp(self.min, self.max) }
    }
}

#[cfg(test)]
mod tests;
