//! The records of a room.

use super::call::{Call, Reply};
use super::data::Data;
use super::error::Failure;
use super::fields::Fields;
use super::model::{RecordData, RecordStatus};
use axum::http::StatusCode;

pub(super) fn list(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let room = data.room(call.param("roomId"), &call.key)?;
    let list = format!("records/{}", room.room.id);
    Reply::ok(call.page.page(&list, &room.records, |_| true, RecordData::wire)?)
}

pub(super) fn create(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let created_by_id = call.key.require_user()?.to_owned();
    let id = data.ids.cuid();
    let room = data.room(call.param("roomId"), &call.key)?;
    let mut fields = Fields::of(&call.body)?;
    let title = fields.required_text("title", 1, 200);
    let content = fields.text("content", 0, 200_000);
    fields.check()?;
    let record = RecordData {
        id,
        room_id: room.room.id.clone(),
        title,
        content: content.unwrap_or_default(),
        status: RecordStatus::Active,
        created_by_id,
        created_at: call.now.wall,
        updated_at: call.now.wall,
    };
    let wire = record.wire();
    room.records.push(record);
    data.wrote(call.param("roomId"), "record.created", &wire, call.now);
    Reply::created(wire)
}

pub(super) fn update(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let record_id = call.param("recordId");
    let room = data.room(call.param("roomId"), &call.key)?;
    let record = room
        .records
        .iter_mut()
        .find(|record| record.id == record_id)
        .ok_or_else(|| Failure::not_found("record"))?;
    if call.key.user_id() != Some(record.created_by_id.as_str()) {
        return Err(Failure::forbidden("Only the creator of a record may change it."));
    }
    match record.status {
        RecordStatus::Active => {}
        RecordStatus::Locked => {
            return Err(Failure::new(StatusCode::FORBIDDEN, "record_locked", "The record is locked."));
        }
        RecordStatus::Archived => {
            return Err(Failure::new(StatusCode::FORBIDDEN, "record_archived", "The record is archived."));
        }
    }
    let mut fields = Fields::of(&call.body)?;
    let title = fields.text("title", 1, 200);
    let content = fields.text("content", 0, 200_000);
    fields.check()?;
    if let Some(title) = title {
        record.title = title;
    }
    if let Some(content) = content {
        record.content = content;
    }
    record.updated_at = call.now.wall;
    let wire = record.wire();
    data.wrote(call.param("roomId"), "record.updated", &wire, call.now);
    Reply::ok(wire)
}
