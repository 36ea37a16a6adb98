//! A bot with a watch as its source.

use crate::world::{ME, World, created, id, notices};
use futures::stream::{self, StreamExt};
use kaiwa::chatwork::RoomId;
use kaiwa::chatwork::bot::{Bot, Context, Input};
use kaiwa::sandbox::{Fault, Provider, Script};
use kaiwa::webhook::MemoryReplayCache;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// A handler that answers, and stops the bot after the message "stop".
fn answering()
-> (impl Future<Output = ()> + Send + 'static, impl AsyncFn(Context) -> Result<(), kaiwa::Error>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let stop = Arc::new(Mutex::new(Some(stop)));
    let handler = async move |context: Context| {
        if context.plain_text() == "stop" {
            let stop = stop.lock().expect("no panic").take();
            stop.expect("there is one stop").send(()).expect("the bot runs");
            return Ok(());
        }
        context.reply(context.plain_text()).await.map(drop)
    };
    (async { stopped.await.unwrap_or_default() }, handler)
}

#[tokio::test]
async fn it_survives_failures_and_resumes_from_its_checkpoint() {
    let world = World::new().await;
    let view = |room| world.sandbox.chatwork().room(room);
    view(10).post_as(2, "one");
    view(11).post_as(2, "two");
    let mut watch = world.client.watch([RoomId(10), RoomId(11)]).from_window().stream();
    world.sandbox.faults().script(Provider::Chatwork, Script::on("list_messages").then(Fault::bad_gateway()));

    let (bot, seen) = notices(Bot::new(world.client.clone()));
    let (stopped, handler) = answering();
    let handler = |context| handler(context);
    // The room whose read fails is polled last.
    view(10).post_as(2, "stop");
    let run = bot.shutdown(stopped).run(&mut watch, handler);
    let summary = world.clock.drive(run).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (3, 0));
    assert_eq!(*seen.lock().expect("no panic"), ["source: Some(502)"]);
    let bodies = [world.bodies(10), world.bodies(11)].concat();
    assert!(bodies.iter().filter(|body| body.starts_with("[rp aid=2 to=1")).count() == 2, "{bodies:?}");

    // In another process, from a checkpoint: it skips its own answers, and handles the messages posted meanwhile.
    let saved = serde_json::to_string(&watch.checkpoint()).expect("it can be kept");
    drop(watch);
    view(10).post_as(2, "three");
    view(10).post_as(2, "stop");
    let saved = serde_json::from_str(&saved).expect("it was kept");
    let watch = world.client.watch([RoomId(10), RoomId(11)]).from_checkpoint(saved).stream();
    let (stopped, handler) = answering();
    let handler = |context| handler(context);
    let run = Bot::new(world.client.clone()).shutdown(stopped).run(watch, handler);
    let summary = world.clock.drive(run).await.expect("it runs");
    assert_eq!((summary.handled, summary.repeated), (2, 0));
    let answers = [world.bodies(10), world.bodies(11)].concat();
    let answers: Vec<&str> =
        answers.iter().filter_map(|body| body.strip_prefix("[rp ")?.split('\n').nth(1)).collect();
    assert_eq!(answers, ["one", "three", "two"]);
}

#[tokio::test]
async fn abandoned_events_are_handed_out_and_the_checkpoint_is_after_them() {
    let world = World::new().await;
    let room = world.sandbox.chatwork().room(10);
    let (one, two) = (room.post_as(2, "one"), room.post_as(2, "two"));
    let mut watch = world.client.watch([RoomId(10)]).from_window().stream();
    let (bot, seen) = notices(Bot::new(world.client.clone()).me(ME));
    let (stop, stopped) = oneshot::channel::<()>();
    let stop = RefCell::new(Some(stop));
    let handler = async |_: Context| {
        drop(stop.take());
        std::future::pending::<Result<(), kaiwa::Error>>().await
    };
    let bot = bot.shutdown(async { stopped.await.unwrap_or_default() }).timeout(None);
    let run = bot.shutdown_timeout(Duration::from_secs(5)).run(&mut watch, handler);
    let summary = world.clock.drive(run).await.expect("it runs");
    // The bot may or may not have taken the second message before it noticed the shutdown.
    let seen = seen.lock().expect("no panic").clone();
    assert_eq!(summary.abandoned, seen.len() as u64);
    assert_eq!(seen[0], format!("abandoned: {one} true"));

    room.post_as(2, "stop");
    let watch = world.client.watch([RoomId(10)]).from_checkpoint(watch.checkpoint()).stream();
    let (stopped, handler) = answering();
    let handled = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        handled.borrow_mut().push(context.plain_text().into_owned());
        handler(context).await
    };
    let run = Bot::new(world.client.clone()).me(ME).shutdown(stopped).run(watch, handler);
    world.clock.drive(run).await.expect("it runs");
    // Each message is either handed out or delivered again.
    let came: &[&str] =
        if seen.contains(&format!("abandoned: {two} false")) { &["stop"] } else { &["two", "stop"] };
    assert_eq!(handled.into_inner(), came);
}

#[tokio::test]
async fn a_message_from_a_webhook_and_a_watch_is_handled_once() {
    let world = World::new().await;
    let room = world.sandbox.chatwork().room(10);
    let first = room.post_as(2, "one").to_string().parse().expect("a number");
    room.post_as(2, "stop");
    let mut bot = Bot::new(world.client.clone()).me(ME);
    let (inbox, deliveries) = bot.inbox(8);
    inbox.push(created(10, first)).expect("there is room");
    let watch = world.client.watch([RoomId(10)]).from_window().stream();
    let (stopped, handler) = answering();
    let handler = |context| handler(context);
    let source = stream::select(deliveries, watch.map(Input::from));
    let summary = world.clock.drive(bot.shutdown(stopped).run(source, handler)).await.expect("it runs");
    assert_eq!((summary.handled, summary.repeated, summary.failed), (2, 1, 0));
    assert_eq!(world.bodies(10).iter().filter(|body| body.starts_with("[rp aid=2")).count(), 1);
}

#[tokio::test]
async fn what_a_killed_bot_had_not_done_is_handled_after_a_restart() {
    let world = World::new().await;
    let room = world.sandbox.chatwork().room(10);
    for text in ["one", "two", "three"] {
        room.post_as(2, text);
    }
    let cache = Arc::new(MemoryReplayCache::with_clock(100, Arc::new(world.clock.clone())));
    let start = || {
        let watch = world.client.watch([RoomId(10)]).from_window().stream();
        (Bot::new(world.client.clone()).me(ME).replay_cache(cache.clone()).queue(1), watch)
    };
    let handled = RefCell::new(Vec::new());
    let (killed, kill) = oneshot::channel::<()>();
    let killed = RefCell::new(Some(killed));
    let handler = async |context: Context| {
        if context.plain_text() == "one" {
            handled.borrow_mut().push(id(&context));
            return Ok(());
        }
        drop(killed.take());
        std::future::pending::<Result<(), kaiwa::Error>>().await
    };
    let (bot, watch) = start();
    tokio::select! {
        _ = bot.timeout(None).run(watch, handler) => unreachable!("the handler waits for ever"),
        _ = kill => {}
    }
    room.post_as(2, "stop");
    let (bot, watch) = start();
    let (stopped, answer) = answering();
    let handler = async |context: Context| {
        handled.borrow_mut().push(id(&context));
        answer(context).await
    };
    let summary = world.clock.drive(bot.shutdown(stopped).run(watch, handler)).await.expect("it runs");
    assert_eq!((summary.handled, summary.repeated), (3, 1));
    assert_eq!(handled.into_inner().len(), 4, "each was handled to the end once");
}
