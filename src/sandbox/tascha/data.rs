//! All that the service holds, behind one lock.

use super::auth::Key;
use super::error::{ErrorShape, Failure};
use super::events::{self, Outgoing};
use super::idempotency::Store;
use super::limits::{Limits, Quota};
use super::model::{EventType, MemberData, Organization, User};
use super::page::Paging;
use super::room::RoomData;
use crate::sandbox::ids::Ids;
use crate::sandbox::state::{self, Now};
use jiff::Timestamp;
use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) error_shape: ErrorShape,
    pub(super) paging: Paging,
    pub(super) quota: Quota,
}

/// The service.
pub(crate) type State = state::State<Data>;

#[derive(Debug)]
pub(crate) struct Data {
    pub(super) started: Timestamp,
    pub(super) settings: Settings,
    pub(super) users: Vec<User>,
    pub(super) organizations: Vec<Organization>,
    pub(super) keys: Vec<Key>,
    pub(super) rooms: Vec<RoomData>,
    pub(super) events: Vec<EventType>,
    pub(super) ids: Ids,
    pub(super) limits: Limits,
    pub(super) answers: Store,
    /// What the request under way has to post to webhooks.
    pub(super) outbox: Vec<Outgoing>,
}

impl Data {
    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(super) fn member_wire(&self, member: &MemberData) -> Value {
        member.wire(self.user(&member.user_id).map_or("", |user| user.name.as_str()))
    }

    pub(super) fn find_room(&mut self, id: &str) -> Option<&mut RoomData> {
        self.rooms.iter_mut().find(|room| room.room.id == id)
    }

    /// A room that the caller may use. Others are as good as absent: 404.
    pub(super) fn room(&mut self, id: &str, key: &Key) -> Result<&mut RoomData, Failure> {
        self.find_room(id).filter(|room| room.open_to(key)).ok_or_else(|| Failure::not_found("room"))
    }

    /// Records that something was written in a room, and reports it to the room's webhooks.
    pub(super) fn wrote(&mut self, room_id: &str, event: &str, subject: &Value, now: Now) {
        if let Some(room) = self.rooms.iter_mut().find(|room| room.room.id == room_id) {
            room.room.updated_at = now.wall;
            self.outbox.extend(events::emit(room, &mut self.ids, event, subject, now));
        }
    }
}
