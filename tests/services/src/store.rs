//! The store of an outbox, where an argument says.

use crate::outbox_postgres::PostgresOutboxStore;
use crate::town::Town;
use kaiwa::StoreError;
use kaiwa::outbox::{OutboxStore, SqliteOutboxStore};
use std::sync::Arc;

/// A file of SQLite, or where a database of PostgreSQL is: `postgres://…`.
pub async fn open(store: &str, town: &Town) -> Result<Arc<dyn OutboxStore>, StoreError> {
    if !store.starts_with("postgres:") {
        return Ok(Arc::new(SqliteOutboxStore::open(store).await?.with_clock(town.shared_clock())));
    }
    let (client, connection) = tokio_postgres::connect(store, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let store = PostgresOutboxStore::new(Arc::new(client), "kaiwa_outbox")?.with_clock(town.shared_clock());
    store.migrate().await?;
    Ok(Arc::new(store))
}
