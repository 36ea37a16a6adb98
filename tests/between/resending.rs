//! Whether the same request can be sent again, as a value.

use crate::h2;
use crate::server::{Server, Step, clients};
use kaiwa::chatwork::RoomId;
use kaiwa::{Error, Outcome, Pace, Resend, RetryPolicy, Safety, Upload, VirtualClock, chatwork};
use std::time::Duration;

const CLASSES: [Safety; 4] = [Safety::Safe, Safety::Idempotent, Safety::Keyed, Safety::Unsafe];

/// The failure of one call of each class against a server that always does this.
async fn failure(safety: Safety, step: &Step) -> Error {
    let server = Server::play([step.clone()]).await;
    let clock = VirtualClock::new();
    let room =
        || clients::chatwork(&server, &clock).max_body(2000).build().expect("a client").room(RoomId(1));
    let tascha = || clients::tascha(&server, &clock).max_body(2000).build().expect("a client");
    let none = RetryPolicy::none();
    let result = match safety {
        Safety::Safe => room().members().with_retry(none).await.map(drop),
        Safety::Idempotent => room().message("1").update("x").with_retry(none).await.map(drop),
        Safety::Keyed => tascha().room("r").post("x").with_retry(none).await.map(drop),
        Safety::Unsafe => room().post("x").with_retry(none).await.map(drop),
    };
    result.expect_err("it fails")
}

/// After an unknown outcome, a request can be sent again if that is harmless, under the same key, or after looking.
fn open(safety: Safety) -> Resend {
    match safety {
        Safety::Safe | Safety::Idempotent => Resend::Yes,
        Safety::Keyed => Resend::SameKey,
        Safety::Unsafe => Resend::LookFirst,
    }
}

#[tokio::test]
async fn resending_after_an_unknown_outcome_depends_on_the_operation() {
    let page = Step::ok("<html></html>").header("content-type", "text/html");
    let open_ends = [500, 502, 503, 504, 505, 520, 599, 600, 999, 101]
        .map(Step::status)
        .into_iter()
        .chain([page, Step::ReadThenReset]);
    for step in open_ends {
        for safety in CLASSES {
            let error = failure(safety, &step).await;
            assert_eq!(error.resend(), open(safety), "{step:?} {safety:?}: {error}");
        }
    }
    // Under a key the outcome of a conflict is unknown; without a key a conflict is a refusal.
    for safety in CLASSES {
        let error = failure(safety, &Step::status(409)).await;
        let expected = if safety == Safety::Keyed { Resend::SameKey } else { Resend::No };
        assert_eq!(error.resend(), expected, "{safety:?}: {error}");
    }
}

#[tokio::test]
async fn temporary_refusals_can_be_sent_again_and_permanent_ones_cannot() {
    let waits = Step::status(503).header("retry-after", 5);
    for step in [Step::status(429), Step::status(429).header("retry-after", 5), waits] {
        for safety in CLASSES {
            let error = failure(safety, &step).await;
            assert_eq!(
                (error.outcome(), error.resend()),
                (Outcome::Rejected, Resend::Yes),
                "{safety:?}: {error}"
            );
        }
    }
    for status in [400, 401, 403, 404, 408, 410, 418, 422, 451, 499, 304, 307] {
        for safety in CLASSES {
            let error = failure(safety, &Step::status(status)).await;
            assert_eq!(
                (error.outcome(), error.resend()),
                (Outcome::Rejected, Resend::No),
                "{safety:?}: {error}"
            );
        }
    }
    for code in ["idempotency_key_reused", "version_conflict"] {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"m","requestId":"r1"}}}}"#);
        let error = failure(Safety::Keyed, &Step::status(409).body(&body)).await;
        assert_eq!((error.outcome(), error.resend()), (Outcome::Rejected, Resend::No), "{error}");
    }
}

