//! What a client's function for events gets.

use crate::server::{Server, Step, clients};
use futures::future::{BoxFuture, FutureExt, join_all};
use kaiwa::chatwork::{Builder, RoomId};
use kaiwa::{BearerToken, CallEvent, CallEventKind, Error, Method, Outcome, TokenSource, VirtualClock};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SENT: &str = r#"{"message_id":"1"}"#;

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<CallEvent>>>);

impl Events {
    fn of(&self, builder: Builder) -> kaiwa::chatwork::Client {
        let events = self.clone();
        let push = move |event: &CallEvent| events.0.lock().expect("not poisoned").push(event.clone());
        builder.on_event(push).build().expect("a client")
    }

    fn take(&self) -> Vec<CallEvent> {
        std::mem::take(&mut *self.0.lock().expect("not poisoned"))
    }

    /// Each event in short, with the number of its call.
    fn lines(&self) -> Vec<String> {
        self.take().iter().map(line).collect()
    }
}

fn line(event: &CallEvent) -> String {
    let call = event.call;
    match &event.kind {
        CallEventKind::Waited { budget, time, .. } => format!("{call}: {budget} {time:?}"),
        CallEventKind::Attempt { number, status, error, .. } => {
            format!("{call}: attempt {number} {status:?} {error:?}")
        }
        CallEventKind::Retry { wait, error, .. } => format!("{call}: retry {error} {}", wait.is_zero()),
        CallEventKind::Succeeded { attempts, .. } => format!("{call}: succeeded {attempts}"),
        CallEventKind::Failed { outcome, error, status, attempts, .. } => {
            format!("{call}: failed {outcome:?} {error} {status:?} {attempts}")
        }
        CallEventKind::Dropped { outcome, attempts, .. } => {
            format!("{call}: dropped {outcome:?} {attempts}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn attempts_retries_and_the_end_are_reported_with_their_times() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let busy = Step::status(429).header("retry-after", 7);
    let server = Server::play([busy, Step::ok(SENT), Step::status(403)]).await;
    let client = events.of(clients::chatwork(&server, &clock));
    clock.drive(client.room(RoomId(1)).post("x")).await.expect("the second attempt");
    let got = events.take();
    let first = &got[0];
    assert_eq!((first.service, first.operation.id), ("Chatwork", "post_message"));
    let time = |kind: &CallEventKind| match kind {
        CallEventKind::Retry { wait: time, .. } | CallEventKind::Succeeded { time, .. } => *time,
        other => panic!("{other:?}"),
    };
    assert!(time(&got[1].kind) >= Duration::from_secs(7));
    assert_eq!(time(&got[3].kind), clock.elapsed(), "with all waits");
    assert_eq!(
        got.iter().map(line).collect::<Vec<_>>(),
        [
            "1: attempt 1 Some(429) Some(\"status\")",
            "1: retry status false",
            "1: attempt 2 Some(200) None",
            "1: succeeded 2",
        ]
    );
    clock.drive(client.room(RoomId(1)).post("x")).await.expect_err("403");
    assert_eq!(
        events.lines(),
        ["2: attempt 1 Some(403) Some(\"status\")", "2: failed Rejected status Some(403) 1"]
    );
}

#[tokio::test]
async fn a_call_that_is_not_sent_has_no_attempt() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let server = Server::play([Step::ok(SENT)]).await;
    let client = events.of(clients::chatwork(&server, &clock));
    client.room(RoomId(1)).post("").await.expect_err("an empty message");
    assert_eq!(events.lines(), [""; 0], "there was no call");
    let room = client.room(RoomId(1));
    join_all((0..10).map(|_| room.post("x").into_future())).await;
    events.take();
    room.post("x").with_timeout(Duration::from_secs(1)).await.expect_err("ten were posted");
    assert_eq!(events.lines(), ["11: failed NotSent wait_too_long None 0"]);
}

#[tokio::test]
async fn a_connection_that_fails_is_an_attempt_that_does_not_count() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let server = Server::play([Step::ok(SENT)]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nowhere = format!("http://{}", closed.expect("loopback can be bound"));
    let client = events.of(clients::chatwork(&server, &clock).base_url(nowhere));
    clock.drive(client.room(RoomId(1)).post("x")).await.expect_err("nothing listens");
    let got = events.lines();
    let (last, before) = got.split_last().expect("some events");
    assert_eq!(last, "1: failed NotSent connect None 0");
    assert!(before.len() > 4, "{before:?}");
    let (attempt, retry) = ("1: attempt 1 None Some(\"connect\")", "1: retry connect false");
    assert!(before.chunks(2).all(|pair| pair[0] == attempt && pair.get(1).is_none_or(|next| next == retry)));
}

#[tokio::test]
async fn a_wait_for_a_budget_is_reported_once_and_as_long_as_it_was() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let server = Server::play([Step::ok(SENT)]).await;
    let client = events.of(clients::chatwork(&server, &clock));
    let room = client.room(RoomId(1));
    join_all((0..10).map(|_| room.post("x").into_future())).await;
    events.take();
    let eleventh = tokio::spawn(room.post("x").into_future());
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(10));
    eleventh.await.expect("no panic").expect("its time has come");
    assert_eq!(events.lines(), ["11: room 10s", "11: attempt 1 Some(200) None", "11: succeeded 1"]);
}

