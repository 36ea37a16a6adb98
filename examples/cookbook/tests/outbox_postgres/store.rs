//! The rules of all stores, and what belongs to PostgreSQL.

use crate::server::Server;
use crate::{LEASE, SCHEMA, claim, entry, open, rules, sent};
use kaiwa::VirtualClock;
use kaiwa::outbox::{Commit, Enqueued, Filter, NewEntry, Next, Note, OUTBOX, OutboxStore};
use kaiwa_cookbook::outbox_postgres::PostgresOutboxStore;
use std::sync::Arc;
use std::time::Duration;

/// Each rule has a schema of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_postgresql_keeps_the_rules_of_all_stores() {
    let server = Server::start();
    let client = server.client().await;
    let mut number = 0;
    rules::all(async |clock| {
        number += 1;
        let store = PostgresOutboxStore::new(Arc::clone(&client), &format!("{SCHEMA}_{number}"));
        let store = store.expect("a plain name").with_clock(Arc::new(clock));
        store.migrate().await.expect("it can be created");
        store
    })
    .await;
    rules::a_clock_that_is_set_back_holds_up_nothing_that_is_due(async |clock| {
        open(&server).await.with_clock(clock)
    })
    .await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn leases_are_by_the_servers_clock() {
    let server = Server::start();
    let store = open(&server).await;
    store.enqueue(entry("a")).await.expect("it is stored");
    let short = Duration::from_millis(300);
    assert!(matches!(store.claim(OUTBOX, short).await.expect("it is free"), Next::Entry(..)));
    let Next::Wait(Some(wait)) = store.claim(OUTBOX, short).await.expect("it is read") else {
        panic!("it is claimed")
    };
    assert!(wait <= short, "{wait:?}");
    tokio::time::sleep(wait).await;
    let again = store.claim(OUTBOX, short).await.expect("it is free");
    assert!(matches!(again, Next::Entry(_, claim) if claim.fence == 2), "the lease has ended");
}

/// The name goes into statements.
#[tokio::test]
async fn a_schema_has_a_plain_name() {
    let server = Server::start();
    let client = server.client().await;
    for name in ["", "a b", "a;b", "a\"b", "A", "ä", "1a", "pg_outbox", "a.b", &"a".repeat(64)] {
        let refused = PostgresOutboxStore::new(Arc::clone(&client), name).expect_err(name).to_string();
        assert!(refused.contains("a-z, 0-9 and _"), "{refused}");
    }
    for name in ["a", "_1", "select", &"a".repeat(63)] {
        let store = PostgresOutboxStore::new(Arc::clone(&client), name).expect(name);
        store.migrate().await.expect("it can be created");
        store.enqueue(entry(name)).await.expect("it is stored");
        assert!(store.get(name).await.expect("it is read").is_some());
    }
}

#[tokio::test]
async fn many_programs_create_the_schema_at_once() {
    let server = Server::start();
    let mut stores = Vec::new();
    for _ in 0..8 {
        stores.push(PostgresOutboxStore::new(server.client().await, SCHEMA).expect("a plain name"));
    }
    let created = stores.iter().map(PostgresOutboxStore::migrate);
    for created in futures_util::future::join_all(created).await {
        created.expect("one creates it, and the others see it");
    }
    stores[7].enqueue(entry("a")).await.expect("it is stored");
    stores[0].migrate().await.expect("again");
    assert!(stores[0].get("a").await.expect("it is read").is_some());
}

#[tokio::test]
async fn a_newer_schema_and_one_of_something_else_are_refused() {
    let server = Server::start();
    let client = server.client().await;
    let store = open(&server).await;
    client.batch_execute("UPDATE kaiwa_outbox.outbox SET version = 1000").await.expect("it is changed");
    let refused = store.migrate().await.expect_err("it is newer").to_string();
    assert!(refused.contains("schema kaiwa_outbox: it is of version 1000"), "{refused}");
    client.batch_execute("CREATE TABLE public.entries (theirs int)").await.expect("it is created");
    let store = PostgresOutboxStore::new(Arc::clone(&client), "public").expect("a plain name");
    let refused = store.migrate().await.expect_err("it has a table").to_string();
    assert!(refused.contains("something else"), "{refused}");
    let left: Option<String> = client
        .query_typed_one("SELECT to_regclass('public.outbox')::text", &[])
        .await
        .expect("it is read")
        .get(0);
    assert_eq!(left, None, "nothing is begun");
    let sql = "CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0";
    client.batch_execute(sql).await.expect("it is created");
    let latin = crate::server::connect(server.url().replace("/postgres", "/latin")).await;
    let store = PostgresOutboxStore::new(Arc::new(latin.expect("it connects")), SCHEMA).expect("a name");
    let refused = store.migrate().await.expect_err("no Japanese").to_string();
    assert!(refused.contains("encoding UTF8"), "{refused}");
}

