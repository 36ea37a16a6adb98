//! How a bot ends: it loses no event that it accepted, unless the shutdown timeout ends first.

use crate::world::{Desk, World, bot, by, created, notices};
use futures::channel::mpsc;
use futures::stream::{self, StreamExt};
use kaiwa::chatwork::Client;
use kaiwa::chatwork::bot::{Bot, Context, PushError};
use kaiwa::{Clock, VirtualClock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

async fn nothing(_: Context) -> Result<(), kaiwa::Error> {
    Ok(())
}

#[tokio::test]
async fn a_shutdown_handles_accepted_events_and_no_others() {
    let desk = Desk::new();
    let (bot, _) = bot();
    let (stop, stopped) = oneshot::channel::<()>();
    let (messages, source) = mpsc::unbounded();
    let send = |id| messages.unbounded_send(created(10, id));
    let script = async {
        send(1).expect("it is open");
        send(2).expect("it is open");
        let one = desk.begun().await;
        stop.send(()).expect("it runs");
        // The source is dropped, so its sender is notified.
        while !messages.is_closed() {
            tokio::task::yield_now().await;
        }
        send(3).expect_err("it is closed");
        one.end();
        let two = desk.begun().await;
        assert_eq!(two.id, 2);
        two.end();
    };
    let bot = bot.shutdown(async { stopped.await.unwrap_or_default() });
    let (summary, ()) = tokio::join!(bot.run(source, |context| desk.handle(context)), script);
    let summary = summary.expect("it runs");
    assert_eq!((summary.handled, summary.abandoned), (2, 0));
}

#[tokio::test]
async fn a_shutdown_is_noticed_while_the_queue_is_full() {
    let desk = Desk::new();
    let (bot, clock) = bot();
    let (stop, stopped) = oneshot::channel::<()>();
    let source = stream::iter((0..10).map(|id| created(10, id)));
    let bot = bot
        .queue(2)
        .shutdown(async { stopped.await.unwrap_or_default() })
        .shutdown_timeout(Duration::from_secs(5));
    let (bot, seen) = notices(bot);
    let script = async {
        let begun = desk.begun().await;
        assert_eq!(clock.sleepers(), 0);
        stop.send(()).expect("it runs");
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(5));
        begun
    };
    let (summary, _begun) = tokio::join!(bot.run(source, |context| desk.handle(context)), script);
    let summary = summary.expect("it runs");
    assert_eq!((summary.handled, summary.abandoned), (0, 3));
    let expected = ["abandoned: 0 true", "abandoned: 1 false", "abandoned: 2 false"];
    assert_eq!(*seen.lock().expect("no panic"), expected);
}

#[tokio::test]
async fn the_shutdown_timeout_starts_at_the_end_of_the_source() {
    let (bot, clock) = bot();
    let (bot, seen) = notices(bot);
    let source = stream::iter([created(10, 1), created(11, 2), created(12, 3), created(12, 4)]);
    let handler = async |context: Context| match context.message().room_id.0 {
        10 => Ok(()),
        11 => std::future::pending().await,
        _ => {
            clock.sleep(Duration::from_secs(3)).await;
            Ok::<_, kaiwa::Error>(())
        }
    };
    let run = bot.shutdown_timeout(Duration::from_secs(5)).run(source, handler);
    let summary = clock.drive(run).await.expect("it runs");
    assert_eq!((summary.handled, summary.abandoned), (2, 2));
    assert_eq!(clock.elapsed(), Duration::from_secs(5));
    let mut seen = seen.lock().expect("no panic").clone();
    seen.sort();
    assert_eq!(seen, ["abandoned: 2 true", "abandoned: 4 true"]);
}

#[tokio::test]
async fn an_inbox_accepts_up_to_its_capacity_and_never_waits() {
    let (mut bot, _) = bot();
    let (inbox, deliveries) = bot.inbox(2);
    assert_eq!(inbox.push(created(10, 1)), Ok(()));
    assert_eq!(inbox.clone().push(by(1, 10, 2)), Ok(()));
    assert_eq!(inbox.push(created(10, 3)), Err(PushError::Full));
    inbox.close();
    assert_eq!(inbox.push(created(10, 3)), Err(PushError::Closed));
    let summary = bot.run(deliveries, nothing).await.expect("it runs");
    assert_eq!((summary.handled, summary.own), (1, 1));
}

