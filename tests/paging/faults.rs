//! Failures in the middle of a list.

use futures::{StreamExt, TryStreamExt};
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script, lancers};
use kaiwa::{Outcome, RetryPolicy, VirtualClock};

async fn sandbox(messages: usize) -> Sandbox {
    let room = RoomSeed::new("room", "").members([Seed::USER]).messages(messages);
    Sandbox::builder().tascha(Seed::default().room(room)).start().await.expect("a sandbox")
}

/// Each failure is yielded once, and the stream continues with the page that failed.
#[tokio::test]
async fn an_error_is_yielded_once_and_the_stream_continues() {
    let faults = [
        Fault::status(500),
        Fault::reset(),
        Fault::reset_mid_body(),
        Fault::short_body(),
        Fault::invalid_json(),
        Fault::wrong_types(),
    ];
    let clock = VirtualClock::new();
    let room = RoomSeed::new("room", "").members([Seed::USER]).messages(9);
    let seed = Seed::default().room(room).unlimited();
    let sandbox = Sandbox::builder().clock(clock.clone()).tascha(seed).start().await.expect("a sandbox");
    let there: Vec<String> =
        sandbox.tascha().room("room").messages().into_iter().map(|message| message.id.0).collect();
    for fault in faults {
        for ahead in [0, 1, 4] {
            for page in 0..3 {
                sandbox.faults().clear(Provider::Tascha);
                let script = Script::on("list_messages").pass(page).then(fault.clone()).times(2);
                sandbox.faults().script(Provider::Tascha, script);
                let client = crate::tascha(&sandbox);
                let request = client.room("room").messages().limit(3).with_retry(RetryPolicy::none());
                let mut messages = request.with_read_ahead(ahead).stream();
                let (mut items, mut errors) = (Vec::new(), Vec::new());
                while let Some(message) = clock.drive(messages.next()).await {
                    match message {
                        Ok(message) => items.push(message.id.to_string()),
                        Err(error) => errors.push((items.len(), error)),
                    }
                }
                assert_eq!(items, there, "{fault:?} at page {page}, {ahead} ahead");
                let places: Vec<usize> = errors.iter().map(|(place, _)| *place).collect();
                let place = usize::try_from(page).expect("a small number") * 3;
                assert_eq!(places, [place, place], "{fault:?} at page {page}, {ahead} ahead");
                assert!(errors.iter().all(|(_, error)| error.operation().is_some()));
            }
        }
    }
}

#[tokio::test]
async fn a_failure_is_retried_before_it_is_yielded() {
    let sandbox = sandbox(9).await;
    let script = Script::on("list_messages").pass(1).then(Fault::bad_gateway()).times(2);
    sandbox.faults().script(Provider::Tascha, script);
    let retry =
        RetryPolicy::new().backoff(std::time::Duration::from_millis(1), std::time::Duration::from_millis(2));
    let messages = crate::tascha(&sandbox).room("room").messages().limit(3).with_retry(retry);
    let messages: Vec<_> = messages.stream().try_collect().await.expect("messages");
    assert_eq!((messages.len(), sandbox.requests().len()), (9, 5));
}

#[tokio::test]
async fn a_checkpoint_after_an_error_resumes_like_the_stream() {
    let sandbox = sandbox(6).await;
    sandbox.faults().script(Provider::Tascha, Script::on("list_messages").pass(1).then(Fault::status(500)));
    let client = crate::tascha(&sandbox);
    let messages = || client.room("room").messages().limit(2).with_retry(RetryPolicy::none());
    let mut stream = messages().stream();
    let (mut first, mut checkpoint) = (Vec::new(), stream.checkpoint());
    while let Ok(Some(message)) = stream.try_next().await {
        first.push(message);
        checkpoint = stream.checkpoint();
    }
    assert_eq!((first.len(), stream.checkpoint()), (2, checkpoint.clone()));
    drop(stream);
    let rest: Vec<_> =
        messages().stream_from(&checkpoint).expect("of this list").try_collect().await.expect("messages");
    assert_eq!(rest.len(), 4);
}

/// A failure of the look-ahead for more items does not lose the collected items.
#[tokio::test]
async fn a_failure_after_the_cap_is_kept_for_the_next_poll() {
    let sandbox = sandbox(4).await;
    sandbox.faults().script(Provider::Tascha, Script::on("list_messages").pass(1).then(Fault::status(500)));
    let messages = crate::tascha(&sandbox).room("room").messages().limit(2).with_retry(RetryPolicy::none());
    let mut messages = messages.stream();
    let some = messages.next_batch(2).await.expect("messages");
    assert_eq!((some.items.len(), some.more), (2, true));
    let error = messages.next().await.expect("it goes on").expect_err("the failure");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(messages.next_batch(9).await.expect("messages").items.len(), 2);
}

