//! A server that plays a script, one step for each request, below HTTP if needed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to one request. Not every test that includes this file uses each step.
#[derive(Clone, Debug)]
#[allow(dead_code)]
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
    /// Answers with these bytes, and ends the connection.
    Raw(String),
    /// Answers with these bytes, which may not be text, and ends the connection or keeps it.
    Bytes { bytes: Vec<u8>, close: bool },
    /// Answers, and a little later sends these bytes, which answer no request.
    Stray(Box<Step>, Duration, String),
}

#[allow(dead_code)]
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

    /// The same answer, but the connection ends before the promised end of the body.
    pub fn cut(self) -> Self {
        match self {
            Self::Answer(status, headers, body) => {
                Self::Raw(answer(status, &headers, &body, body.len() + 1000))
            }
            other => other,
        }
    }

    /// The bytes of an answer.
    pub fn bytes(&self) -> String {
        match self {
            Self::Answer(status, headers, body) => answer(*status, headers, body, body.len()),
            Self::Raw(bytes) => bytes.clone(),
            other => panic!("{other:?} is not an answer"),
        }
    }
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &str, length: usize) -> String {
    let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}")
}

/// One request as it was received.
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

#[allow(dead_code)]
impl Seen {
    /// Path and query.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).expect("a request line")
    }
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
    /// Every connection watches this channel.
    close: watch::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

#[allow(dead_code)]
impl Server {
    /// Plays the steps, one for each request, and repeats the last one.
    pub async fn play(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut steps: Vec<Step> = steps.into_iter().collect();
        let resets = steps.iter().take_while(|step| matches!(step, Step::ResetAtOnce)).count();
        let resets = if resets == steps.len() { usize::MAX } else { resets };
        steps.drain(..resets.min(steps.len()));
        steps.reverse();
        let next = move |_: &Seen| {
            if steps.len() > 1 { steps.pop() } else { steps.last().cloned() }.expect("a script has a step")
        };
        Self::start(next, resets).await
    }

    /// Plays for each request the step that the function returns.
    pub async fn respond(respond: impl FnMut(&Seen) -> Step + Send + 'static) -> Self {
        Self::start(respond, 0).await
    }

    async fn start(respond: impl FnMut(&Seen) -> Step + Send + 'static, resets: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
        Self::serve_resetting(listener, respond, resets)
    }

    /// Serves the connections of a listener.
    pub fn serve(listener: TcpListener, respond: impl FnMut(&Seen) -> Step + Send + 'static) -> Self {
        Self::serve_resetting(listener, respond, 0)
    }

    fn serve_resetting(
        listener: TcpListener,
        respond: impl FnMut(&Seen) -> Step + Send + 'static,
        resets: usize,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let close = watch::Sender::new(());
        let respond = Arc::new(Mutex::new(respond));
        let accepted = Arc::new(AtomicUsize::new(0));
        let script = Script { respond, seen: Arc::clone(&seen), close: close.clone() };
        let task = tokio::spawn(accept(listener, script, resets, Arc::clone(&accepted)));
        Self { url, seen, accepted, close, task }
    }

    /// Closes every idle connection, and returns once that is done.
    ///
    /// For a server on another thread, because it blocks this one.
    pub fn close_idle(&self) {
        self.close.send_replace(());
        while self.close.receiver_count() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The number of accepted connections.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
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

type Respond = Arc<Mutex<dyn FnMut(&Seen) -> Step + Send>>;

#[derive(Clone)]
struct Script {
    respond: Respond,
    seen: Arc<Mutex<Vec<Seen>>>,
    close: watch::Sender<()>,
}

/// Resets this many connections as soon as they are accepted.
async fn accept(listener: TcpListener, script: Script, mut resets: usize, accepted: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        if resets > 0 {
            resets -= 1;
            reset(&stream);
            continue;
        }
        let script = script.clone();
        tokio::spawn(async move { serve(stream, script).await });
    }
}

async fn serve(mut stream: TcpStream, script: Script) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut close = script.close.subscribe();
    loop {
        let request = tokio::select! {
            request = read(&mut stream) => request?,
            _ = close.changed() => {
                drop(stream);
                return None;
            }
        };
        let step = script.respond.lock().expect("not poisoned")(&request);
        script.seen.lock().expect("not poisoned").push(request);
        match step {
            Step::Answer(..) => stream.write_all(step.bytes().as_bytes()).await.ok()?,
            Step::Raw(bytes) => {
                stream.write_all(bytes.as_bytes()).await.ok()?;
                return None;
            }
            Step::Bytes { bytes, close } => {
                stream.write_all(&bytes).await.ok()?;
                if close {
                    return None;
                }
            }
            Step::Stray(answer, late, stray) => {
                stream.write_all(answer.bytes().as_bytes()).await.ok()?;
                spin(late).await;
                stream.write_all(stray.as_bytes()).await.ok()?;
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

/// Waits for less than a millisecond, which is the resolution of a timer.
async fn spin(time: Duration) {
    let end = std::time::Instant::now() + time;
    while std::time::Instant::now() < end {
        tokio::task::yield_now().await;
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

/// Clients of a server, without timeouts and on a virtual clock, so the client decides on every wait.
#[allow(dead_code)] // Not every test that includes this file needs them.
pub mod clients {
    use super::Server;
    use kaiwa::{ClientBuilder, Service, VirtualClock, chatwork, lancers, tascha};
    use std::time::Duration;

    fn untimed<S: Service>(
        builder: ClientBuilder<S>,
        server: &Server,
        clock: &VirtualClock,
    ) -> ClientBuilder<S> {
        // TLS is not used here, and loading certificates takes a while.
        let http = reqwest::Client::builder().tls_certs_only([]);
        let builder = builder.base_url(&server.url).clock(clock.clone()).http_client(http);
        builder.timeout(None).attempt_timeout(None::<Duration>)
    }

    pub fn chatwork(server: &Server, clock: &VirtualClock) -> chatwork::Builder {
        untimed(chatwork::Client::builder().api_token("token"), server, clock)
    }

    pub fn tascha(server: &Server, clock: &VirtualClock) -> tascha::Builder {
        untimed(tascha::Client::builder().api_key("key"), server, clock)
    }

    pub fn lancers(server: &Server, clock: &VirtualClock) -> lancers::Builder {
        untimed(lancers::Client::builder().cookie("a=b"), server, clock)
    }
}
