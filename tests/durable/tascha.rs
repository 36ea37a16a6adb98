//! A bot of TAS-CHA: the same handler, by webhooks, or by polls that the units allow.

use crate::world::{World, created};
use futures::FutureExt;
use kaiwa::VirtualClock;
use kaiwa::bot::{DurableBot, DurableContext, Source};
use kaiwa::outbox::MemoryOutboxStore;
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::tascha::bot::{Bot, Poll};
use kaiwa::tascha::webhook::{RawDelivery, Verifier};
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

struct Office {
    clock: VirtualClock,
    sandbox: Sandbox,
    store: MemoryOutboxStore,
}

impl Office {
    /// The bot is Alice; Bob is in her room "front".
    async fn new(units: u64) -> Self {
        let room = RoomSeed::new("front", "受付").members([Seed::USER, Seed::COLLEAGUE]);
        let seed = Seed::default().room(room).units_limit(units);
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).tascha(seed).start().await.expect("a port");
        let store = MemoryOutboxStore::with_clock(Arc::new(clock.clone()));
        Self { clock, sandbox, store }
    }

    fn bot(&self) -> DurableBot {
        Bot::new(self.sandbox.clients().tascha).durable(self.store.clone())
    }

    /// Bob posts, as an event of a webhook tells.
    fn event(&self, body: &str) -> kaiwa::tascha::Message {
        let id = self.sandbox.tascha().room("front").post(Seed::COLLEAGUE, body).expect("a room");
        let message = json!({ "id": id, "roomId": "front", "authorId": Seed::COLLEAGUE, "body": body });
        serde_json::from_value(message).expect("a message")
    }

    async fn run(&self, bot: DurableBot, source: impl Into<Source>, seen: impl Fn() -> bool) {
        let mut running = pin!(bot.run(source, answer));
        for _ in 0..20_000 {
            if let Some(ended) = (&mut running).now_or_never() {
                panic!("it has ended: {ended:?}");
            }
            if seen() {
                return;
            }
            self.clock.advance(Duration::from_millis(200));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it was not seen; the room has {:?}", self.answers());
    }

    fn answers(&self) -> Vec<String> {
        let messages = self.sandbox.tascha().room("front").messages().into_iter();
        let own =
            messages.filter(|message| message.author_id.as_ref().is_some_and(|id| id.as_ref() == Seed::USER));
        own.map(|message| message.body).collect()
    }
}

/// A handler that knows nothing of the service.
async fn answer(context: DurableContext) -> Result<(), kaiwa::Error> {
    if !context.is_addressed() {
        return Ok(());
    }
    let count = context.state::<u32>();
    let number = count.get().await?.unwrap_or(0) + 1;
    count.set(&number)?;
    context.reply(format!("{number}: {}", context.text())).map(drop)
}

#[tokio::test]
async fn one_handler_answers_on_both_services() {
    let office = Office::new(20_000).await;
    for event in ["@Alice 一", "二", "@Alice、三"].map(|text| office.event(text)) {
        for _ in 0..2 {
            office.bot().inbox().push(event.clone()).await.expect("it is stored");
        }
    }
    office.run(office.bot(), Source::webhooks(), || office.answers().len() == 2).await;
    assert_eq!(office.answers(), ["1: 一", "2: 三"]);

    let world = World::new().await;
    for (text, id) in ["[To:1]Botさん\n一", "二", "[To:1]\n三"].into_iter().zip(1..) {
        world.bot().inbox().push(created(10, id, crate::world::ALICE, text)).await.expect("it is stored");
    }
    world.run(world.bot(), Source::webhooks(), answer, || world.answers(10).len() == 2).await;
    assert_eq!(world.answers(10), ["1: 一", "2: 三"]);
}

