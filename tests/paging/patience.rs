//! Streams that are polled again after every failure: they wait longer each time, and give up.

use crate::fake::{Cursors, Fake, number, room};
use futures::{StreamExt, TryStreamExt};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script, lancers, tascha};
use kaiwa::{Error, ErrorKind, RetryPolicy, VirtualClock};
use serde_json::json;
use std::future::ready;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

async fn sandbox(clock: &VirtualClock) -> Sandbox {
    let room = tascha::RoomSeed::new("room", "").members([tascha::Seed::USER]).messages(9);
    let tascha = tascha::Seed::default().room(room).unlimited();
    let board = lancers::BoardSeed::new("bob", ["alice"]).messages(9).unread_by(["alice"]);
    let lancers = lancers::Seed::new().account("alice", lancers::Seed::CREDENTIAL).boards(3, board);
    let sandbox = Sandbox::builder().clock(clock.clone()).tascha(tascha).lancers(lancers).start().await;
    sandbox.expect("a sandbox")
}

fn broken() -> Fault {
    Fault::status(200).body("application/json", r#"{"data":7}"#)
}

/// A program that ignores errors can use the stream like any other.
fn ends_after_failures(last: &Error) {
    assert!(matches!(last.kind(), ErrorKind::GaveUp { failures: 8 }), "{last}");
    let text = last.to_string();
    assert!(text.contains("given up after 8 failures in a row") && text.contains("checkpoint"), "{text}");
}

#[tokio::test]
async fn a_page_that_never_decodes_is_requested_eight_times_with_backoff() {
    for ahead in [0, 1, 4] {
        let clock = VirtualClock::new();
        let sandbox = sandbox(&clock).await;
        let client = crate::tascha(&sandbox);
        let script = Script::on("list_messages").pass(1).then(broken()).forever();
        sandbox.faults().script(Provider::Tascha, script);
        let request =
            || client.room("room").messages().limit(3).with_retry(RetryPolicy::none()).with_read_ahead(ahead);

        let mut messages = request().stream();
        let met: Vec<_> = clock.drive(messages.by_ref().collect::<Vec<_>>()).await;
        assert_eq!(met.iter().filter(|message| message.is_ok()).count(), 3);
        let errors: Vec<&Error> = met.iter().filter_map(|message| message.as_ref().err()).collect();
        assert_eq!(errors.len(), 9, "eight failures, and the final one");
        assert!(errors[..8].iter().all(|error| error.is_decode()));
        ends_after_failures(errors[8]);
        assert_eq!(sandbox.requests().len(), 9, "nothing is sent for the final failure");
        // 250 ms, doubled six times, minus up to half.
        let waited = clock.elapsed();
        assert!(waited > 15 * SECOND && waited < 32 * SECOND, "{waited:?}");
        assert!(clock.drive(messages.next()).await.is_none(), "it has ended");

        // The stream resumes from the checkpoint.
        sandbox.faults().clear(Provider::Tascha);
        let rest = request().stream_from(&messages.checkpoint()).expect("the same list");
        assert_eq!(clock.drive(rest.try_collect::<Vec<_>>()).await.expect("messages").len(), 6);
    }
}

#[tokio::test]
async fn pages_and_lenient_lists_and_every_kind_of_failure_give_up_as_well() {
    let failures = [Fault::status(500), Fault::status(404), Fault::reset(), Fault::short_body(), broken()];
    for fault in failures {
        let clock = VirtualClock::new();
        let sandbox = sandbox(&clock).await;
        for service in [Provider::Tascha, Provider::Lancers] {
            sandbox.faults().script(service, Script::any().then(fault.clone()).forever());
        }
        let never = RetryPolicy::none();
        let (tascha, lancers) = (crate::tascha(&sandbox), crate::lancers(&sandbox));
        let messages = || tascha.room("room").messages().with_retry(never.clone());
        let last = async |name: &str, errors: Vec<Error>| {
            assert_eq!((errors.len(), sandbox.requests().len()), (9, 8), "{name}, {fault:?}");
            ends_after_failures(errors.last().expect("there are nine"));
            sandbox.clear_requests();
        };
        let pages = messages().pages().filter_map(|page| ready(page.err()));
        last("pages", clock.drive(pages.collect()).await).await;
        let lenient = messages().lenient().stream().filter_map(|item| ready(item.err()));
        last("lenient", clock.drive(lenient.collect()).await).await;
        let boards = lancers.boards().with_retry(never.clone()).stream().filter_map(|item| ready(item.err()));
        last("boards", clock.drive(boards.collect()).await).await;
    }
}

/// For Lancers' unread messages a page takes a second request, which can fail as well.
#[tokio::test]
async fn the_request_that_finds_the_next_page_counts() {
    let clock = VirtualClock::new();
    let sandbox = sandbox(&clock).await;
    sandbox.faults().script(Provider::Lancers, Script::on("get_board").then(Fault::status(500)).forever());
    let unread = crate::lancers(&sandbox).unread().limit(1).with_retry(RetryPolicy::none());
    let met: Vec<_> = clock.drive(unread.stream().collect::<Vec<_>>()).await;
    assert_eq!(met.len(), 9);
    ends_after_failures(met.last().and_then(|last| last.as_ref().err()).expect("the final failure"));
}

#[tokio::test]
async fn a_success_in_between_resets_the_count() {
    let clock = VirtualClock::new();
    let sandbox = sandbox(&clock).await;
    // Seven failures before each of the pages.
    let seven = |script: Script| (0..7).fold(script, |script, _| script.then(Fault::status(500)));
    let script = seven(seven(seven(Script::on("list_messages")).pass(1)).pass(1));
    sandbox.faults().script(Provider::Tascha, script);
    let messages = crate::tascha(&sandbox).room("room").messages().limit(3).with_retry(RetryPolicy::none());
    let met: Vec<_> = clock.drive(messages.stream().collect::<Vec<_>>()).await;
    let (items, errors): (Vec<_>, Vec<_>) = met.into_iter().partition(Result::is_ok);
    assert_eq!((items.len(), errors.len()), (9, 21));
}

#[tokio::test]
async fn the_wait_that_the_service_asks_for_is_kept() {
    let clock = VirtualClock::new();
    let sandbox = sandbox(&clock).await;
    let busy = Fault::status(503).header("retry-after", "90");
    sandbox.faults().script(Provider::Tascha, Script::on("list_messages").then(busy));
    let messages = crate::tascha(&sandbox).room("room").messages().with_retry(RetryPolicy::none());
    let mut messages = messages.stream();
    let error = clock.drive(messages.next()).await.expect("not the end").expect_err("it is busy");
    assert_eq!((error.retry_after(), clock.elapsed()), (Some(90 * SECOND), Duration::ZERO));
    clock.advance(30 * SECOND);
    clock.drive(messages.next()).await.expect("not the end").expect("a message");
    assert_eq!(clock.elapsed(), 90 * SECOND, "the caller's time counts");
}

#[tokio::test]
async fn invalid_input_is_yielded_once() {
    let clock = VirtualClock::new();
    let sandbox = sandbox(&clock).await;
    let rooms = crate::tascha(&sandbox).rooms().limit(1000).stream();
    let met: Vec<_> = clock.drive(rooms.collect::<Vec<_>>()).await;
    assert_eq!((met.len(), sandbox.requests().len()), (1, 0));
    assert!(met[0].as_ref().is_err_and(Error::is_invalid_input));
}

/// New cursors without an item behind them; after this many pages there may be one after all.
#[tokio::test]
async fn endless_empty_pages_are_an_error_and_its_checkpoint_resumes_after_them() {
    let page = |number: usize| match number {
        0 => json!({ "data": [room(1), room(2)], "nextCursor": "0" }),
        2_400 => json!({ "data": [room(3)], "nextCursor": null }),
        _ => json!({ "data": [], "nextCursor": number.to_string() }),
    };
    for ahead in [0, 3] {
        let fake = Fake::scripted((0..=2_400).map(page)).await;
        let rooms = || fake.client().rooms().with_read_ahead(ahead);
        let mut checkpoint = rooms().stream().checkpoint();
        let mut met = Vec::new();
        for part in 0..3 {
            let mut stream = rooms().stream_from(&checkpoint).expect("the same list");
            let error = loop {
                match stream.next().await {
                    Some(Ok(room)) => met.push(number(&room)),
                    Some(Err(error)) => break Some(error),
                    None => break None,
                }
            };
            assert_eq!(error.is_some(), part < 2, "{error:?}");
            if let Some(error) = error {
                assert!(matches!(error.kind(), ErrorKind::EmptyPages { pages: 1000.. }), "{error}");
                assert!(error.to_string().contains("pages in a row had nothing new"), "{error}");
            }
            assert!(stream.next().await.is_none(), "it has ended");
            let kept = serde_json::to_string(&stream.checkpoint()).expect("it serialises");
            checkpoint = serde_json::from_str(&kept).expect("it was just written");
        }
        assert_eq!(met, [1, 2, 3], "{ahead} ahead");
        assert_eq!(checkpoint.count(), 3);
    }
}

#[tokio::test]
async fn pages_with_only_yielded_items_count_as_empty() {
    let same = |number: usize| json!({ "data": [room(1)], "nextCursor": number.to_string() });
    let fake = Fake::scripted((0..3_000).map(same)).await;
    let met: Vec<_> = fake.client().rooms().stream().collect().await;
    assert_eq!((met.len(), fake.asked().len()), (2, 1_001));
    let error = met[1].as_ref().expect_err("no end is in sight");
    assert!(matches!(error.kind(), ErrorKind::EmptyPages { pages: 1000 }), "{error}");
    let fake = Fake::start(Cursors::Anchors, 1..=5).await;
    assert_eq!(fake.client().rooms().limit(1).stream().count().await, 5, "this does not stop the stream");
}
