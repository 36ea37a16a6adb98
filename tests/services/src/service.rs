//! A service with Chatwork's limits, which counts what it is sent. Its windows end exactly, and it can say so exactly.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How the end of the window is reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resets {
    /// In seconds from now, with their fraction.
    Exact,
    /// In whole Unix seconds, rounded up, as Chatwork does.
    WholeSeconds,
}

#[derive(Clone, Copy)]
pub struct Limits {
    pub calls: u64,
    pub window: Duration,
    pub posts: usize,
    pub room_window: Duration,
    pub resets: Resets,
}

pub struct Service {
    pub address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    began: Option<Instant>,
    window_ends: Option<Instant>,
    used: u64,
    rooms: BTreeMap<String, VecDeque<Instant>>,
    received: Vec<Received>,
    refused: Vec<Received>,
}

/// A post that was done, or refused.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Duration,
    pub text: String,
    /// How many calls this window had, with this one.
    pub used: u64,
}

impl Service {
    pub async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = Arc::<Mutex<State>>::default();
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                // A client that is killed breaks its connections.
                tokio::spawn(async move { serve(stream, &state, limits).await.ok() });
            }
        });
        Self { address, state }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    pub fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    /// The calls that were refused with a 429.
    pub fn refused(&self) -> Vec<Received> {
        self.lock().refused.clone()
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>, limits: Limits) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length, mut path) = (String::new(), 0, String::new());
        while stream.read_line(&mut line).await? > 2 {
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if path.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let answer =
            state.lock().expect("not poisoned").answer(&path, &String::from_utf8_lossy(&body), limits);
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}

impl State {
    fn answer(&mut self, path: &str, body: &str, limits: Limits) -> String {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        if self.window_ends.is_none_or(|ends| ends <= now) {
            self.window_ends = Some(now + limits.window);
            self.used = 0;
        }
        let after = self.window_ends.expect("it is open") - now;
        let room = self.rooms.entry(path.to_owned()).or_default();
        while room.front().is_some_and(|at| *at + limits.room_window <= now) {
            room.pop_front();
        }
        let ok = self.used < limits.calls && room.len() < limits.posts;
        let text = body.split('&').find_map(|part| part.strip_prefix("body=")).unwrap_or_default().to_owned();
        if ok {
            self.used += 1;
            room.push_back(now);
        }
        let list = if ok { &mut self.received } else { &mut self.refused };
        list.push(Received { at: now - began, text, used: self.used });
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let left = limits.calls - self.used;
        let limit = match limits.resets {
            Resets::Exact => format!(
                "RateLimit-Limit: {}\r\nRateLimit-Remaining: {left}\r\nRateLimit-Reset: {:.3}",
                limits.calls,
                after.as_secs_f64() + 0.001
            ),
            Resets::WholeSeconds => format!(
                "X-RateLimit-Limit: {}\r\nX-RateLimit-Remaining: {left}\r\nX-RateLimit-Reset: {}",
                limits.calls,
                (wall + after).as_secs_f64().ceil()
            ),
        };
        let (status, text) = match ok {
            true => ("200 OK", r#"{"message_id":"1"}"#),
            false => ("429 Too Many Requests", r#"{"errors":["Rate limit exceeded"]}"#),
        };
        let date = http_date(wall.as_secs());
        let length = text.len();
        format!(
            "HTTP/1.1 {status}\r\nDate: {date}\r\n{limit}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{text}"
        )
    }
}

fn http_date(second: u64) -> String {
    let time = kaiwa::jiff::Timestamp::from_second(second.cast_signed()).expect("a time of this century");
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Where a page redirects a browser to.
pub async fn redirect_of(page: &str) -> String {
    let answer = exchange("GET", page, "", "").await.expect("it answers");
    let location = answer
        .lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("location")));
    location.expect("it redirects").1.trim().to_owned()
}

/// What a server answers to one request. Each line of `headers` ends with `\r\n`.
pub async fn exchange(method: &str, url: &str, headers: &str, body: &str) -> std::io::Result<String> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
    let length = body.len();
    let mut stream = TcpStream::connect(host).await?;
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
