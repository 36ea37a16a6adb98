//! `Error::outcome` in every kind of failure.

use crate::server::{Server, Step, clients};
use kaiwa::chatwork::{self, RoomId};
use kaiwa::{Clock, ErrorKind, Outcome, RetryPolicy, VirtualClock};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::sync::Arc;
use std::time::Duration;

const ROOM: RoomId = RoomId(1);

/// The failure of a post, sent once, to a server that does this.
async fn failure(step: Step) -> kaiwa::Error {
    let server = Server::play([step]).await;
    let clock = VirtualClock::new();
    let client = clients::chatwork(&server, &clock).retry(RetryPolicy::none()).build().expect("a client");
    client.room(ROOM).post("x").await.expect_err("the post fails")
}

/// The failure of a post with special settings of the HTTP client.
async fn failure_with(url: &str, http: reqwest::ClientBuilder) -> kaiwa::Error {
    let client = chatwork::Client::builder()
        .api_token("token")
        .base_url(url)
        .http_client(http)
        .connect_timeout(Duration::from_millis(50))
        .retry(RetryPolicy::none())
        .build()
        .expect("a client");
    client.room(ROOM).post("x").await.expect_err("the post fails")
}

/// Looks names up with this result, or never ends.
struct Names(Option<&'static str>);

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        let failure = self.0;
        Box::pin(async move {
            match failure {
                Some(problem) => Err::<Addrs, Box<dyn std::error::Error + Send + Sync>>(problem.into()),
                None => std::future::pending().await,
            }
        })
    }
}

#[tokio::test]
async fn a_failed_connection_means_not_sent() {
    let server = Server::play([Step::Stall]).await;
    let url = server.url.clone();
    drop(server);
    let refused = failure_with(&url, reqwest::Client::builder()).await;
    assert_eq!(
        (refused.outcome(), refused.is_connect(), refused.attempts()),
        (Outcome::NotSent, true, 0),
        "{refused}"
    );

    let names = reqwest::Client::builder().dns_resolver(Arc::new(Names(Some("no such host"))));
    let unknown = failure_with("https://chat.example", names).await;
    assert_eq!((unknown.outcome(), unknown.is_connect()), (Outcome::NotSent, true), "{unknown}");
    assert!(unknown.to_string().contains("could not connect to chat.example:443: "), "{unknown}");
    let source = std::error::Error::source(&unknown).expect("there is one").to_string();
    assert!(source.contains("https://chat.example/") && !source.contains("/rooms"), "{source}");

    let names = reqwest::Client::builder().dns_resolver(Arc::new(Names(None)));
    let slow = failure_with("https://chat.example", names).await;
    assert_eq!(
        (slow.outcome(), slow.is_connect(), slow.is_timeout()),
        (Outcome::NotSent, true, true),
        "{slow}"
    );
}

#[tokio::test]
async fn a_timeout_while_connecting_differs_from_one_while_awaiting_the_answer() {
    let builder = || chatwork::Client::builder().api_token("token").retry(RetryPolicy::none());
    let names = reqwest::Client::builder().dns_resolver(Arc::new(Names(None)));
    let client = builder().base_url("https://chat.example").http_client(names).build().expect("a client");
    let post = client.room(ROOM).post("x").with_timeout(Duration::from_millis(50));
    let error = post.await.expect_err("no name is looked up");
    assert_eq!((error.outcome(), error.is_timeout()), (Outcome::NotSent, true), "{error}");

    let server = Server::play([Step::Stall]).await;
    let client = builder().base_url(&server.url).build().expect("a client");
    let post = client.room(ROOM).post("x").with_timeout(Duration::from_secs(1));
    let error = post.await.expect_err("no answer comes");
    assert_eq!((error.outcome(), error.is_timeout()), (Outcome::Unknown, true), "{error}");
    let seen = &server.seen()[0];
    assert_eq!((seen.header("content-length"), seen.body.as_str()), (Some("6"), "body=x"));
}

