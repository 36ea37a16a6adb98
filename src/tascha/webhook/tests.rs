use super::*;
use futures::FutureExt;
use futures::future::BoxFuture;

type Headers = [(&'static str, &'static str); 1];

fn receiver() -> Receiver<impl Verify + Clone> {
    Receiver::new(
        |request: &Incoming<'_>| {
            if request.header("x-bad").is_none() { Ok(()) } else { Err(Unverified) }
        },
    )
}

async fn receive(
    receiver: &Receiver<impl Verify>,
    headers: Headers,
    body: &'static str,
) -> Result<Received, ReceiveError> {
    receiver.receive(Incoming::new(headers, body)).await
}

#[tokio::test]
async fn each_event_comes_once() {
    let receiver = receiver();
    let received = receive(&receiver, [("tascha-webhook-id", "e1")], "{\"a\": 1}").await.expect("it is new");
    assert_eq!((received.id.as_str(), &received.json["a"]), ("e1", &Value::from(1)));
    assert_eq!(received.body, "{\"a\": 1}");
    received.done().await;
    let again = receive(&receiver.clone(), [("TASCHA-WEBHOOK-ID", "e1")], "{}").await;
    assert_eq!(again.err(), Some(ReceiveError::Repeat));
    assert!(receive(&receiver, [(ID_HEADER, "e2")], "{}").await.is_ok());
    receiver.forget("e1").await;
    assert!(receive(&receiver, [(ID_HEADER, "e1")], "{}").await.is_ok());
}

/// The first handler takes longer than the service waits, and then fails.
#[tokio::test]
async fn a_retry_of_what_is_being_handled_makes_the_service_come_back() {
    let receiver = receiver();
    let first = receive(&receiver, [(ID_HEADER, "e1")], "{}").await.expect("it is new");
    let retry = receive(&receiver.clone(), [(ID_HEADER, "e1")], "{}").await.expect_err("it is held");
    assert_eq!((retry, retry.status()), (ReceiveError::InProgress, 503));
    drop(first);
    let second = receive(&receiver, [(ID_HEADER, "e1")], "{}").await.expect("the first gave it back");
    second.done().await;
    let third = receive(&receiver, [(ID_HEADER, "e1")], "{}").await.expect_err("it is done");
    assert_eq!((third, third.status()), (ReceiveError::Repeat, 200));
}

/// As servers do when the client hangs up.
#[tokio::test]
async fn a_handler_that_is_dropped_gives_the_event_back() {
    let receiver = receiver();
    let handler = async {
        let received = receive(&receiver, [(ID_HEADER, "e1")], "{}").await.expect("it is new");
        std::future::pending::<()>().await;
        received.done().await;
    };
    tokio::select! {
        biased;
        () = handler => unreachable!("it waits for ever"),
        () = tokio::task::yield_now() => {}
    }
    assert!(receive(&receiver, [(ID_HEADER, "e1")], "{}").await.is_ok());
}

/// A store that answers when it likes.
#[derive(Debug)]
struct Slow;

impl ReplayCache for Slow {
    fn first_seen<'a>(&'a self, _: &'a str, _: Duration) -> BoxFuture<'a, bool> {
        Box::pin(std::future::pending())
    }

    fn is_known<'a>(&'a self, _: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::pending())
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_receiver_that_is_dropped_while_it_asks_holds_nothing() {
    let receiver = receiver().replay_cache(Arc::new(Slow));
    for _ in 0..2 {
        let asking = receive(&receiver, [(ID_HEADER, "e1")], "{}").now_or_never();
        assert!(asking.is_none(), "{asking:?}");
    }
    assert!(receiver.events.handling().is_empty());
}

#[tokio::test]
async fn what_one_process_has_done_is_a_repeat_in_another() {
    let cache = Arc::new(MemoryReplayCache::new(10));
    let [one, two] = [(); 2].map(|()| receiver().replay_cache(cache.clone()));
    receive(&one, [(ID_HEADER, "e1")], "{}").await.expect("it is new").done().await;
    let again = receive(&two, [(ID_HEADER, "e1")], "{}").await;
    assert_eq!(again.err(), Some(ReceiveError::Repeat));
}

#[tokio::test]
async fn what_is_refused_is_not_remembered() {
    let receiver = receiver();
    let malformed = receive(&receiver, [(ID_HEADER, "e1")], "{").await;
    assert_eq!(malformed.err(), Some(ReceiveError::Malformed { line: 1, column: 1 }));
    assert!(receive(&receiver, [(ID_HEADER, "e1")], "{}").await.is_ok());
    for id in ["", "a b", "é"] {
        let refused = receive(&receiver, [(ID_HEADER, id)], "{}").await;
        assert_eq!(refused.err(), Some(ReceiveError::MissingId));
    }
    let refused = receive(&receiver, [("x-bad", "1")], "{}").await;
    assert_eq!(refused.err(), Some(ReceiveError::Unverified(Unverified)));
    let refused = receive(&receiver, [("x", "1")], "{}").await;
    assert_eq!(refused.err(), Some(ReceiveError::MissingId));
    let long = receiver.receive(Incoming::new([(ID_HEADER, "e3")], vec![b' '; MAX_BODY + 1])).await;
    assert_eq!(long.err(), Some(ReceiveError::TooLarge));
    let statuses =
        [ReceiveError::TooLarge, ReceiveError::MissingId, ReceiveError::Repeat].map(|e| e.status());
    assert_eq!(statuses, [413, 400, 200]);
}

#[test]
fn debug_shows_no_header_values() {
    let request = Incoming::new([("authorization", "hunter2")], "secret");
    let debug = format!("{request:?} {:?}", receiver());
    assert!(debug.contains("authorization") && !debug.contains("hunter2") && !debug.contains("secret"));
}

/// A delivery that is refused comes again, and is refused again.
#[tokio::test]
async fn odd_bodies_are_read_as_far_as_they_can_be() {
    let deep = format!(r#"{{"id":"a","new":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    let receive = |body: &str| {
        let body = body.to_owned();
        async move { receiver().receive(Incoming::new([(ID_HEADER, "e1")], body)).await }
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
        assert!(matches!(refused, Err(ReceiveError::Malformed { .. })), "{body}: {refused:?}");
    }
}
