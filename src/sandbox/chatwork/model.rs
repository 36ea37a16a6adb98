//! What the service holds.

use super::limits::Rolling;
use crate::operation::Operation;
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a member may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Admin,
    Member,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoomKind {
    /// The "My Chat" of one account.
    My,
    /// A chat of two contacts.
    Direct,
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

/// A task: one for each assignee.
#[derive(Clone, Debug)]
pub(super) struct TaskData {
    pub(super) task_id: u64,
    pub(super) account_id: u64,
    pub(super) assigned_by_account_id: u64,
    pub(super) message_id: u64,
    pub(super) body: String,
    pub(super) limit_time: Option<Timestamp>,
    pub(super) limit_type: String,
    pub(super) done: bool,
}

#[derive(Clone, Debug)]
pub(super) struct FileData {
    pub(super) file_id: u64,
    pub(super) account_id: u64,
    /// The message that it was posted with.
    pub(super) message_id: u64,
    pub(super) filename: String,
    pub(super) content_type: String,
    pub(super) content: Bytes,
    pub(super) upload_time: Timestamp,
}

/// An invitation link.
#[derive(Clone, Debug)]
pub(super) struct LinkData {
    /// The last part of its address.
    pub(super) code: String,
    pub(super) need_acceptance: bool,
    pub(super) description: String,
}

/// A file that may be fetched without a token.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) file: FileData,
    pub(super) made: Timestamp,
}

impl Download {
    const LIFETIME: Duration = Duration::from_secs(30);

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.made.checked_add(Self::LIFETIME).is_ok_and(|end| now < end)
    }
}

/// The account and session that a credential stands for, and the scopes it is bound to.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) account: u64,
    /// What the mark of `force=0` is kept for.
    pub(super) name: String,
    /// An API token has every right of its account.
    pub(super) scopes: Option<Vec<String>>,
}

impl Session {
    pub(super) fn may_call(&self, operation: &Operation) -> bool {
        let granted = |scopes: &Vec<String>| scopes.iter().any(|scope| operation.scopes.contains(&&**scope));
        self.scopes.as_ref().is_none_or(granted)
    }
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
    pub(super) tasks: BTreeMap<u64, TaskData>,
    pub(super) files: BTreeMap<u64, FileData>,
    pub(super) link: Option<LinkData>,
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

    /// Replaces the accounts that a message mentions; it counts for those that have not read it yet.
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
