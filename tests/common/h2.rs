//! A server that speaks HTTP/2 without TLS, frame by frame: it can refuse streams and send GOAWAY at any moment.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Error codes of RFC 9113, section 7.
pub const NO_ERROR: u32 = 0;
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// An action on a connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers the request with a status and a JSON text.
    Answer(u16, String),
    /// RST_STREAM, with an error code.
    Reset(u32),
    /// GOAWAY, with the last stream that it reports as processed, and an error code.
    GoAway(u32, u32),
    /// Ends the connection.
    Close,
}

/// A complete request, or only its headers if the server reacts to those.
#[derive(Clone, Debug)]
pub struct Request {
    /// The number of the request on its connection, from 0.
    pub nth: usize,
    pub stream: u32,
    pub body: String,
}

impl Request {
    /// The stream before this one.
    pub fn before(&self) -> u32 {
        self.stream.saturating_sub(2)
    }
}

type Respond = Arc<Mutex<dyn FnMut(&Request) -> Vec<Act> + Send>>;

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Script {
    respond: Respond,
    seen: Arc<Mutex<Vec<Request>>>,
    /// Whether the server reacts before the body has arrived.
    early: bool,
}

impl Server {
    /// Executes for each request the actions that the function returns.
    pub async fn respond(respond: impl FnMut(&Request) -> Vec<Act> + Send + 'static) -> Self {
        Self::start(respond, false).await
    }

    /// The same, as soon as the headers have arrived.
    pub async fn respond_early(respond: impl FnMut(&Request) -> Vec<Act> + Send + 'static) -> Self {
        Self::start(respond, true).await
    }

    async fn start(respond: impl FnMut(&Request) -> Vec<Act> + Send + 'static, early: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Script { respond: Arc::new(Mutex::new(respond)), seen: Arc::clone(&seen), early };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = script.clone();
                tokio::spawn(async move { serve(stream, script).await });
            }
        });
        Self { url, seen, task }
    }

    /// The received requests in order, with those that were refused or ignored.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no test panics while it is held").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP client that speaks HTTP/2 from the first byte on.
pub fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().http2_prior_knowledge()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// Flags: of DATA and HEADERS, of SETTINGS and PING.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers without compression (RFC 7541, 6.2.2).
fn answer(stream: u32, status: u16, body: &str) -> Vec<u8> {
    let field = |index: &[u8], value: &str| [index, &[value.len() as u8], value.as_bytes()].concat();
    let headers = [field(&[0x08], &status.to_string()), field(&[0x0f, 0x10], "application/json")].concat();
    let head = frame(HEADERS, END_HEADERS, stream, &headers);
    [head, frame(DATA, END_STREAM, stream, body.as_bytes())].concat()
}

async fn serve(mut connection: TcpStream, script: Script) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut preface = [0; 24];
    connection.read_exact(&mut preface).await.ok()?;
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    connection.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()?;
    let mut open: Vec<Request> = Vec::new();
    let mut begun = 0;
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        connection.read_exact(&mut payload).await.ok()?;
        match kind {
            SETTINGS if flags & ACK == 0 => connection.write_all(&frame(SETTINGS, ACK, 0, &[])).await.ok()?,
            PING if flags & ACK == 0 => connection.write_all(&frame(PING, ACK, 0, &payload)).await.ok()?,
            HEADERS => {
                open.push(Request { nth: begun, stream, body: String::new() });
                begun += 1;
            }
            DATA => {
                if let Some(request) = open.iter_mut().find(|request| request.stream == stream) {
                    request.body.push_str(&String::from_utf8_lossy(&payload));
                }
                if length > 0 {
                    let more = length.to_be_bytes();
                    let both = [frame(WINDOW_UPDATE, 0, 0, &more), frame(WINDOW_UPDATE, 0, stream, &more)];
                    connection.write_all(&both.concat()).await.ok()?;
                }
            }
            RST_STREAM => open.retain(|request| request.stream != stream),
            _ => {}
        }
        let complete =
            kind == HEADERS && script.early || matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
        let Some(index) = open.iter().position(|request| complete && request.stream == stream) else {
            continue;
        };
        let request = open.remove(index);
        let acts = script.respond.lock().expect("not poisoned")(&request);
        script.seen.lock().expect("not poisoned").push(request);
        for act in acts {
            let bytes = match act {
                Act::Answer(status, body) => answer(stream, status, &body),
                Act::Reset(code) => frame(RST_STREAM, 0, stream, &code.to_be_bytes()),
                Act::GoAway(last, code) => {
                    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
                }
                Act::Close => return None,
            };
            connection.write_all(&bytes).await.ok()?;
        }
    }
}
