//! A bot of TAS-CHA: the same handler, by webhooks, or by polls that the units allow.

use crate::world::{World, created};
use futures::FutureExt;
use futures::future::BoxFuture;
use kaiwa::bot::{DurableBot, DurableContext, Source};
use kaiwa::outbox::MemoryOutboxStore;
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::tascha::bot::{Bot, Poll};
use kaiwa::tascha::webhook::{RawDelivery, Verifier};
use kaiwa::{Clock, VirtualClock};
use serde_json::json;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

struct Office {
    clock: VirtualClock,
    sandbox: Sandbox,
    store: MemoryOutboxStore,
}

impl Office {
    /// The bot is Alice; Bob is in her room "front".
    async fn new(units: u64) -> Self {
        Self::with(RoomSeed::new("front", "受付").members([Seed::USER, Seed::COLLEAGUE]), units).await
    }

    async fn with(room: RoomSeed, units: u64) -> Self {
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
        self.run_by(Duration::from_millis(200), bot, source, seen).await;
    }

    /// Runs the bot for a time, in steps of this length.
    async fn pass(&self, time: Duration, step: Duration, bot: DurableBot, source: impl Into<Source>) {
        let end = self.clock.elapsed() + time;
        self.run_by(step, bot, source, || self.clock.elapsed() > end).await;
    }

