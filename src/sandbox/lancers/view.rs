//! What is there now.

use super::data::{BoardData, NewMessage, State};
use super::model::{Board, File, Message};
use std::sync::Arc;

/// What Lancers holds now.
#[derive(Clone, Debug)]
pub struct View {
    state: Arc<State>,
}

impl View {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// The names of all users.
    pub fn users(&self) -> Vec<String> {
        self.state.lock().users.iter().cloned().collect()
    }

    /// All boards, in the order they were created.
    pub fn boards(&self) -> Vec<Board> {
        self.state.lock().boards.iter().map(|board| board.board.clone()).collect()
    }

    /// One board. Of a board that does not exist everything is empty.
    pub fn board(&self, id: i64) -> BoardView {
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
    pub fn get(&self) -> Option<Board> {
        self.with(|board| board.board.clone())
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.with(|board| board.messages.clone()).unwrap_or_default()
    }

    /// The files, oldest first.
    pub fn files(&self) -> Vec<File> {
        self.with(|board| board.files().cloned().collect()).unwrap_or_default()
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

    /// Who has read a message.
    pub fn read_users(&self, message_id: i64) -> Vec<String> {
        self.with(|board| {
            let message = board.messages.iter().find(|message| message.id == message_id);
            message.map(|message| board.read_users(message).into_iter().map(str::to_owned).collect())
        })
        .flatten()
        .unwrap_or_default()
    }

    /// Posts a message as this user, who need not be on the board, and returns its id; `None` if there is no such
    /// board.
    pub fn post(&self, sender: &str, text: &str) -> Option<i64> {
        let now = self.state.now().wall;
        let message = NewMessage { sender: sender.to_owned(), text: text.to_owned(), files: Vec::new() };
        let message = self.state.lock().post(self.id, message, now).ok()?;
        message["id"].as_i64()
    }

    fn with<T>(&self, look: impl FnOnce(&mut BoardData) -> T) -> Option<T> {
        self.state.lock().find_board(self.id).map(look)
    }
}
