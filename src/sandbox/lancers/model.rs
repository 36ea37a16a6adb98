//! What the service holds.

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
pub(super) struct BoardInfo {
    /// The board's id.
    pub(super) id: i64,
    /// The title.
    pub(super) title: String,
    /// What the board is about.
    pub(super) description: Option<String>,
    /// When it was created, to the second.
    pub(super) created: Timestamp,
    /// When it was last changed, to the second.
    pub(super) modified: Timestamp,
    /// The user who created it.
    pub(super) owner: String,
    /// The users on the board, by name.
    pub(super) users: Vec<String>,
    /// The job it is about, if any.
    pub(super) work: Option<Work>,
}

impl BoardInfo {
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
pub(super) struct FileData {
    /// The file's id.
    pub(super) id: i64,
    /// The name.
    pub(super) name: String,
    /// The media type.
    pub(super) mime_type: String,
    /// The size in bytes.
    pub(super) size: u64,
    /// The content; empty for a file of the seed.
    pub(super) content: Bytes,
    /// The user who sent it.
    pub(super) user: String,
    /// When it was sent, to the second.
    pub(super) created: Timestamp,
}

impl FileData {
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
pub(super) struct MessageData {
    /// The message's id.
    pub(super) id: i64,
    /// The board it is on.
    pub(super) board_id: i64,
    /// The text; empty if it consists of files only.
    pub(super) description: String,
    /// When it was posted, to the second.
    pub(super) created: Timestamp,
    /// The files.
    pub(super) files: Vec<FileData>,
    /// The user who sent it.
    pub(super) send_user: String,
}

impl MessageData {
    pub(super) fn wire(&self, read_users: &[&str]) -> Value {
        let files: Vec<Value> = self.files.iter().map(FileData::wire).collect();
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
