//! What the window shows of the service, and what people do in it.

use super::data::{NewMessage, State};
use crate::sandbox::glance::{Glance, Refused, newest};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

impl Glance for State {
    fn touched(&self) -> watch::Receiver<()> {
        Self::touched(self)
    }

    fn overview(&self) -> Value {
        let data = self.peek();
        let people: Vec<Value> = data.users.iter().map(|name| json!({ "id": name, "name": name })).collect();
        let rooms: Vec<Value> = data
            .boards
            .iter()
            .map(|board| {
                let members: Vec<Value> = board
                    .board
                    .users
                    .iter()
                    .map(|name| {
                        let unread: Vec<_> = board.unread(name).collect();
                        json!({
                            "id": name,
                            "name": board.board.title,
                            "unread": unread.len(),
                            "mentions": unread.iter().filter(|message| message.mentions(name)).count(),
                        })
                    })
                    .collect();
                json!({ "id": board.board.id.to_string(), "kind": "group", "members": members })
            })
            .collect();
        json!({ "people": people, "rooms": rooms, "limits": [], "deliveries": [] })
    }

    fn room(&self, id: &str) -> Option<Value> {
        let data = self.peek();
        let board = data.boards.iter().find(|board| board.board.id.to_string() == id)?;
        let texts = board.messages.iter().map(|message| {
            let files = message.files.iter().map(|file| format!("\n📎 {}", file.name));
            (message, message.description.clone() + &files.collect::<String>())
        });
        let messages: Vec<Value> = newest(texts, |(_, text)| text.len())
            .into_iter()
            .map(|(message, text)| {
                json!({
                    "id": message.id.to_string(),
                    "by": message.send_user,
                    "at": message.created.as_millisecond(),
                    "edited": null,
                    "text": text,
                })
            })
            .collect();
        let files: Vec<Value> = newest(board.files(), |file| file.name.len())
            .into_iter()
            .rev()
            .map(|file| {
                json!({
                    "id": null, "name": file.name, "size": file.size, "by": file.user,
                    "at": file.created.as_millisecond(),
                })
            })
            .collect();
        Some(json!({
            "id": id, "about": board.board.description.as_deref().unwrap_or_default(), "messages": messages, "all": board.messages.len(), "tasks": [],
            "files": files, "writers": board.board.users,
        }))
    }

    fn post(self: Arc<Self>, room: &str, by: &str, body: &str) -> Result<(), Refused> {
        if body.is_empty() {
            return Err("empty");
        }
        let id = room.parse().map_err(|_| "no_room")?;
        let now = self.now().wall;
        let mut data = self.lock();
        if !data.find_board(id).ok_or("no_room")?.has(by) {
            return Err("not_member");
        }
        let message = NewMessage { sender: by.to_owned(), text: body.to_owned(), files: Vec::new() };
        data.post(id, message, now).map(drop).map_err(|_| "no_room")
    }

    fn secrets(&self) -> Vec<String> {
        self.peek().credentials.keys().cloned().collect()
    }
}
