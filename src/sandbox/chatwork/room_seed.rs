//! Group chats at the start, with what is in them.

use super::data::{Data, Origin};
use super::files;
use super::input::Upload;
use super::link::new_link;
use super::model::{MemberData, Role, RoomData, RoomKind};
use super::tasks;
use crate::chatwork::LimitType;
use bytes::Bytes;
use jiff::Timestamp;
use std::time::Duration;

/// A group chat.
#[derive(Clone, Debug)]
#[must_use = "a room does nothing until a seed has it"]
pub struct Room {
    pub(super) id: u64,
    name: String,
    description: String,
    members: Vec<(u64, Role)>,
    items: Vec<Item>,
    link: Option<String>,
    read: bool,
}

#[derive(Clone, Debug)]
enum Item {
    Message { by: u64, body: String },
    Task { by: u64, to: Vec<u64>, body: String, limit: Option<(Timestamp, LimitType)> },
    File { by: u64, filename: String, content: Bytes },
}

impl Room {
    /// A group chat without members.
    pub fn group(id: u64, name: impl Into<String>) -> Self {
        let (name, description) = (name.into(), String::new());
        Self { id, name, description, members: Vec::new(), items: Vec::new(), link: None, read: false }
    }

    /// The description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// A member who manages the room.
    pub fn admin(mut self, account: u64) -> Self {
        self.members.push((account, Role::Admin));
        self
    }

    /// A member who reads and writes.
    pub fn member(mut self, account: u64) -> Self {
        self.members.push((account, Role::Member));
        self
    }

    /// A member who only reads.
    pub fn readonly(mut self, account: u64) -> Self {
        self.members.push((account, Role::Readonly));
        self
    }

    /// A message. Messages lie one second apart, the last one a second before the start, and are unread for all but
    /// their author.
    pub fn message(mut self, by: u64, body: impl Into<String>) -> Self {
        self.items.push(Item::Message { by, body: body.into() });
        self
    }

    /// So many messages, `Message 1` and on, by the members in turn.
    ///
    /// # Panics
    ///
    /// If no members are named yet.
    #[track_caller]
    pub fn messages(mut self, count: usize) -> Self {
        assert!(!self.members.is_empty(), "name the members of the room {} before its messages", self.id);
        for number in 0..count {
            let (by, _) = self.members[number % self.members.len()];
            self.items.push(Item::Message { by, body: format!("Message {}", number + 1) });
        }
        self
    }

    /// A task without a deadline, for each of the assignees.
    pub fn task(mut self, by: u64, to: &[u64], body: impl Into<String>) -> Self {
        self.items.push(Item::Task { by, to: to.to_vec(), body: body.into(), limit: None });
        self
    }

    /// A task with a deadline, for each of the assignees. With [`LimitType::None`] it has none after all.
    pub fn task_due(
        mut self,
        by: u64,
        to: &[u64],
        body: impl Into<String>,
        limit: (Timestamp, LimitType),
    ) -> Self {
        let limit = Some(limit);
        self.items.push(Item::Task { by, to: to.to_vec(), body: body.into(), limit });
        self
    }

    /// A file.
    pub fn file(mut self, by: u64, filename: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.items.push(Item::File { by, filename: filename.into(), content: content.into() });
        self
    }

    /// An invitation link with this code, for which an administrator has to approve.
    pub fn link(mut self, code: impl Into<String>) -> Self {
        self.link = Some(code.into());
        self
    }

    /// All members have read everything.
    pub fn read(mut self) -> Self {
        self.read = true;
        self
    }
}

impl Room {
    pub(super) fn empty(&self, now: Timestamp) -> RoomData {
        let mut data = RoomData::new(self.id, RoomKind::Group, self.name.clone(), now);
        data.description = self.description.clone();
        data.members =
            self.members.iter().map(|(account, role)| (*account, MemberData::new(*role))).collect();
        data.updated = before(now, self.items.len());
        data
    }

    /// All accounts that are named.
    pub(super) fn accounts(&self) -> Vec<u64> {
        let members = self.members.iter().map(|(account, _)| *account);
        let items = self.items.iter().flat_map(|item| match item {
            Item::Message { by, .. } | Item::File { by, .. } => vec![*by],
            Item::Task { by, to, .. } => [&[*by], &to[..]].concat(),
        });
        members.chain(items).collect()
    }

    /// One item each second, up to a second before `now`.
    pub(super) fn fill(self, data: &mut Data, now: Timestamp) {
        let count = self.items.len();
        for (index, item) in self.items.into_iter().enumerate() {
            let origin = |by| Origin { room: self.id, by, now: before(now, count - index) };
            match item {
                Item::Message { by, body } => {
                    data.post(origin(by), &body, false);
                }
                Item::Task { by, to, body, limit } => {
                    let limit = limit.as_ref().map(|(limit, kind)| (*limit, kind.as_str()));
                    tasks::add(data, origin(by), &to, &body, limit);
                }
                Item::File { by, filename, content } => {
                    let content_type = "application/octet-stream".to_owned();
                    files::add(data, origin(by), Upload { filename, content_type, content }, "");
                }
            }
        }
        // A code that another room of the seed has is given to the first of them only.
        let link = self.link.and_then(|code| new_link(data, self.id, Some(&code)).ok());
        let Some(room) = data.rooms.get_mut(&self.id) else { return };
        room.link = link;
        if self.read {
            for member in room.members.values_mut() {
                member.unread.clear();
                member.mentions.clear();
            }
        }
    }
}

fn before(now: Timestamp, seconds: usize) -> Timestamp {
    now.checked_sub(Duration::from_secs(seconds as u64)).unwrap_or(now)
}
