//! Connections that fail, temporarily or permanently.

use crate::server::{Server, Step};
use kaiwa::chatwork::{self, RoomId};
use kaiwa::{ClientBuilder, Outcome, Pace, RetryBudget, RetryPolicy, Service, Upload, VirtualClock};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

pub const ROOM: RoomId = RoomId(1);
pub const SENT: &str = r#"{"message_id":"1"}"#;
pub const SECOND: Duration = Duration::from_secs(1);

/// A port that refuses connections until it is opened.
pub struct Port {
    pub socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub fn shut() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback can be bound");
        let address = socket.local_addr().expect("it is bound");
        Self { socket, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens the port after this time, and answers everything with this JSON text.
    fn open_after(
        self,
        time: Duration,
        clock: &VirtualClock,
        answer: &'static str,
    ) -> tokio::task::JoinHandle<Server> {
        let clock = clock.clone();
        tokio::spawn(async move {
            // This does not wait on the clock, because that would make it jump ahead.
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

pub fn client(url: &str, clock: &VirtualClock) -> chatwork::Builder {
    untimed(chatwork::Client::builder().api_token("token"), url, clock)
}

#[tokio::test]
async fn a_message_is_sent_once_the_service_is_up_again() {
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
            assert_eq!(attempts, 1, "{name}: only a request that may have been sent is an attempt");
            assert!(clock.elapsed() >= SECOND * seconds, "{name}");
            assert_eq!(server.await.expect("it opens").seen().len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn connecting_to_a_service_that_stays_down_ends_with_an_error_that_has_its_duration() {
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let room = client(&port.url(), &clock).build().expect("a client").room(ROOM);
    let error = clock.drive(room.post("x")).await.expect_err("nothing listens");
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
        clock.drive(room.post("x").with_retry(RetryPolicy::none())).await.expect_err("nothing listens");
    assert_eq!((error.outcome(), clock.elapsed()), (Outcome::NotSent, Duration::ZERO), "{error}");
    assert!(!error.to_string().contains("connections tried"), "{error}");
}

#[tokio::test]
async fn connection_attempts_spend_no_retry_budget() {
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let url = port.url();
    let _server = port.open_after(SECOND * 30, &clock, SENT);
    let budget = RetryBudget::new(1).refill(0.0, 0.0);
    let client = client(&url, &clock).retry_budget(budget.clone()).build().expect("a client");
    clock.drive(client.room(ROOM).post("x")).await.expect("it succeeds");

    let server = Server::play([Step::status(502)]).await;
    let builder = chatwork::Client::builder().api_token("token").retry_budget(budget);
    let client = untimed(builder, &server.url, &clock).build().expect("a client");
    assert_eq!(
        clock.drive(client.rooms()).await.expect_err("always 502").attempts(),
        2,
        "one retry remained"
    );
}

/// A service that answers once, and is then down for a while.
#[tokio::test]
async fn the_unknown_outcome_of_an_earlier_attempt_is_kept() {
    for back in [true, false] {
        let clock = VirtualClock::new();
        // A port that can be bound again while an old connection remains.
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
                let listener = TcpListener::bind(address).await.expect("the port is free again");
                Server::serve(listener, |_| Step::ok(SENT))
            }
        });
        let room = client(&url, &clock).build().expect("a client").room(ROOM);
        let result = clock.drive(room.message("1").update("x")).await;
        first.await.expect("no panic");
        if back {
            let updated = result.expect("the service is up again");
            assert_eq!((updated.attempts(), again.await.expect("no panic").seen().len()), (2, 1));
        } else {
            let error = result.expect_err("the service is down");
            assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 1), "{error}");
            again.abort();
        }
    }
}

/// Only TLS distinguishes a connection that was not established from one that failed later: on a plain connection that
/// is reset at once, the request may have arrived.
#[tokio::test]
async fn a_plain_connection_that_is_reset_at_once_has_an_unknown_outcome() {
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
        let error = clock.drive(room.post("x").with_retry(policy)).await.expect_err("nothing listens");
        assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
        assert!((least..=most).contains(&error.connections()), "{seconds} s: {}", error.connections());
        assert!(clock.elapsed() <= SECOND * seconds, "{seconds} s: {:?}", clock.elapsed());
    }
}

#[tokio::test]
async fn the_time_for_connecting_is_independent_of_the_attempts() {
    for attempts in [1, 2] {
        let (port, clock) = (Port::shut(), VirtualClock::new());
        let url = port.url();
        let server = port.open_after(SECOND * 25, &clock, SENT);
        let room = client(&url, &clock).build().expect("a client").room(ROOM);
        let policy = RetryPolicy::new().attempts(attempts);
        let sent = clock.drive(room.post("x").with_retry(policy)).await.expect("it succeeds");
        assert_eq!((sent.attempts(), server.await.expect("it opens").seen().len()), (1, 1));
    }
    // One attempt, but a minute for connecting.
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let url = port.url();
    let _server = port.open_after(SECOND * 25, &clock, SENT);
    let room = client(&url, &clock).build().expect("a client").room(ROOM);
    let policy = RetryPolicy::none().connect_for(SECOND * 60);
    clock.drive(room.post("x").with_retry(policy)).await.expect("it succeeds");
}

#[tokio::test]
async fn the_calls_deadline_bounds_the_connection_attempts() {
    let (port, clock) = (Port::shut(), crate::clock::FastClock::new());
    let builder = chatwork::Client::builder().api_token("token").base_url(port.url()).clock(clock);
    let room = builder.timeout(SECOND * 20).build().expect("a client").room(ROOM);
    let error = room.post("x").await.expect_err("nothing listens");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
    assert!(error.connections() > 1, "{error}");
    assert!(error.to_string().contains(" connections tried in "), "{error}");
}
