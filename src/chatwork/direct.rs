//! Which rooms are direct chats, as far as that is known.

use super::{Room, RoomId, RoomType};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a question that failed is not asked again: the service may be out of reach, or the room no longer.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The kinds of rooms that a client has seen, shared by its clones.
#[derive(Default)]
pub(super) struct DirectChats(Mutex<HashMap<RoomId, Kind>>);

#[derive(Clone, Copy)]
enum Kind {
    Direct,
    Other,
    /// It was asked for at this time.
    Asked(Instant),
}

impl DirectChats {
    /// Notes the kinds of these rooms.
    pub(super) fn learn<'a>(&self, rooms: impl IntoIterator<Item = &'a Room>) {
        let kinds = rooms.into_iter().map(|room| (room.room_id, Kind::of(room.type_ == RoomType::Direct)));
        self.lock().extend(kinds);
    }

    /// Notes the kind of one room.
    pub(super) fn set(&self, room: RoomId, direct: bool) {
        self.lock().insert(room, Kind::of(direct));
    }

    /// Whether the room is a direct chat; `None` if that is not known.
    pub(super) fn is_direct(&self, room: RoomId) -> Option<bool> {
        match self.lock().get(&room)? {
            Kind::Direct => Some(true),
            Kind::Other => Some(false),
            Kind::Asked(_) => None,
        }
    }

    /// Whether to ask for the kind of the room now: it is not known, and was not asked for lately. It then counts as asked for.
    pub(super) fn begin_to_ask(&self, room: RoomId, now: Instant) -> bool {
        let mut kinds = self.lock();
        let asks = match kinds.get(&room) {
            None => true,
            Some(Kind::Asked(at)) => now.saturating_duration_since(*at) >= ASK_AGAIN,
            Some(Kind::Direct | Kind::Other) => false,
        };
        if asks {
            kinds.insert(room, Kind::Asked(now));
        }
        asks
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Kind>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn of(direct: bool) -> Self {
        if direct { Self::Direct } else { Self::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_room_is_asked_for_once_in_a_while() {
        let (chats, room, start) = (DirectChats::default(), RoomId(1), Instant::now());
        let asks = |seconds| chats.begin_to_ask(room, start + Duration::from_secs(seconds));
        assert_eq!([asks(0), asks(1), asks(59), asks(60), asks(119)], [true, false, false, true, false]);
        assert_eq!(chats.is_direct(room), None);
        chats.set(room, true);
        assert_eq!((chats.is_direct(room), asks(9_999)), (Some(true), false));
    }
}