#[tokio::test]
async fn a_delivery_is_stored_before_it_is_done_and_answered_once_although_the_answer_is_lost() {
    let office = Office::new(20_000).await;
    office
        .sandbox
        .faults()
        .script(Provider::Tascha, Script::on("create_message").then(Fault::reset().after()).times(2));
    let verifier = Verifier::with_clock(|_: &RawDelivery<'_>| Ok(()), Arc::new(office.clock.clone()));
    let event = office.event("@Alice 一");
    let message = serde_json::to_value(&event).expect("it is JSON");
    let body = json!({ "event": "message.created", "data": message }).to_string();
    let bot = office.bot();
    let delivery =
        verifier.verify(RawDelivery::new([("tascha-webhook-id", "evt-1")], body)).await.expect("good");
    assert!(bot.inbox().push(delivery.clone()).await.expect("it is stored"));
    delivery.done().await;
    // An event of another kind, and one of the bot's own messages.
    let other =
        verifier.verify(RawDelivery::new([("tascha-webhook-id", "evt-2")], "{}")).await.expect("good");
    assert!(!bot.inbox().push(other.done().await).await.expect("there is nothing to store"));
    office.run(bot, Source::webhooks(), || !office.answers().is_empty()).await;
    let later = office.clock.elapsed() + Duration::from_secs(600);
    office.run(office.bot(), Source::webhooks(), || office.clock.elapsed() > later).await;
    assert_eq!(office.answers(), ["1: 一"]);
    let replied = office.sandbox.tascha().room("front").messages()[0].id.clone();
    assert!(
        office.sandbox.tascha().room("front").reply_to(replied).is_none(),
        "the message is not in the room"
    );
}

#[tokio::test]
async fn a_poll_goes_on_where_it_was_and_costs_what_it_may() {
    let office = Office::new(1_000_000).await;
    let say = |text: &str| office.sandbox.tascha().room("front").post(Seed::COLLEAGUE, text).expect("a room");
    say("@Alice 前から");
    let poll = || Poll::new(["front"]);
    let end = office.clock.elapsed() + Duration::from_secs(30);
    office.run(office.bot(), poll(), || office.clock.elapsed() > end).await;
    for text in ["@Alice 一", "二", "@Alice 三"] {
        office.clock.advance(Duration::from_millis(5));
        say(text);
    }
    office.clock.advance(Duration::from_secs(3_600));
    office.run(office.bot(), poll(), || office.answers().len() == 2).await;
    assert_eq!(office.answers(), ["1: 一", "2: 三"]);
    // More messages than a page has.
    for number in 0..250 {
        office.clock.advance(Duration::from_millis(5));
        say(&number.to_string());
    }
    say("@Alice 終わり");
    office.run(office.bot(), poll(), || office.answers().len() == 3).await;
    let used = office.sandbox.tascha().units_used(Seed::TOKEN).expect("a token");
    let start = office.clock.elapsed();
    let seen = office.clock.elapsed() + Duration::from_secs(1_000);
    office.run(office.bot(), poll(), || office.clock.elapsed() > seen).await;
    let cost = office.sandbox.tascha().units_used(Seed::TOKEN).expect("a token") - used;
    let passed = (office.clock.elapsed() - start).as_secs();
    assert!(cost > 20 && cost < passed / 5 * 4, "{cost} units in {passed} s");
}

#[tokio::test]
async fn a_poll_that_the_units_do_not_allow_is_refused_with_the_figures() {
    let office = Office::new(20_000).await;
    let poll = Poll::new(["front"]).every(Duration::from_secs(5));
    let refused = office.bot().run(poll, answer).await.expect_err("it costs too much");
    let text = refused.to_string();
    for part in ["polling 1 room every 5s would cost", "19999 are left", "poll every", "or use webhooks"] {
        assert!(text.contains(part), "{text}");
    }
    let poll = Poll::new(["front"]).every(Duration::from_secs(600));
    let end = office.clock.elapsed() + Duration::from_secs(1_500);
    office.run(office.bot(), poll, || office.clock.elapsed() > end).await;
    let lists = office.sandbox.requests();
    let lists = lists.iter().filter(|request| request.operation == Some("list_messages")).count();
    assert_eq!(lists, 3);
}
