//! Which requests are sent again, how often, and after which wait.

use crate::server::{Server, Step, clients};
use kaiwa::chatwork::{MessageId, RoomId};
use kaiwa::{Clock, Outcome, RetryBudget, RetryPolicy, VirtualClock};
use std::time::Duration;

const ROOM: RoomId = RoomId(1);
const SENT: &str = r#"{"message_id":"1"}"#;
const MESSAGE: &str = r#"{"id":"m1","roomId":"r","body":"x"}"#;

/// The four classes of safety, each with one call. Returns whether it succeeded, and how often it was sent.
async fn all_classes(failure: Step) -> [(bool, usize); 4] {
    let clock = VirtualClock::new();
    let play = |answer: &'static str| Server::play([failure.clone(), Step::ok(answer)]);
    let (safe, idempotent, keyed, plain) =
        (play("[]").await, play(SENT).await, play(MESSAGE).await, play(SENT).await);
    let room = |server: &Server| clients::chatwork(server, &clock).build().expect("a client").room(ROOM);
    let tascha = clients::tascha(&keyed, &clock).build().expect("a client");
    [
        (clock.drive(room(&safe).members()).await.is_ok(), safe.seen().len()),
        (clock.drive(room(&idempotent).message("1").update("x")).await.is_ok(), idempotent.seen().len()),
        (clock.drive(tascha.room("r").post("x")).await.is_ok(), keyed.seen().len()),
        (clock.drive(room(&plain).post("x")).await.is_ok(), plain.seen().len()),
    ]
}

#[tokio::test]
async fn unknown_outcomes_are_repeated_only_if_harmless() {
    for failure in [
        Step::ReadThenReset,
        Step::CutBody,
        Step::status(500),
        Step::status(502),
        Step::status(503),
        Step::status(504),
    ] {
        let results = all_classes(failure.clone()).await;
        assert_eq!(results, [(true, 2), (true, 2), (true, 2), (false, 1)], "{failure:?}");
    }
}

#[tokio::test]
async fn temporary_refusals_are_repeated_for_every_operation() {
    for failure in [
        Step::status(429),
        Step::status(429).header("retry-after", 3),
        Step::status(503).header("retry-after", 3),
    ] {
        let results = all_classes(failure.clone()).await;
        assert_eq!(results, [(true, 2); 4], "{failure:?}");
    }
}

#[tokio::test]
async fn permanent_refusals_are_not_repeated() {
    for status in [301, 400, 401, 403, 404, 422, 501] {
        let results = all_classes(Step::status(status)).await;
        assert_eq!(results, [(false, 1); 4], "{status}");
    }
}

#[tokio::test]
async fn unsent_requests_are_repeated_for_every_operation() {
    let server = Server::play([Step::ok(SENT)]).await;
    let url = server.url.clone();
    drop(server);
    let clock = VirtualClock::new();
    let client =
        kaiwa::chatwork::Client::builder().api_token("t").base_url(url).clock(clock.clone()).timeout(None);
    let client =
        client.attempt_timeout(None).retry(RetryPolicy::new().attempts(3)).build().expect("a client");
    let error = clock.drive(client.room(ROOM).post("x")).await.expect_err("nothing listens");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0));
    assert!(error.connections() > 3 && clock.elapsed() > Duration::from_secs(40), "{error}");
}

#[tokio::test]
async fn a_read_that_moves_the_servers_cursor_is_not_repeated() {
    let clock = VirtualClock::new();
    for (force, sent) in [(false, 1), (true, 2)] {
        let server = Server::play([Step::status(502), Step::ok("[]")]).await;
        let room = clients::chatwork(&server, &clock).build().expect("a client").room(ROOM);
        let result = clock.drive(room.messages().force(force)).await;
        assert_eq!((result.is_ok(), server.seen().len()), (force, sent));
    }
}