#[tokio::test]
async fn an_inbox_without_senders_ends_the_bot() {
    let (mut bot, _) = bot();
    let (inbox, deliveries) = bot.inbox(8);
    inbox.push(created(10, 1)).expect("there is room");
    drop(inbox);
    assert_eq!(bot.run(deliveries, nothing).await.expect("it runs").handled, 1);
}

#[tokio::test]
async fn events_in_an_inbox_are_handled_in_a_shutdown() {
    let (mut bot, _) = bot();
    let (inbox, deliveries) = bot.inbox(8);
    for id in 1..=3 {
        inbox.push(created(10, id)).expect("there is room");
    }
    let summary = bot.shutdown(async {}).run(deliveries, nothing).await.expect("it runs");
    assert_eq!(summary.handled, 3);
    assert_eq!(inbox.push(created(10, 4)), Err(PushError::Closed));
}

#[tokio::test]
async fn an_inbox_next_to_an_endless_source_is_emptied_in_a_shutdown() {
    let (mut bot, _) = bot();
    let (inbox, deliveries) = bot.inbox(8);
    inbox.push(created(10, 1)).expect("there is room");
    let source = stream::select(deliveries, stream::pending());
    let summary = bot.shutdown(async {}).queue(1).run(source, nothing).await.expect("it runs");
    assert_eq!(summary.handled, 1);
}

#[tokio::test]
async fn closing_its_inbox_wakes_an_idle_bot() {
    let (mut bot, _) = bot();
    let (inbox, deliveries) = bot.inbox(8);
    let source = deliveries.inspect(|_| unreachable!("nothing is pushed"));
    let running = tokio::spawn(bot.run(source, nothing));
    tokio::task::yield_now().await;
    inbox.close();
    assert_eq!(running.await.expect("no panic").expect("it runs"), Default::default());
}

#[tokio::test]
async fn an_inbox_without_its_bot_is_closed() {
    let (mut bot, _) = bot();
    let (inbox, deliveries) = bot.inbox(8);
    drop(bot.run(deliveries, nothing));
    assert_eq!(inbox.push(created(10, 1)), Err(PushError::Closed));
}

#[tokio::test]
async fn an_inbox_is_closed_if_the_bot_cannot_get_its_account() {
    let world = World::new().await;
    world.sandbox.chatwork().revoke("bot");
    let mut bot = Bot::new(world.client.clone());
    let (inbox, deliveries) = bot.inbox(8);
    inbox.push(created(10, 1)).expect("there is room");
    let error = bot.run(deliveries, nothing).await.expect_err("the token is revoked");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    assert_eq!(inbox.push(created(10, 2)), Err(PushError::Closed));
}

#[tokio::test]
async fn accepted_events_are_handled_after_a_shutdown_during_the_account_request() {
    let world = World::new().await;
    let mut bot = Bot::new(world.client.clone());
    let (inbox, deliveries) = bot.inbox(8);
    inbox.push(created(10, 1)).expect("there is room");
    let closed = inbox.clone();
    let handler = async |_: Context| {
        assert_eq!(closed.push(created(10, 2)), Err(PushError::Closed));
        Ok::<_, kaiwa::Error>(())
    };
    let bot = bot.shutdown(async {}).shutdown_timeout(Duration::from_secs(5));
    let summary = bot.run(deliveries, handler).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (1, 0));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever_for_the_account_request() {
    // Nothing answers there.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let clock = VirtualClock::new();
    let client = Client::builder().api_token("x").base_url(&url).clock(clock.clone());
    let client = client.timeout(None).attempt_timeout(None).build().expect("a client");

    // If it has accepted nothing, it ends at once.
    let run = Bot::new(client.clone()).shutdown(async {}).run(stream::iter([created(10, 1)]), nothing);
    assert_eq!(run.await.expect("it ends"), Default::default());
    assert_eq!(clock.elapsed(), Duration::ZERO);

    let mut bot = Bot::new(client).shutdown(async {}).shutdown_timeout(Duration::from_secs(5));
    let (inbox, deliveries) = bot.inbox(8);
    inbox.push(created(10, 1)).expect("there is room");
    let script = async {
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(inbox.push(created(10, 2)), Err(PushError::Closed));
        clock.advance(Duration::from_secs(5));
    };
    let (summary, ()) = tokio::join!(bot.run(deliveries, nothing), script);
    assert_eq!(summary.expect("it ends"), Default::default());
}
