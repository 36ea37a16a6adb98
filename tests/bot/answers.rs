//! What a handler can answer, and what it receives.

use crate::world::{ME, World, lonely_bot};
use futures::stream;
use kaiwa::VirtualClock;
use kaiwa::chatwork::bot::{Bot, Context};
use kaiwa::chatwork::notation::MessageBuilder;
use kaiwa::chatwork::webhook::Event;
use kaiwa::chatwork::{AccountId, Arrival, Reconcile};
use kaiwa::sandbox::{Fault, Provider, Script};
use serde_json::json;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};

fn posted(body: &str) -> Event {
    let message = json!({
        "message_id": "77", "room_id": 10, "account_id": 2, "body": body, "send_time": 1_767_193_200, "update_time": 0,
    });
    Event::MessageCreated(serde_json::from_value(message).expect("an event"))
}

#[tokio::test]
async fn texts_are_escaped_and_messages_keep_their_tags() {
    let world = World::new().await;
    let handler = async |context: Context| {
        context.reply("[toall]").await?;
        context.reply(format!("{} [To:3]", context.plain_text())).await?;
        let tagged = MessageBuilder::new().text("[a]").code("b[0]");
        context.reply(&tagged).await?;
        context.reply(tagged).await?;
        context.mention(context.plain_text()).await.map(drop)
    };
    let bot = Bot::new(world.client.clone()).me(ME);
    let summary = bot.run(stream::iter([posted("[info]x]y[/info]")]), handler).await.expect("it runs");
    assert_eq!(summary.handled, 1);
    let expected = [
        "[rp aid=2 to=10-77]\n［toall］",
        "[rp aid=2 to=10-77]\nx］y ［To:3］",
        "[rp aid=2 to=10-77]\n［a］[code]b[0][/code]",
        "[rp aid=2 to=10-77]\n［a］[code]b[0][/code]",
        "[To:2]\nx］y",
    ];
    assert_eq!(world.bodies(10), expected);
}

#[tokio::test]
async fn an_answer_is_a_request_like_any_other() {
    let world = World::new().await;
    world
        .sandbox
        .faults()
        .script(Provider::Chatwork, Script::on("post_message").then(Fault::reset().after()));
    let handler = async |context: Context| {
        let reconcile = Reconcile::new().account(context.me());
        let sent = context.reply("once").with_reconcile(reconcile).await?;
        assert_eq!(sent.arrival, Arrival::Found);
        Ok::<_, kaiwa::Error>(())
    };
    let run = Bot::new(world.client.clone()).me(ME).run(stream::iter([posted("x")]), handler);
    assert_eq!(world.clock.drive(run).await.expect("it runs").handled, 1);
    assert_eq!(world.bodies(10).len(), 1);
}

#[tokio::test]
async fn mentions_of_the_bot_are_recognized() {
    let named = RefCell::new(Vec::new());
    let bodies =
        ["[To:1]x", "[rp aid=1 to=10-5]x", "[To:2]x", "[toall]x", "[qt][To:1]x[/qt]", "[code][To:1][/code]"];
    for body in bodies {
        let bot = lonely_bot(&VirtualClock::new());
        let handler = async |context: Context| {
            named.borrow_mut().push(context.mentions_me());
            assert_eq!(
                (context.me(), context.room().id(), context.message().account_id),
                (ME, 10.into(), AccountId(2))
            );
            Ok::<_, kaiwa::Error>(())
        };
        assert_eq!(bot.run(stream::iter([posted(body)]), handler).await.expect("it runs").handled, 1);
    }
    assert_eq!(named.into_inner(), [true, true, false, false, false, false]);
}

/// A handler can use its captured values in each call: by reference, or as a clone in a task.
#[tokio::test]
async fn a_handler_may_have_state() {
    let world = World::new().await;
    let seen = Mutex::new(Vec::new());
    let prefix = "heard: ".to_owned();
    let bot = Bot::new(world.client.clone()).me(ME);
    let handler = async |context: Context| {
        tokio::task::yield_now().await;
        seen.lock().expect("not poisoned").push(format!("{prefix}{}", context.message().body));
        Ok::<_, kaiwa::Error>(())
    };
    assert_eq!(bot.run(stream::iter([posted("a")]), handler).await.expect("it runs").handled, 1);
    assert_eq!(seen.into_inner().expect("not poisoned"), ["heard: a"]);

    let count = Arc::new(Mutex::new(0));
    let own = Arc::clone(&count);
    let bot = Bot::new(world.client.clone()).me(ME);
    let running = tokio::spawn(bot.run(stream::iter([posted("a")]), async move |_: Context| {
        tokio::task::yield_now().await;
        *own.lock().expect("not poisoned") += 1;
        Ok::<_, kaiwa::Error>(())
    }));
    running.await.expect("no panic").expect("it runs");
    assert_eq!(*count.lock().expect("not poisoned"), 1);
}
