//! What the service holds now.

use super::data::{BoardData, NewMessage, State};
use super::model::{FileData, user};
use crate::lancers::{BoardDetail, BoardFile, BoardId, FileId, Message, MessageId, User};
use crate::sandbox::answer::{decoded, decoded_all};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// What Lancers holds now.
///
/// It shows boards, messages, files and users as the client's types, so that they can be compared with what a client
/// returned.
#[derive(Clone, Debug)]
pub struct View {
    state: Arc<State>,
}

impl View {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// All users, by name.
    pub fn users(&self) -> Vec<User> {
        self.state.lock().users.iter().map(|name| decoded(user(name))).collect()
    }

    /// All boards, in the order they were created.
    pub fn boards(&self) -> Vec<BoardDetail> {
        self.state.lock().boards.iter().map(|board| decoded(board.board.detail())).collect()
    }

    /// One board. If it does not exist, all its lists are empty.
    pub fn board(&self, id: impl Into<BoardId>) -> BoardView {
        // An id that is too large is that of no board.
        let id = i64::try_from(id.into().0).unwrap_or(i64::MAX);
        BoardView { state: Arc::clone(&self.state), id }
    }
}

/// One board.
#[derive(Clone, Debug)]
pub struct BoardView {
    state: Arc<State>,
    id: i64,
}

impl BoardView {
    /// The board itself, if it exists.
    pub fn get(&self) -> Option<BoardDetail> {
        self.with(|board| decoded(board.board.detail()))
    }

    /// The users on the board, by name.
    pub fn users(&self) -> Vec<User> {
        self.list(|board| board.board.users.iter().map(|name| user(name)).collect())
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.list(|board| board.messages.iter().map(|message| board.message_wire(message)).collect())
    }

    /// The files, oldest first.
    pub fn files(&self) -> Vec<BoardFile> {
        self.list(|board| board.files().map(FileData::wire_with_user).collect())
    }

    /// The content of a file; empty for a file of the seed.
    pub fn content_of(&self, file: impl Into<FileId>) -> Bytes {
        let id = file.into().0;
        let content = self.with(|board| {
            let file = board.files().find(|file| u64::try_from(file.id) == Ok(id));
            file.map(|file| file.content.clone())
        });
        content.flatten().unwrap_or_default()
    }

    /// How many messages a user has not read.
    pub fn unread_count(&self, name: &str) -> usize {
        self.with(|board| board.unread(name).count()).unwrap_or_default()
    }

    /// How many messages that mention a user the user has not read.
    pub fn unread_mention_count(&self, name: &str) -> usize {
        self.with(|board| board.unread(name).filter(|message| message.mentions(name)).count())
            .unwrap_or_default()
    }

    /// Posts a message as this user, who need not be on the board, and returns its id; `None` if there is no such
    /// board.
    pub fn post(&self, sender: &str, text: &str) -> Option<MessageId> {
        let now = self.state.now().wall;
        let message = NewMessage { sender: sender.to_owned(), text: text.to_owned(), files: Vec::new() };
        let message = self.state.lock().post(self.id, message, now).ok()?;
        Some(decoded::<Message>(message).id)
    }

    fn list<T: DeserializeOwned>(&self, wire: impl FnOnce(&mut BoardData) -> Vec<Value>) -> Vec<T> {
        decoded_all(self.with(wire).unwrap_or_default())
    }

    fn with<T>(&self, look: impl FnOnce(&mut BoardData) -> T) -> Option<T> {
        self.state.lock().find_board(self.id).map(look)
    }
}
