//! Watching rooms: every message, edit and deletion as an event.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use futures::StreamExt;
//! use kaiwa::chatwork::watch::Event;
//! use kaiwa::chatwork::{self, RoomId};
//!
//! let chatwork = chatwork::Client::from_env()?;
//! let mut watch = chatwork.room(RoomId(123)).watch();
//! if let Ok(saved) = std::fs::read("checkpoint.json") {
//!     watch = watch.from_checkpoint(serde_json::from_slice(&saved)?);
//! }
//! let mut events = watch.stream();
//! while let Some(event) = events.next().await {
//!     match event {
//!         Ok(Event::Message { message, .. }) => println!("{}: {}", message.account.name, message.body),
//!         Ok(Event::Gap { after, before, .. }) => println!("not seen: what is between {after:?} and {before}"),
//!         Ok(_) => {}
//!         Err(error) => eprintln!("still watching: {error}"),
//!     }
//!     std::fs::write("checkpoint.json", serde_json::to_vec(&events.checkpoint())?)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Chatwork has no stream of its own and no pages: all it shows of a room is the newest 100 messages. A [`Watch`] looks
//! at them again and again (`force=1`, so that it takes nothing from other readers), leaves out what it has told
//! before, and tells the rest by time of posting and then by id. What it cannot see it says: a [`Gap`](Event::Gap) where
//! the newest 100 do not reach back to what was known.
//!
//! # Where it begins
//!
//! | | the first look | |
//! |---|---|---|
//! | default | is old | messages from now on |
//! | [`from_window`](Builder::from_window) | is new | the newest 100, then all later ones |
//! | [`from_checkpoint`](Builder::from_checkpoint) | is compared with what was told | what came since, or a gap and the newest 100 |
//!
//! "Now" is the first look at the room, or, with several rooms, the first look at the list of them. A checkpoint that
//! is taken before that look says "now" still, and what comes until it is used is not told. A room that the
//! account comes into later is told from then on. What is known of a room ends when three lists in a row do not name it,
//! and if the account comes into it again, it is told from then on too.
//!
//! What is old is decided by the times of rooms and messages alone, which are of one clock. `Date`, which a proxy may
//! write, and the local clock may be wrong: they are compared only with themselves. The price is that in a room that
//! the account comes into later, messages may be told that were posted, and edits that were made, before it came: as
//! far back as the newest time in the last list, or some seconds where `Date` and the local clock agree on what has
//! passed since. A room of which the list has no time begins with the first look at it.
//!
//! # How often it looks
//!
//! All streams of one client and its clones share one schedule: the calls that they make do not depend on how many
//! streams there are. One room is looked at itself, every [`min_interval`](Builder::min_interval) (2 s) while something
//! happens, and half as seldom again each time nothing does, up to [`max_interval`](Builder::max_interval) (60 s). Of
//! several rooms the list is looked at in this way, and then those rooms whose `message_num` or `last_update_time` has
//! changed. Where the streams' settings differ, the shortest intervals and the largest share hold for all.
//!
//! Of the account's budget the streams take no more than their [`share`](Builder::share), one half: with the limit that the
//! answers tell (300 calls in 5 minutes until one does; the length of the window is never told, and taken to be 5
//! minutes), at most `share × limit` calls in any 5 minutes, of which a tenth can come at once and the others come
//! evenly. If other calls have left less of the current window, no faster than would take `share × remaining` by its
//! end. When that does not allow for the intervals, they get longer.
//!
//! A client begins with 5 calls that can come at once, or with what a checkpoint says that was left a short time ago. So a
//! program that is restarted again and again, and goes on from its checkpoint each time, keeps to its share as well.
//!
//! All of this is one call at a time. One that is not answered holds up every stream of the client until the client's
//! [`timeout`](crate::ClientBuilder::timeout) or [`attempt_timeout`](crate::ClientBuilder::attempt_timeout) ends it, and
//! for ever if it has neither.
//!
//! # Failures
//!
//! A failure is yielded once, to every stream that it concerns, and the stream goes on: failures never end it, and
//! however fast it is polled, it waits before it calls again. An error keeps the first 16 KiB of the answer's body. For a
//! stream that is not polled, the newest failures are kept, at most 32 with 64 KiB of answers. When the network or the service
//! is down, nothing is called for a while, which doubles from the shortest interval to the longest. It is no shorter than
//! a 429 asks for, up to 5 minutes, and the longest interval when the credential is refused (401). What fails again although another call
//! went well in between waits by itself: one room that always fails holds no other up.
//!
//! A room that is refused (403, 404) is tried again every [`recheck_interval`](Builder::recheck_interval) (5 minutes), and
//! one whose answer makes no sense at all after the longest interval. When the list of rooms is refused, as it is for a
//! token without its scope, or fails three times in a row, every room that is known is looked at by itself until the list
//! is there again. No call is repeated by the client's [`RetryPolicy`](crate::RetryPolicy).
//!
//! A single message that does not decode is no failure but an event, [`Undecodable`](Event::Undecodable): it has a room and
//! a place in the checkpoint, and a program that ends at it goes on behind it. The other messages are told. One whose
//! `send_time` cannot be one (0, or after 2100) is told as a message, after the others; its edits are not. A room
//! of which the list tells no more than the id is watched all the same; one without an id is a failure, yielded once.
//!
//! # What it cannot know
//!
//! What lies in a gap: nobody can read it. Messages that are older than the newest 100 when they are edited or
//! deleted. More than one change of a message between two looks: only the last one is seen. The difference between a
//! message that was deleted and one whose text is `[deleted]`. When exactly an edit happened among others: it is told in the
//! place of its message. Whether `last_update_time` changes with an edit or a deletion is not documented, so that of
//! several rooms such a change may be told as late as the next recheck, 5 minutes by default; of a single room it
//! is told at the next look. What the free plan hides: that it does is an event ([`Limited`](Event::Limited)), and an empty
//! list of a room with hidden messages is not taken to be an empty room. If the first look at a single room finds all of
//! it hidden, and old messages come to light later, they are told.
//!
//! The service's times are in whole seconds. A stream over several rooms that begins now looks at the list first, and
//! of what is posted in that very second it tells what comes after its first look at the room.
//!
//! # Cost
//!
//! A stream needs no task of its own, and asks for nothing while it is not polled; with a consumer that is slow it just
//! looks less often. It keeps ids and times of at most 100 messages of each room, and at most one look at each room that waits
//! to be told.

