//! What an outbox costs beside what it is made of, in the same run: `cargo run --release --bin figures [WAITING]`.

use kaiwa::outbox::{NewEntry, Next, OUTBOX, Outbox, OutboxStore, SqliteOutboxStore};
use kaiwa::sandbox::{Sandbox, chatwork};
use kaiwa::{Pace, StoreError, chatwork::RoomId};
use rusqlite::Connection;
use std::time::{Duration, Instant};

const MESSAGES: usize = 500;
const ROOMS: u64 = 20;

#[tokio::main]
async fn main() -> Result<(), StoreError> {
    let waiting = std::env::args().nth(1).map_or(Ok(100_000), |number| number.parse())?;
    let folder = tempfile::tempdir()?;
    let mut seed = chatwork::Seed::new().account(chatwork::Account::new(1, "Bot").token("token")).unlimited();
    for room in 1..=ROOMS {
        seed = seed.room(chatwork::Room::group(room, "Builds").admin(1));
    }
    let sandbox = Sandbox::builder().chatwork(seed).start().await?;
    let client = sandbox.chatwork_client("token").pace(Pace::off()).build()?;
    let room = |number: usize| client.room(RoomId(number as u64 % ROOMS + 1));

    let bare = Connection::open(folder.path().join("bare.db"))?;
    bare.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE entries (key TEXT UNIQUE, text TEXT)",
    )?;
    time("bare insert", || {
        for number in 0..MESSAGES {
            bare.execute("INSERT INTO entries VALUES (?1, ?2)", [format!("key-{number}"), text(number)])?;
        }
        Ok(())
    })?;
    let began = Instant::now();
    for number in 0..MESSAGES {
        room(number).post(text(number)).await?;
    }
    report("bare post", began, MESSAGES);

    let path = folder.path().join("outbox.db");
    let outbox = Outbox::builder(SqliteOutboxStore::open(&path).await?).chatwork(client.clone()).build();
    let began = Instant::now();
    for number in 0..MESSAGES {
        outbox.enqueue(format!("key-{number}"), room(number).post(text(number))).await?;
    }
    report("enqueue", began, MESSAGES);
    let began = Instant::now();
    if outbox.deliver_due().await? != MESSAGES {
        return Err("not all were delivered".into());
    }
    report("deliver", began, MESSAGES);
    let began = Instant::now();
    futures_util::future::try_join_all(
        (0..MESSAGES)
            .map(|number| outbox.enqueue(format!("beside-{number}"), room(number).post(text(number)))),
    )
    .await?;
    report("enqueue, all at once", began, MESSAGES);

    recover(&folder.path().join("many.db"), waiting).await
}

/// How long a start takes until the first of many waiting entries is claimed.
async fn recover(path: &std::path::Path, waiting: usize) -> Result<(), StoreError> {
    let store = SqliteOutboxStore::open(path).await?;
    let adding = (0..waiting).collect::<Vec<_>>();
    for part in adding.chunks(1_000) {
        let entries = part.iter().map(|number| {
            let (key, lane) = (format!("key-{number}"), format!("lane-{}", number % 1_000));
            store.enqueue(NewEntry::new(key, lane, text(*number)))
        });
        futures_util::future::try_join_all(entries).await?;
    }
    drop(store);
    let began = Instant::now();
    let store = SqliteOutboxStore::open(path).await?;
    let Next::Entry(..) = store.claim(OUTBOX, Duration::from_secs(30)).await? else {
        return Err("nothing is handed out".into());
    };
    println!(
        "{waiting} waiting: {:.1} ms from the start to the first claim",
        began.elapsed().as_secs_f64() * 1e3
    );
    let began = Instant::now();
    for _ in 0..MESSAGES {
        store.claim(OUTBOX, Duration::from_secs(30)).await?;
    }
    report("claim of the others", began, MESSAGES);
    Ok(())
}

fn text(number: usize) -> String {
    format!("ビルド {number} が通りました")
}

fn time(what: &str, work: impl FnOnce() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let began = Instant::now();
    work()?;
    report(what, began, MESSAGES);
    Ok(())
}

fn report(what: &str, began: Instant, times: usize) {
    println!("{what}: {:.3} ms", began.elapsed().as_secs_f64() * 1e3 / times as f64);
}
