//! The messages that a bot has taken, by room.

use super::ReceivedMessage;
use crate::chatwork::RoomId;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A message that the bot has taken. Clones are the same.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) message: Arc<ReceivedMessage>,
    /// How often the replay cache was asked for it in vain.
    pub(super) asked: u32,
    begun: Arc<AtomicBool>,
}

impl Taken {
    pub(super) fn new(message: ReceivedMessage) -> Self {
        Self { message: Arc::new(message), asked: 0, begun: Arc::default() }
    }

    /// Notes that the handler begins.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// The message, and whether its handler has begun.
    pub(super) fn into_parts(self) -> (ReceivedMessage, bool) {
        let begun = self.begun.load(Ordering::Relaxed);
        (Arc::unwrap_or_clone(self.message), begun)
    }
}

/// A message that is put aside for a time; it ends with the message.
pub(super) struct Aside {
    pub(super) wait: BoxFuture<'static, ()>,
    /// It is there until the time is over.
    pub(super) taken: Option<Taken>,
}

impl Future for Aside {
    type Output = Taken;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Taken> {
        match self.wait.poll_unpin(task) {
            Poll::Ready(()) => self.taken.take().map_or(Poll::Pending, Poll::Ready),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The messages that wait or are being handled, by room.
#[derive(Default)]
pub(super) struct Rooms {
    /// Every room with a message that is being handled or waits.
    queues: HashMap<RoomId, RoomQueue>,
    /// The rooms with waiting messages and none being handled, in the order of their turns.
    turns: VecDeque<RoomId>,
    pub(super) waiting: usize,
}

#[derive(Default)]
struct RoomQueue {
    handling: Option<Taken>,
    waiting: VecDeque<Taken>,
}

impl Rooms {
    pub(super) fn add(&mut self, taken: Taken) {
        self.queue(&taken).push_back(taken);
    }

    /// Adds a message that was put aside, and comes before the others of its room.
    pub(super) fn add_first(&mut self, taken: Taken) {
        self.queue(&taken).push_front(taken);
    }

    fn queue(&mut self, taken: &Taken) -> &mut VecDeque<Taken> {
        let id = taken.message.room_id;
        self.waiting += 1;
        let room = self.queues.entry(id).or_insert_with(|| {
            self.turns.push_back(id);
            RoomQueue::default()
        });
        &mut room.waiting
    }

    /// The next message of a room without one being handled; it then is being handled.
    pub(super) fn next(&mut self) -> Option<Taken> {
        let room = self.turns.pop_front()?;
        let room = self.queues.get_mut(&room)?;
        let taken = room.waiting.pop_front()?;
        room.handling = Some(taken.clone());
        self.waiting -= 1;
        Some(taken)
    }

    pub(super) fn ended(&mut self, id: RoomId) {
        match self.queues.get_mut(&id) {
            Some(room) if !room.waiting.is_empty() => {
                room.handling = None;
                self.turns.push_back(id);
            }
            _ => {
                self.queues.remove(&id);
            }
        }
    }

    /// All messages: those that are being handled, and those that wait, in the order of each room.
    pub(super) fn into_messages(self) -> impl Iterator<Item = Taken> {
        let (handling, waiting): (Vec<_>, Vec<_>) =
            self.queues.into_values().map(|room| (room.handling, room.waiting)).unzip();
        handling.into_iter().flatten().chain(waiting.into_iter().flatten())
    }
}
