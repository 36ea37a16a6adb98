//! HTTP/2: requests that a server refuses before processing them, and requests whose outcome is unknown.

use crate::clock::FastClock;
use crate::effects::{Effects, posted, text};
use crate::h2::{
    self, Act, CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, Request, Server,
};
use futures::StreamExt;
use kaiwa::chatwork::{self, RoomId};
use kaiwa::{ClientBuilder, Error, Outcome, Pace, RetryPolicy, Service, Upload, VirtualClock};
use std::collections::VecDeque;
use std::time::Duration;

const ROOM: RoomId = RoomId(1);

fn untimed<S: Service>(builder: ClientBuilder<S>, server: &Server, clock: &VirtualClock) -> ClientBuilder<S> {
    let builder = builder.base_url(&server.url).clock(clock.clone()).http_client(h2::client());
    builder.timeout(None).attempt_timeout(None).pace(Pace::off())
}

fn client(server: &Server, clock: &VirtualClock) -> chatwork::Builder {
    untimed(chatwork::Client::builder().api_token("token"), server, clock)
}

/// The server's reaction to a request.
type Acts = fn(&Request) -> Vec<Act>;

/// The ways to report that a request was not processed.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Reset,
    GoAway(u32),
    GoAwayThenClose(u32),
}

const REFUSALS: [Refusal; 6] = [
    Refusal::Reset,
    Refusal::GoAway(NO_ERROR),
    Refusal::GoAway(INTERNAL_ERROR),
    Refusal::GoAway(ENHANCE_YOUR_CALM),
    Refusal::GoAwayThenClose(NO_ERROR),
    Refusal::GoAwayThenClose(REFUSED_STREAM),
];

impl Refusal {
    fn acts(self, request: &Request) -> Vec<Act> {
        match self {
            Self::Reset => vec![Act::Reset(REFUSED_STREAM)],
            Self::GoAway(code) => vec![Act::GoAway(request.before(), code)],
            Self::GoAwayThenClose(code) => vec![Act::GoAway(request.before(), code), Act::Close],
        }
    }
}

/// Refuses every request.
async fn refusing(refusal: Refusal) -> Server {
    Server::respond(move |request| refusal.acts(request)).await
}

/// One call of each class of safety, and uploads.
const CALLS: [&str; 7] = ["read", "update", "keyed", "post", "upload", "stream", "reply with file"];

async fn call(name: &str, server: &Server, retry: RetryPolicy) -> Result<(), Error> {
    let clock = VirtualClock::new();
    let room = || client(server, &clock).retry(retry.clone()).build().expect("a client").room(ROOM);
    let file = || Upload::bytes("a.txt", text(1));
    match name {
        "read" => clock.drive(room().members()).await.map(drop),
        "update" => clock.drive(room().message("1").update(text(1))).await.map(drop),
        "keyed" => {
            let tascha = untimed(kaiwa::tascha::Client::builder().api_key("key"), server, &clock);
            let client = tascha.retry(retry).build().expect("a client");
            clock.drive(client.room("r").post(text(1))).await.map(drop)
        }
        "post" => clock.drive(room().post(text(1))).await.map(drop),
        "upload" => clock.drive(room().upload(file())).await.map(drop),
        "stream" => {
            let content = futures::stream::iter([Ok::<_, std::io::Error>(text(1).into_bytes().into())]);
            clock.drive(room().upload(Upload::stream("a.txt", text(1).len() as u64, content))).await.map(drop)
        }
        _ => {
            let lancers = untimed(kaiwa::lancers::Client::builder().cookie("a=b"), server, &clock);
            let client = lancers.retry(retry).build().expect("a client");
            clock.drive(client.board(kaiwa::lancers::BoardId(1)).post("x").file(file())).await.map(drop)
        }
    }
}

fn answer_of(name: &str) -> &'static str {
    match name {
        "read" => "[]",
        "keyed" => r#"{"id":"m1","roomId":"r","body":"x"}"#,
        "upload" | "stream" => r#"{"file_id":1}"#,
        "reply with file" => r#"{"id":1,"board_id":1}"#,
        _ => r#"{"message_id":"1"}"#,
    }
}

