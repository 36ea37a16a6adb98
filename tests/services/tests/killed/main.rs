//! Programs that are killed at random, while they post into 20 rooms of three services that lose requests and answers, and carry
//! requests out late; and bots that are killed while they answer there.
//!
//! `KAIWA_KILL_MESSAGES=10000 cargo test --release --test killed -- --nocapture` is the whole size.

#[path = "../../../../examples/cookbook/tests/outbox_postgres/server.rs"]
#[allow(dead_code)] // The tests of the store do more with it.
mod server;

mod answers;
mod programs;

use kaiwa::outbox::{Filter, OUTBOX, OutboxStore, Phase, SqliteOutboxStore, StoredEntry};
use programs::{Process, SETTLE, Services, messages};
use server::Server;
use services::outbox_postgres::PostgresOutboxStore;
use services::town::{ROOMS, text};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A program that posts.
struct Program<'a> {
    store: &'a str,
    name: &'a str,
    messages: usize,
    town: &'a str,
    /// `sent`, or `looked` for again.
    until: &'a str,
}

impl Program<'_> {
    fn start(&self) -> Process {
        let Self { store, name, messages, town, until } = self;
        let arguments = [store, name, &*messages.to_string(), &*SETTLE.to_string(), town, until];
        Process::start(env!("CARGO_BIN_EXE_poster"), &arguments)
    }

    /// Starts it until it is done, and kills it every 50 to 500 ms, at most so many times.
    fn post(&self, kills: u32) -> Posted {
        let mut posted = Posted::default();
        let mut random = fastrand::Rng::with_seed(1);
        loop {
            let mut process = self.start();
            if posted.kills < kills {
                process.kill_soon(&mut random);
            }
            let (ended, mut lines) = process.end();
            if ended.success() {
                assert_eq!(lines.pop().as_deref(), Some("done"));
                posted.stored.extend(lines);
                return posted;
            }
            assert_eq!(ended.code(), None, "{} failed by itself", self.name);
            posted.stored.extend(lines);
            posted.kills += 1;
        }
    }

    /// Starts it and kills it so many times. Others have to finish what it has begun.
    fn begin(&self, kills: u32) -> Posted {
        let mut posted = Posted { kills, ..Posted::default() };
        for _ in 0..kills {
            let mut process = self.start();
            std::thread::sleep(Duration::from_millis(400));
            process.kill();
            posted.stored.extend(process.end().1);
        }
        posted
    }
}

/// What a program that was killed again and again has printed.
#[derive(Default)]
struct Posted {
    stored: BTreeSet<String>,
    kills: u32,
}

async fn entries(store: &impl OutboxStore) -> Vec<StoredEntry> {
    store.list(Filter::new(OUTBOX, usize::MAX)).await.expect("it is read")
}

/// Compares what is there with what was to be posted, and prints the figures.
fn compare(
    entries: &[StoredEntry],
    posted: &[Posted],
    rooms: &[Vec<String>],
    alike: bool,
    began: Instant,
) -> Totals {
    let (mut expected, mut perhaps) = (vec![Vec::new(); ROOMS], vec![Vec::new(); ROOMS]);
    let mut totals = Totals::default();
    for entry in entries {
        let number: usize =
            entry.key.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number");
        match entry.phase {
            Phase::Sent | Phase::Doubled => {
                expected[number % ROOMS].push(text(&entry.key, number, alike));
            }
            Phase::Uncertain => {
                totals.uncertain.push(format!("{}: {}", entry.key, entry.progress));
                perhaps[number % ROOMS].push(text(&entry.key, number, alike));
            }
            _ => panic!("{} is not done: {entry:?} {}", entry.key, entry.progress),
        }
        if entry.phase == Phase::Doubled {
            totals.told.insert(entry.key.clone());
        }
    }
    let keys: BTreeSet<_> = entries.iter().map(|entry| &*entry.key).collect();
    for key in posted.iter().flat_map(|posted| &posted.stored) {
        assert!(keys.contains(&**key), "{key} was stored, and is lost");
    }
    for ((expected, perhaps), room) in expected.iter().zip(&perhaps).zip(rooms) {
        let mut surplus = BTreeMap::<&str, i32>::new();
        room.iter().for_each(|text| *surplus.entry(text).or_default() += 1);
        expected.iter().for_each(|text| *surplus.entry(text).or_default() -= 1);
        for (text, count) in surplus {
            let perhaps = perhaps.iter().filter(|other| **other == text).count() as i32;
            totals.doubled.extend((perhaps..count).map(|_| text.to_owned()));
            totals.lost.extend((count..0).map(|_| text.to_owned()));
        }
        let mut there = room.iter();
        totals.is_in_order &= expected.iter().all(|text| there.any(|other| other == text));
    }
    let kills: u32 = posted.iter().map(|posted| posted.kills).sum();
    println!(
        "{} messages, {kills} kills, {:.0} s: {} doubled, {} told of them, {} lost, {} uncertain, in order: {}",
        entries.len(),
        began.elapsed().as_secs_f64(),
        totals.doubled.len(),
        totals.told.len(),
        totals.lost.len(),
        totals.uncertain.len(),
        totals.is_in_order
    );
    totals
}

