//! Messages of a board.

use super::operations::{ListMessages, MarkRead};
use super::{BoardHandle, BoardId, Lancers, Message, PartNames, requests, returns, table};
use crate::input::{self, InvalidInput};
use crate::transport::{Encoder, Parts, Payload};
use crate::wire::{self, DecodeFailure};
use crate::{Endpoint, Operation, Request, Upload};

impl BoardHandle {
    /// The messages from `.message_id(…)` on, in either direction, including that message. Without `.limit(…)` the service
    /// returns one.
    #[doc = returns!(ListMessages)]
    pub fn messages(&self) -> requests::ListMessages {
        self.call(ListMessages::new(self.id))
    }

    /// Posts a message; `.file(…)` adds files. To post only files, pass an empty text.
    ///
    /// The service has no idempotency keys, so the post is never sent again once it may have arrived.
    /// [`post_once`](Self::post_once) looks whether it is there.
    #[doc = returns!(PostMessage)]
    /// Optional: [`.file(…)`](requests/type.PostMessage.html#method.file), [`.with_part_names(…)`](requests/type.PostMessage.html#method.with_part_names).
    pub fn post(&self, description: impl Into<String>) -> requests::PostMessage {
        self.call(PostMessage::text(self.id, description))
    }

    /// Marks the messages up to `.message_id(…)` as read; without it, all of them.
    #[doc = returns!(MarkRead)]
    pub fn mark_read(&self) -> requests::MarkRead {
        self.call(MarkRead::new(self.id))
    }
}

/// Posts a message: `POST /boards/{board_id}/messages`, as a multipart form.
///
/// Written by hand, since the generator does not support multipart.
#[derive(Clone, Debug)]
pub struct PostMessage {
    board_id: BoardId,
    description: String,
    files: Vec<Upload>,
    names: PartNames,
}

impl PostMessage {
    pub(super) fn text(board_id: BoardId, description: impl Into<String>) -> Self {
        let (files, names) = Default::default();
        Self { board_id, description: description.into(), files, names }
    }

    pub(super) fn board(&self) -> BoardId {
        self.board_id
    }
}

impl Request<PostMessage> {
    /// Adds a file.
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

impl Endpoint for PostMessage {
    type Service = Lancers;
    type Output = Message;

    fn operation(&self) -> &'static Operation {
        &table::POST_MESSAGE
    }

    fn check(&self) -> Result<(), InvalidInput> {
        input::positive("board_id", self.board_id.0)?;
        if self.description.is_empty() && self.files.is_empty() {
            return Err(InvalidInput::new(
                "description",
                "is empty, and there is no file either; give one of them",
            ));
        }
        self.files.iter().try_for_each(|file| file.check("files", None))
    }

    fn decode(&self, body: &[u8]) -> Result<Message, DecodeFailure> {
        wire::decode_object(body)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        let mut parts = Parts::new();
        if !self.description.is_empty() {
            parts = parts.text("description", &*self.description);
        }
        for file in &self.files {
            parts = parts.file(self.names.choose("files[]", "files"), file, "files")?;
        }
        let url = to.url(&format!("/boards/{}/messages", self.board_id))?;
        Payload::multipart(to.http().post(url), parts)
    }
}
