//! SQLite files of this program, each with a thread of its own: what an outbox and a store have in common.
//!
//! ```text
//!   call ──► queue ──► transaction of all that wait ──► commit, on the disk ──► replies
//! ```

mod content;
mod database;
mod failure;
mod job;
mod place;
mod schema;
mod statements;
mod worker;

pub(crate) use content::Content;
pub(crate) use failure::Failure;
pub(crate) use job::Access;
pub(crate) use schema::Schema;
pub(crate) use statements::Statements;
pub(crate) use worker::Aside;

use crate::error::Error;
use crate::store_error::StoreError;
use job::task;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use worker::Worker;

/// An open file. Clones share its thread. The last of them waits for a moment until that has ended.
pub(crate) struct SqliteFile<C> {
    worker: Arc<Worker<C>>,
    path: Arc<Path>,
}

impl<C: Content> SqliteFile<C> {
    /// Opens the file, or creates it in a folder that exists. A file of an earlier version is brought to this version.
    ///
    /// # Errors
    /// It cannot be opened, is of a newer version, is something else, or is in a place where it would not be safe.
    pub(crate) async fn open(path: PathBuf) -> Result<Self, Error> {
        let started = worker::start(path.clone()).await;
        let (worker, path) = started.map_err(|failure| Error::store(told::<C>(&path, &failure)))?;
        Ok(Self { worker: Arc::new(worker), path: path.into() })
    }

    pub(crate) fn aside(&self) -> Aside<C> {
        self.worker.aside()
    }

    /// What `finish` makes of the result of `work`, which runs in a transaction, once that is on the disk.
    pub(crate) async fn run<T: Send + 'static, R: Send + 'static>(
        &self,
        access: Access,
        work: impl Fn(&mut C::Queries<'_>) -> Result<T, Failure> + Send + 'static,
        finish: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let (job, reply) = task(access, work, finish);
        let result = match self.worker.send(job).await {
            true => reply.await.unwrap_or_else(|_| Err(Failure::gone())),
            false => Err(Failure::gone()),
        };
        result.map_err(|failure| told::<C>(&self.path, &failure))
    }
}

fn told<C: Content>(path: &Path, failure: &Failure) -> StoreError {
    format!("the {} {}: {failure}", C::NAME, path.display()).into()
}

impl<C> Clone for SqliteFile<C> {
    fn clone(&self) -> Self {
        Self { worker: Arc::clone(&self.worker), path: Arc::clone(&self.path) }
    }
}

impl<C> fmt::Debug for SqliteFile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}
