//! A room, with all that is in it.

use super::auth::{Actor, Key};
use super::error::Failure;
use super::model::{Delivery, FileData, MemberData, MessageData, RecordData, RoomInfo, TaskData};

#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) url: Option<String>,
    /// The types it is subscribed to; empty for all.
    pub(super) events: Vec<String>,
    pub(super) deliveries: Vec<Delivery>,
}

#[derive(Clone, Debug)]
pub(super) struct RoomData {
    pub(super) room: RoomInfo,
    pub(super) members: Vec<MemberData>,
    pub(super) boards: Vec<String>,
    pub(super) messages: Vec<MessageData>,
    pub(super) tasks: Vec<TaskData>,
    pub(super) records: Vec<RecordData>,
    pub(super) files: Vec<FileData>,
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
