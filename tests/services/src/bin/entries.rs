//! One process with an outbox in a SQLite file: `entries DOING PATH NAME`. A test reads what it prints, and kills it.

use kaiwa::StoreError;
use kaiwa::outbox::{Change, Enqueued, NewEntry, Next, OUTBOX, OutboxStore, Phase, SqliteOutboxStore};
use std::path::Path;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(300);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StoreError> {
    let [doing, path, name] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "3 arguments")?;
    match &*doing {
        "add" => add(&path, &name).await,
        "work" => work(&path).await,
        "hold" => hold(&path).await,
        "fill" => fill(&path, &name).await,
        other => Err(format!("nothing is called {other}").into()),
    }
}

fn entry(name: &str, number: usize) -> NewEntry {
    let key = format!("{name}-{number}");
    let request = format!("the request of {key}: {}", "本文".repeat(number * 37 % 500));
    NewEntry::new(key, format!("lane {}", number % 7), request)
}

/// Adds entries without an end, and prints the key of each that is stored.
async fn add(path: &str, name: &str) -> Result<(), StoreError> {
    let store = SqliteOutboxStore::open(path).await?;
    for number in 0.. {
        let entry = entry(name, number);
        let key = entry.key.clone();
        match store.enqueue(entry).await? {
            Enqueued::New(_) => println!("{key}"),
            Enqueued::Known(_) => return Err(format!("{key} was there").into()),
        }
    }
    Ok(())
}

/// Closes entries until none is open, and prints the lane and the id of each.
async fn work(path: &str) -> Result<(), StoreError> {
    let store = SqliteOutboxStore::open(path).await?;
    loop {
        match store.claim(OUTBOX, LEASE).await? {
            Next::Entry(entry, claim) => {
                println!("{} {}", entry.lane, entry.id);
                let sent = Change::new(Phase::Sent, "done");
                if !store.change(&claim, sent, false).await? {
                    return Err("the claim was lost".into());
                }
            }
            Next::Wait(None) => return Ok(()),
            Next::Wait(Some(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Claims an entry for a second, and stops.
async fn hold(path: &str) -> Result<(), StoreError> {
    let store = SqliteOutboxStore::open(path).await?;
    let Next::Entry(entry, claim) = store.claim(OUTBOX, Duration::from_secs(1)).await? else {
        return Err("nothing to do".into());
    };
    println!("{} {}", entry.key, claim.fence);
    std::future::pending().await
}

/// Adds entries until the disk is full, then removes the file beside, and goes on.
async fn fill(path: &str, name: &str) -> Result<(), StoreError> {
    let ballast = Path::new(path).with_file_name("ballast");
    std::fs::write(&ballast, vec![1; 100_000])?;
    let store = SqliteOutboxStore::open(path).await?;
    let mut number = 0;
    let error = loop {
        match store.enqueue(entry(name, number)).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    println!("{error}");
    for number in 0..number {
        let given = entry(name, number);
        let stored = store.get(&given.key).await?.ok_or("an entry is lost")?;
        if stored.request != given.request {
            return Err("an entry is damaged".into());
        }
    }
    std::fs::remove_file(ballast)?;
    // Once more, whether it was stored or not.
    store.enqueue(entry(name, number)).await?;
    let Next::Entry(first, _) = store.claim(OUTBOX, LEASE).await? else { return Err("nothing to do".into()) };
    println!("{} of {number}", first.key);
    Ok(())
}