#[tokio::test]
async fn a_failure_before_the_cap_loses_no_item() {
    for ahead in [0, 1] {
        let sandbox = sandbox(7).await;
        let script = Script::on("list_messages").pass(2).then(Fault::status(500)).times(2);
        sandbox.faults().script(Provider::Tascha, script);
        let client = crate::tascha(&sandbox);
        let messages = || client.room("room").messages().limit(2).with_retry(RetryPolicy::none());
        let there: Vec<String> =
            sandbox.tascha().room("room").messages().into_iter().map(|message| message.id.0).collect();
        let mut stream = messages().with_read_ahead(ahead).stream();
        let first = stream.try_next().await.expect("messages").expect("a message");
        assert_eq!(first.id.as_str(), there[0]);
        let before = stream.checkpoint();
        stream.next_batch(6).await.expect_err("the third page fails");
        assert_eq!(stream.checkpoint(), before, "items that were not returned are not in the checkpoint");
        // The items collected so far come first, one by one or together.
        let second = stream.try_next().await.expect("it is there").expect("a message");
        assert_eq!(second.id.as_str(), there[1]);
        assert_eq!(stream.checkpoint().last(), Some(there[1].as_str()));
        stream.next_batch(6).await.expect_err("the third page fails again");
        let rest = stream.next_batch(4).await.expect("messages");
        let ids: Vec<&str> = rest.items.iter().map(|message| message.id.as_str()).collect();
        assert_eq!((ids, rest.more), (there[2..6].iter().map(String::as_str).collect(), true));
        assert_eq!(stream.checkpoint().count(), 6);
        let rest: Vec<_> = messages()
            .stream_from(&stream.checkpoint())
            .expect("the same list")
            .try_collect()
            .await
            .expect("messages");
        assert_eq!(rest.len(), 1);
    }
}

#[tokio::test]
async fn a_cancelled_collection_loses_no_item() {
    let clock = VirtualClock::new();
    let room = RoomSeed::new("room", "").members([Seed::USER]).messages(6);
    let seed = Seed::default().room(room).unlimited();
    let sandbox = Sandbox::builder().clock(clock.clone()).tascha(seed).start().await.expect("a sandbox");
    for ahead in [0, 1] {
        let slow = Fault::slow_headers(std::time::Duration::from_secs(5));
        sandbox.faults().script(Provider::Tascha, Script::on("list_messages").pass(2).then(slow));
        let client = sandbox.tascha_client(Seed::TOKEN).timeout(None).attempt_timeout(None);
        let client = client.http_client(crate::light()).build().expect("a client");
        let mut messages = client.room("room").messages().limit(2).with_read_ahead(ahead).stream();
        tokio::select! {
            _ = messages.next_batch(5) => panic!("the third page takes its time"),
            () = crate::until("the call waits for the service", || clock.sleepers() > 0) => {}
        }
        assert_eq!(messages.checkpoint().count(), 0);
        clock.advance(std::time::Duration::from_secs(5));
        let all = messages.next_batch(9).await.expect("messages");
        assert_eq!((all.items.len(), all.more), (6, false));
        assert_eq!(messages.checkpoint().count(), 6);
    }
}

/// For Lancers' unread messages a page takes two requests, and either can fail.
#[tokio::test]
async fn the_request_that_finds_the_next_page_can_fail_too() {
    let board = lancers::BoardSeed::new("bob", ["alice"]).messages(2).unread_by(["alice"]);
    let seed = lancers::Seed::new().account("alice", lancers::Seed::CREDENTIAL).boards(4, board);
    let sandbox = Sandbox::builder().lancers(seed).start().await.expect("a sandbox");
    for operation in ["list_unread", "get_board"] {
        let script = Script::on(operation).pass(1).then(Fault::status(500));
        sandbox.faults().script(Provider::Lancers, script);
        let unread = crate::lancers(&sandbox).unread().limit(2).with_retry(RetryPolicy::none());
        let all: Vec<_> = unread.stream().collect().await;
        assert_eq!(all.iter().filter(|message| message.is_err()).count(), 1, "{operation}");
        let mut ids: Vec<_> = all.into_iter().flatten().map(|message| message.id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 8, "{operation}");
    }
}
