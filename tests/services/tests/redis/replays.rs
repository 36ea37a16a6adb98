//! Webhooks that arrive at several processes.

use kaiwa::store::{Redis, RedisReplays};
use kaiwa::webhook::{Claim, ClaimId, ReplayCache};
use services::{redis, replicas};
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(60);

fn replays(server: &redis::Redis) -> RedisReplays {
    Redis::new(server.url()).expect("a URL").replays("b").expect("a name")
}

#[tokio::test]
async fn a_claim_is_one_processes_until_it_is_done_or_released_or_has_ended() {
    let server = redis::Redis::start();
    let (one, other) = (replays(&server), replays(&server));
    let (a, b) = (ClaimId::unique(), ClaimId::unique());
    let claim = async |store: &RedisReplays, id, lease| {
        store.claim("event", id, lease).await.expect("the server is there")
    };
    assert_eq!(claim(&one, a, LEASE).await, Claim::New);
    assert_eq!(claim(&one, a, LEASE).await, Claim::New, "it is renewed");
    let held = claim(&other, b, LEASE).await;
    assert!(matches!(held, Claim::Held { left } if left <= LEASE && left > LEASE / 2), "{held:?}");
    assert!(!other.done("event", b, LEASE).await.expect("the server is there"), "it is not the holder");
    other.release("event", b).await.expect("the server is there");
    assert!(matches!(claim(&other, b, LEASE).await, Claim::Held { .. }), "nor can it release it");
    one.release("event", a).await.expect("the server is there");
    assert_eq!(claim(&other, b, Duration::from_millis(1)).await, Claim::New);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(claim(&one, a, LEASE).await, Claim::New, "the lease has ended");
    assert!(!other.done("event", b, LEASE).await.expect("the server is there"), "too late");
    for _ in 0..2 {
        assert!(one.done("event", a, LEASE).await.expect("the server is there"));
    }
    assert_eq!(claim(&other, b, LEASE).await, Claim::Done);
    one.release("event", a).await.expect("the server is there");
    assert_eq!(claim(&other, b, LEASE).await, Claim::Done, "what is done stays done");
    other.forget("event").await.expect("the server is there");
    assert_eq!(claim(&other, b, LEASE).await, Claim::New);
    let keys = server.command("KEYS *");
    assert!(keys.contains("{kaiwa:b}:event:") && keys.lines().count() <= 4, "{keys}");
}

#[tokio::test]
async fn a_server_that_hangs_or_is_gone_fails_in_time() {
    let mut server = redis::Redis::start();
    let store = replays(&server);
    let id = ClaimId::unique();
    assert_eq!(store.claim("event", id, LEASE).await.expect("the server is there"), Claim::New);
    server.suspend();
    let began = Instant::now();
    store.claim("event", id, LEASE).await.expect_err("it hangs");
    assert!(began.elapsed() < kaiwa::webhook::STORE_TIME);
    server.resume();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(store.claim("event", id, LEASE).await.expect("it is back"), Claim::New);
    server.kill();
    store.claim("event", id, LEASE).await.expect_err("it is gone");
}

#[tokio::test]
async fn one_webhook_at_four_replicas_is_handled_once_though_one_is_killed() {
    let server = redis::Redis::start();
    replicas::handle_once(env!("CARGO_BIN_EXE_replica"), ("REDIS", &server.url())).await;
}