/// How long a call waits before it is sent again after this answer.
async fn wait_after(step: Step) -> Duration {
    let clock = VirtualClock::new();
    let server = Server::play([step, Step::ok(SENT)]).await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    clock.drive(client.room(ROOM).post("x")).await.expect("the second attempt succeeds");
    clock.elapsed()
}

fn about(wait: Duration, seconds: u64) -> bool {
    wait >= Duration::from_secs(seconds) && wait <= Duration::from_millis(seconds * 1000 + 200)
}

#[tokio::test]
async fn the_wait_is_the_one_that_the_service_requests() {
    let clock = VirtualClock::new();
    let now = clock.wall();
    let date = |after: i64| {
        let time = now + jiff::SignedDuration::from_secs(after);
        time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    let seconds = wait_after(Step::status(429).header("retry-after", 7)).await;
    assert!(about(seconds, 7), "{seconds:?}");
    let dated = wait_after(Step::status(503).header("retry-after", date(9))).await;
    assert!(about(dated, 9), "{dated:?}");
    // The service's clock is an hour ahead: its times are compared with its `Date`.
    let skewed = Step::status(429).header("date", date(3600)).header("retry-after", date(3611));
    let skewed = wait_after(skewed).await;
    assert!(about(skewed, 11), "{skewed:?}");
    let window = Step::status(429).header("x-ratelimit-remaining", 0).header("x-ratelimit-limit", 300);
    let epoch =
        window.clone().header("date", date(3600)).header("x-ratelimit-reset", now.as_second() + 3600 + 42);
    let epoch = wait_after(epoch).await;
    assert!(about(epoch, 42), "{epoch:?}");
    let delta =
        wait_after(Step::status(429).header("ratelimit-remaining", 0).header("ratelimit-reset", 13)).await;
    assert!(about(delta, 13), "{delta:?}");
}

#[tokio::test]
async fn the_room_limit_waits_ten_seconds_and_not_for_the_accounts_window() {
    let clock = VirtualClock::new();
    let text = r#"{"errors":["Rate limit for message posting per room exceeded."]}"#;
    let step = Step::status(429)
        .header("x-ratelimit-limit", 300)
        .header("x-ratelimit-remaining", 250)
        .header("x-ratelimit-reset", clock.wall().as_second() + 290)
        .body(text);
    let wait = wait_after(step).await;
    assert!(about(wait, 10), "{wait:?}");
}

#[tokio::test]
async fn a_wait_above_the_ceiling_fails_at_once_with_its_length() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::status(429).header("retry-after", 121)]).await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    let error = clock.drive(client.room(ROOM).post("x")).await.expect_err("it is too long");
    assert_eq!((clock.elapsed(), error.attempts()), (Duration::ZERO, 1));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(121)));
    assert!(error.to_string().contains("121s"), "{error}");
    let patient = RetryPolicy::new().max_wait(Duration::from_secs(600)).attempts(2);
    let error = clock.drive(client.room(ROOM).post("x").with_retry(patient)).await.expect_err("twice");
    assert!(about(clock.elapsed(), 121) || clock.elapsed() > Duration::from_secs(121));
    assert_eq!(error.attempts(), 2);
}

#[tokio::test]
async fn no_wait_exceeds_the_deadline_and_the_last_failure_is_kept() {
    let clock = VirtualClock::new();
    let server =
        Server::play([Step::status(429).header("retry-after", 20).body(r#"{"errors":["later"]}"#)]).await;
    let client =
        clients::chatwork(&server, &clock).timeout(Duration::from_secs(10)).build().expect("a client");
    let error = client.rooms().await.expect_err("there is no time for another attempt");
    assert_eq!((clock.elapsed(), error.attempts()), (Duration::ZERO, 1));
    assert_eq!(error.messages(), ["later"]);
}

#[tokio::test]
async fn attempts_are_bounded_per_client_and_per_call() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::status(502)]).await;
    let client =
        clients::chatwork(&server, &clock).retry(RetryPolicy::new().attempts(3)).build().expect("a client");
    assert_eq!(clock.drive(client.rooms()).await.expect_err("always 502").attempts(), 3);
    let more = client.rooms().with_retry(RetryPolicy::new().attempts(5));
    assert_eq!(clock.drive(more).await.expect_err("always 502").attempts(), 5);
    let none = client.rooms().with_retry(RetryPolicy::none());
    assert_eq!(clock.drive(none).await.expect_err("always 502").attempts(), 1);
}

