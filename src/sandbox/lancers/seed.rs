//! What is there when the sandbox starts.

use super::data::{BoardData, Data, NewMessage, Upload, to_second};
use super::model::Work;
use super::recording;
use crate::sandbox::ids::Ids;
use crate::sandbox::provider::Provider;
use crate::sandbox::recording::{Recording, RecordingError};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What Lancers holds at the start, and how it behaves.
///
/// The default has alice, who is behind the header `Cookie: session=sandbox`, with bob and carol on two boards. Build
/// on it, or on [`Seed::new`]:
///
/// ```
/// use kaiwa::sandbox::lancers::{BoardSeed, Seed};
///
/// let seed = Seed::default()
///     .account("dave", "session=dave")
///     .board(BoardSeed::new("alice", ["dave"]).messages(10_000).unread_by(["dave"]));
/// # let _ = seed;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Seed {
    credential_header: String,
    credentials: BTreeMap<String, String>,
    users: BTreeSet<String>,
    boards: Vec<BoardSeed>,
    recorded: Vec<BoardData>,
    files_upwards: bool,
}

impl Default for Seed {
    fn default() -> Self {
        Self::new()
            .account(Self::USER, Self::CREDENTIAL)
            .account(Self::COLLEAGUE, Self::COLLEAGUE_CREDENTIAL)
            .users(["carol"])
            .board(
                BoardSeed::new(Self::USER, [Self::COLLEAGUE])
                    .messages(2)
                    .message(Self::COLLEAGUE, "@alice よろしくお願いします")
                    .file(Self::COLLEAGUE, "見積もり.pdf", "application/pdf", 87_521)
                    .unread_by([Self::USER]),
            )
            .board(
                BoardSeed::new(Self::COLLEAGUE, [Self::USER, "carol"])
                    .title("プロジェクトについて")
                    .work(Work::new(3, 24, "イラスト入り年賀状の作成をお願いします。"))
                    .messages(3),
            )
    }
}

impl Seed {
    /// The header value of [`Seed::USER`] in the default.
    pub const CREDENTIAL: &str = "session=sandbox";
    /// The header value of [`Seed::COLLEAGUE`] in the default.
    pub const COLLEAGUE_CREDENTIAL: &str = "session=sandbox-colleague";
    /// The account that the default is about.
    pub const USER: &str = "alice";
    /// The other account, on the same boards.
    pub const COLLEAGUE: &str = "bob";

    /// Nothing.
    pub fn new() -> Self {
        Self {
            credential_header: "Cookie".to_owned(),
            credentials: BTreeMap::new(),
            users: BTreeSet::new(),
            boards: Vec::new(),
            recorded: Vec::new(),
            files_upwards: false,
        }
    }

    /// What a recording has of Lancers, as JSON Lines of `cargo run --example contract_check -- --record FILE`: its boards, users,
    /// messages and files, with the made-up ids and names, and texts of the recorded lengths. [`Seed::CREDENTIAL`] is that of a
    /// user who is on all boards. Unread messages that only a count says are made up, up to 1,000 of a board. If the recording
    /// has no answers of Lancers, it is the default.
    ///
    /// # Errors
    ///
    /// A line that is not part of a recording.
    pub fn from_recording(text: &str) -> Result<Self, RecordingError> {
        let Some(recording) = Recording::of(Provider::Lancers, text)? else { return Ok(Self::default()) };
        let (me, recorded) = recording::read(&recording, Self::USER);
        let users: BTreeSet<String> = recorded.iter().flat_map(|board| board.board.users.clone()).collect();
        Ok(Self { recorded, ..Self::new().account(me, Self::CREDENTIAL).users(users) })
    }

    /// The header that carries the credential; `Cookie` by default.
    pub fn credential_header(mut self, name: impl Into<String>) -> Self {
        self.credential_header = name.into();
        self
    }

    /// Adds a user who can call the API, with the value of the credential's header.
    pub fn account(mut self, name: impl Into<String>, credential: impl Into<String>) -> Self {
        let name = name.into();
        self.credentials.insert(credential.into(), name.clone());
        self.users([name])
    }

