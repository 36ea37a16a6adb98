//! Connections that do not come up, for a while or for good.

use crate::server::{Server, Step};
use crate::tls::{self, CERTIFICATE, EXPIRED, HANDSHAKE_FAILURE, Handshake, PROTOCOL_VERSION};
use kaiwa::chatwork::{self, RoomId};
use kaiwa::{ClientBuilder, Error, Outcome, Pace, RetryBudget, RetryPolicy, Service, Upload, VirtualClock};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

const ROOM: RoomId = RoomId(1);
const SENT: &str = r#"{"message_id":"1"}"#;
const SECOND: Duration = Duration::from_secs(1);

/// A port on which connections are refused until it is opened.
struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    fn shut() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback can be bound");
        let address = socket.local_addr().expect("it is bound");
        Self { socket, address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens it once so much time has passed, and answers everything with this JSON text.
    fn open_after(
        self,
        time: Duration,
        clock: &VirtualClock,
        answer: &'static str,
    ) -> tokio::task::JoinHandle<Server> {
        let clock = clock.clone();
        tokio::spawn(async move {
            // Not a wait by the clock, which would have it jump ahead.
            while clock.elapsed() < time {
                tokio::task::yield_now().await;
            }
            let listener = self.socket.listen(64).expect("it is bound");
            Server::serve(listener, move |_| Step::ok(answer))
        })
    }
}

fn untimed<S: Service>(builder: ClientBuilder<S>, url: &str, clock: &VirtualClock) -> ClientBuilder<S> {
    builder.base_url(url).clock(clock.clone()).timeout(None).attempt_timeout(None).pace(Pace::off())
}

fn client(url: &str, clock: &VirtualClock) -> chatwork::Builder {
    untimed(chatwork::Client::builder().api_token("token"), url, clock)
}

async fn post(url: &str, http: reqwest::ClientBuilder, retry: RetryPolicy) -> Result<u32, Error> {
    let clock = VirtualClock::new();
    let builder =
        client(url, &clock).http_client(http).connect_timeout(Duration::from_millis(100)).retry(retry);
    let post = builder.build().expect("a client").room(ROOM).post("x");
    clock.drive(post).await.map(|sent| sent.attempts())
}

