//! A failure with one message does not affect the others.

use crate::world::{bot, created, id, notices};
use futures::stream;
use kaiwa::Clock;
use kaiwa::chatwork::bot::Context;
use kaiwa::chatwork::webhook::{Delivery, Event};
use std::cell::RefCell;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

#[tokio::test]
async fn errors_and_panics_are_reported_and_the_room_continues() {
    let (bot, _) = bot();
    let (bot, seen) = notices(bot);
    let handled = RefCell::new(Vec::new());
    let handler = |context: Context| {
        let id = id(&context);
        assert!(id != 3, "before the future");
        let handled = &handled;
        async move {
            match id {
                1 => return Err("no such command".into()),
                2 => panic!("inside the future"),
                4 => Err(std::io::Error::other("a disk"))?,
                _ => handled.borrow_mut().push(id),
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        }
    };
    let source = stream::iter((1..=5).map(|id| created(10, id)).chain([created(11, 6)]));
    let summary = bot.run(source, handler).await.expect("it runs");
    let mut handled = handled.into_inner();
    handled.sort();
    assert_eq!(handled, [5, 6]);
    assert_eq!((summary.handled, summary.failed), (2, 4));
    let expected = [
        "1: the handler failed: no such command",
        "2: the handler panicked: inside the future",
        "3: the handler panicked: before the future",
        "4: the handler failed: a disk",
    ];
    assert_eq!(*seen.lock().expect("no panic"), expected);
}

#[tokio::test]
async fn a_hanging_handler_is_dropped_and_the_room_continues() {
    let (bot, clock) = bot();
    let (bot, seen) = notices(bot);
    let handler = async |context: Context| match id(&context) {
        1 => std::future::pending().await,
        _ => Ok::<_, kaiwa::Error>(()),
    };
    let bot = bot.timeout(Duration::from_secs(30));
    let source = stream::iter([created(10, 1), created(10, 2)]);
    let summary = clock.drive(bot.run(source, handler)).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (1, 1));
    assert_eq!(*seen.lock().expect("no panic"), ["1: the handler took longer than 30s"]);
    assert_eq!(clock.elapsed(), Duration::from_secs(30));
}

#[tokio::test]
async fn events_that_are_not_messages_are_reported() {
    let (bot, _) = bot();
    let (bot, seen) = notices(bot);
    let unknown = br#"{"webhook_setting_id": "1", "webhook_event_type": "room_painted", "webhook_event_time": 1, "webhook_event": {}}"#;
    let unknown = Delivery::parse(unknown).expect("an event");
    assert!(matches!(unknown.event, Event::Other(_)));
    let summary =
        bot.run(stream::iter([unknown]), async |_| Ok::<_, kaiwa::Error>(())).await.expect("it runs");
    assert_eq!(summary, Default::default());
    assert_eq!(*seen.lock().expect("no panic"), ["webhook: room_painted"]);
}

/// Panics when it is dropped, and so does every value that holds it.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// A future that a handler could return: it ends, hangs or panics, and panics again when it is dropped.
struct Fragile(u64, #[allow(dead_code)] Bomb);

impl Future for Fragile {
    type Output = Result<(), Broken>;

    fn poll(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Self::Output> {
        match self.0 {
            1 => Poll::Ready(Ok(())),
            2 => Poll::Pending,
            3 => panic!("polled"),
            4 => std::panic::panic_any(Bomb("the payload")),
            _ => Poll::Ready(Err(Broken)),
        }
    }
}

/// An error whose conversion panics.
#[derive(Debug)]
struct Broken;

impl From<Broken> for Box<dyn std::error::Error + Send + Sync> {
    fn from(_: Broken) -> Self {
        panic!("into another error")
    }
}

#[tokio::test]
async fn every_panic_of_a_handler_is_reported_and_the_room_continues() {
    let (bot, clock) = bot();
    let (bot, seen) = notices(bot);
    let bot = bot.timeout(Duration::from_secs(30));
    let source = stream::iter((1..=5).map(|id| created(10, id)));
    let run = bot.run(source, |context| Fragile(id(&context), Bomb("dropped")));
    let summary = clock.drive(run).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (0, 5));
    let expected = [
        "1: the handler panicked: dropped",
        "2: the handler took longer than 30s",
        "3: the handler panicked: polled",
        "4: the handler panicked: no message",
        "5: the handler panicked: into another error",
    ];
    assert_eq!(*seen.lock().expect("no panic"), expected);
}

#[tokio::test]
async fn a_panic_before_the_future_exists_may_have_any_payload() {
    let (bot, _) = bot();
    let (bot, seen) = notices(bot);
    let handler = |context: Context| {
        if id(&context) == 1 {
            std::panic::panic_any(Bomb("the payload"));
        }
        ready(Ok::<_, kaiwa::Error>(()))
    };
    let summary = bot.run(stream::iter([created(10, 1), created(10, 2)]), handler).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (1, 1));
    assert_eq!(*seen.lock().expect("no panic"), ["1: the handler panicked: no message"]);
}

#[tokio::test]
async fn handlers_that_panic_when_the_shutdown_drops_them_do_not_end_it() {
    let (bot, clock) = bot();
    let (bot, seen) = notices(bot);
    let bot = bot.timeout(None).shutdown_timeout(Duration::from_secs(5));
    let source = stream::iter([created(10, 1), created(11, 2), created(11, 3)]);
    let run = bot.run(source, async |_| {
        let _bomb = Bomb("dropped");
        pending::<Result<(), kaiwa::Error>>().await
    });
    let summary = clock.drive(run).await.expect("it runs");
    assert_eq!(summary.abandoned, 3);
    let mut seen = seen.lock().expect("no panic").clone();
    seen.sort();
    assert_eq!(seen, ["abandoned: 1 true", "abandoned: 2 true", "abandoned: 3 false"]);
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_logged_or_dropped_does_not_end_the_bot() {
    struct Unspeakable(#[allow(dead_code)] Bomb);
    impl std::fmt::Debug for Unspeakable {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Unspeakable")
        }
    }
    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("written out")
        }
    }
    impl std::error::Error for Unspeakable {}
    let (bot, _) = bot();
    let handler = async |context: Context| match id(&context) {
        1 => Err(Unspeakable(Bomb("the error"))),
        _ => Ok(()),
    };
    let summary = bot.run(stream::iter([created(10, 1), created(10, 2)]), handler).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (1, 1));
}

#[tokio::test]
async fn any_limit_is_accepted() {
    for (number, time) in [(0, Duration::ZERO), (usize::MAX, Duration::MAX)] {
        let (bot, clock) = bot();
        let mut bot =
            bot.concurrency(number).queue(number).shutdown_timeout(Duration::MAX).timeout(Duration::MAX);
        let (inbox, deliveries) = bot.inbox(number);
        inbox.push(created(10, 1)).expect("there is room for one");
        let bot = bot.shutdown(clock.sleep(time.min(Duration::from_secs(1))));
        let run = bot.run(deliveries, async |_| Ok::<_, kaiwa::Error>(()));
        let summary = clock.drive(run).await.expect("it runs");
        assert_eq!(summary.handled, 1);
    }
    let (bot, clock) = bot();
    let bot = bot.shutdown_timeout(Duration::ZERO).timeout(Duration::ZERO);
    let run = bot.run(stream::iter([created(10, 1)]), async |_| pending::<Result<(), kaiwa::Error>>().await);
    let summary = clock.drive(run).await.expect("it runs");
    assert_eq!(summary.failed + summary.abandoned, 1);
}
