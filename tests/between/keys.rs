//! A conflict under an idempotency key: the first request may still be in progress.

use crate::clock::FastClock;
use crate::server::{Server, Step, clients};
use kaiwa::{Conflict, Error, Outcome, Pace, VirtualClock, tascha};
use std::time::Duration;

const MESSAGE: &str = r#"{"id":"m1","roomId":"r","body":"x"}"#;

fn conflict(code: &str) -> Step {
    Step::status(409).body(&format!(r#"{{"error":{{"code":"{code}","message":"m","requestId":"r1"}}}}"#))
}

/// A conflict without a known code.
fn bare() -> [Step; 5] {
    let html = Step::status(409).header("content-type", "text/html").body("<html>Conflict</html>");
    let no_code = Step::status(409).body(r#"{"error":{"message":"m","requestId":"r1"}}"#);
    [Step::status(409), html, no_code, Step::status(409).body("{}"), Step::status(409).body("Conflict")]
}

/// Codes that do not mean a permanent refusal of this request.
const OPEN: [&str; 10] = [
    "idempotency_in_progress",
    "idempotency_key_in_use",
    "request_in_progress",
    "IdempotencyInProgress",
    "idempotent_request_pending",
    "IDEMPOTENCY-CONFLICT",
    "concurrent_request",
    "conflict",
    "locked",
    "already_processing",
];

const REUSED: [&str; 6] = [
    "idempotency_key_reused",
    "idempotency_mismatch",
    "IdempotencyKeyReuse",
    "idempotency_key_mismatch",
    "IDEMPOTENCY_KEY_REUSED",
    "idempotency-payload-mismatch",
];

const VERSION: [&str; 4] = ["version_conflict", "stale_version", "StaleVersion", "STALE"];

/// The writes of TAS-CHA, each under the key `order-42`.
async fn write(client: &tascha::Client, name: &str) -> Result<(), Error> {
    let room = client.room("r");
    let key = "order-42";
    match name {
        "post" => room.post("x").with_idempotency_key(key).await.map(drop),
        "create task" => room.create_task("x").with_idempotency_key(key).await.map(drop),
        "create record" => room.create_record("x").with_idempotency_key(key).await.map(drop),
        "update task" => {
            room.task("t").update().title("x").version(3).with_idempotency_key(key).await.map(drop)
        }
        _ => room.record("c").update().title("x").with_idempotency_key(key).await.map(drop),
    }
}

const WRITES: [&str; 5] = ["post", "create task", "create record", "update task", "update record"];

async fn failure(name: &str, step: &Step) -> (Error, Server) {
    let server = Server::play([step.clone()]).await;
    let clock = VirtualClock::new();
    let client = clients::tascha(&server, &clock).build().expect("a client");
    let error = clock.drive(write(&client, name)).await.expect_err("always 409");
    (error, server)
}

#[tokio::test]
async fn a_conflict_with_a_request_in_progress_is_unknown_and_repeated_under_the_same_key() {
    for step in OPEN.map(conflict).into_iter().chain(bare()) {
        for name in WRITES {
            let (error, server) = failure(name, &step).await;
            let case = format!("{name} {step:?}: {error}");
            assert_eq!(error.outcome(), Outcome::Unknown, "{case}");
            assert_eq!(error.status().map(|status| status.as_u16()), Some(409), "{case}");
            let seen = server.seen();
            assert!(seen.len() == 4 && error.attempts() == 4, "{case}");
            assert!(seen.iter().all(|seen| seen.header("idempotency-key") == Some("order-42")), "{case}");
            assert!(seen.windows(2).all(|pair| pair[0].body == pair[1].body), "{case}");
            let text = error.to_string();
            assert!(!text.contains("another idempotency key") && !text.contains("not done"), "{case}");
            assert!(text.contains("same") && text.contains("key"), "{case}");
            assert!(
                !matches!(error.conflict(), Some(Conflict::IdempotencyKey | Conflict::Version)),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_of_another_request_and_a_stale_version_are_refusals() {
    for (codes, expected) in [(&REUSED[..], Conflict::IdempotencyKey), (&VERSION[..], Conflict::Version)] {
        for code in codes {
            for name in WRITES {
                let (error, server) = failure(name, &conflict(code)).await;
                let case = format!("{name} {code}: {error}");
                assert_eq!(
                    (error.outcome(), error.conflict()),
                    (Outcome::Rejected, Some(expected)),
                    "{case}"
                );
                assert_eq!((server.seen().len(), error.attempts()), (1, 1), "{case}");
                assert!(error.to_string().contains("not done"), "{case}");
            }
        }
    }
}

/// Here the version does not match; in other tests the key does not match.
#[tokio::test]
async fn a_version_mismatch_is_not_a_key_mismatch() {
    for code in ["VERSION_MISMATCH", "version_mismatch", "task_version_mismatch"] {
        let (error, _) = failure("update task", &conflict(code)).await;
        assert_eq!(
            (error.outcome(), error.conflict()),
            (Outcome::Rejected, Some(Conflict::Version)),
            "{error}"
        );
        assert!(error.to_string().contains("send it without `version`"), "{error}");
    }
}

#[tokio::test]
async fn a_conflict_without_a_key_is_a_refusal() {
    let clock = VirtualClock::new();
    for step in [conflict("request_in_progress"), conflict("idempotency_key_reused"), Step::status(409)] {
        let server = Server::play([step]).await;
        let tascha = clients::tascha(&server, &clock).build().expect("a client");
        let chatwork = clients::chatwork(&server, &clock).build().expect("a client");
        let room = chatwork.room(kaiwa::chatwork::RoomId(1));
        for error in [
            clock.drive(tascha.rooms()).await.map(drop).expect_err("409"),
            clock.drive(tascha.room("r").webhook("w").redeliver("d")).await.map(drop).expect_err("409"),
            clock.drive(room.post("x")).await.map(drop).expect_err("409"),
            clock.drive(room.message("1").delete()).await.map(drop).expect_err("409"),
        ] {
            assert_eq!((error.outcome(), error.attempts()), (Outcome::Rejected, 1), "{error}");
            assert!(!error.to_string().contains("idempotency key"), "{error}");
        }
        assert_eq!(server.seen().len(), 4);
    }
}

/// A job was killed during its post, and runs again while the service is still processing the first one.
#[tokio::test]
async fn a_job_that_runs_again_gets_the_answer_to_its_first_request() {
    for busy in [conflict("idempotency_in_progress"), Step::status(409), conflict("something_new")] {
        let steps = [busy.clone(), busy.clone(), Step::Answer(201, Vec::new(), MESSAGE.to_owned())];
        let server = Server::play(steps).await;
        let clock = VirtualClock::new();
        let client = clients::tascha(&server, &clock).build().expect("a client");
        let post = client.room("r").post("x").with_idempotency_key("order-42");
        let sent = clock.drive(post).await.unwrap_or_else(|error| panic!("{busy:?}: {error}"));
        assert_eq!((&*sent.id.to_string(), sent.attempts()), ("m1", 3), "{busy:?}");
        let seen = server.seen();
        assert!(seen.iter().all(|seen| seen.header("idempotency-key") == Some("order-42")), "{busy:?}");
    }
}

/// Two processes send the same request under one key at the same time.
#[tokio::test]
async fn two_racing_requests_under_one_key_get_the_same_message() {
    let clock = FastClock::new();
    let (mut first, mut made) = (true, 0);
    let mut busy = 0;
    let server = Server::respond(move |_| {
        // The first request is in progress until the second has been sent twice.
        if std::mem::take(&mut first) {
            return Step::ReadThenReset;
        }
        busy += 1;
        if busy <= 2 {
            return conflict("idempotency_in_progress");
        }
        made += 1;
        Step::Answer(if made == 1 { 201 } else { 200 }, Vec::new(), MESSAGE.to_owned())
    })
    .await;
    let client = || {
        let builder = tascha::Client::builder().api_key("key").base_url(&server.url).clock(clock.clone());
        builder.timeout(Duration::from_secs(600)).pace(Pace::off()).build().expect("a client")
    };
    let (one, two) = (client(), client());
    let post = |client: &tascha::Client| client.room("r").post("x").with_idempotency_key("order-42").send();
    let (one, two) = tokio::join!(post(&one), post(&two));
    let (one, two) = (one.expect("it succeeds"), two.expect("it succeeds"));
    assert_eq!((&*one.id.to_string(), &*two.id.to_string()), ("m1", "m1"));
}

/// The deadline bounds the attempts, and the error keeps the service's text.
#[tokio::test]
async fn a_request_that_stays_in_progress_ends_with_the_deadline() {
    let server = Server::play([conflict("idempotency_in_progress").header("retry-after", 20)]).await;
    let clock = VirtualClock::new();
    let client = clients::tascha(&server, &clock).timeout(Duration::from_secs(10)).build().expect("a client");
    let error = client.room("r").post("x").await.expect_err("there is no time for another attempt");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 1), "{error}");
    assert_eq!(error.code(), Some("idempotency_in_progress"));
}
