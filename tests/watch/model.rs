//! Random runs against a model of the service: a message posted after the start is yielded, or is in a gap.
//!
//! `KAIWA_WATCH_RUNS=5000 cargo test --test watch model -- --nocapture` makes that many runs; each is a seed.

use crate::service::{Message, Model, Rates, Server, lock};
use futures::{StreamExt, stream};
use kaiwa::chatwork::watch::{Builder, Event, Watch, WatchCheckpoint};
use kaiwa::chatwork::{Client, RoomId};
use kaiwa::{Pace, VirtualClock};
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// The results of the runs.
#[derive(Debug, Default)]
struct Totals {
    runs: u64,
    calls: u64,
    faults: u64,
    kills: u64,
    owed: u64,
    yielded: u64,
    gaps: u64,
    in_gaps: u64,
    lost: u64,
    again: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.faults += other.faults;
        self.kills += other.kills;
        self.owed += other.owed;
        self.yielded += other.yielded;
        self.gaps += other.gaps;
        self.in_gaps += other.in_gaps;
        self.lost += other.lost;
        self.again += other.again;
    }
}

/// The settings of a run.
#[derive(Debug)]
struct Plan {
    /// Empty for all rooms.
    named: Option<Vec<u64>>,
    from_window: bool,
    kills: f64,
    /// How often the checkpoint is stored after an event.
    keeps: f64,
    jumps: bool,
    share: f64,
    min: Duration,
}

impl Plan {
    fn new(random: &mut fastrand::Rng) -> Self {
        let named = match random.u32(..4) {
            0 => Some(vec![10]),
            1 => Some((10..10 + random.u64(2..5)).collect()),
            _ => None,
        };
        Self {
            named,
            from_window: random.f64() < 0.25,
            kills: if random.bool() { 0.15 } else { 0.0 },
            keeps: if random.bool() { 1.0 } else { 0.5 },
            jumps: random.f64() < 0.3,
            share: random.choice([0.5, 1.0]).unwrap_or(1.0),
            min: Duration::from_millis(random.choice([500, 2000]).unwrap_or(2000)),
        }
    }

    fn builder(&self, client: &Client) -> Builder {
        let builder = match &self.named {
            Some(rooms) => client.watch(rooms.iter().copied().map(RoomId)),
            None => client.watch_all(),
        };
        let recheck = Duration::from_secs(90);
        builder
            .budget_share(self.share)
            .min_interval(self.min)
            .max_interval(recheck)
            .recheck_interval(recheck)
    }
}

/// The stream, and its events so far.
struct Reader {
    client: Client,
    watch: Watch,
    clock: VirtualClock,
    model: Arc<Mutex<Model>>,
    plan: Plan,
    kept: String,
    /// How often each message was yielded as new, and its last text.
    new: HashMap<u64, u32>,
    texts: HashMap<u64, String>,
    /// Yielded, although it does not decode.
    strange: HashMap<u64, u32>,
    gaps: Vec<(u64, Option<u64>, u64)>,
    totals: Totals,
    seed: u64,
}

fn number(id: &str) -> u64 {
    id.parse().expect("an id of the model")
}

impl Reader {
    /// Reads for so long.
    async fn read(&mut self, time: Duration) {
        let end = self.clock.elapsed() + time;
        loop {
            let (clock, watch) = (&self.clock, &mut self.watch);
            let next = poll_fn(|context| {
                loop {
                    if let Poll::Ready(item) = Pin::new(&mut *watch).poll_next_unpin(context) {
                        return Poll::Ready(Some(item.expect("a watch never ends")));
                    }
                    // The clock does not move while an answer is awaited.
                    match clock.next_wake() {
                        Some(wait) if clock.elapsed() + wait > end => return Poll::Ready(None),
                        Some(wait) => clock.advance(wait),
                        None => return Poll::Pending,
                    }
                }
            });
            match next.await {
                None => {
                    self.clock.advance(end - self.clock.elapsed());
                    return self.keep();
                }
                Some(Err(error)) => {
                    let text = error.to_string();
                    assert!(!text.contains("do not send it again") && error.operation().is_some(), "{text}");
                }
                Some(Ok(event)) => self.record(event),
            }
        }
    }

