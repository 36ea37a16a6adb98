//! `/my/tasks`, `/rooms/{room_id}/tasks` and single tasks.

use super::call::Call;
use super::data::{Data, Origin};
use super::model::TaskData;
use super::notice;
use super::reply::{self, Refusal};
use crate::chatwork::MAX_MESSAGE;
use crate::sandbox::answer::Answer;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The most that a list holds.
const MAX_ITEMS: usize = 100;

const STATUSES: &[&str] = &["open", "done"];

pub(super) fn list_mine(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut query = call.query();
    let assigned_by: Option<u64> = query.number("assigned_by_account_id");
    let done = query.choice("status", STATUSES) == Some("done");
    query.finish()?;
    let rooms = call.data.rooms.values().filter(|room| room.members.contains_key(&call.caller));
    let tasks = rooms.flat_map(|room| room.tasks.values().map(move |task| (room, task)));
    let mut tasks: Vec<_> = tasks
        .filter(|(_, task)| task.account_id == call.caller && task.done == done)
        .filter(|(_, task)| assigned_by.is_none_or(|id| task.assigned_by_account_id == id))
        .collect();
    tasks.sort_by_key(|(_, task)| task.task_id);
    let tasks = newest(&tasks).iter().map(|(room, task)| {
        let mut shown = shown(call.data, task);
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("account");
            let room = json!({
                "room_id": room.id,
                "name": call.data.room_name(room, call.caller),
                "icon_path": room.icon_path(),
            });
            fields.insert("room".to_owned(), room);
        }
        shown
    });
    Ok(reply::list(tasks.collect()))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut query = call.query();
    let account: Option<u64> = query.number("account_id");
    let assigned_by: Option<u64> = query.number("assigned_by_account_id");
    let done = query.choice("status", STATUSES) == Some("done");
    query.finish()?;
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    let tasks: Vec<TaskData> = room
        .tasks
        .values()
        .filter(|task| task.done == done)
        .filter(|task| account.is_none_or(|id| task.account_id == id))
        .filter(|task| assigned_by.is_none_or(|id| task.assigned_by_account_id == id))
        .cloned()
        .collect();
    Ok(reply::list(newest(&tasks).iter().map(|task| shown(call.data, task)).collect()))
}

fn newest<T>(items: &[T]) -> &[T] {
    &items[items.len().saturating_sub(MAX_ITEMS)..]
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let room = call.room_id()?;
    let mut form = call.form();
    let body = form.required_text("body", MAX_MESSAGE);
    let to = form.required_ids("to_ids");
    let limit: Option<i64> = form.number("limit");
    let limit_type = form.choice("limit_type", &["none", "date", "time"]).unwrap_or("time");
    form.finish()?;
    let limit = limit.filter(|seconds| *seconds != 0).map(Timestamp::from_second).transpose();
    let limit = limit.map_err(|_| Refusal::bad_request("Parameter 'limit' is invalid"))?;
    let members = &call.data.writable_room_of(room, call.caller)?.members;
    if let Some(stranger) = to.iter().find(|id| !members.contains_key(id)) {
        return Err(Refusal::bad_request(format!("The account {stranger} is not a member of the room.")));
    }
    call.count_post(room)?;
    let origin = call.origin(room);
    let ids = add(call.data, origin, &to, body, limit.map(|limit| (limit, limit_type)));
    Ok(reply::ok(&json!({ "task_ids": ids })))
}

/// Makes a task for each assignee, and announces them in the room.
pub(super) fn add(
    data: &mut Data,
    origin: Origin,
    to: &[u64],
    body: &str,
    limit: Option<(Timestamp, &str)>,
) -> Vec<u64> {
    let (limit_time, limit_type) = match limit {
        Some((time, kind)) if kind != "none" => (Some(time), kind),
        _ => (None, "none"),
    };
    let announcement = notice::task(notice::TASK_ADDED, to, false, (limit_time, limit_type), body);
    let message_id = data.post(origin, &announcement, false);
    let ids: Vec<u64> = to.iter().map(|_| data.new_id()).collect();
    if let Some(room) = data.rooms.get_mut(&origin.room) {
        for (task_id, account_id) in ids.iter().zip(to) {
            let task = TaskData {
                task_id: *task_id,
                account_id: *account_id,
                assigned_by_account_id: origin.by,
                message_id,
                body: body.to_owned(),
                limit_time,
                limit_type: limit_type.to_owned(),
                done: false,
            };
            room.tasks.insert(*task_id, task);
        }
    }
    ids
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.id("task_id")?;
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    let task = room.tasks.get(&id).cloned().ok_or_else(|| Refusal::not_found("task"))?;
    Ok(reply::ok(&shown(call.data, &task)))
}

pub(super) fn set_status(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.id("task_id")?;
    let mut form = call.form();
    let status = form.required_choice("body", STATUSES);
    form.finish()?;
    let room = call.room_id()?;
    call.data.writable_room_of(room, call.caller)?;
    let origin = call.origin(room);
    set_done(call.data, origin, id, status == "done").ok_or_else(|| Refusal::not_found("task"))?;
    Ok(reply::ok(&json!({ "task_id": id })))
}

/// Finishes a task and announces it, or opens it again. `None` if there is no such task.
pub(super) fn set_done(data: &mut Data, origin: Origin, id: u64, done: bool) -> Option<()> {
    let task = data.rooms.get_mut(&origin.room)?.tasks.get_mut(&id)?;
    if std::mem::replace(&mut task.done, done) || !done {
        return Some(());
    }
    let limit = (task.limit_time, &*task.limit_type);
    let announcement = notice::task(notice::TASK_DONE, &[task.account_id], true, limit, &task.body);
    data.post(origin, &announcement, false);
    Some(())
}

pub(super) fn shown(data: &Data, task: &TaskData) -> Value {
    json!({
        "task_id": task.task_id,
        "account": data.account(task.account_id),
        "assigned_by_account": data.account(task.assigned_by_account_id),
        "message_id": task.message_id.to_string(),
        "body": task.body,
        "limit_time": task.limit_time.map_or(0, Timestamp::as_second),
        "status": if task.done { "done" } else { "open" },
        "limit_type": task.limit_type,
    })
}
