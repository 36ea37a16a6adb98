//! The outbox on a PostgreSQL server that the tests start, and kill.

mod failures;
mod machines;
#[path = "../../../../tests/stores/outbox.rs"]
mod rules;
mod server;
mod store;

use kaiwa::outbox::{Change, Claim, NewEntry, Next, OUTBOX, OutboxStore, Phase, StoredEntry};
use kaiwa_cookbook::outbox_postgres::PostgresOutboxStore;
use server::Server;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(60);
const SCHEMA: &str = "kaiwa_outbox";

async fn open(server: &Server) -> PostgresOutboxStore {
    let store = PostgresOutboxStore::new(server.client().await, SCHEMA).expect("a plain name");
    store.migrate().await.expect("it can be created");
    store
}

fn entry(key: &str) -> NewEntry {
    entry_of("1", key)
}

fn entry_of(lane: &str, key: &str) -> NewEntry {
    NewEntry::new(key, lane, format!("the request of {key}"))
}

fn sent() -> Change {
    Change::new(Phase::Sent, "the answer")
}

async fn claim(store: &PostgresOutboxStore) -> Option<(StoredEntry, Claim)> {
    match store.claim(OUTBOX, LEASE).await.expect("it can be claimed") {
        Next::Entry(entry, claim) => Some((*entry, claim)),
        Next::Wait(_) => None,
    }
}
