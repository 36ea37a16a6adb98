//! Boards, which are Lancers' rooms.

use super::operations::{GetBoard, ListBoards, ListUnread, SearchBoards, UpdateBoard};
use super::{BoardDetail, BoardId, Client, Lancers, requests, returns, table};
use crate::input::{self, InvalidInput};
use crate::transport::{Encoder, Parts, Payload};
use crate::wire::{self, DecodeFailure};
use crate::{Endpoint, Operation, Request, Upload};

impl Client {
    /// A handle for a board. It sends nothing.
    pub fn board(&self, id: BoardId) -> BoardHandle {
        BoardHandle { client: self.clone(), id }
    }

    /// The boards, most recently modified first. If it is awaited without `.limit(…)`, the service returns one.
    #[doc = returns!(ListBoards)]
    pub fn boards(&self) -> requests::ListBoards {
        self.call(ListBoards::new())
    }

    /// The unread messages, board by board; `.limit(…)` counts boards. If it is awaited without a limit, the service returns
    /// those of one board.
    #[doc = returns!(ListUnread)]
    pub fn unread(&self) -> requests::ListUnread {
        self.call(ListUnread::new())
    }

    /// Searches the boards.
    #[doc = returns!(SearchBoards)]
    pub fn search(&self, query: impl Into<String>) -> requests::SearchBoards {
        self.call(SearchBoards::new(query))
    }

    /// Creates a board with these users, at least one, by their names.
    #[doc = returns!(CreateBoard)]
    /// Optional: [`.title(…)`](requests/type.CreateBoard.html#method.title), [`.description(…)`](requests/type.CreateBoard.html#method.description), [`.file(…)`](requests/type.CreateBoard.html#method.file), [`.with_part_names(…)`](requests/type.CreateBoard.html#method.with_part_names).
    pub fn create_board(&self, users: impl IntoIterator<Item = impl Into<String>>) -> requests::CreateBoard {
        let users = users.into_iter().map(Into::into).collect();
        let (title, description, files) = Default::default();
        self.call(CreateBoard { users, title, description, files, names: PartNames::default() })
    }
}

/// A board, by its id.
#[derive(Clone, Debug)]
pub struct BoardHandle {
    pub(super) client: Client,
    pub(super) id: BoardId,
}

impl BoardHandle {
    /// The board's id.
    pub fn id(&self) -> BoardId {
        self.id
    }

    /// The board with its description, its owner and the job that it is about.
    #[doc = returns!(GetBoard)]
    pub fn get(&self) -> requests::GetBoard {
        self.call(GetBoard::new(self.id))
    }

    /// Changes the title or the description, as set on the request. The response has the changed fields.
    #[doc = returns!(UpdateBoard)]
    pub fn update(&self) -> requests::UpdateBoard {
        self.call(UpdateBoard::new(self.id))
    }

    pub(super) fn call<E: Endpoint<Service = Lancers>>(&self, endpoint: E) -> Request<E> {
        self.client.call(endpoint)
    }
}

/// How the parts of a multipart form are named.
///
/// The blog post prints `message[‘description’]` and `message[‘files’]`, with typographic quotation marks. The names that the
/// service accepts are inferred, so they can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartNames {
    /// As PHP reads arrays: `users[]`, `message[description]`, `message[files][]`, `files[]`.
    #[default]
    Php,
    /// As the post prints them, with plain quotation marks: `users`, `message['description']`, `message['files']`,
    /// `files`.
    Printed,
}

impl PartNames {
    pub(super) fn choose(self, php: &'static str, printed: &'static str) -> &'static str {
        match self {
            Self::Php => php,
            Self::Printed => printed,
        }
    }
}

/// Creates a board: `POST /boards`, as a multipart form.
///
/// Written by hand, since the generator does not support multipart.
#[derive(Clone, Debug)]
pub struct CreateBoard {
    users: Vec<String>,
    title: Option<String>,
    description: Option<String>,
    files: Vec<Upload>,
    names: PartNames,
}

impl Request<CreateBoard> {
    /// The title; without it the service composes one from the users' names.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.endpoint.title = Some(title.into());
        self
    }

    /// The text of a first message.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.endpoint.description = Some(description.into());
        self
    }

    /// Adds a file to the first message.
    pub fn file(mut self, file: Upload) -> Self {
        self.endpoint.files.push(file);
        self
    }

    /// The names of the form's parts, if the service does not accept the default.
    pub fn with_part_names(mut self, names: PartNames) -> Self {
        self.endpoint.names = names;
        self
    }
}

impl Endpoint for CreateBoard {
    type Service = Lancers;
    type Output = BoardDetail;

    fn operation(&self) -> &'static Operation {
        &table::CREATE_BOARD
    }

    fn check(&self) -> Result<(), InvalidInput> {
        input::not_empty("users", self.users.is_empty() || self.users.iter().any(String::is_empty))?;
        self.files.iter().try_for_each(|file| file.check("files", None))
    }

    fn decode(&self, body: &[u8]) -> Result<BoardDetail, DecodeFailure> {
        wire::decode_object(body)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        let mut parts = Parts::new();
        for user in &self.users {
            parts = parts.text(self.names.choose("users[]", "users"), user);
        }
        if let Some(title) = &self.title {
            parts = parts.text("title", title);
        }
        if let Some(description) = &self.description {
            parts =
                parts.text(self.names.choose("message[description]", "message['description']"), description);
        }
        for file in &self.files {
            let name = self.names.choose("message[files][]", "message['files']");
            parts = parts.file(name, file, "files")?;
        }
        Payload::multipart(to.http().post(to.url("/boards")?), parts)
    }
}
