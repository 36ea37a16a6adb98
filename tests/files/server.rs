//! A Chatwork with one file, and a file server that answers as a script says.

use kaiwa::VirtualClock;
use kaiwa::chatwork::{Client, FileHandle, FileId, RoomId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is in every address of the file.
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

    /// The connection ends after so much of the body.
    pub fn cut(mut self, sent: usize) -> Self {
        self.sent = sent;
        self
    }

    /// The end of the connection is the end of the body.
    pub fn without_length(mut self) -> Self {
        self.length = false;
        self
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
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Script {
    length: usize,
    /// In place of the file server's own address.
    elsewhere: Option<String>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Says that the file has `length` bytes, and gives the replies one after the other, then 404.
    pub async fn play(length: usize, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(length, None, replies).await
    }

    /// Says that the file is at another address.
    pub async fn pointing_to(address: &str) -> Self {
        Self::start(1, Some(address.to_owned()), []).await
    }

    async fn start(
        length: usize,
        elsewhere: Option<String>,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound").to_string();
        let seen = Arc::default();
        let replies = Arc::new(Mutex::new(replies.into_iter().collect()));
        let script = Script { length, elsewhere, replies, seen: Arc::clone(&seen) };
        let own = address.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), own.clone()));
            }
        });
        Self { clock: VirtualClock::new(), address, seen, task }
    }

    pub fn builder(&self) -> kaiwa::chatwork::Builder {
        let builder = Client::builder().api_token("token").base_url(format!("http://{}", self.address));
        builder.clock(self.clock.clone()).timeout(None).attempt_timeout(None)
    }

    pub fn file(&self) -> FileHandle {
        self.builder().build().expect("a client").room(RoomId(1)).file(FileId(7))
    }

    /// The heads of the requests for the content.
    pub fn asked(&self) -> Vec<String> {
        let mut seen = self.seen.lock().expect("not poisoned").clone();
        seen.retain(|head| !head.starts_with("GET /rooms/"));
        seen
    }

    /// The ranges that were asked for.
    pub fn ranges(&self) -> Vec<Option<String>> {
        self.asked().iter().map(|head| header(head, "range")).collect()
    }

    /// How often an address was asked for.
    pub fn described(&self) -> usize {
        let all = self.seen.lock().expect("not poisoned").len();
        all - self.asked().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

async fn serve(mut stream: TcpStream, script: Script, own: String) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let head = String::from_utf8(head).expect("a head is text");
        let api = head.starts_with("GET /rooms/");
        let number = {
            let mut seen = script.seen.lock().expect("not poisoned");
            seen.push(head);
            seen.len()
        };
        let reply = if api {
            let own = format!("http://{own}/files/{number}?signature={CANARY}");
            let url = script.elsewhere.clone().unwrap_or(own);
            let body = format!(
                r#"{{"file_id":7,"account":{{"account_id":1}},"message_id":"1","filename":"a.bin",
                "filesize":{},"upload_time":1,"download_url":"{url}"}}"#,
                script.length
            );
            Reply::new(200, body.as_bytes())
        } else {
            let next = script.replies.lock().expect("not poisoned").pop_front();
            next.unwrap_or_else(|| Reply::new(404, b""))
        };
        let length = if reply.length {
            format!("content-length: {}\r\n\r\n", reply.body.len())
        } else {
            "connection: close\r\n\r\n".to_owned()
        };
        stream.write_all(format!("{}{length}", reply.head).as_bytes()).await.ok()?;
        stream.write_all(&reply.body[..reply.sent]).await.ok()?;
        if reply.sent < reply.body.len() || !reply.length {
            return None;
        }
    }
}