#[tokio::test]
async fn a_refused_stream_counts_as_not_sent_and_is_sent_once() {
    for refusal in REFUSALS {
        for name in CALLS {
            let server = refusing(refusal).await;
            let error = call(name, &server, RetryPolicy::none()).await.expect_err("it is refused");
            let case = format!("{refusal:?} {name}: {error}");
            assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 1), "{case}");
            assert_eq!(server.seen().len(), 1, "{case}");
        }
    }
}

#[tokio::test]
async fn refused_streams_are_repeated_and_each_attempt_is_counted() {
    for refusal in REFUSALS {
        // A stream that was read cannot be sent again.
        for name in CALLS.into_iter().filter(|name| *name != "stream") {
            let server = refusing(refusal).await;
            let error = call(name, &server, RetryPolicy::new().attempts(5)).await.expect_err("it is refused");
            let case = format!("{refusal:?} {name}: {error}");
            assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 5), "{case}");
            assert_eq!(server.seen().len(), 5, "{case}");

            let mut left = VecDeque::from([refusal, refusal]);
            let answer = answer_of(name).to_owned();
            let server = Server::respond(move |request| match left.pop_front() {
                Some(refusal) => refusal.acts(request),
                None => vec![Act::Answer(200, answer.clone())],
            })
            .await;
            call(name, &server, RetryPolicy::new()).await.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(server.seen().len(), 3, "{case}");
        }
    }
}

#[tokio::test]
async fn an_upload_refused_before_its_body_is_sent_again_completely() {
    let content = "x".repeat(300_000);
    for refusal in [Refusal::Reset, Refusal::GoAway(NO_ERROR)] {
        let server = Server::respond_early(move |request| refusal.acts(request)).await;
        let clock = VirtualClock::new();
        let room = client(&server, &clock).retry(RetryPolicy::none()).build().expect("a client").room(ROOM);
        let upload = room.upload(Upload::bytes("a.txt", content.clone()));
        let error = clock.drive(upload).await.expect_err("it is refused");
        assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 1), "{refusal:?}: {error}");
        assert_eq!(server.seen().len(), 1, "{refusal:?}");
    }
}

#[tokio::test]
async fn other_stream_errors_leave_the_outcome_unknown() {
    let ends: [(&str, Acts); 8] = [
        ("reset: cancel", |_| vec![Act::Reset(CANCEL)]),
        ("reset: internal error", |_| vec![Act::Reset(INTERNAL_ERROR)]),
        ("reset: no error", |_| vec![Act::Reset(NO_ERROR)]),
        ("reset: calm", |_| vec![Act::Reset(ENHANCE_YOUR_CALM)]),
        ("closed", |_| vec![Act::Close]),
        ("went away with it", |request| vec![Act::GoAway(request.stream, NO_ERROR), Act::Close]),
        ("went away with it, wrong", |request| vec![Act::GoAway(request.stream, INTERNAL_ERROR), Act::Close]),
        ("went away with all", |_| vec![Act::GoAway(0x7fff_ffff, NO_ERROR), Act::Close]),
    ];
    for (end, acts) in ends {
        for name in CALLS {
            let server = Server::respond(acts).await;
            let error = call(name, &server, RetryPolicy::new()).await.expect_err("no answer came");
            let harmless = matches!(name, "read" | "update" | "keyed");
            let case = format!("{end} {name}: {error}");
            assert_eq!(error.outcome(), Outcome::Unknown, "{case}");
            assert_eq!(server.seen().len(), if harmless { 4 } else { 1 }, "{case}");
            assert_eq!(error.attempts() as usize, server.seen().len(), "{case}");
        }
    }
}

/// A later refusal does not change the outcome of an earlier attempt.
#[tokio::test]
async fn a_refusal_does_not_change_the_unknown_outcome_of_an_earlier_attempt() {
    for refusal in REFUSALS {
        let mut first = true;
        let server = Server::respond(move |request| {
            if std::mem::take(&mut first) { vec![Act::Reset(CANCEL)] } else { refusal.acts(request) }
        })
        .await;
        let error = call("update", &server, RetryPolicy::new()).await.expect_err("it is refused");
        assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 4), "{refusal:?}: {error}");
    }
}

