//! A Chatwork with one file, and a file server that answers as a script says.

use crate::scripted::{self, Seen, Step};
use kaiwa::VirtualClock;
use kaiwa::chatwork::{Client, FileHandle, FileId, RoomId};
use std::collections::VecDeque;

/// A secret in every address of the file.
pub const CANARY: &str = "canary-signature";

/// One answer of the file server.
#[derive(Clone)]
pub struct Reply {
    head: String,
    body: Vec<u8>,
    sent: usize,
    length: bool,
}

impl Reply {
    pub fn new(status: u16, body: &[u8]) -> Self {
        Self { head: format!("HTTP/1.1 {status} x\r\n"), body: body.to_vec(), sent: body.len(), length: true }
    }

    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The connection ends after this many bytes of the body.
    pub fn cut(mut self, sent: usize) -> Self {
        self.sent = sent;
        self
    }

    /// The end of the connection is the end of the body.
    pub fn without_length(mut self) -> Self {
        self.length = false;
        self
    }

    fn step(self) -> Step {
        let Self { head, body, sent, length } = self;
        let end =
            if length { format!("content-length: {}", body.len()) } else { "connection: close".to_owned() };
        let head = format!("{head}{end}\r\n\r\n");
        Step::Bytes { bytes: [head.as_bytes(), &body[..sent]].concat(), close: sent < body.len() || !length }
    }
}

/// A part of the file from `start` on.
pub fn part(bytes: &[u8], start: usize) -> Reply {
    let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
    Reply::new(206, &bytes[start..]).header("content-range", range)
}

pub struct Server {
    pub clock: VirtualClock,
    pub address: String,
    server: scripted::Server,
}

impl Server {
    /// Describes a file of `length` bytes, and sends the replies one after the other, then 404.
    pub async fn play(length: usize, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(length, None, replies).await
    }

    /// Describes a file at another address.
    pub async fn pointing_to(address: &str) -> Self {
        Self::start(1, Some(address.to_owned()), []).await
    }

    async fn start(
        length: usize,
        elsewhere: Option<String>,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        let mut number = 0;
        let respond = move |request: &Seen| {
            number += 1;
            if !is_description(&request.head) {
                return replies.pop_front().unwrap_or_else(|| Reply::new(404, b"")).step();
            }
            let host = request.header("host").expect("HTTP/1.1 has it");
            let own = format!("http://{host}/files/{number}?signature={CANARY}");
            let url = elsewhere.as_ref().unwrap_or(&own);
            let body = format!(
                r#"{{"file_id":7,"account":{{"account_id":1}},"message_id":"1","filename":"a.bin",
                "filesize":{length},"upload_time":1,"download_url":"{url}"}}"#
            );
            Reply::new(200, body.as_bytes()).step()
        };
        let server = scripted::Server::respond(respond).await;
        let address = server.url.replace("http://", "");
        Self { clock: VirtualClock::new(), address, server }
    }

    pub fn builder(&self) -> kaiwa::chatwork::Builder {
        let builder = Client::builder().api_token("token").base_url(format!("http://{}", self.address));
        builder.clock(self.clock.clone()).timeout(None).attempt_timeout(None)
    }

    pub fn file(&self) -> FileHandle {
        self.builder().build().expect("a client").room(RoomId(1)).file(FileId(7))
    }

    /// The heads of the requests for content.
    pub fn content_requests(&self) -> Vec<String> {
        let heads = self.server.seen().into_iter().map(|seen| seen.head);
        heads.filter(|head| !is_description(head)).collect()
    }

    /// The requested ranges.
    pub fn ranges(&self) -> Vec<Option<String>> {
        self.content_requests().iter().map(|head| header(head, "range")).collect()
    }

    /// How often an address was requested.
    pub fn described(&self) -> usize {
        self.server.seen().iter().filter(|seen| is_description(&seen.head)).count()
    }
}

/// Whether a request is for the file's description, not for its content.
fn is_description(head: &str) -> bool {
    head.starts_with("GET /rooms/")
}

pub fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}
