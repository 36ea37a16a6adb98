//! What goes wrong with one message goes wrong with no other.

use crate::world::{bot, created, id, notices};
use futures::stream;
use kaiwa::chatwork::bot::Context;
use kaiwa::chatwork::webhook::{Delivery, Event};
use std::cell::RefCell;
use std::time::Duration;

#[tokio::test]
async fn errors_and_panics_are_told_and_the_room_goes_on() {
    let (bot, _) = bot();
    let (bot, told) = notices(bot);
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
    assert_eq!(*told.lock().expect("no panic"), expected);
}

#[tokio::test]
async fn a_handler_that_hangs_is_dropped_and_the_room_goes_on() {
    let (bot, clock) = bot();
    let (bot, told) = notices(bot);
    let handler = async |context: Context| match id(&context) {
        1 => std::future::pending().await,
        _ => Ok::<_, kaiwa::Error>(()),
    };
    let bot = bot.timeout(Duration::from_secs(30));
    let source = stream::iter([created(10, 1), created(10, 2)]);
    let summary = clock.drive(bot.run(source, handler)).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (1, 1));
    assert_eq!(*told.lock().expect("no panic"), ["1: the handler took longer than 30s"]);
    assert_eq!(clock.elapsed(), Duration::from_secs(30));
}

#[tokio::test]
async fn what_is_no_message_is_told() {
    let (bot, _) = bot();
    let (bot, told) = notices(bot);
    let unknown = br#"{"webhook_setting_id": "1", "webhook_event_type": "room_painted", "webhook_event_time": 1, "webhook_event": {}}"#;
    let unknown = Delivery::parse(unknown).expect("an event");
    assert!(matches!(unknown.event, Event::Other(_)));
    let summary =
        bot.run(stream::iter([unknown]), async |_| Ok::<_, kaiwa::Error>(())).await.expect("it runs");
    assert_eq!(summary, Default::default());
    assert_eq!(*told.lock().expect("no panic"), ["webhook: room_painted"]);
}
