//! The file, and what is in it.

use super::queries::Queries;
use crate::clock::Clock;
use crate::sqlite::{Access, Content, Failure, Schema, SqliteFile};
use crate::store_error::StoreError;
use rusqlite::Connection;
use std::sync::Arc;

/// The file with its clock.
#[derive(Clone)]
pub(super) struct File {
    pub(super) file: SqliteFile<Shared>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What is in the file.
pub(super) struct Shared;

impl Content for Shared {
    const NAME: &'static str = "file";
    /// The mark is "kais".
    const SCHEMA: Schema = Schema { application: 0x6b61_6973, steps: &[include_str!("schema_1.sql")] };
    type Queries<'c> = Queries<'c>;

    fn queries(connection: &Connection) -> Result<Queries<'_>, Failure> {
        Ok(Queries::new(connection))
    }
}

impl File {
    /// The result of `work` in a transaction. It is given the time at which it runs.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        access: Access,
        work: impl Fn(&mut Queries<'_>, i64) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let clock = Arc::clone(&self.clock);
        let work = move |queries: &mut Queries<'_>| work(queries, clock.wall().as_millisecond());
        self.file.run(access, work, |value| value).await
    }
}
