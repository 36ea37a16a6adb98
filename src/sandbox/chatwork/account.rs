//! `/me` and `/my/status`.

use super::call::Call;
use super::data::Person;
use super::reply::{self, Refusal};
use crate::sandbox::answer::Answer;
use serde_json::json;

pub(super) fn me(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(Person { profile, my_room, .. }) = call.data.people.get(&call.caller) else {
        return Err(Refusal::unauthorized());
    };
    Ok(reply::ok(&json!({
        "account_id": call.caller,
        "room_id": my_room,
        "name": profile.name,
        "chatwork_id": profile.chatwork_id,
        "organization_id": profile.organization_id,
        "organization_name": profile.organization_name,
        "department": profile.department,
        "title": profile.title,
        "url": profile.url,
        "introduction": profile.introduction,
        "mail": profile.mail,
        "tel_organization": "",
        "tel_extension": "",
        "tel_mobile": "",
        "skype": "",
        "facebook": "",
        "twitter": "",
        "avatar_image_url": profile.avatar_image_url(),
        "login_mail": profile.mail,
    })))
}

pub(super) fn status(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut status = [0_usize; 6];
    for room in call.data.rooms.values() {
        let Some(member) = room.members.get(&call.caller) else { continue };
        let counts = [member.unread.len(), member.mentions.len(), room.open_tasks_of(call.caller)];
        for (index, count) in counts.into_iter().enumerate() {
            status[index] += usize::from(count > 0);
            status[index + 3] += count;
        }
    }
    let [unread_rooms, mention_rooms, task_rooms, unread, mentions, tasks] = status;
    Ok(reply::ok(&json!({
        "unread_room_num": unread_rooms,
        "mention_room_num": mention_rooms,
        "mytask_room_num": task_rooms,
        "unread_num": unread,
        "mention_num": mentions,
        "mytask_num": tasks,
    })))
}
