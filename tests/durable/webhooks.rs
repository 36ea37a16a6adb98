//! Webhooks: stored before the response, each once, shared by several processes.

use crate::world::{ALICE, Failing, World, created};
use futures::future::join;
use kaiwa::bot::{DurableContext, Source};
use kaiwa::chatwork::AccountId;
use kaiwa::chatwork::bot::Bot;
use kaiwa::outbox::{Filter, OutboxStore};
use kaiwa::{Clock, ErrorKind};
use std::sync::Mutex;
use std::time::Duration;

async fn echo(context: DurableContext) -> Result<(), kaiwa::Error> {
    context.reply(context.text()).map(drop)
}

#[tokio::test]
async fn an_event_that_was_pushed_is_handled_once_although_it_comes_again() {
    let world = World::new().await;
    // This process only takes webhooks, and ends.
    let inbox = world.bot().inbox();
    for _ in 0..3 {
        assert!(inbox.push(created(10, 1, ALICE, "一")).await.expect("it is stored"));
    }
    drop(inbox);
    world.run(world.bot(), Source::webhooks(), echo, || world.answers(10).len() == 1).await;
    let bot = world.bot();
    bot.inbox().push(created(10, 1, ALICE, "一")).await.expect("it is known");
    bot.inbox().push(created(10, 2, ALICE, "二")).await.expect("it is stored");
    world.run(bot, Source::webhooks(), echo, || world.answers(10).len() == 2).await;
    assert_eq!(world.answers(10), ["一", "二"]);
}

#[tokio::test]
async fn a_process_that_only_takes_webhooks_stores_nothing_of_the_bot_itself_if_its_account_is_set() {
    let world = World::new().await;
    let inbox = Bot::new(world.client.clone()).me(AccountId(1)).durable(world.store.clone()).inbox();
    assert!(!inbox.push(created(10, 1, 1, "わたし")).await.expect("it is read"));
    assert!(inbox.push(created(10, 2, ALICE, "あなた")).await.expect("it is stored"));
    let stored = world.store.list(Filter::new("bot-chatwork", 10)).await.expect("it is read");
    assert_eq!(stored.len(), 1);
}

#[tokio::test]
async fn several_copies_share_the_work_in_the_order_of_each_room() {
    let world = World::new().await;
    let seen = Mutex::new([0; 2]);
    let handler = |copy: usize| {
        let (seen, world) = (&seen, &world);
        async move |context: DurableContext| {
            seen.lock().expect("no panic")[copy] += 1;
            world.clock.sleep(Duration::from_millis(500)).await;
            context.reply(context.text()).map(drop)
        }
    };
    let (one, other) = (world.bot().concurrency(1), world.bot().concurrency(1));
    let inbox = one.inbox();
    for id in 0..60_u64 {
        inbox.push(created(10 + id % 2, id + 1, ALICE, &id.to_string())).await.expect("it is stored");
    }
    let done = || world.answers(10).len() + world.answers(11).len() == 60;
    join(
        world.run(one, Source::webhooks(), handler(0), done),
        world.run(other, Source::webhooks(), handler(1), done),
    )
    .await;
    for room in [0, 1] {
        let expected: Vec<_> = (0..60_u64).filter(|id| id % 2 == room).map(|id| id.to_string()).collect();
        assert_eq!(world.answers(10 + room), expected);
    }
    let seen = seen.lock().expect("no panic");
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    assert_eq!(seen.iter().sum::<i32>(), 60);
}

#[tokio::test]
async fn a_push_that_cannot_be_stored_says_so() {
    let world = World::new().await;
    let store = Failing::new(world.store.clone());
    let bot = Bot::new(world.client.clone()).durable(store.clone());
    store.fail(1);
    let error = bot.inbox().push(created(10, 1, ALICE, "x")).await.expect_err("the store failed");
    assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error:?}");
    bot.inbox().push(created(10, 1, ALICE, "x")).await.expect("it works again");
}

#[tokio::test]
async fn a_message_that_was_never_edited_is_one_with_and_without_edits() {
    let world = World::new().await;
    // The server that takes webhooks does not know that the bot handles edits.
    world.bot().inbox().push(created(10, 1, ALICE, "一")).await.expect("it is stored");
    let bot = Bot::new(world.client.clone()).edits(true).durable(world.store.clone());
    bot.inbox().push(created(10, 1, ALICE, "一")).await.expect("it is known");
    bot.inbox().push(created(10, 2, ALICE, "二")).await.expect("it is stored");
    world.run(bot, Source::webhooks(), echo, || world.answers(10).len() == 2).await;
    assert_eq!(world.answers(10), ["一", "二"]);
}
