//! Ten thousand writes for each service, with faults in three requests of ten, and the outcome of each write.
//!
//! On real sockets, 64 at a time. Every write is acknowledged or fails, an acknowledged write was applied once, no
//! write was applied twice, and the [`Outcome`](kaiwa::Outcome) of every failure is true. A twentieth of that number
//! goes through a server that speaks HTTP/2 and refuses streams, and through one that sends an additional answer after
//! each one. With `KAIWA_CHAOS_WRITES`, that many go each way.
//!
//! ```text
//! KAIWA_CHAOS_SEED=42 KAIWA_CHAOS_WRITES=10000 cargo test --release --test chaos -- --nocapture
//! ```
//!
//! The seed decides which faults occur in which order; the scheduler decides which write meets which fault.

#[path = "../common/clock.rs"]
mod clock;
mod faults;
mod front;
mod fronts;
mod storm;
mod tally;

use clock::FastClock;
use front::{Front, Kind};
use futures::StreamExt;
use kaiwa::chatwork::{AccountId, Arrival, Reconcile, RoomId};
use kaiwa::sandbox::chatwork::{Account, Room};
use kaiwa::sandbox::{Provider, Sandbox, chatwork, lancers, tascha};
use kaiwa::{ClientBuilder, Outcome, Pace, RetryBudget, Upload};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};
use tally::{Effects, Tally, Write, check_faults};

const WRITES: usize = 10_000;
const AT_ONCE: usize = 64;

/// Of ten writes, each kind other than a message has one.
const OTHERS: usize = 10;

/// The ones of the ten that edit and delete a message of Chatwork.
const EDIT: usize = 2;
const DELETE: usize = 3;

fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("KAIWA_CHAOS_SEED").ok();
        let seed = match given {
            Some(seed) => seed.parse().expect("KAIWA_CHAOS_SEED is a number"),
            None => SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into(),
        };
        println!("KAIWA_CHAOS_SEED={seed}");
        seed
    })
}

/// How many writes go through a front.
fn writes_through_fronts() -> usize {
    let given = std::env::var("KAIWA_CHAOS_WRITES").ok();
    given.map_or(WRITES / 20, |writes| writes.parse().expect("KAIWA_CHAOS_WRITES is a number")).min(WRITES)
}

struct Run {
    service: Provider,
    sandbox: Sandbox,
    front: Option<(Kind, Front)>,
    began: Instant,
}

impl Run {
    async fn start(
        service: Provider,
        front: Option<Kind>,
        seed_data: impl FnOnce(kaiwa::sandbox::Builder) -> kaiwa::sandbox::Builder,
    ) -> Self {
        let builder = Sandbox::builder().clock(FastClock::new()).seed(seed());
        let sandbox = seed_data(builder).start().await.unwrap();
        sandbox.faults().chaos(service, faults::chaos());
        let front = match front {
            Some(kind) => {
                let url = match service {
                    Provider::Chatwork => sandbox.chatwork_url(),
                    Provider::Tascha => sandbox.tascha_url(),
                    Provider::Lancers => sandbox.lancers_url(),
                };
                Some((kind, Front::start(kind, url.to_string()).await))
            }
            None => None,
        };
        Self { service, sandbox, front, began: Instant::now() }
    }

    /// The defaults, except for the budget of retries, which is meant for healthy services, and the largest answer,
    /// because reading the largest takes too long here.
    fn client<S: kaiwa::Service>(&self, builder: ClientBuilder<S>) -> S::Client {
        let rooms = Pace::new().room_limit(1_000_000, Duration::from_secs(10));
        // With a clock of their own, the sandbox's clients have no timeouts; this clock runs.
        let builder = builder.timeout(Duration::from_secs(150)).attempt_timeout(Duration::from_secs(30));
        let builder = builder.retry_budget(RetryBudget::off()).max_body(256 << 10).pace(rooms);
        let builder = match &self.front {
            Some((Kind::Multiplexed, front)) => {
                builder.base_url(&front.url).http_client(reqwest::Client::builder().http2_prior_knowledge())
            }
            Some((Kind::Stray, front)) => builder.base_url(&front.url).fresh_connections(true),
            None => builder,
        };
        builder.build().unwrap()
    }

