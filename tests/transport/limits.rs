//! What is told of the service's limits: on successes, on failures, and to those who watch.

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
    let limit = rooms.rate_limit().expect("it is told");
    assert_eq!((limit.limit, limit.remaining), (Some(300), Some(200)));
    assert_eq!(limit.reset_after, Some(Duration::from_secs(60)));
    assert!(watch.has_changed().expect("the client lives"));
    assert_eq!(watch.borrow_and_update().as_ref(), Some(limit));

    let refused = client.room(RoomId(1)).post("x").await.expect_err("400");
    assert_eq!(refused.rate_limit().and_then(|limit| limit.remaining), Some(199));
    assert_eq!(client.clone().rate_limit().and_then(|limit| limit.remaining), Some(199));

    // A 401 says nothing of limits, which takes nothing of what is known.
    let refused = client.rooms().await.expect_err("401");
    assert_eq!(refused.rate_limit(), None);
    assert_eq!(client.rate_limit().and_then(|limit| limit.remaining), Some(199));
}

#[tokio::test]
async fn units_that_do_not_suffice_refuse_a_write_and_allow_a_read() {
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
