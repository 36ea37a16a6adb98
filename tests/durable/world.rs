//! A sandbox, a store, and bots that run until something is seen, as if the process were killed then.

use futures::future::{BoxFuture, FutureExt};
use kaiwa::bot::{DurableBot, DurableContext, Notice, Source};
use kaiwa::chatwork::bot::Bot;
use kaiwa::chatwork::{self, AccountId};
use kaiwa::outbox::{
    Change, Claim, Commit, Enqueued, Filter, MemoryOutboxStore, NewEntry, Next, OutboxStore, Phase,
    StoredEntry,
};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::{Pace, RetryPolicy, StoreError, VirtualClock};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const ALICE: u64 = 2;
pub const BOB: u64 = 3;
pub const CAROL: u64 = 4;

pub struct World {
    pub clock: VirtualClock,
    pub sandbox: Sandbox,
    pub store: MemoryOutboxStore,
    pub client: chatwork::Client,
}

impl World {
    /// The bot is account 1. Alice, Bob and Carol are in the rooms 10 to 12 too.
    pub async fn new() -> Self {
        let seed = Seed::new()
            .account(Account::new(1, "Bot").token("bot"))
            .account(Account::new(ALICE, "Alice").token("alice"))
            .account(Account::new(BOB, "Bob").token("bob"))
            .account(Account::new(CAROL, "Carol").token("carol"))
            .room(Room::group(10, "Builds").admin(1).member(ALICE).member(BOB).member(CAROL))
            .room(Room::group(11, "Tests").admin(1).member(ALICE).member(BOB).member(CAROL))
            .room(Room::group(12, "Audit").admin(1).member(ALICE).member(BOB).member(CAROL))
            .unlimited();
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
        let store = MemoryOutboxStore::with_clock(Arc::new(clock.clone()));
        // No timeouts: on a clock that is moved by hand, they would end early.
        let client = sandbox.chatwork_client("bot").timeout(None).attempt_timeout(None).pace(Pace::off());
        let client = client.retry(RetryPolicy::none()).build().expect("a client");
        Self { clock, sandbox, store, client }
    }

    /// A bot as each start of the program makes it.
    pub fn bot(&self) -> DurableBot {
        Bot::new(self.client.clone()).durable(self.store.clone())
    }

    pub fn watch(&self) -> Source {
        self.client.watch_all().min_interval(Duration::from_secs(2)).into()
    }

    /// Runs the bot until `seen` says that it has done something, and drops it then.
    pub async fn run<E>(
        &self,
        bot: DurableBot,
        source: impl Into<Source>,
        handler: impl AsyncFn(DurableContext) -> Result<(), E>,
        seen: impl Fn() -> bool,
    ) where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut running = pin!(bot.run(source, handler));
        for _ in 0..20_000 {
            match futures::poll!(&mut running) {
                std::task::Poll::Ready(ended) => panic!("it has ended: {ended:?}"),
                std::task::Poll::Pending if seen() => return,
                std::task::Poll::Pending => {}
            }
            self.clock.advance(Duration::from_millis(20));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it was not seen; the room has {:?}", self.bodies(10));
    }

    /// The first run of a bot: it has read the rooms, and knows where it is.
    pub async fn begin(&self) {
        let end = self.clock.elapsed() + Duration::from_secs(5);
        let silent = async |_: DurableContext| Ok::<_, kaiwa::Error>(());
        self.run(self.bot(), self.watch(), silent, || self.clock.elapsed() > end).await;
    }

    pub fn say(&self, room: u64, account: u64, body: &str) {
        self.sandbox.chatwork().room(room).post_as(account, body);
    }

    pub fn bodies(&self, room: u64) -> Vec<String> {
        self.sandbox.chatwork().room(room).messages().into_iter().map(|message| message.body).collect()
    }

    /// What the bot has said, without the tags in front.
    pub fn answers(&self, room: u64) -> Vec<String> {
        let messages = self.sandbox.chatwork().room(room).messages().into_iter();
        let own = messages.filter(|message| message.account.account_id == AccountId(1));
        own.map(|message| {
            message.body.split_once('\n').map_or(message.body.clone(), |(_, text)| text.to_owned())
        })
        .collect()
    }
}

/// The notices of a bot, as they come.
pub fn notices(bot: DurableBot) -> (DurableBot, Arc<Mutex<Vec<Notice>>>) {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let notices = Arc::clone(&seen);
    (bot.on_notice(move |notice| notices.lock().expect("no panic").push(notice)), seen)
}

/// An event of a webhook: what the account has posted.
pub fn created(room: u64, id: u64, account: u64, body: &str) -> chatwork::webhook::Event {
    let fields = serde_json::json!({
        "message_id": id.to_string(), "room_id": room, "account_id": account, "body": body,
        "send_time": 1_767_193_200, "update_time": 0,
    });
    chatwork::webhook::Event::MessageCreated(serde_json::from_value(fields).expect("an event"))
}

/// A store of which the next commits fail, or that stops at a step: before or after it stores something.
#[derive(Clone, Debug)]
pub struct Failing {
    inner: MemoryOutboxStore,
    failures: Arc<AtomicU32>,
    steps: Arc<AtomicU32>,
    stops_at: u32,
}

impl Failing {
    pub fn new(inner: MemoryOutboxStore) -> Self {
        Self { inner, failures: Arc::default(), steps: Arc::default(), stops_at: u32::MAX }
    }

    /// One that never comes back from this step, as if the process were killed there.
    pub fn stopping_at(inner: MemoryOutboxStore, step: u32) -> Self {
        Self { stops_at: step, ..Self::new(inner) }
    }

    pub fn has_stopped(&self) -> bool {
        self.steps.load(Ordering::Relaxed) > self.stops_at
    }

    async fn step(&self) {
        if self.steps.fetch_add(1, Ordering::Relaxed) >= self.stops_at {
            std::future::pending().await
        }
    }

    async fn steps<T>(&self, stored: BoxFuture<'_, T>) -> T {
        self.step().await;
        let stored = stored.await;
        self.step().await;
        stored
    }

    pub fn fail(&self, times: u32) {
        self.failures.store(times, Ordering::Relaxed);
    }
}

impl OutboxStore for Failing {
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>> {
        self.inner.enqueue(entry)
    }

    fn claim<'a>(&'a self, queue: &'a str, lease: Duration) -> BoxFuture<'a, Result<Next, StoreError>> {
        async move {
            let next = self.inner.claim(queue, lease).await;
            if matches!(next, Ok(Next::Entry(..))) {
                self.step().await;
            }
            next
        }
        .boxed()
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.renew(claim, lease)
    }

    fn change<'a>(
        &'a self,
        claim: &'a Claim,
        change: Change,
        keep: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.steps(self.inner.change(claim, change, keep)).boxed()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<bool, StoreError>> {
        let left =
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => Box::pin(async { Err("the disk is full".into()) }),
            Err(_) => self.steps(self.inner.commit(commit)).boxed(),
        }
    }

    fn note<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        self.inner.note(key)
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StoreError>> {
        self.inner.get(key)
    }

    fn list<'a>(&'a self, filter: Filter<'a>) -> BoxFuture<'a, Result<Vec<StoredEntry>, StoreError>> {
        self.inner.list(filter)
    }

    fn decide<'a>(
        &'a self,
        key: &'a str,
        from: &'a [Phase],
        to: Phase,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.decide(key, from, to)
    }

    fn blank<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.blank(queue, age)
    }

    fn forget<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.forget(queue, age)
    }
}
