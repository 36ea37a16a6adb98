//! The outbox: its store in memory, and what becomes of entries.

#[path = "../stores/outbox.rs"]
mod rules;

mod deliver;

use kaiwa::outbox::MemoryOutboxStore;
use std::sync::Arc;

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules() {
    rules::all(async |clock| MemoryOutboxStore::with_clock(Arc::new(clock))).await;
}