#[derive(Debug)]
struct Totals {
    doubled: Vec<String>,
    told: BTreeSet<String>,
    lost: Vec<String>,
    uncertain: Vec<String>,
    is_in_order: bool,
}

impl Default for Totals {
    fn default() -> Self {
        let (doubled, told) = Default::default();
        Self { doubled, told, lost: Vec::new(), uncertain: Vec::new(), is_in_order: true }
    }
}

impl Totals {
    /// Every message is there once, and in order. Of a few nobody can say, since a room shows its newest 100: on the fast clock
    /// a program that is alone posts as many into one room in the seconds by which clocks may differ.
    fn assert_once(&self) {
        assert!(self.doubled.is_empty() && self.lost.is_empty() && self.is_in_order, "{self:?}");
        assert!(self.told.is_empty() && self.uncertain.len() < 10, "{self:?}");
        let is_out_of_reach = |entry: &String| entry.contains("too many messages have been posted since");
        assert!(self.uncertain.iter().all(is_out_of_reach), "{self:?}");
    }
}

/// A database in which all is there for an outbox.
async fn postgres() -> (Server, PostgresOutboxStore) {
    let server = Server::start();
    let store = PostgresOutboxStore::new(server.client().await, "kaiwa_outbox").expect("a plain name");
    store.migrate().await.expect("it can be created");
    (server, store)
}

fn sqlite() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox.db").display().to_string();
    (folder, path)
}

#[tokio::test]
async fn a_program_that_is_killed_all_the_time_posts_each_message_once_and_in_order() {
    let began = Instant::now();
    let mut services = Services::start(0.3, 0.9, 1);
    let (_folder, store) = sqlite();
    let messages = messages(400);
    let program = Program { store: &store, name: "a", messages, town: &services.town, until: "sent" };
    let posted = program.post(u32::MAX);
    let entries = entries(&SqliteOutboxStore::open(&store).await.expect("it is there")).await;
    assert_eq!(entries.len(), messages);
    compare(&entries, &[posted], &services.rooms(), true, began).assert_once();
}

/// Two programs share a store, and one of them is killed for good.
fn share(store: &str, services: &Services) -> [Posted; 3] {
    let messages = messages(400) / 2;
    let program = |name| Program { store, name, messages, town: &services.town, until: "sent" };
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| program("b").begin(10));
        (program("a").post(u32::MAX), second.join().expect("it does not panic"))
    });
    // The second one may have left something when the first one was done.
    [first, second, program("a").post(0)]
}

#[tokio::test]
async fn two_programs_on_one_file_do_too_and_one_of_them_never_comes_back() {
    let began = Instant::now();
    let mut services = Services::start(0.3, 0.9, 2);
    let (_folder, store) = sqlite();
    let posted = share(&store, &services);
    let entries = entries(&SqliteOutboxStore::open(&store).await.expect("it is there")).await;
    compare(&entries, &posted, &services.rooms(), true, began).assert_once();
}

/// As on two machines.
#[tokio::test]
async fn two_programs_on_one_database_of_postgresql_do_too_and_one_of_them_never_comes_back() {
    let (server, store) = postgres().await;
    let began = Instant::now();
    let mut services = Services::start(0.3, 0.9, 4);
    let posted = share(&server.url(), &services);
    print!("PostgreSQL: ");
    compare(&entries(&store).await, &posted, &services.rooms(), true, began).assert_once();
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn what_comes_later_than_it_settles_is_told() {
    let began = Instant::now();
    let mut services = Services::start(0.3, 3.0, 3);
    let (_folder, store) = sqlite();
    let messages = messages(400) / 2;
    let program = Program { store: &store, name: "a", messages, town: &services.town, until: "looked" };
    let posted = program.post(60);
    let entries = entries(&SqliteOutboxStore::open(&store).await.expect("it is there")).await;
    let totals = compare(&entries, &[posted], &services.rooms(), false, began);
    let doubled: BTreeSet<_> = totals.doubled.iter().cloned().collect();
    assert_eq!(doubled, totals.told, "each of them, and no other");
    assert!(totals.lost.is_empty() && totals.uncertain.is_empty(), "{totals:?}");
    assert!(!totals.told.is_empty(), "none was late");
}
