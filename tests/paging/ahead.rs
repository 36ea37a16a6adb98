//! Pages that are fetched before they are asked for: that it saves time, how many, and that it ends with the stream.

use crate::fake::{Cursors, Fake};
use futures::{StreamExt, TryStreamExt};
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::sandbox::{Fault, Sandbox, Script, Service};
use kaiwa::{Clock, ErrorKind, VirtualClock};
use std::time::Duration;

const PAGES: u64 = 5;

async fn sandbox(clock: &VirtualClock) -> Sandbox {
    let messages = usize::try_from(PAGES).expect("a small number");
    let room = RoomSeed::new("room", "").members([Seed::USER]).messages(messages);
    let seed = Seed::default().room(room).unlimited();
    Sandbox::builder().clock(clock.clone()).tascha(seed).start().await.expect("a sandbox")
}

/// How long the list takes when a page takes the service and the caller so many seconds.
async fn takes(service: u64, caller: u64, ahead: usize) -> u64 {
    let clock = VirtualClock::new();
    let sandbox = sandbox(&clock).await;
    let slow = Fault::slow_headers(Duration::from_secs(service));
    sandbox.faults().script(Service::Tascha, Script::any().then(slow).forever());
    let client = sandbox
        .tascha_as(Seed::TOKEN)
        .timeout(None)
        .attempt_timeout(None)
        .http_client(crate::light())
        .build()
        .expect("a client");
    let mut pages = client.room("room").messages().limit(1).with_read_ahead(ahead).pages();
    let working = clock.clone();
    let mut work = tokio::spawn(async move {
        let mut count = 0;
        while let Some(page) = pages.try_next().await.expect("pages") {
            count += page.len();
            working.sleep(Duration::from_secs(caller)).await;
        }
        count
    });
    // The clock moves on only once everybody waits, whether for a socket (real time) or for the clock.
    let settled = Duration::from_millis(60);
    let count = loop {
        match tokio::time::timeout(settled, &mut work).await {
            Ok(count) => break count.expect("no panic"),
            Err(_) => clock.advance(clock.next_wake().unwrap_or_default()),
        }
    };
    assert_eq!(count as u64, PAGES);
    clock.elapsed().as_secs()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_caller_and_a_slow_service_overlap() {
    // The first page has nothing to overlap with, nor has the work on the last one.
    assert_eq!(takes(2, 2, 1).await, 2 + PAGES * 2);
    assert_eq!(takes(5, 2, 1).await, PAGES * 5 + 2);
    assert_eq!(takes(2, 5, 1).await, 2 + PAGES * 5);
    // Without, one waits for the other.
    assert_eq!(takes(2, 5, 0).await, PAGES * (2 + 5));
}

#[tokio::test]
async fn no_more_pages_are_fetched_than_were_allowed() {
    for ahead in [0, 1, 2, 5] {
        let fake = Fake::start(Cursors::Positions, 0..100).await;
        let mut rooms = fake.client().rooms().limit(2).with_read_ahead(ahead).stream();
        assert_eq!(fake.asked().len(), 0, "nothing is sent before the stream is polled");
        rooms.next().await.expect("a room").expect("a room");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(fake.asked().len(), 1 + ahead, "{ahead} ahead, on the first page");
        rooms.next().await.expect("a room").expect("a room");
        rooms.next().await.expect("a room").expect("a room");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(fake.asked().len(), 2 + ahead, "{ahead} ahead, on the second page");
        drop(rooms);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(fake.asked().len(), 2 + ahead, "nothing is sent once the stream is dropped");
    }
}

#[tokio::test]
async fn a_page_under_way_is_given_up_with_the_stream() {
    let clock = VirtualClock::new();
    let sandbox = sandbox(&clock).await;
    sandbox.faults().script(Service::Tascha, Script::any().pass(1).then(Fault::silence()).forever());
    let request = crate::tascha(&sandbox).room("room").messages().limit(1);
    // A call that is under way waits for its timeout, which tells that it is.
    let mut messages = request.with_timeout(Duration::from_secs(30)).stream();
    messages.next().await.expect("a message").expect("a message");
    let settle = async |expected: bool| {
        for _ in 0..200 {
            if (clock.sleepers() > 0) == expected {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    assert!(settle(true).await, "the second page is being fetched");
    drop(messages);
    assert!(settle(false).await, "nothing is under way any more");
}

/// A task that is gone must not pass for the end of the list.
#[test]
fn a_runtime_that_stops_is_an_error_and_not_the_end() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
    let (here, elsewhere) = (runtime(), runtime());
    let clock = VirtualClock::new();
    let sandbox = here.block_on(sandbox(&clock));
    sandbox.faults().script(Service::Tascha, Script::any().pass(1).then(Fault::silence()).forever());
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
        spawned(async move { items.try_collect_up_to(3).await });
    }
    let _ = collecting;
}