#[tokio::test]
async fn a_message_gets_through_after_a_deploy() {
    for seconds in [2, 20, 45] {
        for (name, answer) in [
            ("post", SENT),
            ("read", "[]"),
            ("upload", r#"{"file_id":1}"#),
            ("stream", r#"{"file_id":1}"#),
            ("tascha", r#"{"id":"m1","roomId":"r","body":"x"}"#),
            ("lancers", r#"{"id":1,"board_id":1}"#),
        ] {
            let (port, clock) = (Port::shut(), VirtualClock::new());
            let url = port.url();
            let server = port.open_after(SECOND * seconds, &clock, answer);
            let room = || client(&url, &clock).build().expect("a client").room(ROOM);
            let attempts = match name {
                "post" => clock.drive(room().post("x")).await.map(|answer| answer.attempts()),
                "read" => clock.drive(room().members()).await.map(|answer| answer.attempts()),
                "upload" => clock
                    .drive(room().upload(Upload::bytes("a", "abc")))
                    .await
                    .map(|answer| answer.attempts()),
                "stream" => {
                    let content =
                        futures::stream::iter([Ok::<_, io::Error>(bytes::Bytes::from_static(b"abc"))]);
                    let upload = room().upload(Upload::stream("a", 3, content));
                    clock.drive(upload).await.map(|answer| answer.attempts())
                }
                "tascha" => {
                    let client = untimed(kaiwa::tascha::Client::builder().api_key("key"), &url, &clock);
                    let post = client.build().expect("a client").room("r").post("x");
                    clock.drive(post).await.map(|answer| answer.attempts())
                }
                _ => {
                    let client = untimed(kaiwa::lancers::Client::builder().cookie("a=b"), &url, &clock);
                    let post = client.build().expect("a client").board(kaiwa::lancers::BoardId(1)).post("x");
                    clock.drive(post).await.map(|answer| answer.attempts())
                }
            };
            let attempts = attempts.unwrap_or_else(|error| panic!("{name}, {seconds} s: {error}"));
            assert_eq!(attempts, 1, "{name}: only what may have left is an attempt");
            assert!(clock.elapsed() >= SECOND * seconds, "{name}");
            assert_eq!(server.await.expect("it opens").seen().len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn a_service_that_stays_away_is_given_up_and_the_error_says_how_long_it_was_tried() {
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let room = client(&port.url(), &clock).build().expect("a client").room(ROOM);
    let error = clock.drive(room.post("x")).await.expect_err("nothing is there");
    assert_eq!(
        (error.outcome(), error.is_connect(), error.attempts()),
        (Outcome::NotSent, true, 0),
        "{error}"
    );
    assert!(error.to_string().contains(" connections tried in "), "{error}");
    let took = clock.elapsed();
    assert!((SECOND * 40..=SECOND * 61).contains(&took), "{took:?}: a minute by default");
}

#[tokio::test]
async fn a_policy_of_one_attempt_connects_once() {
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let room = client(&port.url(), &clock).build().expect("a client").room(ROOM);
    let error =
        clock.drive(room.post("x").with_retry(RetryPolicy::none())).await.expect_err("nothing is there");
    assert_eq!((error.outcome(), clock.elapsed()), (Outcome::NotSent, Duration::ZERO), "{error}");
    assert!(!error.to_string().contains("connections tried"), "{error}");
}

#[tokio::test]
async fn connections_draw_nothing_from_the_budget_of_retries() {
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let url = port.url();
    let _server = port.open_after(SECOND * 30, &clock, SENT);
    let budget = RetryBudget::new(1).refill(0.0, 0.0);
    let client = client(&url, &clock).retry_budget(budget.clone()).build().expect("a client");
    clock.drive(client.room(ROOM).post("x")).await.expect("it gets through");

    let server = Server::play([Step::status(502)]).await;
    let builder = chatwork::Client::builder().api_token("token").retry_budget(budget);
    let client = untimed(builder, &server.url, &clock).build().expect("a client");
    assert_eq!(
        clock.drive(client.rooms()).await.expect_err("always 502").attempts(),
        2,
        "one retry was left"
    );
}

/// A service that answers once, and is gone then for a while.
#[tokio::test]
async fn what_an_earlier_attempt_may_have_done_stays_open() {
    for back in [true, false] {
        let clock = VirtualClock::new();
        // One that can be bound again while a connection of the past is left.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let url = format!("http://{address}");
        let first = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            drop(listener);
            let mut request = [0; 4096];
            tokio::io::AsyncReadExt::read(&mut stream, &mut request).await.expect("a request");
            let answer = b"HTTP/1.1 502 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.expect("it listens");
        });
        let again = tokio::spawn({
            let clock = clock.clone();
            async move {
                while !back || clock.elapsed() < SECOND * 20 {
                    tokio::task::yield_now().await;
                }
                let listener = TcpListener::bind(address).await.expect("it is free again");
                Server::serve(listener, |_| Step::ok(SENT))
            }
        });
        let room = client(&url, &clock).build().expect("a client").room(ROOM);
        let result = clock.drive(room.message("1").update("x")).await;
        first.await.expect("no panic");
        if back {
            let updated = result.expect("it is back");
            assert_eq!((updated.attempts(), again.await.expect("no panic").seen().len()), (2, 1));
        } else {
            let error = result.expect_err("it is gone");
            assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 1), "{error}");
            again.abort();
        }
    }
}

#[tokio::test]
async fn a_handshake_that_breaks_off_is_tried_again_in_every_way() {
    for broken in [
        Handshake::Reset,
        Handshake::ResetAfterHello,
        Handshake::Close,
        Handshake::CloseAfterHello,
        Handshake::Silence,
    ] {
        let handshakes = std::iter::repeat_n(broken, 6).chain([Handshake::Complete]);
        let server = tls::Server::play(handshakes, SENT).await;
        let attempts = post(&server.url, tls::trusting(CERTIFICATE), RetryPolicy::new()).await;
        let attempts = attempts.unwrap_or_else(|error| panic!("{broken:?}: {error}"));
        assert_eq!((attempts, server.accepted()), (1, 7), "{broken:?}");

        let server = tls::Server::play([broken], SENT).await;
        let error =
            post(&server.url, tls::trusting(CERTIFICATE), RetryPolicy::none()).await.expect_err("once");
        assert_eq!((error.outcome(), server.accepted()), (Outcome::NotSent, 1), "{broken:?}: {error}");
        assert!(error.is_connect(), "{broken:?}: {error}");
    }
}

#[tokio::test]
async fn what_does_not_pass_by_itself_fails_at_once() {
    let whole = [Handshake::Complete];
    let elsewhere = |server: &tls::Server| {
        let http = tls::trusting(CERTIFICATE).resolve("other.example", server.address);
        (http, format!("https://other.example:{}", server.address.port()))
    };
    for case in ["unknown issuer", "another name", "expired", "version", "failure", "no TLS"] {
        let server = match case {
            "expired" => tls::Server::with_certificate(EXPIRED, whole, SENT).await,
            "version" => tls::Server::play([Handshake::Alert(PROTOCOL_VERSION)], SENT).await,
            "failure" => tls::Server::play([Handshake::Alert(HANDSHAKE_FAILURE)], SENT).await,
            "no TLS" => tls::Server::play([Handshake::Plain], SENT).await,
            _ => tls::Server::play(whole, SENT).await,
        };
        let (http, url) = match case {
            "unknown issuer" => (reqwest::Client::builder().no_proxy(), server.url.clone()),
            "another name" => elsewhere(&server),
            "expired" => (tls::trusting(EXPIRED), server.url.clone()),
            _ => (tls::trusting(CERTIFICATE), server.url.clone()),
        };
        let error = post(&url, http, RetryPolicy::new()).await.expect_err("it cannot connect");
        assert_eq!((error.outcome(), error.is_connect()), (Outcome::NotSent, true), "{case}: {error}");
        assert_eq!((server.accepted(), error.attempts()), (1, 0), "{case}: {error}");
        assert!(!error.to_string().contains("connections tried"), "{case}: {error}");
    }
}

/// A proxy that answers each CONNECT with the next of these, and the last one from then on.
async fn proxy(answers: &[&str]) -> (Server, reqwest::ClientBuilder) {
    let steps: Vec<Step> = answers.iter().map(|answer| Step::Raw((*answer).to_owned())).collect();
    let server = Server::play(steps).await;
    let http = reqwest::Client::builder().proxy(reqwest::Proxy::all(&server.url).expect("a URL"));
    (server, http)
}

#[tokio::test]
async fn a_refusal_by_the_proxy_is_final() {
    for answer in [
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "<html>no</html>\r\n\r\n",
    ] {
        let (server, http) = proxy(&[answer]).await;
        let error =
            post("https://service.example", http, RetryPolicy::new()).await.expect_err("it is refused");
        assert_eq!((error.outcome(), error.is_connect()), (Outcome::NotSent, true), "{answer:?}: {error}");
        assert_eq!((server.seen().len(), error.attempts()), (1, 0), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_away_is_waited_for() {
    // Its port is shut at first; then it hangs up; then it refuses, so that the test ends.
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let proxy = reqwest::Proxy::all(port.url()).expect("a URL");
    let server = tokio::spawn({
        let clock = clock.clone();
        async move {
            while clock.elapsed() < SECOND * 15 {
                tokio::task::yield_now().await;
            }
            let mut answers = ["", "", "HTTP/1.1 403 Forbidden\r\n\r\n"].into_iter();
            let respond = move |_: &_| Step::Raw(answers.next().expect("the third one ends it").to_owned());
            Server::serve(port.socket.listen(64).expect("it is bound"), respond)
        }
    });
    let builder =
        client("https://service.example", &clock).http_client(reqwest::Client::builder().proxy(proxy));
    let room = builder.build().expect("a client").room(ROOM);
    let error = clock.drive(room.post("x")).await.expect_err("it refuses in the end");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
    assert_eq!(server.await.expect("it opens").seen().len(), 3, "{error}");
}

/// Looks names up so many times in vain, then on loopback.
struct Names {
    failures: usize,
    problem: &'static str,
    asked: Arc<AtomicUsize>,
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let found = if asked < self.failures {
            Err(io::Error::other(self.problem).into())
        } else {
            Ok(Box::new(["127.0.0.1:0".parse().expect("an address")].into_iter()) as Addrs)
        };
        Box::pin(async move { found })
    }
}

async fn post_by_name(
    server: &tls::Server,
    failures: usize,
    problem: &'static str,
) -> (Result<u32, Error>, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let names = Names { failures, problem, asked: Arc::clone(&asked) };
    let url = format!("https://service.example:{}", server.address.port());
    let result =
        post(&url, tls::trusting(CERTIFICATE).dns_resolver(Arc::new(names)), RetryPolicy::new()).await;
    (result, asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_looked_up_once_more() {
    for problem in [
        "failed to lookup address information: Name or service not known",
        "failed to lookup address information: nodename nor servname provided, or not known",
        "No such host is known. (os error 11001)",
    ] {
        let server = tls::Server::play([Handshake::Complete], SENT).await;
        let (result, asked) = post_by_name(&server, usize::MAX, problem).await;
        let error = result.expect_err("there is no such name");
        assert_eq!((error.outcome(), error.attempts(), asked), (Outcome::NotSent, 0, 2), "{error}");
        let (result, asked) = post_by_name(&server, 1, problem).await;
        assert_eq!((result.expect("it is there the second time"), asked, server.accepted()), (1, 2, 1));
    }
}

#[tokio::test]
async fn a_look_up_that_fails_for_now_is_waited_for() {
    for problem in [
        "failed to lookup address information: Temporary failure in name resolution",
        "failed to lookup address information: Try again",
    ] {
        let server = tls::Server::play([Handshake::Complete], SENT).await;
        let (result, asked) = post_by_name(&server, 7, problem).await;
        let attempts = result.unwrap_or_else(|error| panic!("{problem}: {error}"));
        assert_eq!((attempts, asked, server.accepted()), (1, 8, 1), "{problem}");
    }
}

/// TLS is what tells a connection that did not come up from one that failed: a plain one that is reset at once may have
/// taken the request with it.
#[tokio::test]
async fn a_plain_connection_that_is_reset_at_once_is_called_what_is_known_of_it() {
    for _ in 0..50 {
        let server = Server::play([Step::ResetAtOnce]).await;
        let clock = VirtualClock::new();
        let room = client(&server.url, &clock).build().expect("a client").room(ROOM);
        let error = clock.drive(room.post("x")).await.expect_err("it is reset");
        assert!(matches!(error.outcome(), Outcome::NotSent | Outcome::Unknown), "{error}");
        assert!(server.seen().is_empty());
        if error.outcome() == Outcome::Unknown {
            assert!(error.to_string().contains("look before sending it again"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_time_for_connecting_is_bounded_by_the_policy() {
    for (seconds, least, most) in [(0, 1, 1), (5, 3, 12), (600, 50, 2000)] {
        let (port, clock) = (Port::shut(), VirtualClock::new());
        let room = client(&port.url(), &clock).build().expect("a client").room(ROOM);
        let policy = RetryPolicy::new().connect_for(SECOND * seconds);
        let error = clock.drive(room.post("x").with_retry(policy)).await.expect_err("nothing is there");
        assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
        assert!((least..=most).contains(&error.connections()), "{seconds} s: {}", error.connections());
        assert!(clock.elapsed() <= SECOND * seconds, "{seconds} s: {:?}", clock.elapsed());
    }
}

#[tokio::test]
async fn the_time_for_connecting_is_its_own_and_not_the_attempts() {
    for attempts in [1, 2] {
        let (port, clock) = (Port::shut(), VirtualClock::new());
        let url = port.url();
        let server = port.open_after(SECOND * 25, &clock, SENT);
        let room = client(&url, &clock).build().expect("a client").room(ROOM);
        let policy = RetryPolicy::new().attempts(attempts);
        let sent = clock.drive(room.post("x").with_retry(policy)).await.expect("it gets through");
        assert_eq!((sent.attempts(), server.await.expect("it opens").seen().len()), (1, 1));
    }
    // One attempt, but a minute for the connection.
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let url = port.url();
    let _server = port.open_after(SECOND * 25, &clock, SENT);
    let room = client(&url, &clock).build().expect("a client").room(ROOM);
    let policy = RetryPolicy::none().connect_for(SECOND * 60);
    clock.drive(room.post("x").with_retry(policy)).await.expect("it gets through");
}

#[tokio::test]
async fn the_calls_deadline_bounds_the_tries_to_connect() {
    let (port, clock) = (Port::shut(), crate::clock::FastClock::new());
    let builder = chatwork::Client::builder().api_token("token").base_url(port.url()).clock(clock);
    let room = builder.timeout(SECOND * 20).build().expect("a client").room(ROOM);
    let error = room.post("x").await.expect_err("nothing is there");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
    assert!(error.connections() > 1, "{error}");
    assert!(error.to_string().contains(" connections tried in "), "{error}");
}

#[tokio::test]
async fn connections_that_failed_are_counted_and_told_apart() {
    let server = tls::Server::play([Handshake::Reset], SENT).await;
    let policy = RetryPolicy::new().connect_for(SECOND * 20);
    let error = post(&server.url, tls::trusting(CERTIFICATE), policy).await.expect_err("it is reset");
    assert_eq!((error.connections() as usize, error.attempts()), (server.accepted(), 0), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("{} connections tried in ", error.connections())), "{text}");
    assert!(!text.contains("attempts"), "{text}");
}
