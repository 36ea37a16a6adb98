//! A room that is there when the sandbox starts.

use super::model::{
    Delivery, FileData, MemberData, MessageData, RecordData, RecordStatus, RoomInfo, TaskData,
};
use super::room::{RoomData, Webhook};
use crate::sandbox::ids::Ids;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// A room at the start.
#[derive(Clone, Debug)]
#[must_use]
pub struct RoomSeed {
    id: String,
    name: String,
    room_type: i32,
    direct: bool,
    organization_id: Option<String>,
    members: Vec<String>,
    boards: Vec<String>,
    messages: Vec<(Option<String>, String)>,
    tasks: usize,
    records: Vec<(Option<String>, String, RecordStatus)>,
    files: usize,
    webhooks: Vec<WebhookSeed>,
}

impl RoomSeed {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A room without members.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            room_type: 0,
            direct: false,
            organization_id: None,
            members: Vec::new(),
            boards: Vec::new(),
            messages: Vec::new(),
            tasks: 0,
            records: Vec::new(),
            files: 0,
            webhooks: Vec::new(),
        }
    }

    /// Makes it a direct message, which the list of rooms leaves out.
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// The number for the kind of room; 0 by default.
    pub fn room_type(mut self, room_type: i32) -> Self {
        self.room_type = room_type;
        self
    }

    /// The organization the room belongs to, whose keys may use it.
    pub fn organization(mut self, id: impl Into<String>) -> Self {
        self.organization_id = Some(id.into());
        self
    }

    /// Adds members, by the ids of their users. The first member of a room is its creator, with role 1; the others
    /// have role 0.
    pub fn members(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.members.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Adds a board for tasks.
    pub fn board(mut self, id: impl Into<String>) -> Self {
        self.boards.push(id.into());
        self
    }

    /// Adds messages `Message 1`, `Message 2` and so on of the room's creator.
    pub fn messages(mut self, count: usize) -> Self {
        let before = self.messages.len();
        self.messages.extend((1..=count).map(|number| (None, format!("Message {}", before + number))));
        self
    }

    /// Adds a message.
    pub fn message(mut self, author_id: impl Into<String>, body: impl Into<String>) -> Self {
        self.messages.push((Some(author_id.into()), body.into()));
        self
    }

    /// Adds tasks `Task 1`, `Task 2` and so on of the room's creator.
    pub fn tasks(mut self, count: usize) -> Self {
        self.tasks += count;
        self
    }

    /// Adds records `Record 1`, `Record 2` and so on of the room's creator.
    pub fn records(mut self, count: usize) -> Self {
        let before = self.records.len();
        self.records.extend(
            (1..=count).map(|number| (None, format!("Record {}", before + number), RecordStatus::Active)),
        );
        self
    }

    /// Adds a record.
    pub fn record(
        mut self,
        creator_id: impl Into<String>,
        title: impl Into<String>,
        status: RecordStatus,
    ) -> Self {
        self.records.push((Some(creator_id.into()), title.into(), status));
        self
    }

    /// Adds files `file-1.txt`, `file-2.txt` and so on of the room's creator.
    pub fn files(mut self, count: usize) -> Self {
        self.files += count;
        self
    }

    /// Adds a webhook.
    pub fn webhook(mut self, webhook: WebhookSeed) -> Self {
        self.webhooks.push(webhook);
        self
    }

    pub(super) fn build(self, started: Timestamp, ids: &mut Ids) -> RoomData {
        let creator = self.members.first().cloned().unwrap_or_default();
        let room_id = self.id;
        let messages: Vec<MessageData> = times(started, self.messages.len())
            .zip(self.messages)
            .map(|(at, (author, body))| MessageData {
                id: ids.cuid(),
                room_id: room_id.clone(),
                author_id: author.unwrap_or_else(|| creator.clone()),
                body,
                reply_to_message_id: None,
                created_at: at,
                updated_at: at,
            })
            .collect();
        let board = self.boards.first().cloned().unwrap_or_default();
        let tasks = times(started, self.tasks)
            .zip(1..)
            .map(|(at, number)| TaskData {
                id: ids.cuid(),
                room_id: room_id.clone(),
                board_id: board.clone(),
                title: format!("Task {number}"),
                description: None,
                status: "NOT_STARTED".to_owned(),
                due_date: None,
                created_by_id: creator.clone(),
                created_at: at,
                updated_at: at,
                version: 1,
            })
            .collect();
        let records = times(started, self.records.len())
            .zip(self.records)
            .map(|(at, (owner, title, status))| RecordData {
                id: ids.cuid(),
                room_id: room_id.clone(),
                title,
                content: String::new(),
                status,
                created_by_id: owner.unwrap_or_else(|| creator.clone()),
                created_at: at,
                updated_at: at,
            })
            .collect();
        let first_message = messages.first().map(|message| message.id.clone());
        let files = times(started, self.files)
            .zip(1..)
            .map(|(at, number)| FileData {
                id: ids.cuid(),
                room_id: room_id.clone(),
                file_name: format!("file-{number}.txt"),
                size: 1024 * number,
                mime_type: "text/plain".to_owned(),
                message_id: first_message.clone(),
                uploaded_by_id: creator.clone(),
                created_at: at,
            })
            .collect();
        let webhooks =
            self.webhooks.into_iter().map(|webhook| webhook.build(&room_id, started, ids)).collect();
        let members = self
            .members
            .into_iter()
            .enumerate()
            .map(|(position, user_id)| MemberData {
                user_id,
                role: i32::from(position == 0),
                joined_at: started,
            })
            .collect();
        let room = RoomInfo {
            id: room_id,
            name: self.name,
            room_type: self.room_type,
            direct: self.direct,
            organization_id: self.organization_id,
            created_by_id: creator,
            created_at: started,
            updated_at: started,
        };
        RoomData { room, members, boards: self.boards, messages, tasks, records, files, webhooks }
    }
}

