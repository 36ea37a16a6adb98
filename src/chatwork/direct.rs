//! Which rooms are direct chats, as far as that is known.

use super::{Room, RoomId, RoomType};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The kinds of rooms that a client has seen, shared by its clones.
#[derive(Default)]
pub(super) struct DirectChats(Mutex<HashMap<RoomId, bool>>);

impl DirectChats {
    /// Notes the kinds of these rooms.
    pub(super) fn learn<'a>(&self, rooms: impl IntoIterator<Item = &'a Room>) {
        let kinds = rooms.into_iter().map(|room| (room.room_id, room.type_ == RoomType::Direct));
        self.lock().extend(kinds);
    }

    /// Notes the kind of one room.
    pub(super) fn set(&self, room: RoomId, direct: bool) {
        self.lock().insert(room, direct);
    }

    /// Whether the room is a direct chat; `None` if that is not known.
    pub(super) fn is_direct(&self, room: RoomId) -> Option<bool> {
        self.lock().get(&room).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, bool>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
