//! Seen webhooks in SQLite.

use super::file::File;
use super::queries::Queries;
use crate::sqlite::Access;
use crate::store_error::StoreError;
use crate::webhook::{Claim, ClaimId, ReplayCache};
use futures::future::{BoxFuture, FutureExt};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The webhooks that the processes of one machine have seen, in a SQLite file: see [`Sqlite::replays`](super::Sqlite::replays).
#[derive(Clone)]
pub struct SqliteReplays {
    pub(super) file: File,
    pub(super) name: Arc<str>,
}

// Nothing happens before a future is polled, so that it can be dropped unpolled.
impl ReplayCache for SqliteReplays {
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        let (name, key) = (Arc::clone(&self.name), key.to_owned());
        let work = move |queries: &mut Queries<'_>, now| queries.claim([&name, &key], id, lease, now);
        self.file.run(Access::Write, work).boxed()
    }

    fn done<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        time: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (name, key) = (Arc::clone(&self.name), key.to_owned());
        let work = move |queries: &mut Queries<'_>, now| queries.done([&name, &key], id, time, now);
        self.file.run(Access::Write, work).boxed()
    }

    fn release<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        let (name, key) = (Arc::clone(&self.name), key.to_owned());
        self.file.run(Access::Write, move |queries, _| queries.release([&name, &key], id)).boxed()
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let (name, key) = (Arc::clone(&self.name), key.to_owned());
        self.file.run(Access::Write, move |queries, _| queries.forget([&name, &key])).boxed()
    }
}

impl fmt::Debug for SqliteReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReplays").field("path", &self.file.file).field("name", &self.name).finish()
    }
}