    async fn write<F>(&self, writes: usize, write: impl Fn(usize) -> F) -> Vec<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let tasks = futures::stream::iter((0..writes).map(|number| tokio::spawn(write(number))));
        let written = tasks.buffer_unordered(AT_ONCE).map(Result::unwrap).collect();
        tokio::time::timeout(Duration::from_secs(900), written).await.expect("every write ends")
    }

    /// Waits until nothing more can arrive late.
    async fn end(&self) {
        self.sandbox.faults().refuse(self.service, true).await.unwrap();
        let requests = self.sandbox.requests();
        match &self.front {
            // So few writes meet the rare kinds of faults only by chance.
            Some((kind, front)) => {
                let (count, struck) = (requests.len(), front.struck());
                println!(
                    "{:?}, {kind:?}: {count} requests, {struck} met the front's own fault",
                    self.service
                );
                assert!(struck > count / 10);
            }
            None => check_faults(self.service, &requests, faults::KINDS, self.began.elapsed()),
        }
    }

    fn check(&self, writes: &[Write], effects: &Effects) -> Tally {
        let tally = Tally::check(self.service, writes, effects);
        println!("{tally}");
        tally
    }
}

fn by_text(effects: impl IntoIterator<Item = (String, String)>) -> Effects {
    let mut by_text = Effects::new();
    for (text, id) in effects {
        by_text.entry(text).or_default().push(id);
    }
    by_text
}