    /// Adds users.
    pub fn users(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.users.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds a board.
    pub fn board(mut self, board: BoardSeed) -> Self {
        self.boards.push(board);
        self
    }

    /// Adds as many boards like this one; they are changed a second apart, unless the board has a time.
    pub fn boards(mut self, count: usize, board: BoardSeed) -> Self {
        self.boards.extend(std::iter::repeat_n(board, count));
        self
    }

    /// Prints the pages of the list of files upwards, as the post says, and not downwards, as in its example.
    pub fn files_upwards(mut self) -> Self {
        self.files_upwards = true;
        self
    }

    pub(crate) fn header_of_credential(&self) -> &str {
        &self.credential_header
    }

    pub(crate) fn build(self, started: Timestamp, seed: u64) -> Data {
        let users = self.boards.iter().flat_map(|board| board.others.iter().chain([&board.owner]));
        let users: BTreeSet<String> = users.cloned().chain(self.users.iter().cloned()).collect();
        let mut data = Data {
            credential_header: self.credential_header,
            credentials: self.credentials,
            users,
            boards: self.recorded,
            files_upwards: self.files_upwards,
            board_ids: Ids::new(seed, 4_000_000),
            message_ids: Ids::new(seed, 20_000_000),
            file_ids: Ids::new(seed, 18_000_000),
        };
        let seconds = i64::try_from(self.boards.len()).unwrap_or(i64::MAX);
        for (board, before) in self.boards.into_iter().zip((1..=seconds).rev()) {
            let at = board.modified.unwrap_or(started - SignedDuration::from_secs(before));
            board.build(at, &mut data);
        }
        data
    }
}

/// Without the credentials.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed")
            .field("users", &self.users)
            .field("boards", &self.boards)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct MessageSeed {
    sender: String,
    text: String,
    file: Option<(String, String, u64)>,
}

/// A board at the start.
#[derive(Clone, Debug)]
#[must_use]
pub struct BoardSeed {
    owner: String,
    others: Vec<String>,
    title: Option<String>,
    description: Option<String>,
    work: Option<Work>,
    modified: Option<Timestamp>,
    messages: Vec<MessageSeed>,
    unread_by: BTreeSet<String>,
}

impl BoardSeed {
    /// A board of these users, who are added to those of the service.
    pub fn new(owner: impl Into<String>, others: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            owner: owner.into(),
            others: others.into_iter().map(Into::into).collect(),
            title: None,
            description: None,
            work: None,
            modified: None,
            messages: Vec::new(),
            unread_by: BTreeSet::new(),
        }
    }

    /// The title; by default made from the names of the users.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What the board is about.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The job the board is about.
    pub fn work(mut self, work: Work) -> Self {
        self.work = Some(work);
        self
    }

    /// When the board was last changed, to the second. Boards with the same time make a tie, which the pages of a list
    /// can lose at their edges.
    pub fn modified(mut self, at: Timestamp) -> Self {
        self.modified = Some(to_second(at));
        self
    }

    /// Adds messages `Message 1`, `Message 2` and so on of the owner.
    pub fn messages(mut self, count: usize) -> Self {
        let before = self.messages.len();
        let sender = self.owner.clone();
        self.messages.extend((1..=count).map(|number| MessageSeed {
            sender: sender.clone(),
            text: format!("Message {}", before + number),
            file: None,
        }));
        self
    }

    /// Adds a message.
    pub fn message(mut self, sender: impl Into<String>, text: impl Into<String>) -> Self {
        self.messages.push(MessageSeed { sender: sender.into(), text: text.into(), file: None });
        self
    }

    /// Adds a message that consists of a file of this size.
    pub fn file(
        mut self,
        sender: impl Into<String>,
        name: impl Into<String>,
        mime_type: impl Into<String>,
        size: u64,
    ) -> Self {
        let file = Some((name.into(), mime_type.into(), size));
        self.messages.push(MessageSeed { sender: sender.into(), text: String::new(), file });
        self
    }

    /// Who has read none of the messages. The others have read them all.
    pub fn unread_by(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.unread_by.extend(names.into_iter().map(Into::into));
        self
    }

    fn build(self, modified: Timestamp, data: &mut Data) {
        let seconds = i64::try_from(self.messages.len()).unwrap_or(i64::MAX);
        let created = modified - SignedDuration::from_secs(seconds);
        let id = data.create_board(&self.owner, &self.others, self.title, created).board.id;
        for (message, before) in self.messages.into_iter().zip((0..seconds).rev()) {
            let uploads = message.file.into_iter().map(|(name, mime_type, size)| Upload {
                name,
                mime_type,
                size,
                content: Bytes::new(),
            });
            let at = modified - SignedDuration::from_secs(before);
            let new = NewMessage { sender: message.sender, text: message.text, files: uploads.collect() };
            data.post(id, new, at).expect("the board was just created");
        }
        let board = data.find_board(id).expect("the board was just created");
        board.board.description = self.description;
        board.board.work = self.work;
        board.board.modified = to_second(modified);
        if let Some(last) = board.messages.last().map(|message| message.id) {
            let readers = board.board.users.iter().filter(|name| !self.unread_by.contains(*name));
            board.read = readers.map(|name| (name.clone(), last)).collect();
        }
    }
}