    fn keep(&mut self) {
        self.kept = serde_json::to_string(&self.watch.checkpoint()).expect("it serialises");
    }

    fn record(&mut self, event: Event) {
        match &event {
            Event::Gap { room, after, before, .. } => {
                let after = after.as_ref().map(|id| number(id.as_str()));
                self.gaps.push((room.0, after, number(before.as_str())));
                self.totals.gaps += 1;
            }
            Event::Undecodable { item, .. } => {
                let id = item.value["message_id"].as_str().map(number).expect("an id");
                *self.strange.entry(id).or_default() += 1;
            }
            Event::Message { room, message, .. } => {
                let id = number(message.message_id.as_str());
                *self.new.entry(id).or_default() += 1;
                self.texts.insert(id, message.body.clone());
                let model = lock(&self.model);
                let message = model.rooms[&room.0].messages.iter().find(|message| message.id == id);
                let message = message.expect("it was posted");
                assert!(
                    !message.old || message.is_broken(),
                    "{}: {id} in {room} is old: {:?}",
                    self.seed,
                    self.plan
                );
            }
            Event::Edited { message, .. } | Event::Deleted { message, .. } => {
                self.texts.insert(number(message.message_id.as_str()), message.body.clone());
            }
            _ => {}
        }
        if lock(&self.model).random.f64() < self.plan.keeps {
            self.keep();
        }
    }

    /// The process is killed, and another one resumes from its stored checkpoint.
    fn kill(&mut self, client: Client) {
        self.totals.kills += 1;
        let json: serde_json::Value = serde_json::from_str(&self.kept).expect("it is JSON");
        let begins = |position: &serde_json::Value| position == "now" || position == "window";
        let not_begun = |room: u64| match &json["rooms"][room.to_string()] {
            serde_json::Value::Null => begins(&json["absent"]),
            known => begins(&known["position"]),
        };
        let known = |room: u64| json["rooms"].get(room.to_string()).is_some();
        lock(&self.model).begin_again(not_begun, known);
        let kept: WatchCheckpoint = serde_json::from_str(&self.kept).expect("it deserialises");
        self.watch = self.plan.builder(&client).from_checkpoint(kept).stream();
        self.client = client;
    }

    /// Every message that is due was yielded, or is in a gap.
    fn check(mut self, seed: u64) -> Totals {
        let model = lock(&self.model);
        let watched = |id: &u64| self.plan.named.as_ref().is_none_or(|named| named.contains(id));
        for (id, room) in model.rooms.iter().filter(|(id, _)| watched(id)) {
            for message in room.messages.iter().filter(|message| message.owed) {
                self.totals.owed += 1;
                let gap = self.gaps.iter().any(|(of, after, before)| {
                    of == id && message.id < *before && after.is_none_or(|after| message.id > after)
                });
                if self.texts.contains_key(&message.id) || self.strange.contains_key(&message.id) {
                    self.totals.yielded += 1;
                } else if gap {
                    self.totals.in_gaps += 1;
                } else {
                    println!(
                        "seed {seed}: {} is lost in room {id} without an event: {:?}",
                        message.id, self.plan
                    );
                    self.totals.lost += 1;
                }
            }
            // The knowledge of a room ends when the account leaves it, so edits there are not recognized.
            for message in room.newest().iter().filter(|message| !message.is_broken() && !room.ended) {
                let text = self.texts.get(&message.id).unwrap_or(&message.body);
                assert_eq!(
                    *text, message.body,
                    "seed {seed}: an edit of {} in {id}: {:?}",
                    message.id, self.plan
                );
            }
        }
        // Events stored after each one are not yielded again, unless the account left the room in between.
        let once = self.totals.kills == 0 || self.plan.keeps == 1.0;
        for (id, room) in &model.rooms {
            let again = |message: &&Message| self.new.get(&message.id).is_some_and(|times| *times > 1);
            let again = room.messages.iter().filter(again).count();
            assert!(
                !once || again == 0 || room.ended,
                "seed {seed}: {again} yielded again in {id}: {:?}",
                self.plan
            );
            self.totals.again += again as u64;
        }
        (self.totals.runs, self.totals.calls, self.totals.faults) =
            (1, model.calls.len() as u64, model.faults);
        drop(model);
        self.totals
    }
}

