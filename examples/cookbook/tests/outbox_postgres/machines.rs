//! Several connections, as several machines have them.

use crate::server::Server;
use crate::{LEASE, SCHEMA, entry, entry_of, open, rules, sent};
use kaiwa::chatwork::RoomId;
use kaiwa::outbox::{Change, Commit, Enqueued, Filter, Next, OUTBOX, Outbox, OutboxStore, Phase};
use kaiwa::sandbox::Sandbox;
use kaiwa_cookbook::outbox_postgres::{PostgresOutboxStore, drive};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

const MACHINES: usize = 6;

/// What was enqueued, and what was taken: ids by lane, in that order.
type Taken = Vec<(String, i64)>;

/// Entries are added while others are taken, each machine on a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_machines_take_each_entry_once_and_in_order() {
    const ENTRIES: usize = 600;
    let server = Server::start();
    let mut tasks = Vec::new();
    for machine in 0..MACHINES {
        let store = open(&server).await;
        tasks.push(tokio::spawn(async move {
            let mut taken = Taken::new();
            // Every key comes from two machines.
            for number in
                (0..ENTRIES).filter(|number| [number % MACHINES, (number + 1) % MACHINES].contains(&machine))
            {
                let lane = format!("{}", number % 7);
                store.enqueue(entry_of(&lane, &format!("{number}"))).await.expect("it is stored");
                take(&store, &mut taken).await;
            }
            while take(&store, &mut taken).await {}
            taken
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        let taken = task.await.expect("no panic");
        in_order(&taken);
        all.extend(taken);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), ENTRIES, "each once");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

/// Takes an entry, and closes it. False if none is left.
async fn take(store: &PostgresOutboxStore, taken: &mut Taken) -> bool {
    match store.claim(OUTBOX, LEASE).await.expect("it can be claimed") {
        Next::Entry(entry, claim) => {
            taken.push((entry.lane, entry.id));
            assert!(store.change(&claim, sent(), false).await.expect("it is stored"));
            true
        }
        Next::Wait(None) => false,
        Next::Wait(Some(_)) => {
            tokio::time::sleep(Duration::from_millis(1)).await;
            true
        }
    }
}

fn in_order(taken: &Taken) {
    let mut lanes = BTreeMap::new();
    for (lane, id) in taken {
        assert!(lanes.insert(lane, id).is_none_or(|before| before < id), "{lane}: {taken:?}");
    }
}

/// One key, at the same time, in different lanes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_comes_from_all_machines_is_stored_once() {
    let server = Server::start();
    let mut stores = Vec::new();
    for _ in 0..MACHINES {
        stores.push(open(&server).await);
    }
    for round in 0..50 {
        let adds = stores.iter().enumerate().map(|(machine, store)| {
            store.enqueue(entry_of(&format!("{}", machine % 3), &format!("{round}")))
        });
        let added = futures_util::future::join_all(adds).await;
        let new = added.iter().filter(|added| matches!(added, Ok(Enqueued::New(_)))).count();
        assert!(new == 1 && added.iter().all(Result::is_ok), "{added:?}");
    }
}

/// The same lanes, keys and notes, in another order. The server would end one that waits in a circle, and log it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_cross_on_two_connections_do_not_block_each_other() {
    let server = Server::start();
    let (first, second) = (open(&server).await, open(&server).await);
    rules::commits::commits_that_cross_end([Arc::new(first), Arc::new(second)]).await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

/// Persons decide while machines claim: at most one of the lane is ever under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_beside_claims_keep_one_of_a_lane_under_way() {
    let server = Server::start();
    let store = open(&server).await;
    for number in 0..20 {
        store.enqueue(entry(&format!("{number}"))).await.expect("it is stored");
    }
    let person = tokio::spawn({
        let store = open(&server).await;
        async move {
            for round in 0..400 {
                let key = format!("{}", round * 7 % 20);
                let (from, to) = match round % 2 {
                    0 => (Phase::Waiting, Phase::Discarded),
                    _ => (Phase::Discarded, Phase::Waiting),
                };
                store.decide(&key, &[from], to).await.expect("it is stored");
            }
        }
    });
    let mut machines = Vec::new();
    for _ in 0..3 {
        let (store, client) = (open(&server).await, server.client().await);
        machines.push(tokio::spawn(async move {
            let claimed = "SELECT count(*) FROM kaiwa_outbox.entries WHERE claimed_until IS NOT NULL";
            for _ in 0..100 {
                let Next::Entry(_, claim) = store.claim(OUTBOX, LEASE).await.expect("it can be read") else {
                    continue;
                };
                let count: i64 = client.query_typed_one(claimed, &[]).await.expect("a number").get(0);
                assert_eq!(count, 1);
                let waiting = Change::new(Phase::Waiting, "");
                assert!(store.change(&claim, waiting, false).await.expect("it is stored"));
            }
        }));
    }
    for task in machines.into_iter().chain([person]) {
        task.await.expect("no panic");
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_outboxes_on_one_database_post_each_message_once() {
    // As many as a room takes at once: a refused one would wait for a later call.
    const MESSAGES: usize = 10;
    let server = Server::start();
    let sandbox = Sandbox::start().await.expect("it starts");
    let mut outboxes = Vec::new();
    for _ in 0..2 {
        let client = sandbox.clients().chatwork;
        outboxes.push(Outbox::builder(open(&server).await).chatwork(client).build());
    }
    let room = sandbox.clients().chatwork.room(RoomId(100));
    for number in 0..MESSAGES {
        for outbox in &outboxes {
            let post = room.post(format!("message {number}"));
            outbox.enqueue(format!("{number}"), post).await.expect("it is stored");
        }
    }
    let closed = tokio::join!(outboxes[0].deliver_due(), outboxes[1].deliver_due());
    closed.0.and(closed.1).expect("the store works");
    let there = sandbox.chatwork().room(RoomId(100)).messages();
    let posted: Vec<_> = there.iter().filter(|message| message.body.starts_with("message ")).collect();
    let bodies: Vec<_> = posted.iter().map(|post| post.body.clone()).collect();
    assert_eq!(
        bodies,
        (0..MESSAGES).map(|number| format!("message {number}")).collect::<Vec<_>>(),
        "once, in order"
    );
}

/// Of what can be claimed at once, and of nothing else.
#[tokio::test]
async fn a_listener_hears_of_an_entry() {
    let server = Server::start();
    let store = open(&server).await;
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.expect("it connects");
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    tokio::spawn(drive(connection, move || _ = counter.fetch_add(1, SeqCst)));
    client.batch_execute(&format!("LISTEN {SCHEMA}")).await.expect("it listens");
    let far = "2999-01-01T00:00:00Z".parse().expect("a time");
    store.enqueue(entry_of("2", "later").not_before(far)).await.expect("stored");
    for key in ["first", "second", "first"] {
        store.enqueue(entry(key)).await.expect("it is stored");
    }
    // The server sends them in order, before the answer to a later statement.
    while heard.load(SeqCst) == 0 {
        client.batch_execute("SELECT 1").await.expect("it answers");
    }
    assert_eq!(heard.load(SeqCst), 1, "only the first can be claimed");
    assert!(store.decide("first", &[Phase::Waiting], Phase::Discarded).await.expect("it is stored"));
    while heard.load(SeqCst) == 1 {
        client.batch_execute("SELECT 1").await.expect("it answers");
    }
    assert_eq!(heard.load(SeqCst), 2);
    let commit = |keys: &[&str]| {
        let entries = keys.iter().map(|key| entry_of(key, key).queue("bot"));
        Commit::new(Vec::new(), entries.chain([entry_of("2", "behind")]).collect())
    };
    for keys in [&[][..], &["a", "b"]] {
        assert!(store.commit(commit(keys)).await.expect("it is stored"));
    }
    while heard.load(SeqCst) == 2 {
        client.batch_execute("SELECT 1").await.expect("it answers");
    }
    client.batch_execute("SELECT 1").await.expect("it answers");
    assert_eq!(heard.load(SeqCst), 3, "once for a commit, if any of it can be claimed");
}

/// How many of the table's rows were read one after the other, and for how many an index was asked.
async fn rows_read(server: &Server, store: &PostgresOutboxStore) -> (i64, i64) {
    // A process of the server tells what it did once a second at most, after a statement.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    store.get("none").await.expect("it is read");
    let read = format!(
        "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'entries' AND schemaname = '{SCHEMA}'"
    );
    let row = server.client().await.query_typed_one(&read, &[]).await.expect("numbers");
    (row.get(0), row.get(1))
}

/// With so many messages that wait, or are closed, a call takes milliseconds at most, and does not read them all.
#[tokio::test]
async fn a_call_reads_few_rows_however_many_there_are() {
    const ENTRIES: i64 = 100_000;
    let server = Server::start();
    let store = open(&server).await;
    // A claim is planned while there is nothing, and planned again only if the statistics change.
    for number in 0..10 {
        store.enqueue(entry(&format!("early {number}"))).await.expect("it is stored");
        assert!(matches!(
            store.claim(OUTBOX, LEASE).await.expect("it is read"),
            Next::Entry(..) | Next::Wait(_)
        ));
    }
    let client = server.client().await;
    let fill = format!(
        "ALTER TABLE {SCHEMA}.entries SET (autovacuum_enabled = off);
         INSERT INTO {SCHEMA}.entries (queue, key, key_hash, lane, phase, request, created_at, is_next)
             SELECT '{OUTBOX}', 'key ' || i, sha256(i::text::bytea), 'lane ' || i % 1000, 'waiting', 'request', now(), i <= 1000
             FROM generate_series(1, {ENTRIES}) i;
         INSERT INTO {SCHEMA}.entries (queue, key, key_hash, lane, phase, request, created_at, closed_at, is_next)
             SELECT '{OUTBOX}', 'closed ' || i, sha256(('closed ' || i)::bytea), 'old ' || sqrt(i)::int, 'sent',
                 'request', now(), now(), false FROM generate_series(1, {ENTRIES}) i"
    );
    client.batch_execute(&fill).await.expect("they are stored");
    let began = Instant::now();
    for _ in 0..500 {
        let Next::Entry(_, claim) = store.claim(OUTBOX, LEASE).await.expect("it is read") else {
            panic!("all are due")
        };
        assert!(store.change(&claim, sent(), false).await.expect("it is stored"));
    }
    println!("{ENTRIES} wait: {:?} for a claim and a change", began.elapsed() / 500);
    let (in_turn, before) = rows_read(&server, &store).await;
    assert!(in_turn < ENTRIES, "{in_turn} rows were read one after the other");
    for statistics in ["SELECT 1", "ANALYZE"] {
        client.batch_execute(statistics).await.expect("it is done");
        for _ in 0..20 {
            assert!(matches!(store.claim("bot", LEASE).await.expect("it is read"), Next::Wait(None)));
            assert_eq!(store.blank("bot", Duration::ZERO).await.expect("it is read"), 0);
        }
        for lane in ["old 5", "old 300", "none"] {
            let began = Instant::now();
            let newest = Filter::new(OUTBOX, 300).lane(lane).phase(Phase::Sent).newest();
            for _ in 0..20 {
                store.list(newest).await.expect("it is read");
            }
            println!(
                "{ENTRIES} are closed: {:?} for the newest of {lane}, {statistics}",
                began.elapsed() / 20
            );
        }
    }
    let (in_turn, after) = rows_read(&server, &store).await;
    assert!(
        in_turn < ENTRIES && after - before < 300 * 120 + 1000,
        "{in_turn} and {} rows were read",
        after - before
    );
}
