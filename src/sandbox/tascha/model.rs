//! What the service holds.

use jiff::Timestamp;
use serde_json::{Value, json};

/// A time as the API prints it: RFC 3339 with milliseconds and `Z`.
pub(super) fn time(at: Timestamp) -> Value {
    Value::from(format!("{at:.3}"))
}

fn optional_time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The user's name, in rooms too.
    pub name: String,
    /// The mail address; by default `<id>@example.com`.
    pub email: String,
    /// The language; by default `ja`.
    pub locale: String,
    /// The organization that the user belongs to, if any.
    pub organization_id: Option<String>,
}

impl User {
    /// A person without an organization.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            email: format!("{id}@example.com"),
            id,
            name: name.into(),
            locale: "ja".to_owned(),
            organization_id: None,
        }
    }

    /// Makes the person a member of an organization.
    #[must_use]
    pub fn organization(mut self, id: impl Into<String>) -> Self {
        self.organization_id = Some(id.into());
        self
    }
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Organization {
    /// The organization's id.
    pub id: String,
    /// The organization's name.
    pub name: String,
    /// A text about the organization.
    pub description: Option<String>,
    /// Whether the organization is active.
    pub is_active: bool,
}

impl Organization {
    /// An active organization without a description.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), description: None, is_active: true }
    }

    pub(super) fn wire(&self, created_at: Timestamp) -> Value {
        json!({
            "id": self.id, "name": self.name, "description": self.description, "isActive": self.is_active,
            "createdAt": time(created_at),
        })
    }
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoomInfo {
    /// The room's id.
    pub(super) id: String,
    /// The room's name.
    pub(super) name: String,
    /// The kind of room, a number without a published meaning.
    pub(super) room_type: i32,
    /// Whether this is a direct message, which the list of rooms leaves out.
    pub(super) direct: bool,
    /// The organization the room belongs to, if any.
    pub(super) organization_id: Option<String>,
    /// The user who created the room.
    pub(super) created_by_id: String,
    /// When the room was created.
    pub(super) created_at: Timestamp,
    /// When something was last written in the room.
    pub(super) updated_at: Timestamp,
}

impl RoomInfo {
    pub(super) fn wire(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "roomType": self.room_type, "organizationId": self.organization_id,
            "createdById": self.created_by_id, "createdAt": time(self.created_at), "updatedAt": time(self.updated_at),
        })
    }
}

/// A user in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberData {
    /// The user.
    pub(super) user_id: String,
    /// The role, a number without a published meaning.
    pub(super) role: i32,
    /// When the user joined.
    pub(super) joined_at: Timestamp,
}