#[tokio::test]
async fn a_failed_tls_handshake_means_not_sent() {
    let server = Server::play([Step::Stall]).await;
    let error = failure_with(&server.url.replace("http:", "https:"), reqwest::Client::builder()).await;
    assert_eq!((error.outcome(), error.is_connect()), (Outcome::NotSent, true), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_reset_is_unknown_unless_the_request_was_not_sent() {
    let error = failure(Step::ReadThenReset).await;
    assert_eq!((error.outcome(), error.status()), (Outcome::Unknown, None), "{error}");
    // It is random whether the reset or the request is faster; only in the first case is it certain that nothing was
    // done.
    let error = failure(Step::ResetAtOnce).await;
    assert!(matches!(error.outcome(), Outcome::NotSent | Outcome::Unknown), "{error}");
    assert_eq!(error.status(), None);
}

#[tokio::test]
async fn a_success_without_a_usable_body_was_applied() {
    for (step, outcome) in [
        (Step::CutBody, Outcome::Applied),
        (Step::ok(r#"{"message_id":{}}"#), Outcome::Applied),
        (Step::ok("<html>"), Outcome::Unknown),
        (Step::ok(""), Outcome::Unknown),
        (Step::ok(r#"{"errors":["You don't have permission"]}"#), Outcome::Unknown),
    ] {
        let error = failure(step.clone()).await;
        assert_eq!(error.outcome(), outcome, "{step:?}: {error}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(200), "{step:?}");
    }
    let server = Server::play([Step::ok(&format!("{:>3000}", "{}"))]).await;
    let clock = VirtualClock::new();
    let client = clients::chatwork(&server, &clock).max_body(1000).build().expect("a client");
    let error = client.room(ROOM).post("x").await.expect_err("it is too large");
    assert_eq!((error.outcome(), error.body().len()), (Outcome::Applied, 1000), "{error}");
    assert!(matches!(error.kind(), ErrorKind::BodyTooLarge { limit: 1000 }));
}

#[tokio::test]
async fn statuses_decide_the_outcome() {
    for (status, outcome) in [
        (301, Outcome::Unknown),
        (303, Outcome::Unknown),
        (307, Outcome::Rejected),
        (400, Outcome::Rejected),
        (401, Outcome::Rejected),
        (403, Outcome::Rejected),
        (404, Outcome::Rejected),
        (408, Outcome::Rejected),
        (409, Outcome::Rejected),
        (429, Outcome::Rejected),
        (500, Outcome::Unknown),
        (501, Outcome::Unknown),
        (502, Outcome::Unknown),
        (503, Outcome::Unknown),
        (504, Outcome::Unknown),
    ] {
        let error = failure(Step::status(status)).await;
        assert_eq!(error.outcome(), outcome, "{error}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
    }
    let asked = failure(Step::status(503).header("retry-after", 5)).await;
    assert_eq!((asked.outcome(), asked.retry_after()), (Outcome::Rejected, Some(Duration::from_secs(5))));
}

#[tokio::test]
async fn a_timeout_is_unknown_and_names_the_timeout() {
    let server = Server::play([Step::Stall]).await;
    for (attempt, whole) in [(30, 300), (300, 30)] {
        let clock = VirtualClock::new();
        let client = clients::chatwork(&server, &clock)
            .attempt_timeout(Duration::from_secs(attempt))
            .timeout(Duration::from_secs(whole))
            .retry(RetryPolicy::none())
            .build()
            .expect("a client");
        let before = server.seen().len();
        let post = tokio::spawn(async move { client.room(ROOM).post("x").await });
        while server.seen().len() == before {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(30));
        let error = post.await.expect("no panic").expect_err("it times out");
        assert_eq!((error.outcome(), error.is_timeout()), (Outcome::Unknown, true), "{error}");
        assert!(error.to_string().contains("30s"), "{error}");
    }
}

#[tokio::test]
async fn a_stalled_body_keeps_the_outcome_of_the_status() {
    for (status, outcome) in [(200, Outcome::Applied), (400, Outcome::Rejected), (502, Outcome::Unknown)] {
        let server = Server::play([Step::StallBody(status)]).await;
        let client = chatwork::Client::builder()
            .api_token("token")
            .base_url(&server.url)
            .attempt_timeout(Duration::from_millis(300))
            .retry(RetryPolicy::none())
            .build()
            .expect("a client");
        let error = client.room(ROOM).post("x").await.expect_err("the body never comes");
        assert_eq!(error.outcome(), outcome, "{error}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{error}");
    }
}

#[tokio::test]
async fn a_failed_stream_leaves_the_outcome_unknown() {
    let server = Server::play([Step::ReadThenReset]).await;
    let clock = VirtualClock::new();
    let client = clients::chatwork(&server, &clock).retry(RetryPolicy::none()).build().expect("a client");
    let stream = futures::stream::once(async { Err::<bytes::Bytes, _>("the file cannot be read") });
    let error = client.room(ROOM).upload(kaiwa::Upload::stream("a", 10, stream)).await.expect_err("it fails");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
}

#[tokio::test]
async fn excessive_times_do_not_limit_a_call_and_do_not_panic() {
    for (name, value) in [
        ("retry-after", u64::MAX.to_string()),
        ("ratelimit-reset", i64::MAX.to_string()),
        ("x-ratelimit-reset", i64::MAX.to_string()),
        ("ratelimit", format!("\"p\";r=0;t={}", u64::MAX)),
    ] {
        let refusal = Step::status(429).header("x-ratelimit-remaining", 0).header(name, &value);
        let server = Server::play([refusal, Step::ok("[]")]).await;
        let clock = VirtualClock::new();
        let pace = kaiwa::Pace::new().room_limit(1, Duration::MAX);
        let client = clients::chatwork(&server, &clock).pace(pace).build().expect("a client");
        let call =
            client.rooms().with_timeout(Duration::MAX).with_retry(RetryPolicy::new().max_wait(Duration::MAX));
        clock.drive(call).await.expect("it waits, and succeeds");
    }
}

#[tokio::test]
async fn waiting_for_a_token_ends_with_the_calls_timeout() {
    #[derive(Debug)]
    struct Never;
    impl kaiwa::TokenSource for Never {
        fn token(&self) -> futures::future::BoxFuture<'_, Result<kaiwa::BearerToken, kaiwa::Error>> {
            Box::pin(std::future::pending())
        }
        fn renew<'a>(
            &'a self,
            _: &'a kaiwa::BearerToken,
        ) -> futures::future::BoxFuture<'a, Result<kaiwa::BearerToken, kaiwa::Error>> {
            Box::pin(std::future::pending())
        }
    }
    let server = Server::play([Step::Stall]).await;
    let clock = VirtualClock::new();
    let client = clients::chatwork(&server, &clock).token_source(Never).build().expect("a client");
    let post = client.room(ROOM).post("x").with_timeout(Duration::from_secs(5));
    let error = clock.drive(post).await.expect_err("there is no token");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_later_refusal_does_not_change_an_unknown_outcome() {
    // The first attempt may have marked it; the refusal of the second attempt does not change that.
    let server = Server::play([Step::ReadThenReset, Step::status(400)]).await;
    let clock = VirtualClock::new();
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    let error = clock.drive(client.room(ROOM).mark_read()).await.expect_err("it is refused");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::Unknown, 2), "{error}");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(400));
}

#[tokio::test]
async fn a_call_that_would_wait_too_long_is_not_sent() {
    let window = Step::ok("[]").header("x-ratelimit-limit", 300).header("x-ratelimit-remaining", 0);
    let clock = VirtualClock::new();
    let reset = clock.wall().as_second() + 200;
    let server = Server::play([window.header("x-ratelimit-reset", reset)]).await;
    let client =
        clients::chatwork(&server, &clock).timeout(Duration::from_secs(100)).build().expect("a client");
    client.rooms().await.expect("the first answer reports that no calls are left");
    let error = client.room(ROOM).post("x").await.expect_err("it cannot wait that long");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
    match error.kind() {
        ErrorKind::WaitTooLong { needed, left } => {
            assert_eq!((needed.as_secs(), left.as_secs()), (200, 100));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.seen().len(), 1);
}