#[tokio::test]
async fn a_failing_service_gets_few_retries() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::status(502)]).await;
    let budget = RetryBudget::new(5).refill(0.5, 0.0);
    let client = clients::chatwork(&server, &clock).retry_budget(budget).build().expect("a client");
    for _ in 0..20 {
        clock.drive(client.rooms()).await.expect_err("always 502");
    }
    assert_eq!(server.seen().len(), 25, "20 calls and 5 retries");

    let server = Server::play([Step::status(502)]).await;
    let client =
        clients::chatwork(&server, &clock).retry_budget(RetryBudget::off()).build().expect("a client");
    for _ in 0..20 {
        clock.drive(client.rooms()).await.expect_err("always 502");
    }
    assert_eq!(server.seen().len(), 80);
}

#[tokio::test]
async fn bytes_are_sent_again_and_streams_are_not() {
    let clock = VirtualClock::new();
    let answer = r#"{"file_id":1}"#;
    let stream = || futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"abc"))]);
    let server = Server::play([Step::status(429), Step::ok(answer)]).await;
    let room = clients::chatwork(&server, &clock).build().expect("a client").room(ROOM);
    let error = clock.drive(room.upload(kaiwa::Upload::stream("a.txt", 3, stream()))).await.expect_err("429");
    assert_eq!((error.attempts(), error.outcome(), server.seen().len()), (1, Outcome::Rejected, 1));

    let server = Server::play([Step::status(429), Step::ok(answer)]).await;
    let room = clients::chatwork(&server, &clock).build().expect("a client").room(ROOM);
    clock.drive(room.upload(kaiwa::Upload::bytes("a.txt", "abc"))).await.expect("it is sent again");
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.body.contains("abc")));
}

#[tokio::test]
async fn one_key_and_one_request_id_for_all_attempts_of_a_call() {
    let clock = VirtualClock::new();
    let failing = [Step::status(502), Step::ReadThenReset, Step::ok(MESSAGE), Step::ok(MESSAGE)];
    let server = Server::play(failing).await;
    let client = clients::tascha(&server, &clock).build().expect("a client");
    let first = clock.drive(client.room("r").post("x")).await.expect("the third attempt succeeds");
    let second = clock.drive(client.room("r").post("x")).await.expect("at once");
    let seen = server.seen();
    for name in ["idempotency-key", "x-request-id"] {
        let values: Vec<_> = seen.iter().map(|seen| seen.header(name).expect("it is sent")).collect();
        assert!(values[0] == values[1] && values[1] == values[2], "{name}: {values:?}");
        assert_ne!(values[2], values[3], "{name}: another call has a different one");
    }
    assert_eq!(first.idempotency_key(), seen[0].header("idempotency-key"));
    assert_eq!((first.attempts(), second.attempts()), (3, 1));
}

#[tokio::test]
async fn the_callers_key_is_used_and_is_in_the_error() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::status(502)]).await;
    let client = clients::tascha(&server, &clock).build().expect("a client");
    let post = client.room("r").post("x").with_idempotency_key("order-42").with_request_id("req-7");
    let error = clock.drive(post).await.expect_err("always 502");
    assert_eq!((error.idempotency_key(), error.request_id()), (Some("order-42"), Some("req-7")));
    assert!(server.seen().iter().all(|seen| seen.header("idempotency-key") == Some("order-42")));
    assert!(error.to_string().contains("only with the same idempotency key"), "{error}");

    let keys = std::sync::atomic::AtomicU32::new(0);
    let numbered = move || format!("key-{}", keys.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let client = clients::tascha(&server, &clock).idempotency_keys(numbered).build().expect("a client");
    let error = clock.drive(client.room("r").create_task("t")).await.expect_err("always 502");
    assert_eq!(error.idempotency_key(), Some("key-0"));
}