impl MemberData {
    pub(super) fn wire(&self, display_name: &str) -> Value {
        json!({
            "userId": self.user_id, "role": self.role, "joinedAt": time(self.joined_at), "displayName": display_name,
        })
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageData {
    /// The message's id.
    pub(super) id: String,
    /// The room it is in.
    pub(super) room_id: String,
    /// The user who wrote it.
    pub(super) author_id: String,
    /// The text.
    pub(super) body: String,
    /// The message it replies to. The API takes this in and never gives it out.
    pub(super) reply_to_message_id: Option<String>,
    /// When it was posted.
    pub(super) created_at: Timestamp,
    /// When it was last changed.
    pub(super) updated_at: Timestamp,
}

impl MessageData {
    pub(super) fn wire(&self) -> Value {
        json!({
            "id": self.id, "roomId": self.room_id, "authorId": self.author_id, "body": self.body,
            "createdAt": time(self.created_at), "updatedAt": time(self.updated_at),
        })
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskData {
    /// The task's id.
    pub(super) id: String,
    /// The room it is in.
    pub(super) room_id: String,
    /// The board it is on. The API takes this in and never gives it out.
    pub(super) board_id: String,
    /// The title.
    pub(super) title: String,
    /// The longer text.
    pub(super) description: Option<String>,
    /// `NOT_STARTED`, `IN_PROGRESS` or `COMPLETED`.
    pub(super) status: String,
    /// When it is due.
    pub(super) due_date: Option<Timestamp>,
    /// The user who created it.
    pub(super) created_by_id: String,
    /// When it was created.
    pub(super) created_at: Timestamp,
    /// When it was last changed.
    pub(super) updated_at: Timestamp,
    /// Starts at 1 and grows by 1 with each update.
    pub(super) version: i64,
}

impl TaskData {
    pub(super) fn wire(&self) -> Value {
        let mut value = self.list_item();
        value["version"] = self.version.into();
        value
    }

    /// The same without `version`, which the list of tasks lacks.
    pub(super) fn list_item(&self) -> Value {
        json!({
            "id": self.id, "roomId": self.room_id, "title": self.title, "description": self.description,
            "status": self.status, "dueDate": optional_time(self.due_date), "createdById": self.created_by_id,
            "createdAt": time(self.created_at), "updatedAt": time(self.updated_at),
        })
    }
}

/// Whether a record may be changed. The spelling on the wire is not published; the sandbox prints these names in
/// lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordStatus {
    /// The creator may change it.
    Active,
    /// Nobody may change it.
    Locked,
    /// Nobody may change it.
    Archived,
}

impl RecordStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Archived => "archived",
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordData {
    /// The record's id.
    pub(super) id: String,
    /// The room it is in.
    pub(super) room_id: String,
    /// The title.
    pub(super) title: String,
    /// The text. The API takes this in and never gives it out.
    pub(super) content: String,
    /// Whether it may be changed.
    pub(super) status: RecordStatus,
    /// The user who created it, the only one who may change it.
    pub(super) created_by_id: String,
    /// When it was created.
    pub(super) created_at: Timestamp,
    /// When it was last changed.
    pub(super) updated_at: Timestamp,
}

impl RecordData {
    pub(super) fn wire(&self) -> Value {
        json!({
            "id": self.id, "roomId": self.room_id, "title": self.title, "status": self.status.name(),
            "createdById": self.created_by_id, "createdAt": time(self.created_at), "updatedAt": time(self.updated_at),
        })
    }
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileData {
    /// The file's id.
    pub(super) id: String,
    /// The room it is in.
    pub(super) room_id: String,
    /// The name.
    pub(super) file_name: String,
    /// The size in bytes.
    pub(super) size: i64,
    /// The media type.
    pub(super) mime_type: String,
    /// The message it is attached to, if any.
    pub(super) message_id: Option<String>,
    /// The user who uploaded it.
    pub(super) uploaded_by_id: String,
    /// When it was uploaded.
    pub(super) created_at: Timestamp,
}

impl FileData {
    pub(super) fn wire(&self) -> Value {
        json!({
            "id": self.id, "roomId": self.room_id, "fileName": self.file_name, "size": self.size,
            "mimeType": self.mime_type, "source": if self.message_id.is_some() { "message" } else { "room" },
            "messageId": self.message_id, "taskId": null, "uploadedById": self.uploaded_by_id,
            "createdAt": time(self.created_at),
        })
    }
}

/// A type of event in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventType {
    /// The name, as in the field `event` of a delivery.
    pub name: String,
    /// What the event reports.
    pub description: String,
    /// False for a preview event.
    pub stable: bool,
}

impl EventType {
    /// A stable event.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { name: name.into(), description: description.into(), stable: true }
    }

    /// Makes it a preview event.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.stable = false;
        self
    }

    pub(super) fn wire(&self) -> Value {
        json!({ "type": self.name, "description": self.description, "stable": self.stable })
    }
}

/// An entry of a webhook's delivery log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The id of the log entry.
    pub id: String,
    /// The webhook.
    pub webhook_id: String,
    /// The type of the event.
    pub event: String,
    /// The event, the same for all its deliveries.
    pub event_id: String,
    /// The delivery, new for each redelivery.
    pub delivery_id: String,
    /// Whether the receiver answered with 2xx.
    pub success: bool,
    /// The receiver's status; `None` while it is awaited and if there was no answer.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// Counts the deliveries of the event to this webhook, from 1.
    pub attempt: i64,
    /// How long the receiver took, in milliseconds of the sandbox's clock.
    pub duration_ms: i64,
    /// When the delivery was made; `None` while it is under way.
    pub delivered_at: Option<Timestamp>,
    /// The body that is posted to the receiver.
    pub payload: Value,
}

impl Delivery {
    /// The sandbox retries nothing by itself, so a delivery is final as soon as it was made.
    pub(super) fn wire(&self) -> Value {
        json!({
            "id": self.id, "webhookId": self.webhook_id, "event": self.event, "eventId": self.event_id,
            "deliveryId": self.delivery_id, "success": self.success, "statusCode": self.status_code,
            "error": self.error, "attempt": self.attempt, "durationMs": self.duration_ms,
            "deliveredAt": optional_time(self.delivered_at), "nextRetryAt": null,
            "finalizedAt": optional_time(self.delivered_at),
        })
    }
}
