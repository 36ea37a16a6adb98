//! The outbox: its store in memory, and what becomes of entries.

#[path = "../stores/outbox.rs"]
mod rules;

mod deliver;
mod every;
mod odd;
mod services;
mod twice;

use kaiwa::outbox::MemoryOutboxStore;
use std::sync::Arc;

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules() {
    rules::all(async |clock| MemoryOutboxStore::with_clock(Arc::new(clock))).await;
    rules::a_clock_that_is_set_back_holds_up_nothing_that_is_due(async |clock| {
        MemoryOutboxStore::with_clock(clock)
    })
    .await;
}