#[tokio::test]
async fn a_stream_reset_after_its_answer_is_a_success() {
    let server = Server::respond(|_| vec![Act::Answer(200, posted("7")), Act::Reset(REFUSED_STREAM)]).await;
    let clock = VirtualClock::new();
    let room = client(&server, &clock).build().expect("a client").room(ROOM);
    let sent = clock.drive(room.post(text(1))).await.expect("it was answered");
    assert_eq!((&*sent.message_id.to_string(), server.seen().len()), ("7", 1));
}

/// How a server ends its connection after some requests.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// Answers the last request, and reports it as the last one processed.
    AfterTheLast,
    /// Reports in addition that the next request, which has already arrived, was not processed.
    BeforeTheNext,
    /// Reports it, answers the last request, and closes the connection.
    Closing,
}

const POSTS: usize = 1000;

/// A server that serves this many requests on a connection, then goes away.
async fn leaving(leave: Leave, each: usize, effects: &Effects, body: fn(&str) -> String) -> Server {
    let effects = effects.clone();
    Server::respond(move |request| {
        let apply = || Act::Answer(200, body(&effects.apply(&request.body)));
        match (leave, request.nth + 1) {
            (_, nth) if nth < each => vec![apply()],
            (Leave::AfterTheLast, nth) if nth == each => vec![apply(), Act::GoAway(request.stream, NO_ERROR)],
            (Leave::Closing, nth) if nth == each => {
                vec![Act::GoAway(request.stream, NO_ERROR), apply(), Act::Close]
            }
            // Requests after the reported last one are not processed.
            (Leave::AfterTheLast | Leave::Closing, _) => vec![],
            (Leave::BeforeTheNext, nth) if nth == each => vec![Act::GoAway(request.before(), NO_ERROR)],
            (Leave::BeforeTheNext, _) => vec![],
        }
    })
    .await
}

