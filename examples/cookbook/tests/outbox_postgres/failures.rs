//! Each failure is told, without what is stored, and loses nothing that was promised.

use crate::server::Server;
use crate::{SCHEMA, claim, entry, entry_of, open, sent};
use kaiwa::outbox::{Enqueued, Filter, Next, OUTBOX, OutboxStore, Phase};
use kaiwa_cookbook::outbox_postgres::PostgresOutboxStore;
use std::sync::Arc;
use std::time::Duration;

fn told(result: Result<impl Sized, kaiwa::StoreError>, part: &str) {
    let text = result.map(drop).expect_err(part).to_string();
    assert!(text.starts_with("the outbox in PostgreSQL, schema ") && text.contains(part), "{text}");
    assert!(!text.contains("request of") && !text.contains("the-key"), "{text}");
}

/// With a disk that is waited for. The server is killed while programs add entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_enqueue_returned_is_there_after_the_server_was_killed() {
    let mut server = Server::with(&[]);
    let mut returned = Vec::new();
    for round in 0..3 {
        let store = open(&server).await;
        let adders: Vec<_> = (0..4)
            .map(|adder| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut returned = Vec::new();
                    loop {
                        let key = format!("{round} {adder} {}", returned.len());
                        match store.enqueue(entry_of(&format!("{adder}"), &key)).await {
                            Ok(_) => returned.push(key),
                            Err(error) => return (returned, error.to_string()),
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        for adder in adders {
            let (keys, error) = adder.await.expect("no panic");
            assert!(error.contains("there is no connection") || error.contains("57P"), "{error}");
            assert!(!keys.is_empty() && !error.contains("request of"), "{error}");
            returned.extend(keys);
        }
        told(store.get("a").await, "there is no connection (connection closed)");
        server.restart();
        let store = open(&server).await;
        for key in &returned {
            assert!(store.get(key).await.expect("it is there again").is_some(), "{key} is lost");
        }
    }
    let store = open(&server).await;
    let all = store.list(Filter::new(OUTBOX, usize::MAX)).await.expect("it is read").len();
    // Of each adder at most the entry on which the server was killed is there in addition.
    assert!((returned.len()..=returned.len() + 12).contains(&all), "{all} of {}", returned.len());
}

#[tokio::test]
async fn a_client_that_is_closed_is_told() {
    let server = Server::start();
    let store = open(&server).await;
    let other = server.client().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname <> ''";
    other.batch_execute(end).await.expect("it is sent");
    let first = store.enqueue(entry("the-key")).await.map(drop).expect_err("it is closed").to_string();
    assert!(first.contains("there is no connection") || first.contains("57P01"), "{first}");
    told(store.get("the-key").await, "there is no connection (connection closed): make one");
    open(&server).await.enqueue(entry("the-key")).await.expect("a new one works");
}

/// The settings of the connection end what takes too long.
#[tokio::test]
async fn a_lock_that_is_held_too_long_is_told() {
    let server = Server::start();
    let client = server.client().await;
    client.batch_execute("SET lock_timeout = '200ms'").await.expect("it is set");
    open(&server).await;
    let store = PostgresOutboxStore::new(client, SCHEMA).expect("a plain name");
    store.enqueue(entry("the-key")).await.expect("it is stored");
    let other = server.client().await;
    other.batch_execute("BEGIN; SELECT kaiwa_outbox.ready('{outbox 1}', NULL)").await.expect("it is free");
    told(store.enqueue(entry("b")).await, "somebody keeps a lock");
    assert!(claim(&store).await.is_some(), "who claims does not wait");
    other.batch_execute("COMMIT").await.expect("it ends");
    assert!(matches!(store.enqueue(entry("b")).await.expect("it is free"), Enqueued::New(_)));
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_what_to_do() {
    let server = Server::start();
    let client = server.client().await;
    let store = PostgresOutboxStore::new(Arc::clone(&client), SCHEMA).expect("a plain name");
    told(store.enqueue(entry("the-key")).await, "call `migrate`");
    store.migrate().await.expect("it can be created");
    client.batch_execute("SET default_transaction_isolation = 'repeatable read'").await.expect("it is set");
    told(store.enqueue(entry("the-key")).await, "READ COMMITTED");
    client.batch_execute("RESET ALL; SET default_transaction_read_only = on").await.expect("it is set");
    told(store.enqueue(entry("the-key")).await, "connect to the primary");
    client.batch_execute("RESET ALL").await.expect("it is set");
    client.batch_execute("CREATE ROLE stranger; SET ROLE stranger").await.expect("it is set");
    told(store.enqueue(entry("the-key")).await, "GRANT");
    client.batch_execute("RESET ROLE").await.expect("it is set");
    assert!(store.get("the-key").await.expect("it is read").is_none(), "nothing was stored");
    // The server's own words would have the text: it is in the row that breaks the rule.
    client
        .batch_execute("ALTER TABLE kaiwa_outbox.entries ADD CHECK (lane <> '1')")
        .await
        .expect("it is new");
    told(store.enqueue(entry("the-key")).await, "which its log explains (SQLSTATE 23514)");
    assert!(server.log().contains("the request of the-key"), "{}", server.log());
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_told_and_others_are() {
    let server = Server::start();
    let store = open(&server).await;
    for key in ["a", "b"] {
        store.enqueue(entry(key)).await.expect("it is stored");
    }
    let client = server.client().await;
    for change in ["phase = 'the request of a'", "phase = 'waiting', not_before = 'infinity'"] {
        let sql = format!("UPDATE kaiwa_outbox.entries SET {change} WHERE key = 'a'");
        client.batch_execute(&sql).await.expect("it is written");
        let error = store.get("a").await.expect_err("it is unreadable").to_string();
        assert!(error.contains("changed by hand") && !error.contains("request of"), "{error}");
        assert!(store.get("b").await.expect("it is read").is_some());
    }
}

/// A worker that was cut off changes nothing once its lease is over, also while another one waits for its lock.
#[tokio::test]
async fn a_change_that_waited_until_its_lease_was_over_changes_nothing() {
    let server = Server::start();
    let store = open(&server).await;
    store.enqueue(entry("a")).await.expect("it is stored");
    let lease = Duration::from_millis(400);
    let Next::Entry(_, held) = store.claim(OUTBOX, lease).await.expect("it is free") else { panic!("none") };
    let other = server.client().await;
    other.batch_execute("BEGIN; SELECT kaiwa_outbox.ready('{outbox 1}', NULL)").await.expect("it is free");
    let change = async { store.change(&held, sent(), false).await.expect("it is read") };
    let end = async {
        tokio::time::sleep(lease).await;
        other.batch_execute("COMMIT").await.expect("it ends");
    };
    let (changed, ()) = tokio::join!(change, end);
    assert!(!changed);
    let next = store.claim(OUTBOX, lease).await.expect("it is free");
    assert!(matches!(next, Next::Entry(entry, claim) if entry.phase == Phase::Waiting && claim.fence == 2));
}
