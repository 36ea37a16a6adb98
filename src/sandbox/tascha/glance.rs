//! What the window shows of the service, and what people do in it.

use super::data::{Data, State};
use super::events::{Event, enqueue};
use super::{deliver, messages};
use crate::sandbox::glance::{Glance, MAX_DELIVERIES, Refused, newest, place_of};
use crate::tascha::MAX_MESSAGE;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

impl Glance for State {
    fn touched(&self) -> watch::Receiver<()> {
        Self::touched(self)
    }

    fn overview(&self) -> Value {
        let now = self.now();
        let data = self.peek();
        let people: Vec<Value> =
            data.users.iter().map(|user| json!({ "id": user.id, "name": user.name })).collect();
        let rooms: Vec<Value> = data
            .rooms
            .iter()
            .map(|room| {
                let members: Vec<Value> = room
                    .members
                    .iter()
                    .map(|member| json!({ "id": member.user_id, "name": room.room.name }))
                    .collect();
                let kind = if room.room.direct { "direct" } else { "group" };
                json!({ "id": room.room.id, "kind": kind, "members": members })
            })
            .collect();
        let limits: Vec<Value> = data
            .limits
            .left(now)
            .into_iter()
            .map(|(payer, left)| {
                let name = data.user(&payer).map(|user| user.name.clone());
                json!({
                    "id": payer, "who": name.as_ref().unwrap_or(&payer), "limit": left.limit, "remaining": left.remaining, "seconds": left.seconds,
                })
            })
            .collect();
        json!({ "people": people, "rooms": rooms, "limits": limits, "deliveries": deliveries(&data) })
    }

    fn room(&self, id: &str) -> Option<Value> {
        let data = self.peek();
        let room = data.rooms.iter().find(|room| room.room.id == id)?;
        let messages: Vec<Value> = newest(room.messages.iter(), |message| message.body.len())
            .into_iter()
            .map(|message| {
                json!({
                    "id": message.id,
                    "by": message.author_id,
                    "at": message.created_at.as_millisecond(),
                    "edited": null,
                    "text": message.body,
                })
            })
            .collect();
        let tasks: Vec<Value> = newest(room.tasks.iter(), |task| task.title.len())
            .into_iter()
            .rev()
            .map(|task| {
                json!({
                    "id": task.id,
                    "to": null,
                    "by": task.created_by_id,
                    "text": task.title,
                    "due": task.due_date.map(Timestamp::as_millisecond),
                    "done": task.status == "COMPLETED",
                })
            })
            .collect();
        let files: Vec<Value> = newest(room.files.iter(), |file| file.file_name.len())
            .into_iter()
            .rev()
            .map(|file| {
                json!({
                    "id": null, "name": file.file_name, "size": file.size, "by": file.uploaded_by_id,
                    "at": file.created_at.as_millisecond(),
                })
            })
            .collect();
        let writers: Vec<&String> = room.members.iter().map(|member| &member.user_id).collect();
        Some(json!({
            "id": id, "about": "", "messages": messages, "all": room.messages.len(), "tasks": tasks,
            "files": files, "writers": writers,
        }))
    }

    fn post(self: Arc<Self>, room: &str, by: &str, body: &str) -> Result<(), Refused> {
        match body.chars().count() {
            0 => return Err("empty"),
            1..=MAX_MESSAGE => {}
            _ => return Err("too_long"),
        }
        let now = self.now();
        let mut data = self.lock();
        let members = &data.find_room(room).ok_or("no_room")?.members;
        if !members.iter().any(|member| member.user_id == by) {
            return Err("not_member");
        }
        messages::post(&mut data, room, by, body, now);
        let outbox = std::mem::take(&mut data.outbox);
        drop(data);
        deliver::deliver_all(&self, outbox);
        Ok(())
    }

    fn resend(self: Arc<Self>, delivery: &str) -> Result<(), Refused> {
        let mut data = self.lock();
        let data = &mut *data;
        let new_ids = [data.ids.cuid(), data.ids.cuid()];
        for room in &mut data.rooms {
            let room_id = &room.room.id;
            for webhook in &mut room.webhooks {
                let Some(old) = webhook.deliveries.iter().find(|entry| entry.id == delivery).cloned() else {
                    continue;
                };
                let event = Event { name: old.event, id: old.event_id, body: old.payload };
                let outgoing = enqueue(webhook, room_id, &event, new_ids);
                drop(deliver::start(&self, outgoing));
                return Ok(());
            }
        }
        Err("no_delivery")
    }

    fn secrets(&self) -> Vec<String> {
        self.peek().keys.iter().map(|key| key.token.clone()).collect()
    }
}

/// Those of all rooms. They have no common order but that of their times.
fn deliveries(data: &Data) -> Vec<Value> {
    let webhooks = data.rooms.iter().flat_map(|room| &room.webhooks);
    let mut all: Vec<_> = webhooks
        .flat_map(|webhook| webhook.deliveries.iter().map(move |delivery| (webhook, delivery)))
        .collect();
    all.sort_by_key(|(_, delivery)| delivery.delivered_at.unwrap_or(Timestamp::MAX));
    all.into_iter()
        .rev()
        .take(MAX_DELIVERIES)
        .map(|(webhook, delivery)| {
            json!({
                "id": delivery.id,
                "event": delivery.event,
                "url": webhook.url.as_deref().map(place_of),
                "status": delivery.status_code,
                "error": delivery.error,
            })
        })
        .collect()
}
