//! Rooms, their members and their files.

use super::call::{Call, Reply};
use super::data::Data;
use super::error::Failure;
use super::model::FileData;
use super::room::RoomData;

pub(super) fn list(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let visible = |room: &RoomData| !room.room.direct && room.open_to(&call.key);
    Reply::ok(call.page.page("rooms", &data.rooms, visible, |room| room.room.wire())?)
}

pub(super) fn members(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let room_id = call.param("roomId");
    data.room(room_id, &call.key)?;
    let room =
        data.rooms.iter().find(|room| room.room.id == room_id).ok_or_else(|| Failure::not_found("room"))?;
    let list = format!("members/{room_id}");
    Reply::ok(call.page.page(&list, &room.members, |_| true, |member| data.member_wire(member))?)
}

pub(super) fn files(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let room = data.room(call.param("roomId"), &call.key)?;
    let list = format!("files/{}", room.room.id);
    Reply::ok(call.page.page(&list, &room.files, |_| true, FileData::wire)?)
}
