//! Webhooks that arrive at several processes of one file.

use crate::Place;
use kaiwa::store::{Sqlite, SqliteReplays};
use kaiwa::webhook::{Claim, ClaimId, ReplayCache};
use kaiwa::{Clock, VirtualClock};
use std::sync::Arc;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(60);

async fn replays(place: &Place, clock: &VirtualClock, name: &str) -> SqliteReplays {
    let file = Sqlite::open(&place.path).await.expect("it can be opened");
    file.with_clock(Arc::new(clock.clone())).replays(name).expect("a name")
}

#[tokio::test]
async fn a_claim_is_one_processes_until_it_is_done_or_released_or_has_ended() {
    let (place, clock) = (Place::new(), VirtualClock::new());
    let (one, other) = (replays(&place, &clock, "b").await, replays(&place, &clock, "b").await);
    let (a, b) = (ClaimId::unique(), ClaimId::unique());
    let claim =
        async |store: &SqliteReplays, id| store.claim("event", id, LEASE).await.expect("the file is there");
    assert_eq!(claim(&one, a).await, Claim::New);
    clock.advance(LEASE / 2);
    assert_eq!(claim(&one, a).await, Claim::New, "it is renewed");
    clock.advance(LEASE / 4);
    assert_eq!(claim(&other, b).await, Claim::Held { left: LEASE / 4 * 3 });
    assert!(!other.done("event", b, LEASE).await.expect("the file is there"), "it is not the holder");
    other.release("event", b).await.expect("the file is there");
    assert!(matches!(claim(&other, b).await, Claim::Held { .. }), "nor can it release it");
    one.release("event", a).await.expect("the file is there");
    assert_eq!(claim(&other, b).await, Claim::New);
    clock.advance(LEASE);
    assert_eq!(claim(&one, a).await, Claim::New, "the lease has ended");
    assert!(!other.done("event", b, LEASE).await.expect("the file is there"), "too late");
    for _ in 0..2 {
        assert!(one.done("event", a, LEASE).await.expect("the file is there"));
    }
    assert_eq!(claim(&other, b).await, Claim::Done);
    one.release("event", a).await.expect("the file is there");
    assert_eq!(claim(&other, b).await, Claim::Done, "what is done stays done");
    other.forget("event").await.expect("the file is there");
    assert_eq!(claim(&other, b).await, Claim::New);
    let elsewhere = replays(&place, &clock, "c").await;
    assert_eq!(claim(&elsewhere, a).await, Claim::New, "another name has its own events");
}

#[tokio::test]
async fn what_is_done_is_known_after_a_restart_and_removed_after_its_time() {
    let (place, clock) = (Place::new(), VirtualClock::new());
    for number in 0..300 {
        let store = replays(&place, &clock, "b").await;
        let (key, id) = (format!("chatwork:{number}"), ClaimId::unique());
        assert_eq!(store.claim(&key, id, LEASE).await.expect("it is stored"), Claim::New);
        // One without a claim, or whose claim has ended, counts as well.
        assert!(store.done(&key, ClaimId::unique(), LEASE).await.is_ok_and(|done| !done));
        assert!(store.done(&key, id, 2 * LEASE).await.expect("it is stored"));
    }
    place.closed().await;
    let store = replays(&place, &clock, "b").await;
    let claimed = store.claim("chatwork:7", ClaimId::unique(), LEASE).await;
    assert_eq!(claimed.expect("it is read"), Claim::Done);
    assert!(store.done("ever", ClaimId::unique(), Duration::MAX).await.expect("it is stored"));
    clock.advance(2 * LEASE);
    assert_eq!(store.claim("chatwork:7", ClaimId::unique(), LEASE).await.expect("it is stored"), Claim::New);
    for _ in 0..3 {
        store.claim("chatwork:7", ClaimId::unique(), LEASE).await.expect("it is read");
    }
    let left: i64 = place
        .connection()
        .query_row("SELECT count(*) FROM replays", [], |row| row.get(0))
        .expect("it is read");
    assert_eq!(left, 2, "the claim, and what is remembered for ever");
    clock.advance(Duration::from_secs(1 << 32));
    let claimed = store.claim("ever", ClaimId::unique(), LEASE).await;
    assert_eq!(claimed.expect("it is read"), Claim::Done, "{:?}", clock.wall());
}

#[tokio::test]
async fn a_file_that_is_locked_fails_and_comes_back() {
    let (place, clock) = (Place::new(), VirtualClock::new());
    let store = replays(&place, &clock, "b").await;
    let theirs = place.connection();
    theirs.execute_batch("BEGIN IMMEDIATE").expect("nobody has it");
    let error = store.claim("canary", ClaimId::unique(), LEASE).await.expect_err("it is locked").to_string();
    assert!(error.contains("locked for 5 s: end what holds it") && !error.contains("canary"), "{error}");
    theirs.execute_batch("ROLLBACK").expect("it has it");
    assert_eq!(store.claim("canary", ClaimId::unique(), LEASE).await.expect("it is back"), Claim::New);
}

#[tokio::test]
async fn one_webhook_at_four_replicas_is_handled_once_though_one_is_killed() {
    let place = Place::new();
    let path = place.path.to_str().expect("a plain name");
    services::replicas::handle_once(env!("CARGO_BIN_EXE_replica"), ("SQLITE", path)).await;
    crate::is_sound(&place.path);
}
