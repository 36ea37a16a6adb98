//! What the window shows of the service, and what people do in it.

use super::data::{Data, Origin, State};
use super::input::Upload;
use super::limits::Window;
use super::model::{Role, RoomData};
use super::{files, tasks};
use crate::chatwork::MAX_MESSAGE;
use crate::sandbox::glance::{Glance, MAX_DELIVERIES, NewFile, Refused, newest, place_of};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::{Arc, MutexGuard};
use tokio::sync::watch;

impl Glance for State {
    fn touched(&self) -> watch::Receiver<()> {
        Self::touched(self)
    }

    fn overview(&self) -> Value {
        let now = self.now().wall;
        let data = self.peek();
        let people: Vec<Value> = data
            .people
            .iter()
            .map(|(id, person)| json!({ "id": id.to_string(), "name": person.profile.name }))
            .collect();
        let rooms: Vec<Value> = data.rooms.values().map(|room| listed(&data, room)).collect();
        json!({ "people": people, "rooms": rooms, "limits": limits(&data, now), "deliveries": deliveries(&data) })
    }

    fn room(&self, id: &str) -> Option<Value> {
        let now = self.now().wall;
        let data = self.peek();
        let room = data.rooms.get(&id.parse().ok()?)?;
        let messages: Vec<Value> = newest(room.messages.iter(), |(_, message)| message.body.len())
            .into_iter()
            .map(|(id, message)| {
                json!({
                    "id": id.to_string(),
                    "by": message.author.to_string(),
                    "at": message.sent.as_millisecond(),
                    "edited": message.updated.map(Timestamp::as_millisecond),
                    "text": message.body,
                })
            })
            .collect();
        let tasks: Vec<Value> = newest(room.tasks.values(), |task| task.body.len())
            .into_iter()
            .rev()
            .map(|task| {
                json!({
                    "id": task.task_id.to_string(),
                    "to": task.account_id.to_string(),
                    "by": task.assigned_by_account_id.to_string(),
                    "text": task.body,
                    "due": task.limit_time.map(Timestamp::as_millisecond),
                    "done": task.done,
                })
            })
            .collect();
        let files: Vec<Value> = newest(room.files.values(), |file| file.filename.len())
            .into_iter()
            .rev()
            .map(|file| {
                json!({
                    "id": file.file_id.to_string(),
                    "name": file.filename,
                    "size": file.content.len(),
                    "by": file.account_id.to_string(),
                    "at": file.upload_time.as_millisecond(),
                })
            })
            .collect();
        let limit = data.settings.room_limit;
        let writers: Vec<String> = room
            .members
            .iter()
            .filter(|(_, member)| member.role != Role::Readonly)
            .map(|(id, _)| id.to_string())
            .collect();
        Some(json!({
            "id": id,
            "about": room.description,
            "messages": messages,
            "all": room.messages.len(),
            "tasks": tasks,
            "files": files,
            "writers": writers,
            "posts": {
                "limit": limit.calls,
                "used": room.posts.used(limit, now),
                "seconds": limit.period.as_secs(),
            },
        }))
    }

    fn has_notation(&self) -> bool {
        true
    }

    fn post(self: Arc<Self>, room: &str, by: &str, body: &str) -> Result<(), Refused> {
        match body.chars().count() {
            0 => return Err("empty"),
            1..=MAX_MESSAGE => {}
            _ => return Err("too_long"),
        }
        let (mut data, origin) = self.acting(room, by)?;
        data.post(origin, body, false);
        Ok(())
    }

    fn upload(&self, room: &str, by: &str, file: NewFile, message: &str) -> Result<(), Refused> {
        let NewFile { name: filename, content_type, content } = file;
        if filename.is_empty() {
            return Err("empty");
        }
        if content.len() > files::MAX_BYTES || message.chars().count() > MAX_MESSAGE {
            return Err("too_long");
        }
        let (mut data, origin) = self.acting(room, by)?;
        files::add(&mut data, origin, Upload { filename, content_type, content }, message);
        Ok(())
    }

    fn finish(&self, room: &str, task: &str) -> Result<(), Refused> {
        let (room, id) = (room.parse().map_err(|_| "no_room")?, task.parse().map_err(|_| "no_task")?);
        let now = self.now().wall;
        let mut data = self.lock();
        let task = data.rooms.get(&room).ok_or("no_room")?.tasks.get(&id).ok_or("no_task")?;
        let by = task.account_id;
        tasks::set_done(&mut data, Origin { room, by, now }, id, true).ok_or("no_task")
    }

    fn file(&self, room: &str, id: &str) -> Option<(String, Bytes)> {
        let data = self.peek();
        let file = data.rooms.get(&room.parse().ok()?)?.files.get(&id.parse().ok()?)?;
        Some((file.filename.clone(), file.content.clone()))
    }

    fn resend(self: Arc<Self>, delivery: &str) -> Result<(), Refused> {
        let index = delivery.parse().map_err(|_| "no_delivery")?;
        if self.lock().webhooks.resend(index) { Ok(()) } else { Err("no_delivery") }
    }

    fn secrets(&self) -> Vec<String> {
        let data = self.peek();
        let webhooks = data.webhooks.registered().into_iter().map(|webhook| webhook.token);
        let downloads = data.downloads.keys().cloned();
        data.tokens.keys().cloned().chain(data.oauth.secrets()).chain(webhooks).chain(downloads).collect()
    }
}

impl State {
    /// The data, and what a member who may write in the room does now.
    fn acting(&self, room: &str, by: &str) -> Result<(MutexGuard<'_, Data>, Origin), Refused> {
        let (room, by) = (room.parse().map_err(|_| "no_room")?, by.parse().map_err(|_| "not_member")?);
        let now = self.now().wall;
        let data = self.lock();
        match data.rooms.get(&room).ok_or("no_room")?.role(by) {
            Some(Role::Admin | Role::Member) => Ok((data, Origin { room, by, now })),
            Some(Role::Readonly) => Err("read_only"),
            None => Err("not_member"),
        }
    }
}

fn listed(data: &Data, room: &RoomData) -> Value {
    let members: Vec<Value> = room
        .members
        .iter()
        .map(|(id, member)| {
            json!({
                "id": id.to_string(),
                "role": member.role.name(),
                "unread": member.unread.len(),
                "mentions": member.mentions.len(),
                // A direct chat has another name for each of the two.
                "name": data.room_name(room, *id),
            })
        })
        .collect();
    json!({ "id": room.id.to_string(), "kind": room.kind.name(), "members": members })
}

/// The windows of the accounts that programs may use.
fn limits(data: &Data, now: Timestamp) -> Vec<Value> {
    let limit = data.settings.rate_limit;
    data.people
        .iter()
        .filter(|(id, person)| !person.profile.tokens.is_empty() || data.windows.contains_key(id))
        .map(|(id, person)| {
            let window = data.windows.get(id).copied();
            let (remaining, seconds) = Window::left(window, limit, now);
            json!({
                "id": id.to_string(),
                "who": person.profile.name,
                "limit": limit.calls,
                "remaining": remaining,
                "seconds": seconds,
            })
        })
        .collect()
}

fn deliveries(data: &Data) -> Vec<Value> {
    let deliveries = data.webhooks.deliveries.iter().enumerate().rev().take(MAX_DELIVERIES);
    deliveries
        .map(|(index, delivery)| {
            json!({
                "id": index.to_string(),
                "event": delivery.event_type,
                "url": place_of(&delivery.url),
                "status": delivery.status,
                "error": delivery.error,
            })
        })
        .collect()
}
