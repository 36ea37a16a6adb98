//! With a watch for a source.

use crate::world::{World, notices};
use kaiwa::chatwork::RoomId;
use kaiwa::chatwork::bot::{Bot, Context};
use kaiwa::sandbox::{Fault, Script, Service};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A handler that answers, and stops the bot after the message "stop".
fn answering()
-> (impl Future<Output = ()> + Send + 'static, impl AsyncFn(Context) -> Result<(), kaiwa::Error>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let stop = Arc::new(Mutex::new(Some(stop)));
    let handler = async move |context: Context| {
        if context.plain_text() == "stop" {
            let stop = stop.lock().expect("no panic").take();
            stop.expect("it is said once").send(()).expect("the bot runs");
            return Ok(());
        }
        context.reply(context.plain_text()).await.map(drop)
    };
    (async { stopped.await.unwrap_or_default() }, handler)
}

#[tokio::test]
async fn it_outlives_failures_and_goes_on_where_it_was() {
    let world = World::new().await;
    let view = |room| world.sandbox.chatwork().room(room);
    view(10).post_as(2, "one");
    view(11).post_as(2, "two");
    let mut watch = world.client.watch([RoomId(10), RoomId(11)]).from_window().stream();
    world.sandbox.faults().script(Service::Chatwork, Script::on("list_messages").then(Fault::bad_gateway()));

    let (bot, told) = notices(Bot::new(world.client.clone()));
    let (stopped, handler) = answering();
    let handler = |context| handler(context);
    // The room whose look fails is looked at last.
    view(10).post_as(2, "stop");
    let run = bot.shutdown(stopped).run(&mut watch, handler);
    let summary = world.clock.drive(run).await.expect("it runs");
    assert_eq!((summary.handled, summary.failed), (3, 0));
    assert_eq!(*told.lock().expect("no panic"), ["source: Some(502)"]);
    let bodies = [world.bodies(10), world.bodies(11)].concat();
    assert!(bodies.iter().filter(|body| body.starts_with("[rp aid=2 to=1")).count() == 2, "{bodies:?}");

    // In another process, from a checkpoint: what it answered is its own, and what was said meanwhile is new.
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