/// No file of the server is searched: a dead row stays there until the server removes it.
#[tokio::test]
async fn a_blanked_entry_has_no_text_left() {
    let server = Server::start();
    let clock = VirtualClock::new();
    let store = open(&server).await.with_clock(Arc::new(clock.clone()));
    store.enqueue(entry("the-key")).await.expect("it is stored");
    let (_, held) = claim(&store).await.expect("it is due");
    assert!(store.change(&held, sent(), false).await.expect("it is stored"));
    clock.advance(LEASE);
    assert_eq!(store.blank(OUTBOX, LEASE).await.expect("it is stored"), 1);
    let row = "SELECT e::text FROM kaiwa_outbox.entries e";
    let row: String = server.client().await.query_typed_one(row, &[]).await.expect("one").get(0);
    assert!(!row.contains("the") && row.contains("sent"), "{row}");
    let again = store.enqueue(entry("the-key")).await.expect("it is read");
    assert!(matches!(again, Enqueued::Known(known) if known.key == "the-key" && known.request.is_empty()));
}

#[tokio::test]
async fn every_text_survives() {
    let server = Server::start();
    let store = open(&server).await;
    let texts =
        ["\0", "\u{1A}", "\u{1A}0", "\u{1A}\0", "\0\u{1A}1\u{1A}", "1\u{1A}01\0", "\u{10FFFF}\u{FFFD}"];
    for text in texts {
        let new = NewEntry::new(text, text, text).queue(text);
        let new = store.enqueue(new).await.expect("it is stored");
        assert!(matches!(new, Enqueued::New(_)), "{text:?}");
        let entry = NewEntry::new(format!("of {text}"), text, text).queue(text);
        let commit = Commit::new(vec![Note::new(text, text.to_owned())], vec![entry]);
        assert!(store.commit(commit).await.expect("it is stored"));
    }
    for text in texts {
        let kept = store.get(text).await.expect("it is read").expect("it is there");
        assert_eq!((&*kept.queue, &*kept.key, &*kept.lane, &*kept.request), (text, text, text, text));
        let key = format!("of {text}");
        let other = store.get(&key).await.expect("it is read").expect("it is there");
        assert_eq!((&*other.queue, &*other.key, &*other.lane, &*other.request), (text, &*key, text, text));
        let listed = store.list(Filter::new(text, 9).lane(text)).await.expect("it is read");
        assert_eq!(listed, [kept, other]);
        assert_eq!(store.note(text).await.expect("it is read").as_deref(), Some(text));
    }
}

/// Rounded up: it is not due earlier.
#[tokio::test]
async fn a_time_is_kept_in_microseconds() {
    let server = Server::start();
    let store = open(&server).await;
    for (given, kept) in [
        ("2030-01-01T00:00:00.000000001Z", "2030-01-01T00:00:00.000001Z"),
        ("2030-01-01T00:00:00.999999999Z", "2030-01-01T00:00:01Z"),
        ("1999-12-31T23:59:59.999999Z", "1999-12-31T23:59:59.999999Z"),
    ] {
        let not_before = given.parse().expect("a time");
        store.enqueue(entry(given).not_before(not_before)).await.expect("it is stored");
        let entry = store.get(given).await.expect("it is read").expect("it is there");
        assert_eq!(entry.not_before.map(|time| time.to_string()).as_deref(), Some(kept));
    }
}

/// What `enqueue` returned must be on the disk, although this user's commits usually need not be.
#[tokio::test]
async fn a_lazy_commit_is_not_taken() {
    let server = Server::start();
    let client = server.client().await;
    open(&server).await;
    client
        .batch_execute(
            "SET synchronous_commit = off; BEGIN;
             SELECT kaiwa_outbox.enqueue('outbox', 'a', '1', 'request', NULL, NULL)",
        )
        .await
        .expect("it is stored");
    let shown = "SELECT current_setting('synchronous_commit')";
    let commit: String = client.query_typed_one(shown, &[]).await.expect("a setting").get(0);
    assert_eq!(commit, "local");
    client.batch_execute("COMMIT").await.expect("it ends");
    let after: String = client.query_typed_one(shown, &[]).await.expect("a setting").get(0);
    assert_eq!(after, "off", "the program's own commits are as before");
}
