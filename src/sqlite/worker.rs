//! The thread that has the connection. A database that hangs holds up this thread, and no task but those that wait for it.

use super::content::Content;
use super::database::Database;
use super::failure::Failure;
use super::job::{Job, unattended};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many calls wait at most; more wait for their place.
const QUEUE: usize = 256;

/// How many calls one transaction has at most. The disk is waited for once for all of them.
const BATCH: usize = 64;

/// How long the last handle waits for the jobs that nobody waits for. A program that ends at once would end the thread as well,
/// and leave a lease that it has given back.
const FAREWELL: Duration = Duration::from_millis(500);

type Queue<C> = mpsc::Sender<Box<dyn Job<C>>>;

/// The thread, which ends with the last handle of it.
pub(super) struct Worker<C> {
    /// It is there until this is dropped.
    queue: Option<Queue<C>>,
    ended: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl<C: Content> Worker<C> {
    pub(super) fn aside(&self) -> Aside<C> {
        Aside(self.queue.as_ref().map(mpsc::Sender::downgrade))
    }

    /// Whether the thread takes the job.
    pub(super) async fn send(&self, job: Box<dyn Job<C>>) -> bool {
        match &self.queue {
            Some(queue) => queue.send(job).await.is_ok(),
            None => false,
        }
    }
}

/// Takes what nobody waits for, and keeps no thread alive.
pub(crate) struct Aside<C>(Option<mpsc::WeakSender<Box<dyn Job<C>>>>);

impl<C: Content> Aside<C> {
    /// Does it soon, or not at all: with a full queue, after the last handle has gone, or if it fails.
    pub(crate) fn put(&self, work: impl Fn(&mut C::Queries<'_>) -> Result<(), Failure> + Send + 'static) {
        if let Some(queue) = self.0.as_ref().and_then(mpsc::WeakSender::upgrade) {
            let _ = queue.try_send(unattended(work));
        }
    }
}

impl<C> Drop for Worker<C> {
    fn drop(&mut self) {
        drop(self.queue.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is sent: the other end goes with the thread.
        let _ = ended.recv_timeout(FAREWELL);
    }
}

/// A new thread with the open file, and the path without symbolic links.
pub(super) async fn start<C: Content>(path: PathBuf) -> Result<(Worker<C>, PathBuf), Failure> {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let (ready, opened) = oneshot::channel();
    let (ends, ended) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(format!("kaiwa-{}", C::NAME));
    thread
        .spawn(move || {
            serve(path, ready, jobs);
            drop(ends);
        })
        .map_err(|error| Failure::new(format!("no thread can be started: {error}")))?;
    let path = opened.await.unwrap_or_else(|_| Err(Failure::gone()))?;
    Ok((Worker { queue: Some(queue), ended: Mutex::new(ended) }, path))
}

fn serve<C: Content>(
    path: PathBuf,
    ready: oneshot::Sender<Result<PathBuf, Failure>>,
    mut jobs: mpsc::Receiver<Box<dyn Job<C>>>,
) {
    let opened = Database::open::<C>(&path);
    let prepared = opened.as_ref().map_err(Clone::clone).and_then(|database| {
        let queries = C::queries(&database.connection)?;
        Ok((database, queries))
    });
    let (database, mut queries) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            let _ = ready.send(Err(failure));
            return;
        }
    };
    // If nobody waits, there is no sender either.
    let _ = ready.send(Ok(database.place.path.clone()));
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        batch.retain(|job| !job.is_abandoned());
        if !batch.is_empty() {
            database.run::<C>(batch, &mut queries);
        }
    }
}