#[tokio::test]
async fn a_dropped_call_is_reported_with_what_is_known_of_it() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let server = Server::play([Step::status(429).header("retry-after", 5), Step::Stall]).await;
    let client = events.of(clients::chatwork(&server, &clock));
    let room = client.room(RoomId(1));
    drop(room.post("x").into_future());
    assert_eq!(events.lines(), [""; 0], "it was not begun");

    let mut waiting = room.post("x").into_future();
    while clock.sleepers() == 0 {
        assert!(waiting.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(waiting);
    assert_eq!(
        events.lines(),
        ["1: attempt 1 Some(429) Some(\"status\")", "1: retry status false", "1: dropped Rejected 1"]
    );

    let mut flying = room.post("x").into_future();
    while server.seen().len() < 2 {
        assert!(flying.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(1));
    }
    drop(flying);
    assert_eq!(events.lines().last().map(String::as_str), Some("2: dropped Unknown 0"));
}

/// The call has posted a message, and has to say so.
#[tokio::test]
async fn a_function_that_panics_does_not_end_the_call() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::ok(SENT)]).await;
    let builder = clients::chatwork(&server, &clock).on_event(|_| panic!("by the function"));
    let client = builder.build().expect("a client");
    let sent = client.room(RoomId(1)).post("x").await.expect("a response");
    assert_eq!(sent.message_id.as_str(), "1");
    let mut dropped = client.room(RoomId(1)).post("x").into_future();
    assert!(dropped.as_mut().now_or_never().is_none());
    drop(dropped);
}

#[derive(Debug)]
struct Renewing;

impl TokenSource for Renewing {
    fn token(&self) -> BoxFuture<'_, Result<BearerToken, Error>> {
        async { BearerToken::new(&"old".to_owned().into()) }.boxed()
    }

    fn renew<'a>(&'a self, _: &'a BearerToken) -> BoxFuture<'a, Result<BearerToken, Error>> {
        async { BearerToken::new(&"new".to_owned().into()) }.boxed()
    }
}

#[tokio::test]
async fn a_request_with_a_renewed_token_is_a_retry_without_a_wait() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let server = Server::play([Step::status(401), Step::ok(SENT)]).await;
    let client = events.of(clients::chatwork(&server, &clock).token_source(Renewing));
    clock.drive(client.room(RoomId(1)).post("x")).await.expect("the second attempt");
    assert_eq!(
        events.lines(),
        [
            "1: attempt 1 Some(401) Some(\"status\")",
            "1: retry status true",
            "1: attempt 2 Some(200) None",
            "1: succeeded 2",
        ]
    );
}

/// The polls of a call are its awaits: whichever is its last, its events end once, and say what was known then.
#[tokio::test]
async fn a_call_that_is_dropped_at_any_await_ends_once() {
    for polls in 1.. {
        let (clock, events) = (VirtualClock::new(), Events::default());
        let busy = Step::status(429).header("retry-after", 1);
        let server = Server::play([busy, Step::status(401), Step::ok(SENT)]).await;
        let client = events.of(clients::chatwork(&server, &clock).token_source(Renewing));
        let mut call = client.room(RoomId(1)).post("x").into_future();
        let mut is_done = false;
        for _ in 0..polls {
            is_done = is_done || call.as_mut().now_or_never().is_some();
            if is_done {
                break;
            }
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(100));
        }
        drop(call);
        let got = events.take();
        let (last, before) = got.split_last().expect("it was begun");
        let attempts =
            before.iter().filter(|event| matches!(event.kind, CallEventKind::Attempt { .. })).count();
        let retries = before.iter().filter(|event| matches!(event.kind, CallEventKind::Retry { .. })).count();
        assert_eq!(attempts + retries, before.len(), "{got:?}");
        match last.kind {
            CallEventKind::Succeeded { attempts: counted, .. } => {
                assert_eq!((counted, attempts, retries), (3, 3, 2), "{got:?}");
                assert!(is_done);
                return;
            }
            CallEventKind::Dropped { attempts: counted, outcome, .. } => {
                assert_eq!(counted as usize, attempts, "{got:?}");
                let known =
                    [Outcome::Unknown, if attempts == 0 { Outcome::NotSent } else { Outcome::Rejected }];
                assert!(known.contains(&outcome), "{got:?}");
                // The request has reached the server, so it may have been done.
                assert!(server.seen().len() <= attempts || outcome == Outcome::Unknown, "{got:?}");
            }
            _ => panic!("{got:?}"),
        }
    }
}

#[tokio::test]
async fn clones_count_together_and_events_hold_nothing_of_a_request() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let page = Step::status(500).body("canary-page").header("x-request-id", "canary-id");
    let server = Server::play([Step::ok(SENT), page]).await;
    let client = events.of(clients::chatwork(&server, &clock).header("x-a", "canary-header"));
    client.clone().room(RoomId(77_777)).post("canary-text").await.expect("posted");
    let raw = client.request(Method::POST, "/canary/77777").json_body(&serde_json::json!("canary"));
    raw.with_header("x-b", "canary-value").await.expect_err("500");
    let got = events.take();
    assert_eq!(got.iter().map(|event| event.call).collect::<Vec<_>>(), [1, 1, 2, 2]);
    assert!(matches!(got[3].kind, CallEventKind::Failed { outcome: Outcome::Unknown, .. }));
    let shown = format!("{got:?}");
    assert!(!shown.contains("canary") && !shown.contains("77777") && !shown.contains("77_777"), "{shown}");
}
