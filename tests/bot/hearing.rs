//! What the bot takes for its own name, and for words that are said to it.

use crate::world::{ME, World, lonely_bot};
use futures::stream;
use kaiwa::VirtualClock;
use kaiwa::chatwork::bot::{Bot, Context, Input};
use kaiwa::chatwork::watch::Builder;
use kaiwa::chatwork::webhook::Event;
use kaiwa::chatwork::{AccountId, Client, RoomId};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use serde_json::json;
use std::cell::RefCell;
use std::time::Duration;

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

/// A `mention_to_me` for an account.
fn mentioned(room: RoomId, id: u64, to: AccountId, body: &str) -> Event {
    let mention = json!({
        "from_account_id": 2, "to_account_id": to, "room_id": room, "message_id": id.to_string(), "body": body,
        "send_time": 1_767_193_200, "update_time": 0,
    });
    Event::MentionToMe(serde_json::from_value(mention).expect("an event"))
}

/// Which of these messages address the bot.
async fn addressed<T: Into<Input>>(
    bot: Bot,
    messages: impl futures::Stream<Item = T>,
) -> Vec<(String, bool)> {
    let seen = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        seen.borrow_mut().push((context.own_text(), context.mentions_me()));
        Ok::<_, kaiwa::Error>(())
    };
    bot.run(messages, handler).await.expect("it runs");
    seen.into_inner()
}

/// A real one has no tag: the message was in a direct chat.
#[tokio::test]
async fn the_service_says_who_is_mentioned() {
    let bot = lonely_bot(&VirtualClock::new()).concurrency(1);
    let events = [
        mentioned(RoomId(10), 1, ME, "Onegai ga arimasu"),
        mentioned(RoomId(11), 2, AccountId(3), "to the other account of the webhooks"),
        mentioned(RoomId(11), 3, AccountId(3), "[To:1]and to this one"),
    ];
    let seen = addressed(bot, stream::iter(events)).await;
    assert_eq!(seen.into_iter().map(|(_, addressed)| addressed).collect::<Vec<_>>(), [true, false, true]);
}

/// The bot and Alice have a direct chat and are in room 10.
struct Direct {
    sandbox: Sandbox,
    clock: VirtualClock,
    client: Client,
    chat: RoomId,
}

impl Direct {
    async fn new() -> Self {
        let seed = Seed::new()
            .account(Account::new(1, "Bot").token("bot"))
            .account(Account::new(2, "Alice"))
            .contact(1, 2)
            .room(Room::group(10, "Builds").admin(1).member(2));
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
        let client = sandbox.chatwork_client("bot").build().expect("a client");
        let chat = sandbox.chatwork().contacts(1)[0].room_id;
        Self { sandbox, clock, client, chat }
    }

    /// Alice posts in both rooms, and the bot reads it from a watch.
    async fn watched(&self, bot: Bot, watch: Builder, count: usize) -> Vec<(String, bool)> {
        self.sandbox.chatwork().room(self.chat).post_as(2, "direct");
        self.sandbox.chatwork().room(10).post_as(2, "group");
        let watch = futures::StreamExt::take(watch.from_window().stream(), count);
        self.clock.drive(addressed(bot, watch)).await
    }

    fn calls(&self, operation: &str) -> usize {
        self.sandbox.requests().iter().filter(|request| request.operation == Some(operation)).count()
    }
}

#[tokio::test]
async fn in_a_direct_chat_every_message_of_a_watch_is_for_the_bot() {
    let expected = [("direct".to_owned(), true), ("group".to_owned(), false)];
    let sorted = |mut seen: Vec<(String, bool)>| {
        seen.sort();
        seen
    };
    let direct = Direct::new().await;
    let bot = Bot::new(direct.client.clone()).me(ME);
    assert_eq!(sorted(direct.watched(bot, direct.client.watch_all(), 2).await), expected);
    assert_eq!(direct.calls("get_room"), 0, "the list of rooms says it");

    let direct = Direct::new().await;
    let bot = Bot::new(direct.client.clone()).me(ME);
    let watch = direct.client.watch([RoomId(10), direct.chat]);
    assert_eq!(sorted(direct.watched(bot, watch, 2).await), expected);

    // One room: no list is read, so that the room is asked for once.
    let direct = Direct::new().await;
    direct.sandbox.chatwork().room(direct.chat).post_as(2, "direct");
    let bot = Bot::new(direct.client.clone()).me(ME);
    let seen = direct.watched(bot, direct.client.room(direct.chat).watch(), 2).await;
    assert_eq!(seen, [expected[0].clone(), expected[0].clone()]);
    let bot = Bot::new(direct.client.clone()).me(ME);
    let seen = direct.watched(bot, direct.client.room(RoomId(10)).watch(), 1).await;
    assert_eq!(seen, [expected[1].clone()]);
    assert_eq!((direct.calls("get_room"), direct.calls("list_rooms")), (2, 0));
}

