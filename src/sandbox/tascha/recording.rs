//! What a recording has of the service.

use super::auth::Actor;
use super::model::{
    Delivery, EventType, FileData, MemberData, MessageData, Organization, RecordData, RecordStatus, RoomInfo,
    TaskData, User,
};
use super::room::{RoomData, Webhook};
use crate::sandbox::recording::{Recording, number, text, time};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is there, and who recorded it.
pub(super) struct Recorded {
    pub(super) actor: Actor,
    pub(super) users: Vec<User>,
    pub(super) organizations: Vec<Organization>,
    pub(super) rooms: Vec<RoomData>,
    pub(super) events: Vec<EventType>,
}

impl Recorded {
    /// Reads it. The caller is `user` if the recording does not have its profile; each room has this board.
    pub(super) fn read(recording: &Recording, user: &str, board: &str) -> Self {
        let me = recording.answers("get_me").next().map(|(_, me)| me);
        let id = me.and_then(|me| me["id"].as_str()).unwrap_or(user).to_owned();
        let organization_id = me.and_then(|me| optional(&me["organizationId"]));
        let members = recording.items("list_members").map(|(_, member)| member);
        let names = members.map(|member| (text(&member["userId"]), text(&member["displayName"])));
        let names: BTreeMap<String, String> = names.filter(|(user, _)| *user != id).collect();
        let mut users: Vec<User> = names.into_iter().map(|(id, name)| User::new(id, name)).collect();
        // The key of an organization gets the organization in the form of a profile.
        let actor = if organization_id.as_ref() == Some(&id) {
            Actor::Organization(id)
        } else {
            let mut user =
                User::new(id.clone(), me.map_or_else(|| "Alice".to_owned(), |me| text(&me["name"])));
            user.organization_id = organization_id;
            if let Some(me) = me {
                (user.email, user.locale) = (text(&me["email"]), text(&me["locale"]));
            }
            users.push(user);
            Actor::User(id)
        };
        // A list may repeat a room, and lacks direct messages, whose id can be given.
        let mut seen = BTreeSet::new();
        let listed =
            recording.items("list_rooms").filter_map(|(_, listed)| Some((listed["id"].as_str()?, listed)));
        let of_rooms = ["list_members", "list_messages", "list_tasks", "list_records", "list_files"];
        let of_rooms = of_rooms.into_iter().chain(["list_webhook_deliveries"]);
        let others = of_rooms.flat_map(|operation| recording.answers(operation));
        let others =
            others.filter_map(|(parameters, _)| Some((parameters["roomId"].as_str()?, &Value::Null)));
        let rooms = listed
            .chain(others)
            .filter(|(id, _)| seen.insert(*id))
            .map(|(id, listed)| room(recording, id, listed, &actor, board))
            .collect();
        Self {
            users,
            organizations: recording
                .items("list_organizations")
                .map(|(_, read)| organization(read))
                .collect(),
            rooms,
            events: recording.items("list_events").map(|(_, read)| event(read)).collect(),
            actor,
        }
    }
}

fn organization(read: &Value) -> Organization {
    let mut organization = Organization::new(text(&read["id"]), text(&read["name"]));
    organization.description = optional(&read["description"]);
    organization.is_active = read["isActive"] != false;
    organization
}

fn event(read: &Value) -> EventType {
    EventType {
        name: text(&read["type"]),
        description: text(&read["description"]),
        stable: read["stable"] == true,
    }
}

