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
//!         Ok(Event::Gap { after, before, .. }) => println!("possibly missed: between {after:?} and {before}"),
//!         Ok(_) => {}
//!         Err(error) => eprintln!("still watching: {error}"),
//!     }
//!     std::fs::write("checkpoint.json", serde_json::to_vec(&events.checkpoint())?)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Chatwork has no event stream and no pages: it only returns the newest 100 messages of a room. A [`Watch`] polls them (with
//! `force=1`, so it takes nothing from other readers), drops what it has yielded before, and yields the rest by time of
//! posting and then by id. If the newest 100 do not reach back to the known messages, it yields a [`Gap`](Event::Gap).
//!
//! # Where it begins
//!
//! | | messages of the first poll | events |
//! |---|---|---|
//! | default | are old | messages from now on |
//! | [`from_window`](Builder::from_window) | are new | the newest 100, then all later ones |
//! | [`from_checkpoint`](Builder::from_checkpoint) | are compared with those yielded before | changes since then, or a gap and the newest 100 |
//!
//! "Now" is the first poll of the room or, with several rooms, the first poll of the list of rooms. A checkpoint from before
//! that poll still means "now": messages that come before it is used are not yielded. If the account joins a room later, its
//! events are yielded from then on. A room ends when three lists in a row do not name it; if the account joins it again, its
//! events are again yielded from then on.
//!
//! Only the times of rooms and messages, which are of one clock, decide what is old. `Date` may come from a proxy, and the
//! local clock may be wrong, so each is compared only with itself. As a consequence, if the account joins a room later, the
//! watch may yield messages and edits from before: as far back as the newest time in the previous list, or only some seconds
//! if `Date` and the local clock agree on the time since then. A room without a time in the list begins with its first poll.
//!
//! # How often it polls
//!
//! All streams of one client and its clones share one schedule: their number does not change the number of calls. A single
//! room is polled every [`min_interval`](Builder::min_interval) (2 s) while something happens. Each poll without a change
//! makes the interval half as long again, up to [`max_interval`](Builder::max_interval) (60 s). With several rooms, the list
//! of rooms is polled in this way, and then each room whose `message_num` or `last_update_time` has changed. If the streams'
//! settings differ, the shortest intervals and the largest share apply to all.
//!
//! The streams use at most their [`budget_share`](Builder::budget_share) of the account's calls, one half by default. Until a
//! response reports the limit, it is 300 calls in 5 minutes; responses never report the length of the window, which is taken
//! to be 5 minutes. In any 5 minutes the streams make at most `share × limit` calls: a tenth of them can be made at once, the
//! others are spread evenly. If other calls have used up most of the current window, the streams use at most
//! `share × remaining` of it. If the budget does not suffice for the intervals, they become longer.
//!
//! A client begins with 5 calls that can be made at once, or with the rest that a recent checkpoint has. A program that is
//! restarted often, and resumes from its checkpoint each time, therefore stays within its share as well.
//!
//! The schedule makes one call at a time. A call without a response delays every stream of the client until the client's
//! [`timeout`](crate::ClientBuilder::timeout) or [`attempt_timeout`](crate::ClientBuilder::attempt_timeout) ends it. Without
//! either, it delays them forever.
//!
//! # Failures
//!
//! A failure is yielded once, to every stream that it concerns. It never ends a stream, and however fast a stream is polled,
//! it waits before the next call. An error keeps the first 16 KiB of the response's body. For a stream that is not polled, the
//! newest failures are kept, at most 32 with 64 KiB of responses.
//!
//! If the network or the service is down, all calls pause. The pause doubles from the shortest interval to the longest. It is
//! at least as long as a 429 asks for, up to 5 minutes, and the longest interval if the credential is refused (401). If one
//! room fails again although another call has succeeded in between, only that room pauses.
//!
//! A room that is refused (403, 404) is tried again every [`recheck_interval`](Builder::recheck_interval) (5 minutes), and a
//! room whose response is unreadable after the longest interval. If the list of rooms is refused, as for a token without its
//! scope, or fails three times in a row, every known room is polled until the list works again. The client's
//! [`RetryPolicy`](crate::RetryPolicy) does not apply to these calls.
//!
//! A message that does not decode is not a failure but an event, [`Undecodable`](Event::Undecodable): it has a room and a place
//! in the checkpoint, and a program that is killed by it resumes after it. The other messages are yielded. A message with an
//! invalid `send_time` (0, or after 2100) is yielded after the others; its edits are not. If the list has only the id of a
//! room, the room is watched nevertheless; an entry without an id is a failure, yielded once.
//!
//! # Limits
//!
//! A watch cannot know:
//!
//! - messages in a gap, which the service does not return;
//! - edits and deletions of messages that are older than the newest 100;
//! - more than one change of a message between two polls: only the last one is seen;
//! - the difference between a deleted message and one whose text is `[deleted]`;
//! - the order of edits: an edit is yielded at the position of its message;
//! - with several rooms, when a message was edited or deleted: it is not documented whether `last_update_time` changes then,
//!   so the event may come as late as the next recheck, 5 minutes by default. With a single room it comes with the next poll;
//! - messages that the free plan hides. The change is an event ([`Limited`](Event::Limited)), and an empty list of a room with
//!   hidden messages does not count as an empty room. If all messages are hidden at the first poll of a single room, and old
//!   messages become visible later, these are yielded.
//!
//! The service's times are in whole seconds. A stream over several rooms that begins now polls the list first. Of the messages
//! posted in that second, it yields those after its first poll of the room.
//!
//! # Cost
//!
//! A stream needs no task, and makes no calls while it is not polled; a slow consumer makes it poll less often. It keeps ids
//! and times of at most 100 messages of each room, and at most one unread poll result of each room.

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

    /// Watches all rooms of the account, including those that it joins later; see [`watch`](crate::chatwork::watch).
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

/// The shortest interval.
const SHORTEST: Duration = Duration::from_millis(1);

/// The settings of a watch: which rooms, from where, and how often.
#[derive(Clone)]
#[must_use = "nothing is watched until its stream is polled"]
pub struct Builder {
    client: Client,
    /// `None` for all rooms.
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
        self.absent = Position::Window;
        self.saved = BTreeMap::new();
        self.saved_up = None;
        self
    }

    /// Resumes an earlier stream with the first event that it had not yielded. A room that it did not watch begins now; if it
    /// watched all rooms, the room begins as one that the account joined later.
    pub fn from_checkpoint(mut self, checkpoint: WatchCheckpoint) -> Self {
        self.absent = checkpoint.absent;
        self.saved = checkpoint.rooms;
        self.saved_up = checkpoint.saved_up;
        self.saved.values_mut().for_each(RoomState::resume);
        self
    }

    /// The time between polls while something happens, 2 s by default.
    pub fn min_interval(mut self, interval: Duration) -> Self {
        self.pace.min = interval.clamp(SHORTEST, MAX_WINDOW);
        self
    }

    /// The longest time between polls while nothing happens, 60 s by default.
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.pace.max = interval.min(MAX_WINDOW);
        self
    }

    /// The time between polls of a room without changes in the list of rooms, if the budget allows them, and of a room that
    /// was refused: 5 minutes by default. `Duration::MAX` means never.
    pub fn recheck_interval(mut self, interval: Duration) -> Self {
        self.pace.recheck = interval.clamp(SHORTEST, MAX_WINDOW);
        self
    }

    /// The share of the account's calls that watching may use, from 0.01 to 1; one half by default.
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
