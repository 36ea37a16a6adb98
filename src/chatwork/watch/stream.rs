//! The stream.

use super::checkpoint::WatchCheckpoint;
use super::event::Event;
use super::fetch;
use super::poller::{Next, Step};
use super::room::{Change, Position, RoomState};
use super::subscriber::Item;
use super::window::RoomVersion;
use crate::Error;
use crate::chatwork::{Client, RoomId};
use futures::{FutureExt, Stream};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A stream of the events in rooms; see the [module](super).
///
/// It never ends by itself. Dropping it stops the polling.
#[must_use = "a stream does nothing until it is polled"]
pub struct Watch {
    pub(super) client: Client,
    pub(super) id: u64,
    /// The position at which new rooms begin.
    pub(super) absent: Position,
    pub(super) rooms: BTreeMap<RoomId, RoomState>,
    pub(super) pending: PendingChanges,
    pub(super) step: Option<Step>,
    pub(super) failed_room: Option<RoomId>,
}

/// The changes of one poll of one room that were not yielded yet.
#[derive(Default)]
pub(super) struct PendingChanges {
    room: Option<RoomId>,
    changes: VecDeque<Change>,
    version: Option<RoomVersion>,
}

impl Watch {
    /// The position of the stream, after everything that it has yielded.
    ///
    /// Take and save it after the yielded event is handled. [`Builder::from_checkpoint`](super::Builder::from_checkpoint)
    /// resumes from it.
    pub fn checkpoint(&self) -> WatchCheckpoint {
        let rooms = self.rooms.iter().map(|(room, state)| (*room, state.saved())).collect();
        let saved_up = self.client.state().watches.saved_up(&**self.client.transport().clock());
        WatchCheckpoint { absent: self.absent.clone(), rooms, saved_up }
    }

    /// The room of the error that was yielded last; `None` if the list of rooms failed.
    pub fn failed_room(&self) -> Option<RoomId> {
        self.failed_room
    }

    fn next_change(&mut self) -> Option<Event> {
        let state = self.rooms.get_mut(&self.pending.room?)?;
        let event = self.pending.changes.pop_front().map(|change| state.learn(change));
        // Until all changes are yielded, the room must be polled again after a restart.
        if self.pending.changes.is_empty() {
            state.version = self.pending.version;
            self.pending.room = None;
        }
        event
    }

    fn take(&mut self, item: Item) -> Option<Error> {
        match item {
            Item::Begin(room, position, version) => {
                let mut state = RoomState::new(position);
                state.version = version;
                self.rooms.insert(room, state);
            }
            Item::End(room) => drop(self.rooms.remove(&room)),
            Item::Listed(at) => self.absent = Position::Since(at),
            Item::Window(room, window, version) => {
                let absent = &self.absent;
                let state = self.rooms.entry(room).or_insert_with(|| RoomState::new(absent.clone()));
                state.version = None;
                self.pending = PendingChanges {
                    room: Some(room),
                    changes: state.changes(room, &window, version),
                    version,
                };
            }
            Item::Failed(room, error) => {
                self.failed_room = room;
                return Some(error);
            }
        }
        None
    }
}

impl Stream for Watch {
    type Item = Result<Event, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.next_change() {
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(step) = &mut this.step {
                ready!(step.poll_unpin(context));
                this.step = None;
            }
            let step = || fetch::step(this.client.clone()).boxed();
            match this.client.state().watches.next(this.id, step) {
                Next::Step(step) => this.step = Some(step),
                Next::Item(item) => {
                    if let Some(error) = this.take(item) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.client.state().watches.remove(self.id);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("rooms", &self.rooms.keys()).finish_non_exhaustive()
    }
}