async fn run(server: &Server, seed: u64) -> Totals {
    let mut random = fastrand::Rng::with_seed(seed);
    let plan = Plan::new(&mut random);
    // The local clock is wrong, too.
    let wrong: i64 = random.choice([0, 0, 3600, -3600, 86_400 * 365]).unwrap_or_default();
    let local = jiff::Timestamp::from_second(1_767_193_200 + wrong).expect("a time");
    let clock = VirtualClock::starting_at(local);
    let mut model = Model::new(random.u64(..), clock.clone(), plan.from_window, plan.named.is_none());
    let skews = [Some(0), Some(10), Some(-10), Some(3600), Some(-3600), Some(4), Some(86_400), None];
    model.skew = random.choice(skews).unwrap_or_default();
    let rooms = plan.named.as_ref().map_or(3, |named| named.len() as u64);
    for room in 0..rooms {
        let messages = random.choice([0, 0, 0, 1, 1, 3, 3, 20, 99, 130]).unwrap_or_default();
        model.room(10 + room, random.f64() < 0.8, messages);
    }
    model.rates = Rates {
        fault: random.choice([0.0, 0.05, 0.3]).unwrap_or_default(),
        spoil: random.choice([0.0, 0.0, 0.1]).unwrap_or_default(),
        broken: random.choice([0.0, 0.0, 0.1]).unwrap_or_default(),
        between: random.choice([0.0, 0.1, 0.4]).unwrap_or_default(),
    };
    let model = server.add(seed, model);
    let client = || {
        Client::builder()
            .api_token("token")
            .base_url(format!("{}/{seed}/v2", server.address))
            .clock(clock.clone())
            .pace(Pace::off())
            .timeout(None)
            .attempt_timeout(None)
            .http_client(reqwest::Client::builder().no_proxy().tls_certs_only([]))
            .build()
            .expect("a client")
    };
    let first = client();
    let builder = plan.builder(&first);
    let watch = if plan.from_window { builder.from_window() } else { builder }.stream();
    let mut reader = Reader {
        client: first,
        watch,
        clock: clock.clone(),
        model: Arc::clone(&model),
        plan,
        kept: String::new(),
        new: HashMap::new(),
        texts: HashMap::new(),
        strange: HashMap::new(),
        gaps: Vec::new(),
        totals: Totals::default(),
        seed,
    };
    reader.keep();
    for _ in 0..random.usize(4..16) {
        for _ in 0..random.usize(..4) {
            lock(&model).happen();
        }
        if reader.plan.jumps && random.f64() < 0.2 {
            lock(&model).skew = random.choice(skews).unwrap_or_default();
        }
        reader.read(Duration::from_millis(random.u64(..15_000))).await;
        if random.f64() < reader.plan.kills {
            // The same client stands for a new stream in the same process, and another client for another process.
            let next = if random.bool() { client() } else { reader.client.clone() };
            if random.bool() {
                lock(&model).happen();
            }
            reader.kill(next);
        } else if random.f64() < 0.05 {
            clock.advance(Duration::from_secs(random.u64(..200)));
        }
    }
    lock(&model).heal();
    reader.read(Duration::from_secs(220)).await;
    server.remove(seed);
    reader.check(seed)
}

#[tokio::test]
async fn messages_after_the_start_are_yielded_or_in_a_gap() {
    let runs: u64 = std::env::var("KAIWA_WATCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(150);
    let first: u64 = std::env::var("KAIWA_WATCH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let server = Server::start().await;
    let mut totals = Totals::default();
    let mut running = stream::iter(first..first + runs).map(|seed| run(&server, seed)).buffer_unordered(8);
    while let Some(run) = running.next().await {
        totals += run;
    }
    println!("{totals:?}");
    assert_eq!(totals.runs, runs);
    assert_eq!(totals.lost, 0, "of {} messages", totals.owed);
    let enough = |count: u64| runs < 100 || count > runs / 10;
    let counts = BTreeMap::from([("kills", totals.kills), ("gaps", totals.gaps), ("faults", totals.faults)]);
    assert!(counts.values().all(|count| enough(*count)), "{counts:?}");
}
