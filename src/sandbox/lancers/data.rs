//! All that the service holds, behind one lock.

use super::error::Failure;
use super::model::{BoardInfo, FileData, MessageData, time, user};
use crate::sandbox::ids::Ids;
use crate::sandbox::state;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How much greater than the last one an id may be.
const ID_STEP: u64 = 9;

/// The service.
pub(crate) type State = state::State<Data>;

/// What is posted, by the API or by the seed.
#[derive(Debug)]
pub(super) struct NewMessage {
    pub(super) sender: String,
    pub(super) text: String,
    pub(super) files: Vec<Upload>,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) mime_type: String,
    pub(super) size: u64,
    pub(super) content: bytes::Bytes,
}

#[derive(Clone, Debug)]
pub(super) struct BoardData {
    pub(super) board: BoardInfo,
    /// Oldest first.
    pub(super) messages: Vec<MessageData>,
    /// The last message that a user has read.
    pub(super) read: BTreeMap<String, i64>,
}

impl BoardData {
    pub(super) fn has(&self, name: &str) -> bool {
        self.board.users.binary_search_by(|user| user.as_str().cmp(name)).is_ok()
    }

    pub(super) fn unread<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a MessageData> {
        let first = self
            .read
            .get(name)
            .map_or(0, |last| self.messages.partition_point(|message| message.id <= *last));
        self.messages[first..].iter().filter(move |message| message.send_user != name)
    }

    pub(super) fn message_wire(&self, message: &MessageData) -> Value {
        message.wire(&self.read_users(message))
    }

    pub(super) fn read_users(&self, message: &MessageData) -> Vec<&str> {
        self.read.iter().filter(|(_, last)| message.id <= **last).map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn files(&self) -> impl DoubleEndedIterator<Item = &FileData> {
        self.messages.iter().flat_map(|message| &message.files)
    }

    pub(super) fn summary(&self, name: &str) -> Value {
        let users: Vec<Value> = self.board.users.iter().map(|name| user(name)).collect();
        let last = self.messages.last().map_or("", |message| message.description.as_str());
        json!({
            "id": self.board.id, "title": self.board.title, "created": time(self.board.created),
            "modified": time(self.board.modified), "users": users, "message": last,
            "unread_count": self.unread(name).count(),
            "unread_mention_count": self.unread(name).filter(|message| message.mentions(name)).count(),
        })
    }

    pub(super) fn contains(&self, word: &str) -> bool {
        let found = |text: &str| text.to_lowercase().contains(word);
        found(&self.board.title)
            || self.board.description.as_deref().is_some_and(found)
            || self.board.users.iter().any(|name| found(name))
            || self.messages.iter().any(|message| found(&message.description))
    }
}

#[derive(Debug)]
pub(crate) struct Data {
    pub(super) credential_header: String,
    /// The value of the header, and whose it is.
    pub(super) credentials: BTreeMap<String, String>,
    pub(super) users: BTreeSet<String>,
    pub(super) boards: Vec<BoardData>,
    pub(super) files_upwards: bool,
    pub(super) board_ids: Ids,
    pub(super) message_ids: Ids,
    pub(super) file_ids: Ids,
}

impl Data {
    pub(super) fn find_board(&mut self, id: i64) -> Option<&mut BoardData> {
        self.boards.iter_mut().find(|board| board.board.id == id)
    }

    /// A board that the caller is on.
    pub(super) fn board(&mut self, id: i64, caller: &str) -> Result<&mut BoardData, Failure> {
        self.find_board(id).filter(|board| board.has(caller)).ok_or_else(Failure::bad_request)
    }

    /// The caller's boards, in the order of the lists.
    pub(super) fn boards_of(&self, caller: &str) -> Vec<&BoardData> {
        let mut boards: Vec<&BoardData> = self.boards.iter().filter(|board| board.has(caller)).collect();
        boards.sort_by_key(|board| std::cmp::Reverse((board.board.modified, board.board.id)));
        boards
    }

    pub(super) fn check_users<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
        match names.into_iter().find(|name| !self.users.contains(*name)) {
            None => Ok(()),
            Some(_) => Err(Failure::invalid("users")),
        }
    }

    /// A new, empty board.
    pub(super) fn create_board(
        &mut self,
        owner: &str,
        others: &[String],
        title: Option<String>,
        at: Timestamp,
    ) -> &mut BoardData {
        let mut named: Vec<&str> = vec![owner];
        named.extend(others.iter().map(String::as_str).filter(|name| *name != owner));
        let title = title.filter(|title| !title.is_empty()).unwrap_or_else(|| {
            let names: Vec<String> = named.iter().map(|name| format!("{name}さん")).collect();
            format!("{}とのメッセージ", names.join(","))
        });
        let users: BTreeSet<String> = named.into_iter().map(str::to_owned).collect();
        let at = to_second(at);
        let board = BoardInfo {
            id: new_id(&mut self.board_ids),
            title,
            description: None,
            created: at,
            modified: at,
            owner: owner.to_owned(),
            users: users.into_iter().collect(),
            work: None,
        };
        self.boards.push(BoardData { board, messages: Vec::new(), read: BTreeMap::new() });
        self.boards.last_mut().expect("a board was pushed")
    }

    /// A new message on a board that exists. Returns it as the API prints it.
    pub(super) fn post(&mut self, board_id: i64, new: NewMessage, at: Timestamp) -> Result<Value, Failure> {
        let NewMessage { sender, text, files: uploads } = new;
        let at = to_second(at);
        let id = new_id(&mut self.message_ids);
        let files = uploads
            .into_iter()
            .map(|upload| FileData {
                id: new_id(&mut self.file_ids),
                name: upload.name,
                mime_type: upload.mime_type,
                size: upload.size,
                content: upload.content,
                user: sender.clone(),
                created: at,
            })
            .collect();
        let board = self.find_board(board_id).ok_or_else(Failure::bad_request)?;
        board.messages.push(MessageData {
            id,
            board_id,
            description: text,
            created: at,
            files,
            send_user: sender.clone(),
        });
        board.board.modified = at;
        Ok(board.messages.last().map_or(Value::Null, |message| board.message_wire(message)))
    }
}

/// The service knows nothing smaller than a second.
pub(super) fn to_second(at: Timestamp) -> Timestamp {
    at - SignedDuration::from_nanos(i64::from(at.subsec_nanosecond()))
}

fn new_id(ids: &mut Ids) -> i64 {
    i64::try_from(ids.next(ID_STEP)).expect("no test makes so many")
}
