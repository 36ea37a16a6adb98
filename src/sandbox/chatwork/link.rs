//! `/rooms/{room_id}/link`.

use super::call::Call;
use super::data::Data;
use super::model::{LinkData, RoomData};
use super::reply::{self, Refusal};
use crate::sandbox::answer::Answer;
use serde_json::{Value, json};

pub(super) fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    Ok(reply::ok(&shown(room.link.as_ref())))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    put(call, false)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    put(call, true)
}

/// Both replace all settings; what is left out gets its default.
fn put(call: &mut Call<'_>, exists: bool) -> Result<Answer, Refusal> {
    let id = call.room_id()?;
    let mut form = call.form();
    let code = form.link_code("code");
    let need_acceptance = form.flag("need_acceptance", true);
    let description = form.any_text("description").unwrap_or_default();
    form.finish()?;
    let room = call.data.managed_room_of(id, call.caller)?;
    match (exists, room.link.is_some()) {
        (false, true) => return Err(Refusal::bad_request("The room has an invitation link already.")),
        (true, false) => return Err(Refusal::bad_request("The room has no invitation link.")),
        _ => {}
    }
    let mut link = new_link(call.data, id, code)?;
    link.need_acceptance = need_acceptance;
    link.description = description.to_owned();
    let reply = reply::ok(&shown(Some(&link)));
    call.data.managed_room_of(id, call.caller)?.link = Some(link);
    Ok(reply)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let room = call.data.managed_room_of(call.room_id()?, call.caller)?;
    match room.link.take() {
        Some(_) => Ok(reply::ok(&shown(None))),
        None => Err(Refusal::bad_request("The room has no invitation link.")),
    }
}

/// A link with the code asked for, if no other room has it, or a random one. An administrator has to approve who joins.
pub(super) fn new_link(data: &mut Data, room: u64, code: Option<&str>) -> Result<LinkData, Refusal> {
    let code = code.map_or_else(|| data.ids.secret(14).to_lowercase(), str::to_owned);
    let taken = |(id, other): (&u64, &RoomData)| {
        *id != room && other.link.as_ref().is_some_and(|link| link.code == code)
    };
    if data.rooms.iter().any(taken) {
        return Err(Refusal::bad_request("The code is in use already."));
    }
    Ok(LinkData { code, need_acceptance: true, description: String::new() })
}

pub(super) fn shown(link: Option<&LinkData>) -> Value {
    match link {
        None => json!({ "public": false }),
        Some(link) => json!({
            "public": true,
            "url": format!("https://www.chatwork.com/g/{}", link.code),
            "need_acceptance": link.need_acceptance,
            "description": link.description,
        }),
    }
}