    async fn run_by(
        &self,
        step: Duration,
        bot: DurableBot,
        source: impl Into<Source>,
        seen: impl Fn() -> bool,
    ) {
        let mut running = pin!(bot.run(source, answer));
        for _ in 0..20_000 {
            if let Some(ended) = (&mut running).now_or_never() {
                panic!("it has ended: {ended:?}");
            }
            if seen() {
                return;
            }
            self.clock.advance(step);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it was not seen; the room has {:?}", self.answers());
    }

    fn say(&self, text: &str) {
        self.sandbox.tascha().room("front").post(Seed::COLLEAGUE, text).expect("a room");
    }

    /// How often messages were read.
    fn lists(&self) -> usize {
        let requests = self.sandbox.requests();
        requests.iter().filter(|request| request.operation == Some("list_messages")).count()
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
    for part in [
        "polling 1 room every 5s costs 1 call per round, and ",
        "19999 are left and 10000 may be used (a share of 50 %): poll every",
        "or use webhooks",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(office.lists(), 0);
    let poll = Poll::new(["front"]).every(Duration::from_secs(600));
    let end = office.clock.elapsed() + Duration::from_secs(1_500);
    office.run(office.bot(), poll, || office.clock.elapsed() > end).await;
    assert_eq!(office.lists(), 3);
    // Messages of the last minutes are read again, here three pages.
    for number in 0..250 {
        office.say(&number.to_string());
    }
    let poll = Poll::new(["front"]).every(Duration::from_secs(300));
    let text = office.bot().run(poll, answer).await.expect_err("it costs too much").to_string();
    assert!(text.starts_with("polling 1 room every 300s costs 3 calls per round, and "), "{text}");
}

#[tokio::test]
async fn a_poll_of_no_room_or_of_every_second_is_refused() {
    let office = Office::new(1_000_000_000).await;
    let refused = async |poll| office.bot().run(poll, answer).await.expect_err("it is refused").to_string();
    let every = |seconds| Poll::new(["front"]).every(Duration::from_secs(seconds));
    assert!(refused(every(1)).await.contains("polling every 1s is too often: 5s is the shortest interval"));
    assert!(refused(Poll::new([""; 0])).await.contains("at least one room"));
    office.run(office.bot(), every(5), || office.lists() == 3).await;
}

#[tokio::test]
async fn the_last_question_of_a_quiet_room_is_answered_once_although_its_key_is_forgotten() {
    let office = Office::new(1_000_000).await;
    let poll = || Poll::new(["front"]);
    let bot = || office.bot().remember(Duration::from_secs(3_600));
    office.pass(Duration::from_secs(10), Duration::from_millis(200), bot(), poll()).await;
    // In one instant, of which the first may have been the newest message of the first run.
    office.say("@Alice 一");
    office.say("@Alice 二");
    office.run(bot(), poll(), || office.answers().len() == 2).await;
    for _ in 0..3 {
        office.clock.advance(Duration::from_secs(8 * 86_400));
        office.pass(Duration::from_secs(1_500), Duration::from_secs(2), bot(), poll()).await;
    }
    assert_eq!(office.answers(), ["1: 一", "2: 二"]);
}

#[tokio::test]
async fn a_long_history_is_read_once() {
    let room = RoomSeed::new("front", "受付").members([Seed::USER, Seed::COLLEAGUE]);
    let room = (0..1_000).fold(room, |room, number| room.message(Seed::COLLEAGUE, number.to_string()));
    let office = Office::with(room, 1_000_000).await;
    let poll = || Poll::new(["front"]);
    office.run(office.bot(), poll(), || office.lists() == 11).await;
    office.clock.advance(Duration::from_secs(3_600));
    office.say("@Alice 一");
    let lists = office.lists();
    office.run(office.bot(), poll(), || office.answers().len() == 1).await;
    let requests = office.sandbox.requests().into_iter();
    let later =
        requests.filter(|request| request.operation == Some("list_messages")).skip(lists).collect::<Vec<_>>();
    let goes_on = |query: &Option<String>| query.as_ref().is_some_and(|query| query.contains("cursor="));
    assert!(!later.is_empty() && later.iter().all(|request| goes_on(&request.query)));
    // The service does not know the cursor any more.
    office.say("@Alice 二");
    office
        .sandbox
        .faults()
        .script(Provider::Tascha, Script::on("list_messages").then(Fault::status(400)).times(1));
    office.run(office.bot(), poll(), || office.answers().len() == 2).await;
    assert_eq!(office.answers(), ["1: 一", "2: 二"]);
}

#[tokio::test]
async fn another_start_is_no_new_share() {
    let office = Office::new(2_000).await;
    for _ in 0..3 {
        let (time, step) = (Duration::from_secs(20_000), Duration::from_secs(20));
        office.pass(time, step, office.bot(), Poll::new(["front"])).await;
    }
    let lists = office.lists();
    assert!(lists > 20, "{lists}");
    let poll = Poll::new(["front"]).every(Duration::from_secs(5));
    let text = office.bot().run(poll, answer).await.expect_err("it costs too much").to_string();
    let left = 1_999.0 * 0.5 - lists as f64;
    assert!(text.contains(&format!("and {left:.0} may be used")), "{left}: {text}");
}

#[tokio::test]
async fn a_room_that_fails_is_left_alone_for_longer_and_longer() {
    let office = Office::new(1_000_000_000).await;
    let faults = office.sandbox.faults();
    faults.script(Provider::Tascha, Script::on("list_messages").then(Fault::status(403)).forever());
    let (hour, step) = (Duration::from_secs(3_600), Duration::from_secs(1));
    office.pass(hour, step, office.bot(), Poll::new(["front"])).await;
    let lists = office.lists();
    assert!((8..=10).contains(&lists), "{lists}");
}

/// A clock that knows how long was slept at the most.
#[derive(Clone, Debug)]
struct Sleeps {
    clock: VirtualClock,
    longest: Arc<Mutex<Duration>>,
}

impl Clock for Sleeps {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wall(&self) -> jiff::Timestamp {
        self.clock.wall()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut longest = self.longest.lock().expect("no panic");
        *longest = duration.max(*longest);
        self.clock.sleep(duration)
    }
}

#[tokio::test]
async fn without_units_the_poll_looks_again_every_ten_minutes() {
    let office = Office::new(2).await;
    let clock = Sleeps { clock: office.clock.clone(), longest: Arc::default() };
    let client = office.sandbox.tascha_client(Seed::TOKEN).clock(clock.clone()).timeout(None);
    let client = client.attempt_timeout(None).build().expect("a client");
    let bot = Bot::new(client).durable(office.store.clone());
    let (time, step) = (Duration::from_secs(36 * 86_400), Duration::from_secs(600));
    office.pass(time, step, bot, Poll::new(["front"]).share(1.0)).await;
    assert_eq!(*clock.longest.lock().expect("no panic"), Duration::from_secs(600));
    // Two of the new month: it was noticed.
    assert!(office.lists() >= 2, "{}", office.lists());
}