/// The writes that a server received under the default policy, with some calls at a time.
async fn write_all(leave: Leave, at_once: usize, upload: bool) {
    let effects = Effects::default();
    let body = if upload { |id: &str| format!(r#"{{"file_id":{id}}}"#) } else { |id: &str| posted(id) };
    // If there are several calls at a time, several are refused at once: with few requests on each connection, one call
    // in some thousands would be refused as often as the policy has attempts.
    let each = if at_once == 1 { 7 } else { 50 };
    let server = leaving(leave, each, &effects, body).await;
    let builder = chatwork::Client::builder().api_token("token").base_url(&server.url);
    let room = builder.http_client(h2::client()).pace(Pace::off()).build().expect("a client").room(ROOM);
    let writes = futures::stream::iter((0..POSTS).map(|number| {
        let room = room.clone();
        async move {
            let result = if upload {
                let sent = room.upload(Upload::bytes("a.txt", text(number))).await;
                sent.map(|file| file.file_id.to_string())
            } else {
                room.post(text(number)).await.map(|sent| sent.message_id.to_string())
            };
            (number, result)
        }
    }));
    let results: Vec<_> = writes.buffer_unordered(at_once).collect().await;
    for (number, result) in &results {
        let id = result.as_ref().unwrap_or_else(|error| panic!("{leave:?} {at_once} {number}: {error}"));
        assert_eq!(effects.of(&text(*number)), std::slice::from_ref(id), "{leave:?} {at_once}");
    }
    assert_eq!(effects.total(), POSTS, "{leave:?} {at_once}");
}

#[tokio::test]
async fn goaway_once_per_connection_neither_loses_nor_duplicates_writes() {
    for leave in [Leave::AfterTheLast, Leave::BeforeTheNext, Leave::Closing] {
        write_all(leave, 1, false).await;
    }
}

#[tokio::test]
async fn goaway_under_several_calls_neither_loses_nor_duplicates_writes() {
    write_all(Leave::AfterTheLast, 4, false).await;
    write_all(Leave::BeforeTheNext, 4, false).await;
}

#[tokio::test]
async fn goaway_once_per_connection_loses_no_upload() {
    write_all(Leave::AfterTheLast, 1, true).await;
    write_all(Leave::BeforeTheNext, 1, true).await;
}

/// Retries below ours would not be counted: not in `attempts()`, not by pacing, not against the deadline.
#[tokio::test]
async fn refused_streams_count_for_pacing() {
    let server = refusing(Refusal::Reset).await;
    let clock = VirtualClock::new();
    let window = Duration::from_secs(600);
    let builder = client(&server, &clock).pace(Pace::new().room_limit(5, window));
    let room = builder.retry(RetryPolicy::new().attempts(4)).build().expect("a client").room(ROOM);
    let first = clock.drive(room.post(text(1))).await.expect_err("it is refused");
    assert!(clock.elapsed() < window, "four are allowed");
    let second = clock.drive(room.post(text(2))).await.expect_err("it is refused");
    assert!(clock.elapsed() >= window, "eight are not");
    assert_eq!((first.attempts(), second.attempts(), server.seen().len()), (4, 4, 8));
}

#[tokio::test]
async fn repeating_refused_streams_ends_with_the_deadline() {
    let server = refusing(Refusal::Reset).await;
    let builder =
        chatwork::Client::builder().api_token("token").base_url(&server.url).clock(FastClock::new());
    let builder = builder.http_client(h2::client()).pace(Pace::off()).timeout(Duration::from_secs(30));
    let room = builder.retry(RetryPolicy::new().attempts(1000)).build().expect("a client").room(ROOM);
    let error = room.post(text(1)).await.expect_err("it is refused");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    assert_eq!(error.attempts() as usize, server.seen().len(), "{error}");
    assert!((2..1000).contains(&error.attempts()), "{error}");
}

/// A token endpoint behind HTTP/2: each attempt of a refused refresh is sent once.
mod tokens {
    use super::*;
    use kaiwa::oauth::{OAuth, TokenSet};

    async fn refresh(server: &Server) -> Result<(), Error> {
        let clock = VirtualClock::new();
        let oauth = OAuth::builder("client-id")
            .auth_url(format!("{}/login", server.url))
            .token_url(format!("{}/token", server.url))
            .clock(clock.clone())
            .http_client(h2::client())
            .build()
            .expect("good settings");
        let tokens = TokenSet::new("old").with_refresh_token("refresh-1");
        let authorization = oauth.authorization(tokens).expect("a good token");
        // On a clock that stands still, a timeout would prove nothing.
        authorization.refresh().await
    }

    /// Only the refresh repeats attempts: as often as its error reports, and never if the server may have received it.
    #[tokio::test]
    async fn a_refused_refresh_counts_as_not_sent_and_is_repeated_a_few_times() {
        for refusal in REFUSALS {
            let server = refusing(refusal).await;
            let error = refresh(&server).await.expect_err("it is refused");
            assert_eq!(error.outcome(), Outcome::NotSent, "{refusal:?}: {error}");
            let tries = server.seen();
            assert!(tries.iter().all(|request| request.body.contains("refresh-1")));
            assert!((1..=4).contains(&tries.len()), "{refusal:?}: {} tries: {error}", tries.len());

            let mut first = true;
            let server = Server::respond(move |request| {
                let tokens = r#"{"access_token":"new","expires_in":1800,"refresh_token":"refresh-2"}"#;
                if std::mem::take(&mut first) {
                    refusal.acts(request)
                } else {
                    vec![Act::Answer(200, tokens.to_owned())]
                }
            })
            .await;
            refresh(&server).await.unwrap_or_else(|error| panic!("{refusal:?}: {error}"));
            assert_eq!(server.seen().len(), 2, "{refusal:?}");
        }
    }

    #[tokio::test]
    async fn a_refresh_that_may_have_arrived_is_sent_once() {
        let ends: [Acts; 4] = [
            |_| vec![Act::Reset(CANCEL)],
            |_| vec![Act::Reset(INTERNAL_ERROR)],
            |_| vec![Act::Close],
            |request| vec![Act::GoAway(request.stream, NO_ERROR), Act::Close],
        ];
        for acts in ends {
            let server = Server::respond(acts).await;
            let error = refresh(&server).await.expect_err("no answer came");
            assert_eq!((error.outcome(), server.seen().len()), (Outcome::Unknown, 1), "{error}");
        }
    }
}
