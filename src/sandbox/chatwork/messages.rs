//! `/rooms/{room_id}/messages` and single messages.

use super::call::Call;
use super::data::Data;
use super::model::{MessageData, RoomData};
use super::reply::{self, Refusal};
use crate::chatwork::MAX_MESSAGE;
use crate::sandbox::answer::Answer;
use axum::http::HeaderName;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::ops::Bound;

/// The most that a list holds.
const MAX_ITEMS: usize = 100;

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.room_id()?;
    let mut query = call.query();
    let force = query.flag("force", false);
    query.finish()?;
    let hidden_before = hidden_before(call);
    call.data.room_of(id, call.caller)?;

    let mark_key = (call.session.to_owned(), id);
    let mark = call.data.marks.get(&mark_key).copied().filter(|_| !force);
    let room = call.data.room_of(id, call.caller)?;
    let newest = room.messages.keys().next_back().copied();
    let after = (mark.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
    // Of what was asked for, or a poll that finds nothing new would read as "all hidden".
    let oldest = room.messages.range(after).next();
    let hides = oldest.is_some_and(|(_, message)| is_hidden(message, hidden_before));
    let mut messages: Vec<(u64, MessageData)> = room
        .messages
        .range(after)
        .rev()
        .take(MAX_ITEMS)
        .take_while(|(_, message)| !is_hidden(message, hidden_before))
        .map(|(id, message)| (*id, message.clone()))
        .collect();
    messages.reverse();
    if let Some(newest) = newest {
        call.data.marks.insert(mark_key, newest);
    }
    let items = messages.iter().map(|(id, message)| shown(call.data, *id, message)).collect();
    let answer = reply::list(items);
    Ok(if hides { limitation(call, answer) } else { answer })
}

pub(super) fn post(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let room = call.room_id()?;
    let mut form = call.form();
    let body = form.required_text("body", MAX_MESSAGE);
    let self_unread = form.flag("self_unread", false);
    form.finish()?;
    call.data.writable_room_of(room, call.caller)?;
    call.count_post(room)?;
    let id = call.data.post(call.origin(room), body, self_unread);
    Ok(reference(id))
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let room = call.room_id()?;
    let id = call.id("message_id")?;
    let hidden_before = hidden_before(call);
    let message = find(call.data.room_of(room, call.caller)?, id)?.clone();
    if is_hidden(&message, hidden_before) {
        return Err(limitation(call, Refusal::not_found("message").into_answer()).into());
    }
    Ok(reply::ok(&shown(call.data, id, &message)))
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut form = call.form();
    let body = form.required_text("body", MAX_MESSAGE);
    form.finish()?;
    let (room, id) = own(call)?;
    call.data.edit(room, id, body, call.now);
    Ok(reference(id))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (room, id) = own(call)?;
    call.data.delete_message(room, id, call.now);
    Ok(reference(id))
}

/// Room and id of a message that the caller may change.
fn own(call: &mut Call<'_>) -> Result<(u64, u64), Refusal> {
    let room = call.room_id()?;
    let id = call.id("message_id")?;
    let message = find(call.data.writable_room_of(room, call.caller)?, id)?;
    if message.author != call.caller {
        return Err(Refusal::may_not_write());
    }
    if message.deleted {
        return Err(Refusal::not_found("message"));
    }
    Ok((room, id))
}

pub(super) fn find(room: &RoomData, id: u64) -> Result<&MessageData, Refusal> {
    room.messages.get(&id).ok_or_else(|| Refusal::not_found("message"))
}

pub(super) fn shown(data: &Data, id: u64, message: &MessageData) -> Value {
    json!({
        "message_id": id.to_string(),
        "account": data.account(message.author),
        "body": message.body,
        "send_time": message.sent.as_second(),
        "update_time": message.updated.map_or(0, Timestamp::as_second),
    })
}

fn reference(id: u64) -> Answer {
    reply::ok(&json!({ "message_id": id.to_string() }))
}

const LIMITATION: &str = "chatwork-message-limitation";
const LIMITATION_SUMMARY: &str = "chatwork-message-limitation-summary";

/// The time before which the free plan hides messages.
fn hidden_before(call: &Call<'_>) -> Option<Timestamp> {
    call.now.checked_sub(call.data.settings.visible_for?).ok()
}

fn is_hidden(message: &MessageData, hidden_before: Option<Timestamp>) -> bool {
    hidden_before.is_some_and(|time| message.sent < time)
}

fn limitation(call: &Call<'_>, answer: Answer) -> Answer {
    let summary = limitation_summary(call);
    answer
        .header(HeaderName::from_static(LIMITATION), "true")
        .header(HeaderName::from_static(LIMITATION_SUMMARY), summary)
}

fn limitation_summary(call: &Call<'_>) -> String {
    let days = call.data.settings.visible_for.map_or(0, |duration| duration.as_secs() / 86_400);
    format!("Messages older than {days} days are hidden.")
}
