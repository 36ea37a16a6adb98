//! Files of a room.

use super::operations::{GetFile, ListFiles};
use super::{Chatwork, FileId, FileRef, RoomHandle, RoomId, bounds, requests, returns, table};
use crate::input::{self, InvalidInput};
use crate::transport::{Encoder, Parts, Payload};
use crate::wire::{self, DecodeFailure};
use crate::{Endpoint, Operation, Request, Upload};

impl RoomHandle {
    /// The files of the room, at most 100.
    #[doc = returns!(ListFiles)]
    pub fn files(&self) -> requests::ListFiles {
        self.call(ListFiles::new(self.id))
    }

    /// Posts a file of at most 5 MiB (the service says "5 MB"; the unit is inferred), with a text if `.message(…)` is set.
    #[doc = returns!(UploadFile)]
    /// Optional: [`.message(…)`](requests/type.UploadFile.html#method.message).
    pub fn upload(&self, file: Upload) -> requests::UploadFile {
        self.call(UploadFile { room_id: self.id, file, message: None })
    }

    /// One file.
    pub fn file(&self, id: FileId) -> FileHandle {
        FileHandle { room: self.clone(), id }
    }
}

/// A file, by its room and id.
#[derive(Clone, Debug)]
pub struct FileHandle {
    pub(super) room: RoomHandle,
    id: FileId,
}

impl FileHandle {
    /// The file's description. With `.create_download_url(true)` it includes an address that serves the file for 30 seconds
    /// without a credential: `download_url.expose()`. [`download`](Self::download) uses it by itself.
    #[doc = returns!(GetFile)]
    pub fn get(&self) -> requests::GetFile {
        self.room.call(GetFile::new(self.room.id, self.id))
    }
}

/// Uploads a file to a room: `POST /rooms/{room_id}/files`, as a multipart form.
///
/// Written by hand, since the generator does not support multipart.
#[derive(Clone, Debug)]
pub struct UploadFile {
    room_id: RoomId,
    file: Upload,
    message: Option<String>,
}

impl Request<UploadFile> {
    /// The text to post with the file, up to 65535 characters. An empty text is not sent.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.endpoint.message = Some(message.into()).filter(|message| !message.is_empty());
        self
    }
}

impl Endpoint for UploadFile {
    type Service = Chatwork;
    type Output = FileRef;

    fn operation(&self) -> &'static Operation {
        &table::UPLOAD_FILE
    }

    fn check(&self) -> Result<(), InvalidInput> {
        input::positive("room_id", self.room_id.0)?;
        self.file.check("file", Some(bounds::UPLOAD_FILE_FILE))?;
        let (min, max) = bounds::UPLOAD_FILE_MESSAGE;
        self.message.as_ref().map_or(Ok(()), |message| input::length("message", message, min, max))
    }

    fn decode(&self, body: &[u8]) -> Result<FileRef, DecodeFailure> {
        wire::decode_object(body)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        let mut parts = Parts::new().file("file", &self.file, "file")?;
        if let Some(message) = &self.message {
            parts = parts.text("message", message);
        }
        let url = to.url(&format!("/rooms/{}/files", self.room_id))?;
        Payload::multipart(to.http().post(url), parts)
    }
}
