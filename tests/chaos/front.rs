//! Servers in front of the sandbox: one speaks HTTP/2 and refuses streams, the other sends additional answers.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a front does to requests and answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Speaks HTTP/2, refuses streams before processing them, and goes away, in an orderly way or not.
    Multiplexed,
    /// Speaks HTTP/1.1, and sends another answer, to no request, after each answer.
    Stray,
}

/// A front on a separate port. Dropping it ends it.
pub struct Front {
    pub url: String,
    /// How many streams were refused, or how many stray answers were sent.
    struck: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Backend {
    url: String,
    http: reqwest::Client,
    struck: Arc<AtomicUsize>,
}

/// Longer than a client waits for an answer, on the clock of the tests.
const FORWARD: Duration = Duration::from_secs(2);

/// More than a client reads.
const LARGEST: usize = 300 << 10;

/// A complete answer, or the beginning of one.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
    is_whole: bool,
}

impl Front {
    pub async fn start(kind: Kind, url: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let path = reqwest::Url::parse(&url).unwrap().path().trim_end_matches('/').to_owned();
        let http =
            reqwest::Client::builder().no_proxy().retry(reqwest::retry::never()).pool_max_idle_per_host(0);
        let http = http.redirect(reqwest::redirect::Policy::none()).timeout(FORWARD).build().unwrap();
        let struck = Arc::new(AtomicUsize::new(0));
        let origin = url.strip_suffix(&path).unwrap_or(&url).trim_end_matches('/').to_owned();
        let backend = Backend { url: origin, http, struck: Arc::clone(&struck) };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let backend = backend.clone();
                match kind {
                    Kind::Multiplexed => drop(tokio::spawn(multiplexed(stream, backend))),
                    Kind::Stray => drop(tokio::spawn(stray(stream, backend))),
                }
            }
        });
        Self { url: format!("{own}{path}"), struck, task }
    }

    pub fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Backend {
    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::Relaxed);
    }

    /// The sandbox's answer; none if its connection fails.
    async fn forward(
        &self,
        method: http::Method,
        path: &str,
        mut headers: http::HeaderMap,
        body: Bytes,
    ) -> Option<Answer> {
        headers.remove(http::header::HOST);
        headers.remove(http::header::CONTENT_LENGTH);
        let request = self.http.request(method, format!("{}{path}", self.url)).headers(headers);
        let mut response = request.body(body).send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        let is_whole = loop {
            match response.chunk().await {
                Ok(Some(_)) if body.len() > LARGEST => break false,
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Some(Answer { status, headers, body, is_whole })
    }
}

/// Headers of one connection, which are not forwarded.
fn is_framing(name: &http::HeaderName) -> bool {
    [http::header::CONNECTION, http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING].contains(name)
}

/// How many of a thousand requests are refused, and after how many the server goes away: in an orderly way, or at once
/// with all open streams.
const REFUSED: u32 = 200;
const LEAVES: u32 = 30;
const FLEES: u32 = 2;

async fn multiplexed(stream: TcpStream, backend: Backend) -> Option<()> {
    // Bodies in small pieces are not tested here.
    let mut builder = h2::server::Builder::new();
    let mut connection = builder.data_frame_budget(1 << 30).handshake(stream).await.ok()?;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let draw = fastrand::u32(0..1000);
        if draw < REFUSED {
            backend.strike();
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            continue;
        }
        tokio::spawn(exchange(request, respond, backend.clone()));
        if draw < REFUSED + LEAVES {
            connection.graceful_shutdown();
        } else if draw < REFUSED + LEAVES + FLEES {
            connection.abrupt_shutdown(h2::Reason::INTERNAL_ERROR);
        }
    }
    Some(())
}

async fn exchange(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    backend: Backend,
) -> Option<()> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        // An incomplete request is not executed.
        let chunk = chunk.ok()?;
        stream.flow_control().release_capacity(chunk.len()).ok()?;
        body.extend_from_slice(&chunk);
    }
    let path = head.uri.path_and_query()?.as_str();
    let Some(answer) = backend.forward(head.method, path, head.headers, body.into()).await else {
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
        return None;
    };
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(answer.status).ok()?;
    let headers = answer.headers.iter().filter(|(name, _)| !is_framing(name));
    response.headers_mut().extend(headers.map(|(name, value)| (name.clone(), value.clone())));
    let mut stream = respond.send_response(response, false).ok()?;
    stream.send_data(answer.body.into(), answer.is_whole).ok()?;
    if !answer.is_whole {
        // This lets the incomplete answer arrive.
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    }
    Some(())
}

/// An answer that belongs to no request: a refusal, another refusal, or a success with the id of something else.
const STRAYS: [&str; 3] = [
    "HTTP/1.1 429 x\r\nretry-after: 0\r\ncontent-length: 2\r\n\r\n{}",
    "HTTP/1.1 400 x\r\ncontent-length: 2\r\n\r\n{}",
    "HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: 73\r\n\r\n\
     {\"message_id\":\"0\",\"id\":0,\"board_id\":0,\"file_id\":0,\"task_ids\":[0],\"x\":[0]}",
];

async fn stray(mut stream: TcpStream, backend: Backend) -> Option<()> {
    loop {
        let (method, path, headers, body) = read(&mut stream).await?;
        // The connection ends where the sandbox's connection ended.
        let answer = backend.forward(method, &path, headers, body).await?;
        let mut head = format!("HTTP/1.1 {} x\r\n", answer.status).into_bytes();
        for (name, value) in answer.headers.iter().filter(|(name, _)| !is_framing(name)) {
            head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        let length = if answer.is_whole { answer.body.len() } else { answer.body.len() + 1000 };
        if answer.status != 204 {
            head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        stream.write_all(&[&head[..], b"\r\n", &answer.body].concat()).await.ok()?;
        if !answer.is_whole {
            return None;
        }
        let end = Instant::now() + Duration::from_micros(fastrand::u64(0..=400));
        while Instant::now() < end {
            tokio::task::yield_now().await;
        }
        backend.strike();
        stream.write_all(fastrand::choice(STRAYS)?.as_bytes()).await.ok()?;
    }
}

async fn read(stream: &mut TcpStream) -> Option<(http::Method, String, http::HeaderMap, Bytes)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.parse().ok()?, first.next()?.to_owned());
    let field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse().ok()?, value.parse().ok()?))
    };
    let headers: http::HeaderMap = lines.filter_map(field).collect();
    let length =
        headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((method, path, headers, bytes.split_off(end + 4).into()))
}
