//! A server that does to each request what a script says, below HTTP where that is needed.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Closes the connection with a reset as soon as it comes up.
    ResetAtOnce,
    /// Reads the request, then resets.
    ReadThenReset,
    /// Answers with a success whose body ends early.
    CutBody,
    /// Reads the request and never answers.
    Stall,
    /// Answers with a status, and never sends the body.
    StallBody(u16),
}

impl Step {
    pub fn ok(body: &str) -> Self {
        Self::Answer(200, Vec::new(), body.to_owned())
    }

    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    pub fn header(self, name: &'static str, value: impl ToString) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push((name, value.to_string()));
                Self::Answer(status, headers, body)
            }
            other => other,
        }
    }

    pub fn body(self, text: &str) -> Self {
        match self {
            Self::Answer(status, headers, _) => Self::Answer(status, headers, text.to_owned()),
            other => other,
        }
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Plays the steps, one for each request, and the last one for all that follow.
    pub async fn play(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut steps: Vec<Step> = steps.into_iter().collect();
        steps.reverse();
        let steps = Arc::new(Mutex::new(steps));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let task = tokio::spawn(accept(listener, steps, Arc::clone(&seen)));
        Self { url, seen, task }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics while it is held").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Steps = Arc<Mutex<Vec<Step>>>;

fn next(steps: &Steps) -> Step {
    let mut steps = steps.lock().expect("no test panics while it is held");
    if steps.len() > 1 { steps.pop() } else { steps.last().cloned() }.expect("a script has a step")
}

async fn accept(listener: TcpListener, steps: Steps, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let at_once = matches!(steps.lock().expect("not poisoned").last(), Some(Step::ResetAtOnce));
        if at_once {
            next(&steps);
            reset(&stream);
            continue;
        }
        let (steps, seen) = (Arc::clone(&steps), Arc::clone(&seen));
        tokio::spawn(async move { serve(stream, steps, seen).await });
    }
}

async fn serve(mut stream: TcpStream, steps: Steps, seen: Arc<Mutex<Vec<Seen>>>) -> Option<()> {
    loop {
        let request = read(&mut stream).await?;
        seen.lock().expect("not poisoned").push(request);
        match next(&steps) {
            Step::Answer(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.ok()?;
            }
            Step::ReadThenReset | Step::ResetAtOnce => {
                reset(&stream);
                return None;
            }
            Step::CutBody => {
                let part = b"HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n{\"message_id\":";
                stream.write_all(part).await.ok()?;
                return None;
            }
            Step::Stall => std::future::pending().await,
            Step::StallBody(status) => {
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 10\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                std::future::pending().await
            }
        }
    }
}

/// Makes dropping the stream a reset instead of an orderly end.
#[allow(deprecated)]
fn reset(stream: &TcpStream) {
    stream.set_linger(Some(Duration::ZERO)).expect("a connected socket takes it");
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut seen = Seen { head, body: String::new() };
    let length: usize = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = String::from_utf8_lossy(&bytes[end..]).into_owned();
    Some(seen)
}

/// Clients of a server, without timeouts and on a virtual clock, so that every wait is one that the client decided on.
pub mod clients {
    use super::Server;
    use kaiwa::{ClientBuilder, Service, VirtualClock, chatwork, lancers, tascha};
    use std::time::Duration;

    fn untimed<S: Service>(
        builder: ClientBuilder<S>,
        server: &Server,
        clock: &VirtualClock,
    ) -> ClientBuilder<S> {
        builder.base_url(&server.url).clock(clock.clone()).timeout(None).attempt_timeout(None::<Duration>)
    }

    pub fn chatwork(server: &Server, clock: &VirtualClock) -> chatwork::Builder {
        untimed(chatwork::Client::builder().api_token("token"), server, clock)
    }

    pub fn tascha(server: &Server, clock: &VirtualClock) -> tascha::Builder {
        untimed(tascha::Client::builder().api_key("key"), server, clock)
    }

    // This file is part of several tests, and not all of them need it.
    #[allow(dead_code)]
    pub fn lancers(server: &Server, clock: &VirtualClock) -> lancers::Builder {
        untimed(lancers::Client::builder().cookie("a=b"), server, clock)
    }
}