mod backoff;
mod budget;
mod checkpoint;
mod event;
mod failure;
mod fetch;
mod poller;
mod proven;
mod room;
mod schedule;
mod stream;
mod subscriber;
#[cfg(test)]
mod tests;
mod window;

pub use checkpoint::WatchCheckpoint;
pub use event::{Event, Hidden};
pub use stream::Watch;

pub(crate) use poller::Poller;
pub(crate) use window::fingerprint;

use super::{Client, RoomHandle, RoomId};
use crate::limits::MAX_WINDOW;
use budget::SavedUp;
use room::{Position, RoomState};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use stream::PendingChanges;
use subscriber::{Mailbox, Subscriber, Subscription, WatchPace};

impl Client {
    /// Watches these rooms; see [`watch`](crate::chatwork::watch).
    pub fn watch(&self, rooms: impl IntoIterator<Item = RoomId>) -> Builder {
        Builder::new(self, Some(rooms.into_iter().collect()))
    }

    /// Watches all rooms that I am in, also those that I come into later; see [`watch`](crate::chatwork::watch).
    pub fn watch_all(&self) -> Builder {
        Builder::new(self, None)
    }
}

impl RoomHandle {
    /// Watches the room; see [`watch`](crate::chatwork::watch).
    pub fn watch(&self) -> Builder {
        Builder::new(&self.client, Some([self.id].into()))
    }
}

/// Of the intervals.
const SHORTEST: Duration = Duration::from_millis(1);

/// Says what to watch, from where, and how often.
#[derive(Clone)]
#[must_use = "nothing is watched until its stream is polled"]
pub struct Builder {
    client: Client,
    /// All of them if there are none.
    rooms: Option<BTreeSet<RoomId>>,
    absent: Position,
    saved: BTreeMap<RoomId, RoomState>,
    saved_up: Option<SavedUp>,
    pace: WatchPace,
}

impl Builder {
    fn new(client: &Client, rooms: Option<BTreeSet<RoomId>>) -> Self {
        let pace = WatchPace {
            min: Duration::from_secs(2),
            max: Duration::from_secs(60),
            recheck: Duration::from_secs(300),
            budget_share: 0.5,
        };
        let client = client.clone();
        Self { client, rooms, absent: Position::Now, saved: BTreeMap::new(), saved_up: None, pace }
    }

    /// Begins with the newest 100 messages of each room.
    pub fn from_window(mut self) -> Self {
        (self.absent, self.saved, self.saved_up) = (Position::Window, BTreeMap::new(), None);
        self
    }

    /// Goes on where an earlier stream stood: with the first event that it had not yielded. A room that it did not
    /// watch begins as if it were watched from now on; if it watched all rooms, as if it came later.
    pub fn from_checkpoint(mut self, checkpoint: WatchCheckpoint) -> Self {
        (self.absent, self.saved, self.saved_up) = (checkpoint.absent, checkpoint.rooms, checkpoint.saved_up);
        self.saved.values_mut().for_each(RoomState::resume);
        self
    }

    /// The time from one look to the next while something happens, 2 s by default.
    pub fn min_interval(mut self, interval: Duration) -> Self {
        self.pace.min = interval.clamp(SHORTEST, MAX_WINDOW);
        self
    }

    /// The time from one look to the next while nothing happens, 60 s by default.
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.pace.max = interval.min(MAX_WINDOW);
        self
    }

    /// How often a room is looked at of which the list of rooms says that nothing happened there, if the budget
    /// allows it, and one that was refused: every 5 minutes by default. `Duration::MAX` is never.
    pub fn recheck_interval(mut self, interval: Duration) -> Self {
        self.pace.recheck = interval.clamp(SHORTEST, MAX_WINDOW);
        self
    }

    /// The share of the account's calls that watching may take, from 0.01 to 1; one half by default.
    pub fn budget_share(mut self, share: f64) -> Self {
        const LEAST: f64 = 0.01;
        self.pace.budget_share = if share.is_nan() { LEAST } else { share.clamp(LEAST, 1.0) };
        self
    }

    /// The stream.
    pub fn stream(self) -> Watch {
        let Self { client, rooms, absent, mut saved, saved_up, pace } = self;
        let all = rooms.is_none();
        if let Some(rooms) = rooms {
            saved = rooms
                .into_iter()
                .map(|room| (room, saved.remove(&room).unwrap_or_else(|| RoomState::new(absent.clone()))))
                .collect();
        }
        let subscription = |state: &RoomState| Subscription {
            seen: state.version,
            from_now: state.position == Position::Now,
            awaited: false,
            missing: 0,
        };
        let rooms = saved.iter().map(|(room, state)| (*room, subscription(state))).collect();
        let subscriber =
            Subscriber { pace, all, rooms, absent: absent.clone(), unknown: 0, mailbox: Mailbox::default() };
        let id = client.state().watches.add(subscriber, saved_up, &**client.transport().clock());
        let pending = PendingChanges::default();
        Watch { client, id, absent, rooms: saved, pending, step: None, failed_room: None }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("rooms", &self.rooms)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
