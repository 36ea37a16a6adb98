//! All that the service holds, behind one lock.

use super::auth::{Actor, Key};
use super::error::{ErrorShape, Failure};
use super::idempotency::Store;
use super::ids::Ids;
use super::limits::{Limits, Now, Quota};
use super::model::{Delivery, EventType, File, Member, Message, Organization, Record, Room, Task, User};
use super::page::Paging;
use super::webhooks::{self, Outgoing};
use jiff::Timestamp;
use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) error_shape: ErrorShape,
    pub(super) paging: Paging,
    pub(super) quota: Quota,
}

#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) url: Option<String>,
    /// The types it is subscribed to; empty for all.
    pub(super) events: Vec<String>,
    pub(super) deliveries: Vec<Delivery>,
}

#[derive(Debug)]
pub(super) struct RoomData {
    pub(super) room: Room,
    pub(super) members: Vec<Member>,
    pub(super) boards: Vec<String>,
    pub(super) messages: Vec<Message>,
    pub(super) tasks: Vec<Task>,
    pub(super) records: Vec<Record>,
    pub(super) files: Vec<File>,
    pub(super) webhooks: Vec<Webhook>,
}

impl RoomData {
    /// A room is open to its members and to the key of its organization.
    pub(super) fn open_to(&self, key: &Key) -> bool {
        match &key.actor {
            Actor::User(id) | Actor::Agent(id) => self.members.iter().any(|member| member.user_id == *id),
            Actor::Organization(id) => self.room.organization_id.as_ref() == Some(id),
        }
    }

    pub(super) fn webhook(&mut self, id: &str) -> Result<&mut Webhook, Failure> {
        self.webhooks.iter_mut().find(|webhook| webhook.id == id).ok_or_else(|| Failure::not_found("webhook"))
    }
}

#[derive(Debug)]
pub(super) struct Data {
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

    pub(super) fn find_room(&mut self, id: &str) -> Option<&mut RoomData> {
        self.rooms.iter_mut().find(|room| room.room.id == id)
    }

    /// A room that the caller may use. Others are as good as absent: 404.
    pub(super) fn room(&mut self, id: &str, key: &Key) -> Result<&mut RoomData, Failure> {
        self.find_room(id).filter(|room| room.open_to(key)).ok_or_else(|| Failure::not_found("room"))
    }

    /// Notes that something was written in a room, and tells the room's webhooks.
    pub(super) fn wrote(&mut self, room_id: &str, event: &str, subject: &Value, now: Now) {
        if let Some(room) = self.rooms.iter_mut().find(|room| room.room.id == room_id) {
            room.room.updated_at = now.wall;
            self.outbox.extend(webhooks::emit(room, &mut self.ids, event, subject, now));
        }
    }
}
