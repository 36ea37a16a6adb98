//! Reported limits of the service: on successes, on failures, and for subscribers.

use crate::server::{Server, Step, clients};
use kaiwa::chatwork::RoomId;
use kaiwa::{RetryPolicy, VirtualClock};
use std::time::Duration;

fn chatwork_limit(step: Step, remaining: u32) -> Step {
    let step = step.header("X-RateLimit-Limit", 300).header("X-RateLimit-Remaining", remaining);
    step.header("X-RateLimit-Reset", 1_767_193_260)
}

#[tokio::test]
async fn limits_are_on_successes_and_on_failures_and_on_the_client() {
    let clock = VirtualClock::new();
    let steps =
        [chatwork_limit(Step::ok("[]"), 200), chatwork_limit(Step::status(400), 199), Step::status(401)];
    let server = Server::play(steps).await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    let mut watch = client.watch_rate_limit();
    assert_eq!(client.rate_limit(), None);

    let rooms = client.rooms().await.expect("the rooms");
    let limit = rooms.rate_limit().expect("it is reported");
    assert_eq!((limit.limit, limit.remaining), (Some(300), Some(200)));
    assert_eq!(limit.reset_after, Some(Duration::from_secs(60)));
    assert!(watch.has_changed().expect("the client lives"));
    assert_eq!(watch.borrow_and_update().as_ref(), Some(limit));

    let refused = client.room(RoomId(1)).post("x").await.expect_err("400");
    assert_eq!(refused.rate_limit().and_then(|limit| limit.remaining), Some(199));
    assert_eq!(client.clone().rate_limit().and_then(|limit| limit.remaining), Some(199));

    // A 401 reports no limits, so the known ones are kept.
    let refused = client.rooms().await.expect_err("401");
    assert_eq!(refused.rate_limit(), None);
    assert_eq!(client.rate_limit().and_then(|limit| limit.remaining), Some(199));
}

#[tokio::test]
async fn insufficient_units_refuse_a_write_and_allow_a_read() {
    let clock = VirtualClock::new();
    let left = Step::ok(r#"{"data":[]}"#)
        .header("Tascha-Api-Units-Limit", 20000)
        .header("Tascha-Api-Units-Remaining", 2)
        .header("Tascha-Api-Units-Reset", "2026-02-01T00:00:00+09:00");
    let server = Server::play([left]).await;
    let client = clients::tascha(&server, &clock).build().expect("a client");
    client.rooms().await.expect("a read");
    let error = client.room("r").post("x").await.expect_err("a write costs 3");
    assert_eq!(
        (error.outcome(), error.attempts(), error.is_rate_limited()),
        (kaiwa::Outcome::NotSent, 0, true)
    );
    assert!(
        error.to_string().contains("costs 3 API units, and 2 are left until 2026-01-31T15:00:00Z"),
        "{error}"
    );
    client.rooms().await.expect("a read costs 1");
    assert_eq!(server.seen().len(), 2);

    let careless =
        clients::tascha(&server, &clock).pace(kaiwa::Pace::new().units(false)).build().expect("a client");
    careless.rooms().await.expect("a read");
    let error = careless.room("r").post("x").with_retry(RetryPolicy::none()).await;
    assert!(error.is_err_and(|error| error.is_decode()), "it was sent");
}

#[tokio::test]
async fn a_refusals_wait_is_read_in_every_form_and_ignored_above_a_day() {
    // The clock starts at Wed, 31 Dec 2025 15:00:00 GMT.
    const DATE: &str = "Wed, 31 Dec 2025 15:00:00 GMT";
    for (value, wait) in [
        ("1.5", Some(1_500)),
        ("Wednesday, 31-Dec-25 15:00:07 GMT", Some(7_000)),
        ("Wed Dec 31 15:00:07 2025", Some(7_000)),
        ("Wed, 31 Dec 2025 15:00:07 GMT", Some(7_000)),
        ("86400", Some(86_400_000)),
        ("86401", None),
        ("Friday, 02-Jan-26 15:00:00 GMT", None),
        ("18446744073709551615", None),
        ("-1", None),
        ("soon", None),
    ] {
        let clock = VirtualClock::new();
        let server =
            Server::play([Step::status(429).header("date", DATE).header("retry-after", value)]).await;
        let client = clients::chatwork(&server, &clock).retry(RetryPolicy::none()).build().expect("a client");
        let error = client.rooms().await.expect_err("429");
        assert_eq!(error.retry_after(), wait.map(Duration::from_millis), "{value}");
    }
}

#[tokio::test]
async fn resets_of_any_size_are_read_or_ignored() {
    for (name, value) in [
        ("x-ratelimit-reset", "292277026596"),
        ("x-ratelimit-reset", "-9223372036854775808"),
        ("x-ratelimit-reset", "18446744073709551615.999999999999"),
        ("ratelimit-reset", "18446744073709551615"),
        ("ratelimit", "\"a\";r=0;t=18446744073709551615"),
        ("ratelimit-policy", "18446744073709551615;w=18446744073709551615"),
        ("retry-after", "18446744073709551615"),
        ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let clock = VirtualClock::new();
        let step = Step::ok("[]").header("x-ratelimit-limit", 0).header("x-ratelimit-remaining", u64::MAX);
        let server = Server::play([step.header(name, value), Step::ok("[]")]).await;
        let client = clients::chatwork(&server, &clock).build().expect("a client");
        for _ in 0..3 {
            client.rooms().await.expect("nothing is used up");
        }
        let limit = client.rate_limit().expect("there is one");
        assert_eq!((limit.limit, limit.reset, limit.retry_after), (Some(0), None, None), "{name}: {value}");
        clock.advance(Duration::MAX);
        client.rooms().await.expect("nor in a thousand years");
    }
}
