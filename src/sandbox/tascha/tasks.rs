//! The tasks of a room.

use super::call::{Call, Reply};
use super::data::Data;
use super::error::Failure;
use super::fields::Fields;
use super::model::TaskData;
use axum::http::StatusCode;
use serde_json::json;

const STATUSES: [&str; 3] = ["NOT_STARTED", "IN_PROGRESS", "COMPLETED"];

pub(super) fn list(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let room = data.room(call.param("roomId"), &call.key)?;
    let list = format!("tasks/{}", room.room.id);
    Reply::ok(call.page.page(&list, &room.tasks, |_| true, TaskData::list_item)?)
}

pub(super) fn create(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let created_by_id = call.key.require_user()?.to_owned();
    let id = data.ids.cuid();
    let room = data.room(call.param("roomId"), &call.key)?;
    let mut fields = Fields::of(&call.body)?;
    let title = fields.required_text("title", 1, 200);
    let description = fields.text("description", 0, 10_000);
    let board_id = fields.text("boardId", 1, usize::MAX);
    let due_date = fields.time("dueDate");
    fields.check()?;
    let board_id = match board_id {
        Some(board) if room.boards.contains(&board) => board,
        Some(_) => return Err(Failure::invalid("boardId", "must be a board of the room")),
        None => room.boards.first().cloned().ok_or_else(|| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                "board_not_found",
                "The room has no board to put the task on.",
            )
        })?,
    };
    let task = TaskData {
        id,
        room_id: room.room.id.clone(),
        board_id,
        title,
        description,
        status: STATUSES[0].to_owned(),
        due_date,
        created_by_id,
        created_at: call.now.wall,
        updated_at: call.now.wall,
        version: 1,
    };
    let wire = task.wire();
    room.tasks.push(task);
    data.wrote(call.param("roomId"), "task.created", &wire, call.now);
    Reply::created(wire)
}

/// An update without any field is accepted, and counts as one; whether the service does so is not published.
pub(super) fn update(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let task_id = call.param("taskId");
    let room = data.room(call.param("roomId"), &call.key)?;
    let task =
        room.tasks.iter_mut().find(|task| task.id == task_id).ok_or_else(|| Failure::not_found("task"))?;
    let mut fields = Fields::of(&call.body)?;
    let title = fields.text("title", 1, 200);
    let description = fields.text("description", 0, 10_000);
    let status = fields.one_of("status", &STATUSES);
    let due_date = fields.nullable_time("dueDate");
    let version = fields.integer("version");
    fields.check()?;
    if version.is_some_and(|version| version != task.version) {
        let message = "The task has changed since that version.";
        return Err(Failure::new(StatusCode::CONFLICT, "version_conflict", message)
            .details(json!({ "currentVersion": task.version })));
    }
    if let Some(title) = title {
        task.title = title;
    }
    if let Some(description) = description {
        task.description = Some(description);
    }
    if let Some(status) = status {
        task.status = status;
    }
    if let Some(due_date) = due_date {
        task.due_date = due_date;
    }
    task.version += 1;
    task.updated_at = call.now.wall;
    let wire = task.wire();
    data.wrote(call.param("roomId"), "task.updated", &wire, call.now);
    Reply::ok(wire)
}
