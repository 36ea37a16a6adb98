//! `/rooms` and `/rooms/{room_id}`.

use super::call::Call;
use super::contacts::with;
use super::data::Data;
use super::link::new_link;
use super::members::Members;
use super::model::{Role, RoomData, RoomKind};
use super::notice::{self, Membership};
use super::reply::{self, Refusal};
use crate::sandbox::answer::Answer;
use serde_json::{Value, json};

const ICON_PRESETS: &[&str] = &[
    "group", "check", "document", "meeting", "event", "project", "business", "study", "security", "star",
    "idea", "heart", "magcup", "beer", "music", "sports", "travel",
];

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let rooms = call.data.rooms.values().filter_map(|room| shown(call.data, room, call.caller));
    // Never 204: every account has at least "My Chat".
    Ok(reply::ok(&rooms.collect::<Value>()))
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.room_id()?;
    let description = call.data.room_of(id, call.caller)?.description.clone();
    let room = call.data.rooms.get(&id).and_then(|room| shown(call.data, room, call.caller));
    Ok(reply::ok(&with(room.unwrap_or_default(), "description", json!(description))))
}

/// The room as one of its members sees it.
fn shown(data: &Data, room: &RoomData, account: u64) -> Option<Value> {
    let member = room.members.get(&account)?;
    Some(json!({
        "room_id": room.id,
        "name": data.room_name(room, account),
        "type": room.kind.name(),
        "role": member.role.name(),
        "sticky": false,
        "unread_num": member.unread.len(),
        "mention_num": member.mentions.len(),
        "mytask_num": room.open_tasks_of(account),
        "message_num": room.messages.len(),
        "file_num": room.files.len(),
        "task_num": room.tasks.len(),
        "icon_path": room.icon_path(),
        "last_update_time": room.updated.as_second(),
    }))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut form = call.form();
    let name = form.required_text("name", 255);
    let description = form.any_text("description").unwrap_or_default();
    let icon = form.choice("icon_preset", ICON_PRESETS);
    let link = form.flag("link", false);
    let code = form.link_code("link_code");
    let need_acceptance = form.flag("link_need_acceptance", true);
    let members = Members::read(&mut form);
    form.finish()?;
    members.check(call.data, call.caller, &[])?;

    // The room gets its id last, so that a refusal leaves nothing behind.
    let mut link = if link { Some(new_link(call.data, 0, code)?) } else { None };
    if let Some(link) = &mut link {
        link.need_acceptance = need_acceptance;
    }
    let members: Vec<(u64, Role)> = members.iter().collect();
    let id = call.data.new_room(RoomKind::Group, name, &members, call.now);
    if let Some(room) = call.data.rooms.get_mut(&id) {
        room.description = description.to_owned();
        room.icon = icon.unwrap_or("group").to_owned();
        room.link = link;
    }
    Ok(reply::ok(&json!({ "room_id": id })))
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut form = call.form();
    let name = form.text("name", 255);
    let description = form.any_text("description");
    let icon = form.choice("icon_preset", ICON_PRESETS);
    form.finish()?;
    let id = call.room_id()?;
    let room = call.data.managed_room_of(id, call.caller)?;
    let name = name.filter(|name| **name != room.name);
    let description = description.filter(|description| **description != room.description);
    if let Some(name) = name {
        room.name = name.to_owned();
    }
    if let Some(description) = description {
        room.description = description.to_owned();
    }
    if let Some(icon) = icon {
        room.icon = icon.to_owned();
    }
    room.updated = room.updated.max(call.now);
    call.tell(id, notice::room_edited(name, description));
    Ok(reply::ok(&json!({ "room_id": id })))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.room_id()?;
    // Documented for the body. Queries were closed to some operations with POST and PUT, and there are published
    // clients that send the parameters of a DELETE there.
    let mut parameters = call.form_or_query("action_type");
    let action = parameters.required_choice("action_type", &["leave", "delete"]);
    parameters.finish()?;
    if action == "delete" {
        call.data.managed_room_of(id, call.caller)?;
        call.data.rooms.remove(&id);
        return Ok(reply::empty());
    }
    let room = call.data.room_of(id, call.caller)?;
    if room.kind != RoomKind::Group {
        return Err(Refusal::forbidden("Only group chats can be left."));
    }
    call.tell(id, notice::members(&[call.caller], Membership::Left));
    let room = call.data.room_of(id, call.caller)?;
    room.members.remove(&call.caller);
    room.tasks.retain(|_, task| task.account_id != call.caller);
    room.files.retain(|_, file| file.account_id != call.caller);
    if room.members.is_empty() {
        call.data.rooms.remove(&id);
    }
    Ok(reply::empty())
}