#[tokio::test]
async fn conflicts_are_distinguished_by_their_code() {
    let clock = VirtualClock::new();
    let reused = r#"{"error":{"code":"idempotency_key_reused","message":"m","requestId":"r1"}}"#;
    let stale = r#"{"error":{"code":"version_conflict","message":"m","requestId":"r2"}}"#;
    let working = r#"{"error":{"code":"IdempotencyRequestInProgress","message":"m"}}"#;
    let unknown = r#"{"error":{"message":"m","requestId":"r3"}}"#;
    for (body, conflict) in [
        (reused, Some(kaiwa::Conflict::IdempotencyKey)),
        (stale, Some(kaiwa::Conflict::Version)),
        ("{}", Some(kaiwa::Conflict::Unknown)),
        (working, Some(kaiwa::Conflict::InProgress)),
        (unknown, Some(kaiwa::Conflict::Unknown)),
    ] {
        let known = matches!(conflict, Some(kaiwa::Conflict::IdempotencyKey | kaiwa::Conflict::Version));
        let server = Server::play([Step::status(409).body(body)]).await;
        let client = clients::tascha(&server, &clock).build().expect("a client");
        let call = client.room("r").task("t").update().title("x").version(3);
        let error = clock.drive(call).await.expect_err("409");
        let outcome = if known { Outcome::Rejected } else { Outcome::Unknown };
        assert_eq!((error.conflict(), error.outcome()), (conflict, outcome), "{error}");
        assert_eq!(server.seen().len(), if known { 1 } else { 4 }, "{error}");
        let resend = if known { kaiwa::Resend::No } else { kaiwa::Resend::SameKey };
        assert_eq!(error.resend(), resend, "{error}");
        assert_eq!(error.to_string().contains("again later under the same key"), !known, "{error}");
        let keys: Vec<_> =
            server.seen().iter().map(|seen| seen.header("idempotency-key").map(str::to_owned)).collect();
        assert!(keys.iter().all(|key| key.is_some() && *key == keys[0]), "{keys:?}");
    }
    // Without a key every conflict is a refusal.
    let server = Server::play([Step::status(409).body(unknown)]).await;
    let client = clients::tascha(&server, &clock).build().expect("a client");
    let missing = client.room("r").messages().await.expect_err("409");
    assert_eq!((missing.conflict(), missing.outcome()), (Some(kaiwa::Conflict::Unknown), Outcome::Rejected));
}

/// A job was killed during its post and runs again, while its first request is still in progress.
#[tokio::test]
async fn a_conflict_with_an_own_earlier_request_is_repeated_until_it_ends() {
    let clock = VirtualClock::new();
    let busy = || Step::status(409).body(r#"{"error":{"code":"idempotency_key_in_use","message":"m"}}"#);
    let server = Server::play([busy(), busy(), Step::ok(MESSAGE)]).await;
    let client = clients::tascha(&server, &clock).build().expect("a client");
    let sent =
        clock.drive(client.room("r").post("x").with_idempotency_key("job-1")).await.expect("it is done");
    assert_eq!((sent.attempts(), server.seen().len()), (3, 3));
}

#[tokio::test]
async fn message_ids_are_ordered_as_numbers() {
    let mut ids: Vec<MessageId> = ["10", "9", "1928374655918273645"].map(MessageId::from).into();
    ids.sort();
    assert_eq!(ids, ["9", "10", "1928374655918273645"].map(MessageId::from));
}
