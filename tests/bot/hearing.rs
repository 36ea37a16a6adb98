//! What the bot takes for its own name, and for words that are said to it.

use crate::world::{ME, World};
use futures::stream;
use kaiwa::chatwork::bot::{Bot, Context, Input};
use kaiwa::chatwork::webhook::Event;
use kaiwa::chatwork::{AccountId, RoomId};
use serde_json::json;
use std::cell::RefCell;

/// Events of Alice's messages in room 10.
fn posted<const N: usize>(bodies: [&str; N]) -> Vec<Event> {
    let event = |(id, body): (usize, &str)| {
        let message = json!({
            "message_id": (id + 1).to_string(), "room_id": 10, "account_id": 2, "body": body, "send_time": 1_767_193_200,
            "update_time": 0,
        });
        Event::MessageCreated(serde_json::from_value(message).expect("an event"))
    };
    bodies.into_iter().enumerate().map(event).collect()
}

/// The own texts that a bot reads from these messages.
async fn own_texts<T: Into<Input>>(bot: Bot, messages: Vec<T>) -> Vec<String> {
    let texts = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        texts.borrow_mut().push(context.own_text());
        Ok::<_, kaiwa::Error>(())
    };
    bot.run(stream::iter(messages), handler).await.expect("it runs");
    texts.into_inner()
}

#[tokio::test]
async fn the_bots_own_name_is_no_part_of_a_command() {
    let world = World::new().await;
    let bodies = [
        "[To:1]Bot\ndeploy",
        "[rp aid=1 to=10-5]Botさん\ndeploy",
        "[To:2]Alice\ndeploy",
        "[To:1]Bottle\ndeploy",
    ];
    let bot = Bot::new(world.client.clone());
    assert_eq!(own_texts(bot, posted(bodies)).await, ["deploy", "deploy", "Alice\ndeploy", "Bottle\ndeploy"]);
    // With the account set there is no call, so that only the names that are given are known.
    let calls = world.calls("get_me");
    let bot = Bot::new(world.client.clone()).me(ME);
    assert_eq!(own_texts(bot, posted(bodies)).await[0], "Bot\ndeploy");
    let bot = Bot::new(world.client.clone()).me(ME).name(ME, "Bot").name(AccountId(2), "Alice");
    assert_eq!(own_texts(bot, posted(bodies)).await, ["deploy", "deploy", "deploy", "Bottle\ndeploy"]);
    assert_eq!((calls, world.calls("get_me")), (1, 1));
}

#[tokio::test]
async fn names_of_authors_are_known_from_their_messages() {
    let world = World::new().await;
    let room = world.sandbox.chatwork().room(10);
    room.post_as(2, "[To:2]Alice\nto myself");
    room.post_as(2, "[To:9]Carol\nto another");
    let watch = world.client.watch([RoomId(10)]).from_window().stream();
    let texts = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        texts.borrow_mut().push(context.own_text());
        Ok::<_, kaiwa::Error>(())
    };
    let watch = futures::StreamExt::take(watch, 2);
    world.clock.drive(Bot::new(world.client.clone()).me(ME).run(watch, handler)).await.expect("it runs");
    assert_eq!(texts.into_inner(), ["to myself", "Carol\nto another"]);
}
