//! The messages of a room.

use super::call::{Call, Reply};
use super::data::Data;
use super::error::Failure;
use super::fields::Fields;
use super::model::MessageData;
use super::room::RoomData;
use crate::sandbox::state::Now;
use crate::tascha::MAX_MESSAGE;
use serde_json::Value;

pub(super) fn list(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let room = data.room(call.param("roomId"), &call.key)?;
    let list = format!("messages/{}", room.room.id);
    Reply::ok(call.page.page(&list, &room.messages, |_| true, MessageData::wire)?)
}

pub(super) fn create(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let author_id = call.key.require_user()?.to_owned();
    let id = data.ids.cuid();
    let room = data.room(call.param("roomId"), &call.key)?;
    let mut fields = Fields::of(&call.body)?;
    let body = fields.required_text("body", 1, MAX_MESSAGE);
    let reply_to = fields.text("replyToMessageId", 1, usize::MAX);
    fields.check()?;
    if let Some(reply_to) = &reply_to
        && !room.messages.iter().any(|message| message.id == *reply_to)
    {
        return Err(Failure::invalid("replyToMessageId", "must be a message of the same room"));
    }
    let wire = push(
        room,
        MessageData { reply_to_message_id: reply_to, ..new_message(room, id, author_id, body, call.now) },
    );
    data.wrote(call.param("roomId"), "message.created", &wire, call.now);
    Reply::created(wire)
}

/// A message of a user who is not under test.
pub(super) fn post(data: &mut Data, room_id: &str, author_id: &str, body: &str, now: Now) -> Option<String> {
    let id = data.ids.cuid();
    let room = data.find_room(room_id)?;
    let message = new_message(room, id.clone(), author_id.to_owned(), body.to_owned(), now);
    let wire = push(room, message);
    data.wrote(room_id, "message.created", &wire, now);
    Some(id)
}

fn new_message(room: &RoomData, id: String, author_id: String, body: String, now: Now) -> MessageData {
    let room_id = room.room.id.clone();
    let (created_at, updated_at) = (now.wall, now.wall);
    MessageData { id, room_id, author_id, body, reply_to_message_id: None, created_at, updated_at }
}

fn push(room: &mut RoomData, message: MessageData) -> Value {
    let wire = message.wire();
    room.messages.push(message);
    wire
}
