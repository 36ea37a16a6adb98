use super::*;
use crate::webhook::{
    Claim, ClaimId, DEFAULT_LEASE, MemoryReplayCache, ReplayCache, STORE_TIME, StoreFailure,
};
use crate::{StoreError, VirtualClock};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

type Headers = [(&'static str, &'static str); 1];

fn verifier() -> Verifier {
    Verifier::new(
        |request: &RawDelivery<'_>| {
            if request.header("x-bad").is_none() { Ok(()) } else { Err(Unverified) }
        },
    )
}

async fn receive(
    verifier: &Verifier,
    headers: Headers,
    body: &'static str,
) -> Result<PendingDelivery, VerifyError> {
    verifier.verify(RawDelivery::new(headers, body)).await
}

#[tokio::test]
async fn each_event_is_accepted_once() {
    let verifier = verifier();
    let received = receive(&verifier, [("tascha-webhook-id", "e1")], "{\"a\": 1}").await.expect("it is new");
    assert_eq!((received.event_id.as_str(), &received.json["a"]), ("e1", &Value::from(1)));
    assert_eq!(received.body, "{\"a\": 1}");
    received.done().await;
    let again = receive(&verifier.clone(), [("TASCHA-WEBHOOK-ID", "e1")], "{}").await;
    assert_eq!(again.err(), Some(VerifyError::Repeat));
    assert!(receive(&verifier, [(ID_HEADER, "e2")], "{}").await.is_ok());
    verifier.forget("e1").await.expect("it is in memory");
    assert!(receive(&verifier, [(ID_HEADER, "e1")], "{}").await.is_ok());
}

/// The first handler takes longer than the service waits, and then fails.
#[tokio::test]
async fn a_retry_of_an_event_in_progress_is_answered_with_try_again() {
    let verifier = verifier();
    let first = receive(&verifier, [(ID_HEADER, "e1")], "{}").await.expect("it is new");
    let retry = receive(&verifier.clone(), [(ID_HEADER, "e1")], "{}").await.expect_err("it is held");
    assert_eq!((retry, retry.status()), (VerifyError::InProgress, 503));
    drop(first);
    let second = receive(&verifier, [(ID_HEADER, "e1")], "{}").await.expect("the first handler returned it");
    second.done().await;
    let third = receive(&verifier, [(ID_HEADER, "e1")], "{}").await.expect_err("it is done");
    assert_eq!((third, third.status()), (VerifyError::Repeat, 200));
}

/// Servers drop a handler when the client disconnects.
#[tokio::test]
async fn a_dropped_handler_returns_the_event() {
    let verifier = verifier();
    let handler = async {
        let received = receive(&verifier, [(ID_HEADER, "e1")], "{}").await.expect("it is new");
        std::future::pending::<()>().await;
        received.done().await;
    };
    tokio::select! {
        biased;
        () = handler => unreachable!("it waits for ever"),
        () = tokio::task::yield_now() => {}
    }
    assert!(receive(&verifier, [(ID_HEADER, "e1")], "{}").await.is_ok());
}

/// A store that does not answer.
#[derive(Debug)]
struct Stuck;

