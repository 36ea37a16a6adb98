//! `/rooms/{room_id}/messages/read` and `/unread`.

use super::call::Call;
use super::messages::find;
use super::model::RoomData;
use super::reply::{self, Refusal};
use crate::sandbox::answer::Answer;
use serde_json::json;

pub(super) fn mark_read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut form = call.form();
    let last: Option<u64> = form.number("message_id");
    form.finish()?;
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    if let Some(last) = last {
        find(room, last)?;
    }
    let last = last.unwrap_or(u64::MAX);
    let Some(member) = room.members.get_mut(&call.caller) else { return Err(Refusal::may_not_write()) };
    let unread = member.unread.len();
    member.unread.retain(|id| *id > last);
    member.mentions.retain(|id| *id > last);
    if member.unread.len() == unread {
        return Err(Refusal::bad_request("The messages are read already."));
    }
    Ok(counts(room, call.caller))
}

pub(super) fn mark_unread(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut form = call.form();
    let first: Option<u64> = form.required_number("message_id");
    form.finish()?;
    let first = first.unwrap_or_default();
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    find(room, first)?;
    let unread = room.members.get(&call.caller).map_or(0, |member| member.unread.len());
    // A deleted message is nothing to be read.
    let later = room.messages.range(first..).filter(|(_, message)| !message.deleted);
    let later: Vec<u64> = later.map(|(id, _)| *id).collect();
    for id in later {
        room.mark_unread(call.caller, id);
    }
    if room.members.get(&call.caller).is_some_and(|member| member.unread.len() == unread) {
        return Err(Refusal::bad_request("The messages are unread already."));
    }
    Ok(counts(room, call.caller))
}

fn counts(room: &RoomData, account: u64) -> Answer {
    let member = room.members.get(&account);
    reply::ok(&json!({
        "unread_num": member.map_or(0, |member| member.unread.len()),
        "mention_num": member.map_or(0, |member| member.mentions.len()),
    }))
}