#[tokio::test]
async fn an_applied_request_is_not_sent_again() {
    for safety in [Safety::Idempotent, Safety::Keyed, Safety::Unsafe] {
        let (name, unreadable) = if safety == Safety::Keyed {
            ("id", r#"{"id":[]}"#)
        } else {
            ("message_id", r#"{"message_id":[]}"#)
        };
        let large = format!(r#"{{"{name}":"1",{:>4000}"#, "}");
        for step in [Step::ok(unreadable), Step::ok(r#"{"a":"#).cut(), Step::ok(&large)] {
            let error = failure(safety, &step).await;
            assert_eq!(
                (error.outcome(), error.resend()),
                (Outcome::Applied, Resend::No),
                "{safety:?}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn an_unsent_request_can_be_sent_again_unless_its_input_is_invalid() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::ok("{}")]).await;
    let room = clients::chatwork(&server, &clock).build().expect("a client").room(RoomId(1));
    let tascha = clients::tascha(&server, &clock).build().expect("a client");
    let missing = std::path::Path::new("/nonexistent/kaiwa");
    for error in [
        room.post("").await.map(drop).expect_err("it is empty"),
        room.post("x").with_idempotency_key("k").await.map(drop).expect_err("the operation takes no key"),
        room.message("..").get().await.map(drop).expect_err("the path leaves the base URL"),
        tascha.room("r").post("x").with_idempotency_key("").await.map(drop).expect_err("it is empty"),
        tascha.room("r").post("x").with_header("a b", "c").await.map(drop).expect_err("not a name"),
        Upload::path(missing).await.map(drop).expect_err("the file does not exist"),
        chatwork::Client::builder().build().map(drop).expect_err("no token"),
    ] {
        assert_eq!((error.outcome(), error.resend()), (Outcome::NotSent, Resend::No), "{error}");
    }
    assert!(server.seen().is_empty());

    let refusing = h2::Server::respond(|_| vec![h2::Act::Reset(h2::REFUSED_STREAM)]).await;
    let url = server.url.clone();
    drop(server);
    let builder = |url: &str| chatwork::Client::builder().api_token("token").base_url(url).pace(Pace::off());
    let none = RetryPolicy::none();
    let gone = builder(&url).build().expect("a client").room(RoomId(1));
    let busy = builder(&refusing.url).http_client(h2::client()).build().expect("a client").room(RoomId(1));
    for error in [
        gone.post("x").with_retry(none.clone()).await.map(drop).expect_err("nothing listens"),
        gone.members().with_retry(none.clone()).await.map(drop).expect_err("nothing listens"),
        busy.post("x").with_retry(none).await.map(drop).expect_err("it is refused"),
    ] {
        assert_eq!((error.outcome(), error.resend()), (Outcome::NotSent, Resend::Yes), "{error}");
    }
}

/// Waiting for a permit would have taken too long: nothing was sent, and it can be sent after the wait.
#[tokio::test]
async fn a_call_that_would_wait_too_long_can_be_repeated_later() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::status(429).header("retry-after", 100)]).await;
    let client =
        clients::chatwork(&server, &clock).timeout(Duration::from_secs(10)).build().expect("a client");
    let room = client.room(RoomId(1));
    let error = room.post("x").await.expect_err("429");
    assert_eq!(error.resend(), Resend::Yes, "{error}");
    let error = room.post("x").await.expect_err("it would wait too long");
    assert_eq!(
        (error.outcome(), error.attempts(), error.resend()),
        (Outcome::NotSent, 0, Resend::Yes),
        "{error}"
    );
    assert!(error.retry_after().is_some(), "{error}");
}

/// An earlier attempt decides if it may have done more than the last one.
#[tokio::test]
async fn the_unknown_outcome_of_an_earlier_attempt_decides() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::ReadThenReset, Step::status(400)]).await;
    let room = clients::chatwork(&server, &clock).build().expect("a client").room(RoomId(1));
    let error = clock.drive(room.message("1").update("x")).await.expect_err("400 in the end");
    assert_eq!((error.outcome(), error.resend()), (Outcome::Unknown, Resend::Yes), "{error}");

    let server = Server::play([Step::status(502), Step::status(400)]).await;
    let client = clients::tascha(&server, &clock).build().expect("a client");
    let error = clock.drive(client.room("r").post("x")).await.expect_err("400 in the end");
    assert_eq!((error.outcome(), error.resend()), (Outcome::Unknown, Resend::SameKey), "{error}");
    assert_eq!(error.idempotency_key(), server.seen()[0].header("idempotency-key"));
}

/// A raw request has the class of safety that it states.
#[tokio::test]
async fn a_raw_request_has_the_safety_that_it_states() {
    use reqwest::Method;
    let clock = VirtualClock::new();
    let server = Server::play([Step::status(502)]).await;
    let client = clients::tascha(&server, &clock).build().expect("a client");
    for safety in CLASSES {
        let request =
            client.request(Method::POST, "/anything").safety(safety).with_retry(RetryPolicy::none());
        let error = request.await.expect_err("502");
        assert_eq!(error.resend(), open(safety), "{safety:?}: {error}");
    }
}