impl ReplayCache for Stuck {
    fn claim<'a>(&'a self, _: &'a str, _: ClaimId, _: Duration) -> BoxFuture<'a, Result<Claim, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn done<'a>(&'a self, _: &'a str, _: ClaimId, _: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn release<'a>(&'a self, _: &'a str, _: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::pending())
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_verifier_dropped_during_its_store_call_holds_nothing() {
    let verifier = verifier().replay_cache(Arc::new(Stuck));
    for _ in 0..2 {
        let asking = receive(&verifier, [(ID_HEADER, "e1")], "{}").now_or_never();
        assert!(asking.is_none(), "{asking:?}");
    }
    assert!(verifier.gate.is_empty());
}

#[tokio::test]
async fn an_event_handled_by_one_process_is_a_repeat_in_another() {
    let cache = Arc::new(MemoryReplayCache::new(10));
    let [one, two] = [(); 2].map(|()| verifier().replay_cache(cache.clone()));
    receive(&one, [(ID_HEADER, "e1")], "{}").await.expect("it is new").done().await;
    let again = receive(&two, [(ID_HEADER, "e1")], "{}").await;
    assert_eq!(again.err(), Some(VerifyError::Repeat));
}

/// Two processes with one store, on one clock.
fn two_processes() -> ([Verifier; 2], VirtualClock) {
    let clock = VirtualClock::new();
    let cache = Arc::new(MemoryReplayCache::with_clock(10, Arc::new(clock.clone())));
    let verifier = || {
        let all = |_: &RawDelivery<'_>| Ok(());
        Verifier::with_clock(all, Arc::new(clock.clone())).replay_cache(cache.clone())
    };
    ([verifier(), verifier()], clock)
}

#[tokio::test]
async fn an_event_in_progress_in_one_process_is_refused_by_another_until_the_lease_ends() {
    let ([one, two], clock) = two_processes();
    let first = receive(&one, [(ID_HEADER, "e1")], "{}").await.expect("it is new");
    assert_eq!(receive(&two, [(ID_HEADER, "e1")], "{}").await.err(), Some(VerifyError::InProgress));
    // Long work renews the claim.
    clock.advance(DEFAULT_LEASE / 2);
    assert!(first.renew().await);
    clock.advance(DEFAULT_LEASE / 2);
    assert_eq!(receive(&two, [(ID_HEADER, "e1")], "{}").await.err(), Some(VerifyError::InProgress));
    // This process died: its claim is not released.
    std::mem::forget(first);
    clock.advance(DEFAULT_LEASE / 2);
    receive(&two, [(ID_HEADER, "e1")], "{}").await.expect("it is taken over").done().await;
    assert_eq!(receive(&two, [(ID_HEADER, "e1")], "{}").await.err(), Some(VerifyError::Repeat));
}

#[tokio::test]
async fn a_done_after_the_lease_does_not_end_the_claim_of_another_process() {
    let ([one, two], clock) = two_processes();
    let late = receive(&one, [(ID_HEADER, "e1")], "{}").await.expect("it is new");
    clock.advance(DEFAULT_LEASE);
    // Within a process, a handler that takes long is not dead.
    assert_eq!(receive(&one, [(ID_HEADER, "e1")], "{}").await.err(), Some(VerifyError::InProgress));
    let second = receive(&two, [(ID_HEADER, "e1")], "{}").await.expect("it is taken over");
    assert!(!late.renew().await);
    assert_eq!(late.done().await.event_id.as_str(), "e1");
    assert_eq!(receive(&one, [(ID_HEADER, "e1")], "{}").await.err(), Some(VerifyError::InProgress));
    assert_eq!(second.release().await.event_id.as_str(), "e1");
    assert!(receive(&one, [(ID_HEADER, "e1")], "{}").await.is_ok());
}

#[tokio::test]
async fn a_store_that_hangs_is_waited_for_only_so_long() {
    let clock = VirtualClock::new();
    let verifier = Verifier::with_clock(|_: &RawDelivery<'_>| Ok(()), Arc::new(clock.clone()));
    let verifier = verifier.replay_cache(Arc::new(Stuck));
    let taken = clock.drive(receive(&verifier, [(ID_HEADER, "e1")], "{}")).await.expect("it counts as new");
    assert_eq!(clock.elapsed(), STORE_TIME);
    clock.drive(taken.done()).await;
    let verifier = verifier.on_store_failure(StoreFailure::Refuse);
    let refused =
        clock.drive(receive(&verifier, [(ID_HEADER, "e1")], "{}")).await.expect_err("it is not known");
    assert_eq!((refused, refused.status()), (VerifyError::Store, 503));
    assert!(clock.drive(verifier.forget("e1")).await.is_err());
}

#[tokio::test]
async fn a_refused_delivery_is_not_remembered() {
    let verifier = verifier();
    let malformed = receive(&verifier, [(ID_HEADER, "e1")], "{").await;
    assert_eq!(malformed.err(), Some(VerifyError::Malformed { line: 1, column: 1 }));
    assert!(receive(&verifier, [(ID_HEADER, "e1")], "{}").await.is_ok());
    for id in ["", "a b", "é"] {
        let refused = receive(&verifier, [(ID_HEADER, id)], "{}").await;
        assert_eq!(refused.err(), Some(VerifyError::MissingId));
    }
    let refused = receive(&verifier, [("x-bad", "1")], "{}").await;
    assert_eq!(refused.err(), Some(VerifyError::Unverified(Unverified)));
    let refused = receive(&verifier, [("x", "1")], "{}").await;
    assert_eq!(refused.err(), Some(VerifyError::MissingId));
    let long = verifier.verify(RawDelivery::new([(ID_HEADER, "e3")], vec![b' '; MAX_BODY + 1])).await;
    assert_eq!(long.err(), Some(VerifyError::TooLarge));
    let statuses = [VerifyError::TooLarge, VerifyError::MissingId, VerifyError::Repeat].map(|e| e.status());
    assert_eq!(statuses, [413, 400, 200]);
}

#[test]
fn debug_shows_no_header_values() {
    let request = RawDelivery::new([("authorization", "hunter2")], "secret");
    let debug = format!("{request:?} {:?}", verifier());
    assert!(debug.contains("authorization") && !debug.contains("hunter2") && !debug.contains("secret"));
}

/// A delivery that is refused comes again, and is refused again.
#[tokio::test]
async fn unusual_bodies_are_read_as_far_as_possible() {
    let deep = format!(r#"{{"id":"a","new":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    let receive = |body: &str| {
        let body = body.to_owned();
        async move { verifier().verify(RawDelivery::new([(ID_HEADER, "e1")], body)).await }
    };
    for (body, id) in [
        (r#"{"id":"\ud83d"}"#, "\u{fffd}"),
        ("\u{feff}{\"id\":\"a\"}", "a"),
        (r#"{"id":"a","new":NaN,}"#, "a"),
        (r#"{"id":"b","id":"a"}"#, "a"),
        (&deep, "a"),
    ] {
        let received = receive(body).await.expect(body);
        assert_eq!(received.json["id"], id, "{body}");
        assert_eq!(received.body, body.as_bytes());
    }
    for body in ["", "{", "<html>", r#"{"id":"a"} x"#, "[1,2"] {
        let refused = receive(body).await;
        assert!(matches!(refused, Err(VerifyError::Malformed { .. })), "{body}: {refused:?}");
    }
}

#[cfg(feature = "axum")]
mod extractor {
    use super::*;
    use axum_core::body::Body;
    use axum_core::extract::{FromRef, FromRequest, Request};
    use axum_core::response::IntoResponse as _;

    #[derive(Clone)]
    struct App(Verifier);

    impl FromRef<App> for Verifier {
        fn from_ref(app: &App) -> Self {
            app.0.clone()
        }
    }

    fn request(headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
        let mut request = http::Request::post("/hook");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).expect("a request")
    }

    async fn refused(app: &App, request: Request) -> (u16, String) {
        let rejection =
            Verified::<PendingDelivery>::from_request(request, app).await.expect_err("it is refused");
        let response = rejection.into_response();
        let status = response.status().as_u16();
        let body = bytes::Bytes::from_request(http::Request::new(response.into_body()), &()).await;
        (status, String::from_utf8(body.expect("a body").to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn handlers_get_each_event_until_it_is_done() {
        let app = App(verifier());
        let new = || request(&[("tascha-webhook-id", "e1")], "{\"a\": 1}");
        let Verified(first) =
            Verified::<PendingDelivery>::from_request(new(), &app).await.expect("it is new");
        assert_eq!((first.event_id.as_str(), &first.json["a"]), ("e1", &Value::from(1)));
        assert_eq!(refused(&app, new()).await, (503, "the event is being handled".to_owned()));
        // A handler that fails returns the event.
        drop(first);
        // With the verifier itself as the state.
        let second = Verified::<PendingDelivery>::from_request(new(), &app.0).await.expect("it is new again");
        second.0.done().await;
        assert_eq!(refused(&app, new()).await, (200, "the event has been handled before".to_owned()));
    }

    #[tokio::test]
    async fn a_refused_delivery_is_answered() {
        let app = App(verifier());
        let id = (ID_HEADER, "e1");
        assert_eq!(refused(&app, request(&[id, ("x-bad", "1")], "{}")).await.0, 401);
        assert_eq!(refused(&app, request(&[], "{}")).await.0, 400);
        assert_eq!(refused(&app, request(&[id], "{")).await.0, 400);
        assert_eq!(refused(&app, request(&[id], vec![b' '; MAX_BODY + 1])).await.0, 413);
        assert!(Verified::<PendingDelivery>::from_request(request(&[id], "{}"), &app).await.is_ok());
    }
}
