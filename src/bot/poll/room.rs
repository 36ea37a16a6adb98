//! What is new in a room.

use crate::Error;
use crate::tascha::{Client, Message, MessagePage, RoomId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// How much older than the newest message a message may be that is seen for the first time.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// How many messages a page has.
const PAGE: i64 = 100;

/// What was read of a room.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub(super) struct Place {
    /// The time of the newest message.
    newest: Option<Timestamp>,
    /// The messages within [`LATE`] of the newest with their times, and those without a time.
    seen: BTreeMap<String, Option<Timestamp>>,
    /// The page to go on with, if the oldest messages come first.
    cursor: Option<String>,
}

impl Place {
    /// The time before which nothing is new.
    fn oldest(&self) -> Option<Timestamp> {
        self.newest.and_then(|newest| newest.checked_sub(LATE).ok())
    }
}

pub(super) struct Found {
    /// The new messages, oldest first.
    pub(super) messages: Vec<Message>,
    pub(super) place: Place,
    /// How many pages have to be read the next time.
    pub(super) pages: u64,
}

/// Reads a room from where it was left. `calls` counts the pages.
pub(super) async fn read(
    client: &Client,
    room: &RoomId,
    before: Option<&Place>,
    now: Timestamp,
    calls: &mut u64,
) -> Result<Found, Error> {
    if let Some((place, cursor)) = before.and_then(|place| Some((place, place.cursor.as_ref()?))) {
        match Listing::read(client, room, Some(place), Some(cursor.clone()), calls).await {
            Ok(listing) if listing.goes_on() => return Ok(listing.found(room, before, now)),
            Ok(_) => {}
            Err(error) if is_refusal(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let listing = Listing::read(client, room, before, None, calls).await?;
    Ok(listing.found(room, before, now))
}

/// Whether a cursor may be what is wrong.
fn is_refusal(error: &Error) -> bool {
    error
        .status()
        .is_some_and(|status| status.is_client_error() && ![401, 403, 408, 429].contains(&status.as_u16()))
}

/// In which order a list is. A difference of less than [`LATE`] between two neighbours says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Unknown,
    OldestFirst,
    NewestFirst,
    None,
}

/// What was read of a list, whose order is not documented.
#[derive(Default)]
struct Listing {
    /// The cursors of the pages, and the times of their first messages.
    pages: Vec<(Option<String>, Option<Timestamp>)>,
    /// What may be new, with the times that count.
    messages: Vec<(Message, Option<Timestamp>)>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    newest: Option<Timestamp>,
    /// Whether a message is much newer than the one before it, or much older.
    rises: bool,
    falls: bool,
}

impl Listing {
    async fn read(
        client: &Client,
        room: &RoomId,
        before: Option<&Place>,
        mut cursor: Option<String>,
        calls: &mut u64,
    ) -> Result<Self, Error> {
        let (mut listing, mut met) = (Self::default(), HashSet::new());
        loop {
            let mut list = client.room(room.clone()).messages().limit(PAGE);
            if let Some(cursor) = &cursor {
                list = list.cursor(cursor);
            }
            *calls += 1;
            let MessagePage { data, next_cursor, .. } = list.await?.into_inner();
            listing.push(cursor, data);
            let oldest = match before {
                Some(before) => before.oldest(),
                None => listing.newest.and_then(|newest| newest.checked_sub(LATE).ok()),
            };
            listing.messages.retain(|(_, time)| time.is_none() || *time >= oldest);
            let is_known = listing.last.is_some() && listing.last < oldest;
            match next_cursor.filter(|next| !next.is_empty()) {
                Some(next) if listing.order() != Order::NewestFirst || !is_known => {
                    if !met.insert(next.clone()) {
                        tracing::warn!(%room, "the pages of a room go round in a circle");
                        return Ok(listing);
                    }
                    cursor = Some(next);
                }
                _ => return Ok(listing),
            }
        }
    }

    fn push(&mut self, cursor: Option<String>, messages: Vec<Message>) {
        // A message without a time counts as old as the one before it.
        let mut time = self.last.or_else(|| messages.iter().find_map(|message| message.created_at));
        self.first = self.first.or(time);
        self.pages.push((cursor, messages.first().and_then(|message| message.created_at).or(time)));
        for message in messages {
            time = message.created_at.or(time);
            if let (Some(last), Some(time)) = (self.last, time) {
                self.rises |= time.duration_since(last) > LATE;
                self.falls |= last.duration_since(time) > LATE;
            }
            (self.newest, self.last) = (self.newest.max(time), time);
            self.messages.push((message, time));
        }
    }

    fn order(&self) -> Order {
        match (self.rises, self.falls) {
            (true, true) => Order::None,
            (true, false) => Order::OldestFirst,
            (false, true) => Order::NewestFirst,
            (false, false) if self.first < self.last => Order::OldestFirst,
            (false, false) if self.first > self.last => Order::NewestFirst,
            (false, false) => Order::Unknown,
        }
    }

    /// Whether this is what stands behind a cursor in a list whose oldest messages come first.
    fn goes_on(&self) -> bool {
        self.newest.is_some() && !self.falls
    }

    fn found(mut self, room: &RoomId, before: Option<&Place>, now: Timestamp) -> Found {
        let order = self.order();
        let newest = self.newest.max(before.and_then(|before| before.newest));
        let mut place = Place { newest, ..before.cloned().unwrap_or_default() };
        let oldest = place.oldest();
        let mut seen = std::mem::take(&mut place.seen);
        if order == Order::NewestFirst {
            self.messages.reverse();
        }
        self.messages.sort_by_key(|(_, time)| *time);
        // What is not read again and has no time is old.
        place.seen = seen.clone();
        place.seen.retain(|_, time| time.is_some() && *time >= oldest);
        let mut messages = Vec::new();
        for (mut message, time) in self.messages {
            let id = message.id.to_string();
            if message.created_at.is_none() || time >= oldest {
                place.seen.insert(id.clone(), message.created_at);
            }
            if seen.insert(id, None).is_none() && before.is_some() {
                message.room_id.get_or_insert_with(|| room.clone());
                messages.push(message);
            }
        }
        let last = self.pages.len() - 1;
        let is_rising = order == Order::OldestFirst || self.pages[0].0.is_some();
        let (cursor, pages) = match order {
            Order::NewestFirst if self.pages[0].0.is_none() => (None, 1),
            _ if is_rising => {
                // A message may still come in before one of the last minutes.
                let settled = now.checked_sub(LATE).ok();
                let is_settled =
                    |page: &usize| self.pages[*page].1.is_some() && self.pages[*page].1 < settled;
                let from = (0..=last).rev().find(is_settled).unwrap_or(0);
                (self.pages[from].0.take(), (last - from) as u64 + 1)
            }
            _ => (None, last as u64 + 1),
        };
        Found { messages, place: Place { cursor, ..place }, pages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `(id, minute)`; no time with a negative one.
    fn message(&(id, minute): &(&str, i64)) -> Message {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().expect("a time");
        let created = (minute >= 0).then(|| start + SignedDuration::from_mins(minute));
        serde_json::from_value(json!({ "id": id, "body": "", "createdAt": created })).expect("a message")
    }

    fn at(minute: i64) -> Timestamp {
        message(&("", minute)).created_at.expect("it has one")
    }

    /// Pages from a cursor on, read at a minute.
    fn read(before: Option<&Place>, from: usize, pages: &[&[(&str, i64)]], minute: i64) -> Found {
        let mut listing = Listing::default();
        for (number, page) in pages.iter().enumerate().skip(from) {
            let cursor = (number > 0).then(|| number.to_string());
            listing.push(cursor, page.iter().map(message).collect());
        }
        let oldest = before.and_then(Place::oldest);
        listing.messages.retain(|(_, time)| time.is_none() || *time >= oldest);
        listing.found(&RoomId::from("r1"), before, at(minute))
    }

    fn ids(found: &Found) -> Vec<&str> {
        found.messages.iter().map(|message| message.id.as_ref()).collect()
    }

    #[test]
    fn each_message_is_found_once_whatever_its_time() {
        let first = read(None, 0, &[&[("a", 0), ("b", 20), ("c", 20)]], 20);
        assert!(ids(&first).is_empty());
        // In the same instant as the newest, late, too late, without a time, and new.
        let page = [("a", 0), ("x", 9), ("l", 11), ("b", 20), ("c", 20), ("d", 20), ("n", -1), ("e", 21)];
        let second = read(Some(&first.place), 0, &[&page], 21);
        assert_eq!(ids(&second), ["l", "d", "n", "e"]);
        assert!(second.messages.iter().all(|message| message.room_id == Some(RoomId::from("r1"))));
        let third = read(Some(&second.place), 0, &[&page], 60);
        assert_eq!((ids(&third), &third.place), (vec![], &second.place));
        let later = read(Some(&second.place), 0, &[&page, &[("f", 90)]], 90);
        assert_eq!(ids(&later), ["f"]);
        assert_eq!(later.place.seen.keys().collect::<Vec<_>>(), ["f", "n"]);
        assert!(ids(&read(Some(&later.place), 0, &[&page, &[("f", 90)]], 90)).is_empty());
    }

    #[test]
    fn a_list_without_times_is_known_by_its_ids() {
        let first = read(None, 0, &[&[("a", -1)], &[("b", -1)]], 0);
        let second = read(Some(&first.place), 0, &[&[("a", -1)], &[("b", -1), ("c", -1)]], 0);
        assert_eq!((ids(&first), ids(&second), second.pages), (vec![], vec!["c"], 2));
        assert!(ids(&read(Some(&second.place), 0, &[&[("a", -1), ("b", -1), ("c", -1)]], 0)).is_empty());
        let empty = read(None, 0, &[&[]], 0);
        assert_eq!(ids(&read(Some(&empty.place), 0, &[&[("a", 0)]], 0)), ["a"]);
    }

    #[test]
    fn the_oldest_first_go_on_with_the_last_page_that_is_settled() {
        let pages: [&[_]; 3] = [&[("a", 0), ("b", 10)], &[("c", 20), ("d", 30)], &[("e", 40)]];
        let first = read(None, 0, &pages, 45);
        assert_eq!((first.place.cursor.as_deref(), first.pages), (Some("1"), 2));
        let second = read(Some(&first.place), 1, &pages, 60);
        assert_eq!((ids(&second), second.place.cursor.as_deref(), second.pages), (vec![], Some("2"), 1));
        let third = read(Some(&second.place), 2, &[&[], &[], &[("e", 40), ("f", 61)]], 61);
        assert_eq!((ids(&third), third.place.cursor.as_deref(), third.pages), (vec!["f"], Some("2"), 1));
        // The cursor is refused: the whole list again.
        let again =
            read(Some(&third.place), 0, &[pages[0], pages[1], &[("e", 40), ("f", 61), ("g", 62)]], 62);
        assert_eq!(ids(&again), ["g"]);
    }

    #[test]
    fn the_newest_first_and_a_list_without_an_order_have_no_cursor() {
        let first = read(None, 0, &[&[("c", 30), ("b", 20)], &[("a", 0)]], 60);
        assert_eq!((first.place.cursor.as_deref(), first.pages), (None, 1));
        let second = read(Some(&first.place), 0, &[&[("e", 32), ("d", 31), ("c", 30)]], 60);
        assert_eq!(ids(&second), ["d", "e"]);
        let mixed = read(None, 0, &[&[("a", 0), ("b", 40)], &[("c", 20)]], 60);
        assert_eq!((mixed.place.cursor.as_deref(), mixed.pages), (None, 2));
    }
}
