//! Pages that are fetched ahead: they save time, their number is bounded, and they end with the stream.

use crate::fake::{Cursors, Fake};
use futures::{StreamExt, TryStreamExt};
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{ErrorKind, VirtualClock};
use std::time::Duration;

const PAGES: u64 = 5;

async fn sandbox(clock: &VirtualClock) -> Sandbox {
    let messages = usize::try_from(PAGES).expect("a small number");
    let room = RoomSeed::new("room", "").members([Seed::USER]).messages(messages);
    let seed = Seed::default().room(room).unlimited();
    Sandbox::builder().clock(clock.clone()).tascha(seed).start().await.expect("a sandbox")
}

/// The service takes two seconds for a page, and the clock moves only when the caller says so.
#[tokio::test]
async fn the_next_page_is_fetched_while_the_caller_processes_this_one() {
    for ahead in [0, 1] {
        let clock = VirtualClock::new();
        let sandbox = sandbox(&clock).await;
        let slow = Fault::slow_headers(Duration::from_secs(2));
        sandbox.faults().script(Provider::Tascha, Script::any().then(slow).forever());
        let client = sandbox.tascha_client(Seed::TOKEN).timeout(None).attempt_timeout(None);
        let client = client.http_client(crate::light()).build().expect("a client");
        let mut pages = client.room("room").messages().limit(1).with_read_ahead(ahead).pages();
        let served = async || {
            crate::until("the service works on a page", || clock.sleepers() > 0).await;
            clock.advance(Duration::from_secs(2));
        };
        for page in 0..PAGES {
            // The first page has nothing to overlap with.
            if page == 0 || ahead == 0 {
                assert_eq!(clock.sleepers(), 0, "nothing is in flight before the first poll");
                let (answer, ()) = futures::join!(pages.try_next(), served());
                answer.expect("pages").expect("a page");
            } else {
                // The stream is not polled, because the caller works.
                served().await;
                pages.try_next().await.expect("pages").expect("a page");
            }
        }
        assert!(pages.try_next().await.expect("the end").is_none());
        assert_eq!(clock.elapsed(), Duration::from_secs(2) * PAGES as u32);
    }
}

#[tokio::test]
async fn at_most_the_allowed_pages_are_fetched_ahead() {
    for ahead in [0, 1, 2, 5] {
        let fake = Fake::start(Cursors::Positions, 0..100).await;
        let mut rooms = fake.client().rooms().limit(2).with_read_ahead(ahead).stream();
        assert_eq!(fake.asked().len(), 0, "nothing is sent before the stream is polled");
        for page in 1..=3 {
            rooms.next().await.expect("a room").expect("a room");
            crate::until("the pages ahead are requested", || fake.asked().len() >= page + ahead).await;
            fake.settle().await;
            assert_eq!(fake.asked().len(), page + ahead, "{ahead} ahead, on page {page}");
            rooms.next().await.expect("a room").expect("a room");
        }
        drop(rooms);
        fake.settle().await;
        assert_eq!(fake.asked().len(), 3 + ahead, "nothing is sent once the stream is dropped");
    }
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_page_in_flight() {
    let clock = VirtualClock::new();
    let sandbox = sandbox(&clock).await;
    sandbox.faults().script(Provider::Tascha, Script::any().pass(1).then(Fault::silence()).forever());
    let request = crate::tascha(&sandbox).room("room").messages().limit(1);
    // A call in flight waits for its timeout, which shows that it is in flight.
    let mut messages = request.with_timeout(Duration::from_secs(30)).stream();
    messages.next().await.expect("a message").expect("a message");
    crate::until("the second page is being fetched", || clock.sleepers() > 0).await;
    drop(messages);
    crate::until("nothing is in flight any more", || clock.sleepers() == 0).await;
}

/// A task that has ended must not look like the end of the list.
#[test]
fn a_runtime_that_stops_is_an_error_and_not_the_end() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
    let (here, elsewhere) = (runtime(), runtime());
    let clock = VirtualClock::new();
    let sandbox = here.block_on(sandbox(&clock));
    sandbox.faults().script(Provider::Tascha, Script::any().pass(1).then(Fault::silence()).forever());
    let mut messages = crate::tascha(&sandbox).room("room").messages().limit(1).stream();
    elsewhere.block_on(async { messages.next().await.expect("a message").expect("a message") });
    elsewhere.shutdown_background();
    let error = here.block_on(messages.next()).expect("not the end").expect_err("the task is gone");
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
    assert!(here.block_on(messages.next()).is_none());
    here.block_on(async { drop(sandbox) });
}

#[test]
fn collecting_can_be_spawned() {
    fn spawned<T: Send>(_: T) {}
    fn collecting(mut items: kaiwa::Items<kaiwa::tascha::operations::ListRooms>) {
        spawned(async move { items.next_batch(3).await });
    }
    let _ = collecting;
}