fn room(recording: &Recording, id: &str, listed: &Value, actor: &Actor, board: &str) -> RoomData {
    let of_room = |operation| {
        let items = recording.items(operation).filter(|(parameters, _)| parameters["roomId"] == id);
        items.map(|(_, item)| item)
    };
    let member = |member: &Value| MemberData {
        user_id: text(&member["userId"]),
        role: integer(&member["role"]),
        joined_at: at(&member["joinedAt"]),
    };
    let mut members: Vec<MemberData> = of_room("list_members").map(member).collect();
    if let Actor::User(caller) = actor
        && members.iter().all(|member| member.user_id != *caller)
    {
        members.push(MemberData { user_id: caller.clone(), role: 0, joined_at: at(&listed["createdAt"]) });
    }
    RoomData {
        room: RoomInfo {
            id: id.to_owned(),
            name: text(&listed["name"]),
            room_type: integer(&listed["roomType"]),
            direct: listed.is_null(),
            organization_id: optional(&listed["organizationId"]),
            created_by_id: text(&listed["createdById"]),
            created_at: at(&listed["createdAt"]),
            updated_at: at(&listed["updatedAt"]),
        },
        members,
        // No answer has boards, and a room without one accepts no tasks.
        boards: vec![board.to_owned()],
        messages: of_room("list_messages").map(|read| message(id, read)).collect(),
        tasks: of_room("list_tasks").map(|read| task(id, board, read)).collect(),
        records: of_room("list_records").map(|read| record(id, read)).collect(),
        files: of_room("list_files").map(|read| file(id, read)).collect(),
        webhooks: webhooks(recording, id),
    }
}

fn message(room: &str, read: &Value) -> MessageData {
    MessageData {
        id: text(&read["id"]),
        room_id: room.to_owned(),
        author_id: text(&read["authorId"]),
        body: text(&read["body"]),
        reply_to_message_id: None,
        created_at: at(&read["createdAt"]),
        updated_at: at(&read["updatedAt"]),
    }
}

fn task(room: &str, board: &str, read: &Value) -> TaskData {
    TaskData {
        id: text(&read["id"]),
        room_id: room.to_owned(),
        board_id: board.to_owned(),
        title: text(&read["title"]),
        description: optional(&read["description"]),
        status: text(&read["status"]),
        due_date: time(&read["dueDate"]),
        created_by_id: text(&read["createdById"]),
        created_at: at(&read["createdAt"]),
        updated_at: at(&read["updatedAt"]),
        version: 1,
    }
}

fn record(room: &str, read: &Value) -> RecordData {
    RecordData {
        id: text(&read["id"]),
        room_id: room.to_owned(),
        title: text(&read["title"]),
        content: String::new(),
        // The specification has no words for it, so a recording has none either.
        status: RecordStatus::Active,
        created_by_id: text(&read["createdById"]),
        created_at: at(&read["createdAt"]),
        updated_at: at(&read["updatedAt"]),
    }
}

fn file(room: &str, read: &Value) -> FileData {
    FileData {
        id: text(&read["id"]),
        room_id: room.to_owned(),
        file_name: text(&read["fileName"]),
        size: read["size"].as_i64().unwrap_or_default(),
        mime_type: text(&read["mimeType"]),
        message_id: optional(&read["messageId"]),
        uploaded_by_id: text(&read["uploadedById"]),
        created_at: at(&read["createdAt"]),
    }
}

fn webhooks(recording: &Recording, room: &str) -> Vec<Webhook> {
    let of_room =
        recording.answers("list_webhook_deliveries").filter(|(parameters, _)| parameters["roomId"] == room);
    let webhook = |(parameters, body): (&Value, &Value)| Webhook {
        id: text(&parameters["webhookId"]),
        url: None,
        events: Vec::new(),
        deliveries: body["data"].as_array().into_iter().flatten().map(delivery).collect(),
    };
    of_room.map(webhook).collect()
}

fn delivery(read: &Value) -> Delivery {
    let event = text(&read["event"]);
    let (event_id, delivery_id) = (text(&read["eventId"]), text(&read["deliveryId"]));
    Delivery {
        id: text(&read["id"]),
        webhook_id: text(&read["webhookId"]),
        payload: json!({ "event": event, "eventId": event_id, "deliveryId": delivery_id, "data": {} }),
        event,
        event_id,
        delivery_id,
        success: read["success"] == true,
        status_code: number(&read["statusCode"]).and_then(|status| status.try_into().ok()),
        error: optional(&read["error"]),
        attempt: read["attempt"].as_i64().unwrap_or(1),
        duration_ms: read["durationMs"].as_i64().unwrap_or_default(),
        delivered_at: time(&read["deliveredAt"]),
    }
}

fn optional(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn integer(value: &Value) -> i32 {
    value.as_i64().and_then(|number| number.try_into().ok()).unwrap_or_default()
}

fn at(value: &Value) -> Timestamp {
    time(value).unwrap_or(Timestamp::UNIX_EPOCH)
}