/// With a short window, because a call waits for its end after a 429 without `Retry-After`.
fn unlimited_tascha() -> tascha::Seed {
    tascha::Seed::default().unlimited().burst_limit(1_000_000_000, Duration::from_secs(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tascha_applies_each_acknowledged_write_once() {
    tascha(None, WRITES).await;
}

pub async fn tascha(front: Option<Kind>, count: usize) {
    let room = tascha::RoomSeed::new("chaos", "").members([tascha::Seed::USER]).board("board");
    let seed = unlimited_tascha().room(room.tasks(WRITES / OTHERS));
    let run = Run::start(Provider::Tascha, front, |builder| builder.tascha(seed)).await;
    let client = run.client(run.sandbox.tascha_client(tascha::Seed::TOKEN));
    let view = run.sandbox.tascha().room("chaos");
    let tasks: Vec<String> = view.tasks().into_iter().map(|task| task.id.0).collect();

    let writes = run
        .write(count, |number| {
            let (room, text) = (client.room("chaos"), format!("w{number}"));
            let task = tasks[number / OTHERS].clone();
            async move {
                let result = match number % OTHERS {
                    0 => room.create_task(&text).await.map(|task| task.id.to_string()),
                    1 => room.create_record(&text).await.map(|record| record.id.to_string()),
                    2 => room.task(task).update().title(&text).await.map(|task| task.id.to_string()),
                    _ => room.post(&text).await.map(|message| message.id.to_string()),
                };
                Write { text, result }
            }
        })
        .await;
    run.end().await;

    let messages = view.messages().into_iter().map(|message| (message.body, message.id.0));
    let records = view.records().into_iter().map(|record| (record.title, record.id.0));
    // A task was created once, and its version is the number of its changes.
    let tasks = view.tasks().into_iter().flat_map(|task| {
        let version = task.version.expect("it is shown");
        let changes = if tasks.contains(&task.id.0) { version - 1 } else { version };
        vec![(task.title, task.id.0); usize::try_from(changes).unwrap()]
    });
    let tally = run.check(&writes, &by_text(messages.chain(records).chain(tasks)));
    // The number depends on the machine: on a busy one the fronts run into timeouts of their own.
    assert!(tally.acknowledged > count / 5, "they succeed when repeated under a key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lancers_applies_no_write_twice() {
    lancers(None, WRITES).await;
}

pub async fn lancers(front: Option<Kind>, count: usize) {
    let seed =
        lancers::Seed::default().board(lancers::BoardSeed::new(lancers::Seed::USER, ["bob"]).title("chaos"));
    let run = Run::start(Provider::Lancers, front, |builder| builder.lancers(seed)).await;
    let client = run.client(run.sandbox.lancers_client(lancers::Seed::CREDENTIAL));
    let view = run.sandbox.lancers();
    let before = view.boards();
    let board = before.last().unwrap().id;

    let writes = run
        .write(count, |number| {
            let (client, text) = (client.clone(), format!("w{number}"));
            async move {
                let result = match number % OTHERS {
                    0 => client.create_board(["bob"]).title(&text).await.map(|board| board.id.to_string()),
                    kind => {
                        let board = client.board(board);
                        let post = board.post(&text);
                        let post = if kind == 1 { post.file(file(&text)) } else { post };
                        post.await.map(|message| message.id.to_string())
                    }
                };
                Write { text, result }
            }
        })
        .await;
    run.end().await;

    let board = view.board(board);
    let messages = board.messages();
    let whole = |message: &&kaiwa::lancers::Message| match &message.files[..] {
        [] => true,
        [file] => board.content_of(file.id) == message.description,
        _ => false,
    };
    assert_eq!(messages.iter().filter(whole).count(), messages.len(), "a file arrived once, and complete");
    let messages = messages.into_iter();
    let messages = messages.map(|message| (message.description, message.id.to_string()));
    let boards =
        view.boards().into_iter().skip(before.len()).map(|board| (board.title, board.id.to_string()));
    run.check(&writes, &by_text(messages.chain(boards)));
}

fn file(text: &str) -> Upload {
    Upload::bytes(format!("{text}.txt"), text.to_owned())
}

const ROOMS: u64 = 32;

/// Messages of the bot in each room, one for each write that changes or deletes one.
const OLD_MESSAGES: usize = 2 * (WRITES / OTHERS).div_ceil(ROOMS as usize);

const BOT: &str = "bot";

fn rooms() -> chatwork::Seed {
    let seed =
        chatwork::Seed::new().account(Account::new(1, "Bot").token(BOT)).account(Account::new(2, "Alice"));
    let room = |id| (0..OLD_MESSAGES).fold(Room::group(id, ""), |room, _| room.message(1, "old"));
    (1..=ROOMS).fold(seed, |seed, id| seed.room(room(id).admin(1).member(2))).unlimited()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chatwork_applies_no_write_twice() {
    chatwork(None, WRITES).await;
}

pub async fn chatwork(front: Option<Kind>, count: usize) {
    let run = Run::start(Provider::Chatwork, front, |builder| builder.chatwork(rooms())).await;
    let client = run.client(run.sandbox.chatwork_client(BOT));
    let old = |room| -> Vec<String> {
        let messages = run.sandbox.chatwork().room(room).messages().into_iter();
        messages.take(OLD_MESSAGES).map(|message| message.message_id.0).collect()
    };
    let old: Vec<Vec<String>> = (1..=ROOMS).map(old).collect();
    // Each write that changes or deletes a message has a separate one.
    let own = |number: usize| {
        let (nth, rooms) = (number / OTHERS, ROOMS as usize);
        let half = if number % OTHERS == DELETE { OLD_MESSAGES / 2 } else { 0 };
        (nth % rooms, old[nth % rooms][half + nth / rooms].clone())
    };

    let writes = run
        .write(count, |number| {
            let text = format!("w{number}");
            let (own_room, message) = own(number);
            let room = match number % OTHERS {
                EDIT | DELETE => own_room as u64,
                _ => number as u64 % ROOMS,
            };
            let room = client.room(RoomId(room + 1));
            async move {
                let result = match number % OTHERS {
                    0 => {
                        let tasks = room.create_tasks(&text, [AccountId(1), AccountId(2)]).await;
                        tasks.map(|tasks| format!("{} {}", tasks.task_ids[0], tasks.task_ids[1]))
                    }
                    1 => room.upload(file(&text)).await.map(|file| file.file_id.to_string()),
                    EDIT => {
                        let edited = room.message(&message[..]).update(&text).await;
                        edited.map(|edited| edited.message_id.to_string())
                    }
                    DELETE => {
                        let deleted = room.message(&message[..]).delete().await;
                        deleted.map(|deleted| deleted.message_id.to_string())
                    }
                    _ => room.post(&text).await.map(|message| message.message_id.to_string()),
                };
                Write { text, result }
            }
        })
        .await;
    run.end().await;

    let mut effects = Vec::new();
    let deleters: BTreeMap<String, String> =
        (DELETE..WRITES).step_by(OTHERS).map(|number| (own(number).1, format!("w{number}"))).collect();
    for room in (1..=ROOMS).map(|id| run.sandbox.chatwork().room(id)) {
        let deleted = room.messages().into_iter().filter(|message| message.body == "[deleted]");
        effects
            .extend(deleted.map(|message| (deleters[&message.message_id.0].clone(), message.message_id.0)));
        for file in room.files() {
            assert_eq!(file.filename.as_bytes(), [&room.content(file.file_id)[..], b".txt"].concat());
            effects.push((file.filename.replace(".txt", ""), file.file_id.to_string()));
        }
        let messages = room.messages().into_iter().filter(|message| message.body.starts_with('w'));
        effects.extend(messages.map(|message| (message.body, message.message_id.0)));
        for pair in room.tasks().chunks(2) {
            effects.push((pair[0].body.clone(), format!("{} {}", pair[0].task_id, pair[1].task_id)));
        }
    }
    run.check(&writes, &by_text(effects));
}

const POSTS: usize = WRITES / 2;

/// A fifth of the posts have the same text as others in the room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconciliation_settles_unknown_outcomes_and_posts_nothing_twice() {
    let run = Run::start(Provider::Chatwork, None, |builder| builder.chatwork(rooms())).await;
    let client = run.client(run.sandbox.chatwork_client(BOT));

    let posts = run
        .write(POSTS, |number| {
            let room = number as u64 % ROOMS + 1;
            let text = if (number / ROOMS as usize).is_multiple_of(5) {
                "the same".to_owned()
            } else {
                format!("w{number}")
            };
            let post = client.room(RoomId(room)).post(&text).with_reconcile(Reconcile::new());
            async move { (room, text, post.await) }
        })
        .await;
    run.end().await;

    let mut acknowledged: BTreeMap<(u64, String), Vec<String>> = BTreeMap::new();
    let mut open: BTreeMap<(u64, String), usize> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (room, text, result) in posts {
        let name = (room, text);
        let count = match result {
            Ok(sent) => {
                acknowledged.entry(name).or_default().push(sent.message_id.to_string());
                match sent.arrival {
                    Arrival::Answered => "answered",
                    Arrival::Found => "found",
                    Arrival::PostedAgain => "posted again",
                }
            }
            Err(error) => {
                if matches!(error.outcome(), Outcome::Unknown | Outcome::Applied) {
                    *open.entry(name).or_default() += 1;
                }
                tally::name(error.outcome())
            }
        };
        *counts.entry(count).or_default() += 1;
    }
    for room in 1..=ROOMS {
        let messages = run.sandbox.chatwork().room(room).messages();
        let messages = messages.into_iter().skip(OLD_MESSAGES);
        let there = by_text(messages.map(|message| (message.body, message.message_id.0)));
        for (text, ids) in there {
            let name = (room, text);
            let mut acknowledged_ids = acknowledged.remove(&name).unwrap_or_default();
            let open = open.get(&name).copied().unwrap_or_default();
            acknowledged_ids.sort();
            // Each acknowledged post has a different message; the remaining messages belong to posts with an unknown
            // outcome.
            assert!(acknowledged_ids.iter().all(|id| ids.contains(id)), "{name:?}");
            assert!(
                acknowledged_ids.windows(2).all(|pair| pair[0] != pair[1]),
                "{name:?}: one message for two posts"
            );
            assert!(
                ids.len() <= acknowledged_ids.len() + open,
                "{name:?} was posted twice: {} of {}",
                ids.len(),
                acknowledged_ids.len()
            );
        }
    }
    assert!(acknowledged.is_empty(), "lost: {acknowledged:?}");
    let count = |name| counts.get(name).copied().unwrap_or_default();
    let settled = count("found") + count("posted again");
    let open = settled + count("unknown") + count("applied");
    println!(
        "Chatwork, reconciled: {POSTS} posts {counts:?}; {settled} of {open} open ones settled, nothing twice"
    );
    // The number depends on the machine: a busy one causes additional timeouts.
    assert!(settled > 0, "none of {open}");
}
