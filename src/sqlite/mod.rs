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
mod worker;

pub(crate) use content::Content;
pub(crate) use failure::Failure;
pub(crate) use job::{Access, Job, task, unattended};
pub(crate) use schema::Schema;

use crate::error::Error;
use crate::store_error::StoreError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::WeakSender;
use worker::Queue;

/// An open file. Clones share its thread, which ends with the last of them.
pub(crate) struct SqliteFile<C> {
    queue: Queue<C>,
    path: Arc<Path>,
}

impl<C: Content> SqliteFile<C> {
    /// Opens the file, or creates it in a folder that exists. A file of an earlier version is brought to this version.
    ///
    /// # Errors
    /// It cannot be opened, is of a newer version, is something else, or is in a place where it would not be safe.
    pub(crate) async fn open(path: PathBuf) -> Result<Self, Error> {
        let started = worker::start(path.clone()).await;
        let (queue, path) = started.map_err(|failure| Error::store(told::<C>(&path, &failure)))?;
        Ok(Self { queue, path: path.into() })
    }

    /// Where jobs can be put that nobody waits for.
    pub(crate) fn queue(&self) -> WeakSender<Box<dyn Job<C>>> {
        self.queue.downgrade()
    }

    /// What `finish` makes of the result of `work`, which runs in a transaction, once that is on the disk.
    pub(crate) async fn run<T: Send + 'static, R: Send + 'static>(
        &self,
        access: Access,
        work: impl Fn(&mut C::Queries<'_>) -> Result<T, Failure> + Send + 'static,
        finish: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let (job, reply) = task(access, work, finish);
        let result = match self.queue.send(job).await {
            Ok(()) => reply.await.unwrap_or_else(|_| Err(Failure::gone())),
            Err(_) => Err(Failure::gone()),
        };
        result.map_err(|failure| told::<C>(&self.path, &failure))
    }
}

fn told<C: Content>(path: &Path, failure: &Failure) -> StoreError {
    format!("the {} {}: {failure}", C::NAME, path.display()).into()
}

impl<C> Clone for SqliteFile<C> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), path: Arc::clone(&self.path) }
    }
}

impl<C> fmt::Debug for SqliteFile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}