/// A webhook of a room says nothing about the kind of the room.
#[tokio::test]
async fn in_a_direct_chat_every_message_of_a_webhook_is_for_the_bot() {
    let direct = Direct::new().await;
    // The mention of the same message comes later, as a repeat.
    let events = [
        created(direct.chat, 5, "direct"),
        mentioned(direct.chat, 5, ME, "direct"),
        created(RoomId(10), 5, "group"),
    ];
    let bots =
        [Bot::new(direct.client.clone()), Bot::new(direct.client.clone()).me(ME).direct_chat(direct.chat)];
    for bot in bots {
        let seen = addressed(bot, stream::iter(events.clone())).await;
        assert_eq!(seen, [("direct".to_owned(), true), ("group".to_owned(), false)]);
    }
    assert_eq!((direct.calls("list_rooms"), direct.calls("get_room")), (1, 0));
}

/// A message in a room, as a webhook of the room sends it.
fn created(room: RoomId, id: u64, body: &str) -> Event {
    let message = json!({
        "message_id": id.to_string(), "room_id": room, "account_id": 2, "body": body, "send_time": 1_767_193_200,
        "update_time": 0,
    });
    Event::MessageCreated(serde_json::from_value(message).expect("an event"))
}

/// The bot has not read a list of rooms, or the chat is newer than the list.
#[tokio::test]
async fn an_unknown_room_of_a_webhook_is_asked_for_once() {
    let direct = Direct::new().await;
    let chat = direct.chat;
    let events = [
        // It makes no difference for this one.
        created(RoomId(10), 1, "[To:1]Bot\nhello"),
        // The mention of the same message comes later, as a repeat.
        created(chat, 2, "direct"),
        mentioned(chat, 2, ME, "direct"),
        created(RoomId(10), 3, "group"),
        created(RoomId(10), 4, "group"),
        created(chat, 5, "again"),
    ];
    let bot = || Bot::new(direct.client.clone()).me(ME).name(ME, "Bot").concurrency(1);
    let mut seen = addressed(bot(), stream::iter(events.clone())).await;
    seen.sort();
    let expected = [("again", true), ("direct", true), ("group", false), ("group", false), ("hello", true)];
    assert_eq!(seen, expected.map(|(text, addressed)| (text.to_owned(), addressed)));
    // Whoever runs next knows it still.
    assert_eq!(addressed(bot(), stream::iter(events)).await.len(), 5);
    assert_eq!((direct.calls("get_room"), direct.calls("list_rooms")), (2, 0));
}

#[tokio::test]
async fn a_mention_without_a_tag_says_that_the_room_is_a_direct_chat() {
    // Nothing can be asked.
    let bot = lonely_bot(&VirtualClock::new());
    let room = RoomId(7);
    let events = [
        created(room, 1, "before"),
        mentioned(room, 1, ME, "before"),
        created(room, 2, "after"),
        mentioned(RoomId(8), 3, ME, "[toall] to everybody"),
        created(RoomId(8), 4, "group"),
        mentioned(RoomId(9), 5, AccountId(3), "to the other account of the webhooks"),
        created(RoomId(9), 6, "chat of others"),
    ];
    let seen = addressed(bot.concurrency(1), stream::iter(events)).await;
    let addressed: Vec<&str> =
        seen.iter().filter(|(_, addressed)| *addressed).map(|(text, _)| &**text).collect();
    assert_eq!((addressed, seen.len()), (vec!["to everybody", "after"], 6));
}

#[tokio::test]
async fn a_room_that_is_asked_for_in_vain_does_not_hold_its_messages_up() {
    let direct = Direct::new().await;
    let script = Script::on("get_room").then(Fault::silence()).forever();
    direct.sandbox.faults().script(Provider::Chatwork, script);
    let client =
        direct.sandbox.chatwork_client("bot").timeout(Duration::from_secs(60)).build().expect("a client");
    let bot = Bot::new(client).me(ME).timeout(None);
    let start = direct.clock.elapsed();
    let events = [created(direct.chat, 1, "one"), created(direct.chat, 2, "two")];
    let seen = direct.clock.drive(addressed(bot, stream::iter(events))).await;
    assert_eq!(seen, [("one".to_owned(), false), ("two".to_owned(), false)]);
    assert_eq!(direct.clock.elapsed() - start, Duration::from_secs(10));
}

#[tokio::test]
async fn answers_may_carry_the_name_as_those_of_people_do() {
    let world = World::new().await;
    let handler = async |context: Context| {
        context.reply("はい").await?;
        context.mention("はい").await.map(drop)
    };
    let bot = Bot::new(world.client.clone()).me(ME).honorific("さん");
    bot.run(stream::iter(posted(["[To:1]"])), handler).await.expect("it runs");
    assert_eq!(world.bodies(10), ["[rp aid=2 to=10-1][pname:2]さん\nはい", "[To:2][pname:2]さん\nはい"]);
    // So another bot reads the answer without the name.
    let texts = own_texts(crate::world::bot().0, posted(["[rp aid=1 to=10-1][pname:1]さん\nはい"])).await;
    assert_eq!(texts, ["はい"]);
}
