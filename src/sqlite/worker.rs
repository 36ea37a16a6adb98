//! The thread that has the connection. A database that hangs holds up this thread, and no task but those that wait for it.

use super::content::Content;
use super::database::Database;
use super::failure::Failure;
use super::job::Job;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};

/// How many calls wait at most; more wait for their place.
const QUEUE: usize = 256;

/// How many calls one transaction has at most. The disk is waited for once for all of them.
const BATCH: usize = 64;

pub(super) type Queue<C> = mpsc::Sender<Box<dyn Job<C>>>;

/// A new thread with the open file, and the path without symbolic links. The thread ends when the last sender is gone.
pub(super) async fn start<C: Content>(path: PathBuf) -> Result<(Queue<C>, PathBuf), Failure> {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let (ready, opened) = oneshot::channel();
    let thread = std::thread::Builder::new().name(format!("kaiwa-{}", C::NAME));
    thread
        .spawn(move || serve(path, ready, jobs))
        .map_err(|error| Failure::new(format!("no thread can be started: {error}")))?;
    let path = opened.await.unwrap_or_else(|_| Err(Failure::gone()))?;
    Ok((queue, path))
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
