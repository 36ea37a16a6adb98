//! Each message is handled once, and the bot's own messages never.

use crate::world::{ME, World, bot, by, created, edited, id, mention};
use futures::stream;
use kaiwa::chatwork::bot::{Bot, Context, Summary};
use kaiwa::chatwork::webhook::Event;
use kaiwa::webhook::MemoryReplayCache;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// Runs a bot on these events, and returns what it handled: the id and the time of the edit.
async fn handled(bot: Bot, events: impl IntoIterator<Item = Event>) -> (Summary, Vec<(u64, i64)>) {
    let handled = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        let edited = context.message().update_time.map_or(0, |time| time.as_second());
        handled.borrow_mut().push((id(&context), edited));
        Ok::<_, kaiwa::Error>(())
    };
    let summary = bot.run(stream::iter(events), handler).await.expect("it runs");
    (summary, handled.into_inner())
}

#[tokio::test]
async fn a_repeated_message_is_handled_once() {
    let (bot, _) = bot();
    let events = [
        created(10, 1),
        mention(10, 1),
        created(10, 1),
        mention(11, 2),
        created(11, 2),
        created(11, 1),
        edited(10, 1, "other", 5),
    ];
    let (summary, handled) = handled(bot, events).await;
    assert_eq!(handled, [(1, 0), (2, 0), (1, 0)], "ids are of a room");
    assert_eq!((summary.handled, summary.repeated, summary.own), (3, 3, 0));
}

#[tokio::test]
async fn edits_are_handled_once_each_if_requested() {
    let (bot, _) = bot();
    let events = [
        created(10, 1),
        edited(10, 1, "one", 5),
        edited(10, 1, "one", 5),
        edited(10, 1, "another in that second", 5),
        mention(10, 1),
        edited(10, 1, "one", 6),
    ];
    let (summary, handled) = handled(bot.edits(true), events).await;
    assert_eq!(handled, [(1, 0), (1, 5), (1, 5), (1, 6)]);
    assert_eq!((summary.handled, summary.repeated), (4, 2));
}

#[tokio::test]
async fn its_own_messages_are_skipped() {
    let (bot, _) = bot();
    let (summary, handled) = handled(bot, [by(ME.0, 10, 1), created(10, 2), by(ME.0, 10, 1)]).await;
    assert_eq!(handled, [(2, 0)]);
    assert_eq!((summary.own, summary.repeated), (2, 0));
}

#[tokio::test]
async fn bots_that_share_a_store_share_the_messages() {
    let ((one, clock), (two, _), (later, _)) = (bot(), bot(), bot());
    let cache = Arc::new(MemoryReplayCache::with_clock(100, Arc::new(clock.clone())));
    assert_eq!(handled(one.replay_cache(cache.clone()), [created(10, 1)]).await.1, [(1, 0)]);
    let second = [created(10, 1), created(10, 2)];
    assert_eq!(handled(two.replay_cache(cache.clone()), second.clone()).await.1, [(2, 0)]);
    // A bot of another account does not share messages.
    let (other, _) = bot();
    assert_eq!(handled(other.me(9.into()).replay_cache(cache.clone()), second.clone()).await.1.len(), 2);
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(handled(later.replay_cache(cache), second).await.1.len(), 2);
}

#[tokio::test]
async fn the_account_is_requested_once_and_only_if_needed() {
    let world = World::new().await;
    let events = [by(1, 10, 1), created(10, 2)];
    let results = handled(Bot::new(world.client.clone()).me(ME), events.clone()).await;
    assert_eq!(world.calls("get_me"), 0);
    let asked = handled(Bot::new(world.client.clone()), events).await;
    assert_eq!(world.calls("get_me"), 1);
    assert_eq!(results, asked);
    assert_eq!(results.1, [(2, 0)]);

    world.sandbox.chatwork().revoke("bot");
    let run = Bot::new(world.client.clone())
        .run(stream::iter([created(10, 3)]), async |_| Ok::<_, kaiwa::Error>(()));
    let error = run.await.expect_err("it cannot know who it is");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
}
