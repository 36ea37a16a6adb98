//! What the service holds now.

use super::data::State;
use super::model::{Delivery, FileData, MessageData, RecordData, RecordStatus, TaskData, User};
use super::room::RoomData;
use super::{deliver, messages};
use crate::sandbox::answer::{decoded, decoded_all};
use crate::tascha::{BoardId, File, Message, MessageId, Record, RecordId, Room, RoomMember, Task, TaskId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// What TAS-CHA holds now, and a hand on what a request cannot change.
///
/// It shows rooms, members, messages, tasks, records and files as the client's types, so that they can be compared with what a client
/// returned; and what the API takes in and never gives out, such as the [content of a record](RoomView::content_of).
#[derive(Clone, Debug)]
pub struct View {
    state: Arc<State>,
}

impl View {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// All people.
    pub fn users(&self) -> Vec<User> {
        self.state.lock().users.clone()
    }

    /// All rooms, direct messages included.
    pub fn rooms(&self) -> Vec<Room> {
        self.state.lock().rooms.iter().map(|room| decoded(room.room.wire())).collect()
    }

    /// One room. Of a room that does not exist everything is empty.
    pub fn room(&self, id: impl Into<String>) -> RoomView {
        RoomView { state: Arc::clone(&self.state), id: id.into() }
    }

    /// The units that the owner of a token has used this month; `None` if there is no such token.
    pub fn units_used(&self, token: &str) -> Option<u64> {
        let now = self.state.now();
        let mut data = self.state.lock();
        let payer = data.keys.iter().find(|key| key.token == token)?.payer();
        Some(data.limits.units_used(&payer, now))
    }

    /// How many idempotency keys are remembered.
    pub fn idempotency_keys(&self) -> usize {
        self.state.lock().answers.len()
    }

    /// Revokes a token: from now on it is answered with 401.
    pub fn revoke(&self, token: &str) {
        self.state.lock().keys.iter_mut().filter(|key| key.token == token).for_each(|key| key.revoked = true);
    }
}

/// One room.
#[derive(Clone, Debug)]
pub struct RoomView {
    state: Arc<State>,
    id: String,
}

impl RoomView {
    /// The room itself, if it exists.
    pub fn get(&self) -> Option<Room> {
        self.with(|room| decoded(room.room.wire()))
    }

    /// Whether it is a direct message, which the list of rooms leaves out.
    pub fn is_direct(&self) -> bool {
        self.with(|room| room.room.direct).unwrap_or_default()
    }

    /// The members.
    pub fn members(&self) -> Vec<RoomMember> {
        let data = self.state.lock();
        let room = data.rooms.iter().find(|room| room.room.id == self.id);
        let members = room.into_iter().flat_map(|room| &room.members);
        members.map(|member| decoded(data.member_wire(member))).collect()
    }

    /// The ids of the boards.
    pub fn boards(&self) -> Vec<BoardId> {
        self.with(|room| room.boards.iter().map(|id| BoardId::from(id.as_str())).collect())
            .unwrap_or_default()
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.list(|room| room.messages.iter().map(MessageData::wire).collect())
    }

    /// The message that a message replies to.
    pub fn reply_to(&self, message: impl Into<MessageId>) -> Option<MessageId> {
        let id = message.into();
        self.with(|room| {
            let message = room.messages.iter().find(|message| message.id == id.as_str());
            message?.reply_to_message_id.as_deref().map(MessageId::from)
        })?
    }

    /// The tasks, oldest first, with their versions.
    pub fn tasks(&self) -> Vec<Task> {
        self.list(|room| room.tasks.iter().map(TaskData::wire).collect())
    }

    /// The board that a task is on.
    pub fn board_of(&self, task: impl Into<TaskId>) -> Option<BoardId> {
        let id = task.into();
        self.with(|room| {
            let task = room.tasks.iter().find(|task| task.id == id.as_str());
            task.map(|task| BoardId::from(task.board_id.as_str()))
        })?
    }

    /// The records, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.list(|room| room.records.iter().map(RecordData::wire).collect())
    }

    /// The content of a record; empty if there is no such record.
    pub fn content_of(&self, record: impl Into<RecordId>) -> String {
        let id = record.into();
        let content = self.with(|room| {
            let record = room.records.iter().find(|record| record.id == id.as_str());
            record.map(|record| record.content.clone())
        });
        content.flatten().unwrap_or_default()
    }

    /// The files, oldest first.
    pub fn files(&self) -> Vec<File> {
        self.list(|room| room.files.iter().map(FileData::wire).collect())
    }

    /// The delivery log of a webhook of the room, oldest first.
    pub fn deliveries(&self, webhook_id: &str) -> Vec<Delivery> {
        self.with(|room| {
            room.webhook(webhook_id).map(|webhook| webhook.deliveries.clone()).unwrap_or_default()
        })
        .unwrap_or_default()
    }

    /// Posts a message as this user, who need not be a member, and returns its id; `None` if there is no such room.
    ///
    /// The room's webhooks receive it, as they receive a message that came by the API.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if the room has a webhook.
    pub fn post(&self, author_id: &str, body: &str) -> Option<String> {
        let now = self.state.now();
        let mut data = self.state.lock();
        let id = messages::post(&mut data, &self.id, author_id, body, now);
        let outbox = std::mem::take(&mut data.outbox);
        drop(data);
        deliver::deliver_all(&self.state, outbox);
        id
    }

    /// Lets a webhook of the room post to this URL from now on. Only loopback addresses are posted to.
    pub fn set_webhook_url(&self, webhook_id: &str, url: impl Into<String>) {
        self.with(|room| {
            if let Ok(webhook) = room.webhook(webhook_id) {
                webhook.url = Some(url.into());
            }
        });
    }

    /// Locks, archives or reopens a record.
    pub fn set_record_status(&self, record_id: &str, status: RecordStatus) {
        self.with(|room| {
            room.records
                .iter_mut()
                .filter(|record| record.id == record_id)
                .for_each(|record| record.status = status);
        });
    }

    fn list<T: DeserializeOwned>(&self, wire: impl FnOnce(&mut RoomData) -> Vec<Value>) -> Vec<T> {
        decoded_all(self.with(wire).unwrap_or_default())
    }

    fn with<T>(&self, look: impl FnOnce(&mut RoomData) -> T) -> Option<T> {
        self.state.lock().find_room(&self.id).map(look)
    }
}
