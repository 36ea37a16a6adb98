//! What the service holds, and what a view shows of it.

use super::limits::Rolling;
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a member may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Manages the room and its members.
    Admin,
    /// Reads and writes.
    Member,
    /// Reads only.
    Readonly,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Readonly => "readonly",
        }
    }
}

/// Kind of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoomKind {
    /// The "My Chat" of one account.
    My,
    /// A chat of two contacts.
    Direct,
    /// A group chat.
    Group,
}

impl RoomKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::My => "my",
            Self::Direct => "direct",
            Self::Group => "group",
        }
    }
}

/// A message of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its id: up to 19 digits.
    pub message_id: String,
    /// Who wrote it.
    pub account_id: u64,
    /// The text, in message notation; `[deleted]` once it is deleted.
    pub body: String,
    /// When it was posted.
    pub send_time: Timestamp,
    /// When it was edited or deleted last.
    pub update_time: Option<Timestamp>,
}

/// A task of a room: one for each assignee.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// Its id.
    pub task_id: u64,
    /// Who has to do it.
    pub account_id: u64,
    /// Who gave it.
    pub assigned_by_account_id: u64,
    /// The message that announced it.
    pub message_id: String,
    /// The text, in message notation.
    pub body: String,
    /// The deadline.
    pub limit_time: Option<Timestamp>,
    /// How the deadline is meant: `none`, `date` or `time`.
    pub limit_type: String,
    /// Whether it is done.
    pub done: bool,
}

/// A file of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Its id.
    pub file_id: u64,
    /// Who uploaded it.
    pub account_id: u64,
    /// The message it was posted with.
    pub message_id: String,
    /// The name it was uploaded under.
    pub filename: String,
    /// The type it was uploaded as.
    pub content_type: String,
    /// What is in it.
    pub content: Bytes,
    /// When it was uploaded.
    pub upload_time: Timestamp,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Who it is.
    pub account_id: u64,
    /// What the member may do.
    pub role: Role,
    /// Messages the member has not read.
    pub unread_num: usize,
    /// Those of them that mention the member.
    pub mention_num: usize,
}

/// The invitation link of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The last part of its address.
    pub code: String,
    /// The address.
    pub url: String,
    /// Whether an administrator must approve everybody who joins by it.
    pub need_acceptance: bool,
    /// The text on its page.
    pub description: String,
}

/// A contact of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contact {
    /// Who it is.
    pub account_id: u64,
    /// The direct chat with this contact.
    pub room_id: u64,
}

/// A contact request that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingRequest {
    /// Its id.
    pub request_id: u64,
    /// Who asks.
    pub account_id: u64,
    /// What was written with it.
    pub message: String,
}

#[derive(Clone, Debug)]
pub(super) struct RoomData {
    pub(super) id: u64,
    pub(super) kind: RoomKind,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) icon: String,
    pub(super) members: BTreeMap<u64, MemberData>,
    /// By id, which is the order in which they were posted.
    pub(super) messages: BTreeMap<u64, MessageData>,
    pub(super) tasks: BTreeMap<u64, Task>,
    pub(super) files: BTreeMap<u64, File>,
    pub(super) link: Option<Link>,
    pub(super) updated: Timestamp,
    /// For the limit of posts in a room.
    pub(super) posts: Rolling,
}

#[derive(Clone, Debug)]
pub(super) struct MemberData {
    pub(super) role: Role,
    pub(super) unread: BTreeSet<u64>,
    /// The unread messages that mention the member.
    pub(super) mentions: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct MessageData {
    pub(super) author: u64,
    pub(super) body: String,
    pub(super) sent: Timestamp,
    pub(super) updated: Option<Timestamp>,
    pub(super) deleted: bool,
    pub(super) mentioned: BTreeSet<u64>,
}

impl MemberData {
    pub(super) fn new(role: Role) -> Self {
        Self { role, unread: BTreeSet::new(), mentions: BTreeSet::new() }
    }
}

impl RoomData {
    pub(super) fn new(id: u64, kind: RoomKind, name: impl Into<String>, now: Timestamp) -> Self {
        Self {
            id,
            kind,
            name: name.into(),
            description: String::new(),
            icon: "group".to_owned(),
            members: BTreeMap::new(),
            messages: BTreeMap::new(),
            tasks: BTreeMap::new(),
            files: BTreeMap::new(),
            link: None,
            updated: now,
            posts: Rolling::default(),
        }
    }

    pub(super) fn role(&self, account: u64) -> Option<Role> {
        self.members.get(&account).map(|member| member.role)
    }

    /// Where the picture of the room lies; nothing is served there.
    pub(super) fn icon_path(&self) -> String {
        format!("https://appdata.example.com/icon/ico_{}.png", self.icon)
    }

    pub(super) fn open_tasks_of(&self, account: u64) -> usize {
        self.tasks.values().filter(|task| task.account_id == account && !task.done).count()
    }

    /// Makes a message unread for a member.
    pub(super) fn mark_unread(&mut self, account: u64, message: u64) {
        let mentioned =
            self.messages.get(&message).is_some_and(|message| message.mentioned.contains(&account));
        if let Some(member) = self.members.get_mut(&account) {
            member.unread.insert(message);
            if mentioned {
                member.mentions.insert(message);
            }
        }
    }

    /// Replaces whom a message mentions, for those who have not read it yet.
    pub(super) fn set_mentions(&mut self, id: u64, mentioned: BTreeSet<u64>) {
        for (account, member) in &mut self.members {
            if mentioned.contains(account) && member.unread.contains(&id) {
                member.mentions.insert(id);
            } else {
                member.mentions.remove(&id);
            }
        }
        if let Some(message) = self.messages.get_mut(&id) {
            message.mentioned = mentioned;
        }
    }
}
