//! What the service holds, as a test sees it.

use bytes::Bytes;
use jiff::{Timestamp, tz::Offset};
use serde_json::{Value, json};

const JAPAN: Offset = Offset::constant(9);

/// A time as the API prints it: the wall clock of Japan, without a zone.
pub(super) fn time(at: Timestamp) -> String {
    JAPAN.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time as the API takes it.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    JAPAN.to_timestamp(time).ok()
}

pub(super) fn user(name: &str) -> Value {
    json!({ "name": name })
}

/// The job that a board is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// The job's id.
    pub id: i64,
    /// The id of the proposal that the board belongs to.
    pub proposal_id: i64,
    /// The job's title.
    pub title: String,
    /// The kind of job; `competition` is the only one printed in the post.
    pub kind: String,
    /// The state of the job; `completed` is the only one printed in the post.
    pub status: String,
}

impl Work {
    /// A finished competition.
    pub fn new(id: i64, proposal_id: i64, title: impl Into<String>) -> Self {
        Self {
            id,
            proposal_id,
            title: title.into(),
            kind: "competition".to_owned(),
            status: "completed".to_owned(),
        }
    }

    pub(super) fn wire(&self) -> Value {
        let work = json!({ "id": self.id, "title": self.title, "type": self.kind, "status": self.status });
        json!({ "proposal": { "id": self.proposal_id, "work": work } })
    }
}

/// A board.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Board {
    /// The board's id.
    pub id: i64,
    /// The title.
    pub title: String,
    /// What the board is about.
    pub description: Option<String>,
    /// When it was created, to the second.
    pub created: Timestamp,
    /// When it was last changed, to the second.
    pub modified: Timestamp,
    /// The user who created it.
    pub owner: String,
    /// The users on the board, by name.
    pub users: Vec<String>,
    /// The job it is about, if any.
    pub work: Option<Work>,
}

impl Board {
    pub(super) fn detail(&self) -> Value {
        json!({
            "id": self.id, "title": self.title, "description": self.description, "created": time(self.created),
            "modified": time(self.modified), "owner": user(&self.owner),
            // An empty list when there is nothing: an empty map in PHP.
            "with": self.work.as_ref().map_or_else(|| json!([]), Work::wire),
        })
    }
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// The file's id.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The media type.
    pub mime_type: String,
    /// The size in bytes.
    pub size: u64,
    /// The content; empty for a file of the seed.
    pub content: Bytes,
    /// The user who sent it.
    pub user: String,
    /// When it was sent, to the second.
    pub created: Timestamp,
}

impl File {
    /// `size` is a number in the post's schema and a text of digits in its examples; here it is the latter.
    pub(super) fn wire(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "type": self.mime_type, "size": self.size.to_string(), "comment": null,
            "created": time(self.created), "modified": time(self.created),
        })
    }

    pub(super) fn wire_with_user(&self) -> Value {
        let mut value = self.wire();
        value["user"] = user(&self.user);
        value
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The message's id.
    pub id: i64,
    /// The board it is on.
    pub board_id: i64,
    /// The text; empty if it consists of files only.
    pub description: String,
    /// When it was posted, to the second.
    pub created: Timestamp,
    /// The files.
    pub files: Vec<File>,
    /// The user who sent it.
    pub send_user: String,
}

impl Message {
    pub(super) fn wire(&self, read_users: &[&str]) -> Value {
        let files: Vec<Value> = self.files.iter().map(File::wire).collect();
        json!({
            "id": self.id, "board_id": self.board_id, "description": self.description, "status": "ok",
            "created": time(self.created), "modified": time(self.created), "files": files,
            "send_user": user(&self.send_user), "read_users": read_users,
        })
    }

    pub(super) fn mentions(&self, name: &str) -> bool {
        let mention = format!("@{name}");
        self.description.match_indices(&mention).any(|(start, _)| {
            let after = self.description[start + mention.len()..].chars().next();
            !after.is_some_and(|next| next.is_ascii_alphanumeric() || next == '_' || next == '-')
        })
    }
}