/// A webhook at the start, subscribed to all events.
#[derive(Clone, Debug)]
#[must_use]
pub struct WebhookSeed {
    id: String,
    url: Option<String>,
    events: Vec<String>,
    deliveries: usize,
}

impl WebhookSeed {
    /// A webhook without a URL: what it delivers is logged as answered with 200.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), url: None, events: Vec::new(), deliveries: 0 }
    }

    /// Where to post. Only loopback addresses are posted to; to others every delivery fails.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Subscribes to these types of event only.
    pub fn events(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.events = names.into_iter().map(Into::into).collect();
        self
    }

    /// Puts entries into the delivery log, every second one of them failed with 500.
    pub fn deliveries(mut self, count: usize) -> Self {
        self.deliveries += count;
        self
    }

    fn build(self, room_id: &str, started: Timestamp, ids: &mut Ids) -> Webhook {
        let event = self.events.first().map_or("message.created", String::as_str);
        let deliveries = times(started, self.deliveries)
            .enumerate()
            .map(|(number, at)| {
                let (event_id, delivery_id) = (ids.cuid(), ids.cuid());
                let success = number % 2 == 0;
                Delivery {
                    id: ids.cuid(),
                    webhook_id: self.id.clone(),
                    event: event.to_owned(),
                    payload: json!({
                        "event": event, "eventId": event_id, "deliveryId": delivery_id, "roomId": room_id, "data": {},
                    }),
                    event_id,
                    delivery_id,
                    success,
                    status_code: Some(if success { 200 } else { 500 }),
                    error: (!success).then(|| "The receiver answered 500.".to_owned()),
                    attempt: 1,
                    duration_ms: 12,
                    delivered_at: Some(at),
                }
            })
            .collect();
        Webhook { id: self.id, url: self.url, events: self.events, deliveries }
    }
}

/// `count` times, a second apart, the last one a second before the start.
fn times(started: Timestamp, count: usize) -> impl Iterator<Item = Timestamp> {
    let seconds = i64::try_from(count).unwrap_or(i64::MAX);
    (0..seconds).map(move |number| started - SignedDuration::from_secs(seconds - number))
}
