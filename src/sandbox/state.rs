//! What a service holds.

use crate::Clock;
use jiff::Timestamp;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
#[cfg(feature = "sandbox-window")]
use tokio::sync::watch;
use tokio::task::JoinSet;

/// All data of a service, its clock, and what it does beside answering requests.
pub(crate) struct State<D> {
    clock: Arc<dyn Clock>,
    data: Mutex<D>,
    /// `None` once the sandbox is gone.
    tasks: Mutex<Option<JoinSet<()>>>,
    #[cfg(feature = "sandbox-window")]
    touched: watch::Sender<()>,
}

/// The time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: Timestamp,
}

impl<D> State<D> {
    pub(crate) fn new(clock: Arc<dyn Clock>, data: D) -> Self {
        Self {
            clock,
            data: Mutex::new(data),
            tasks: Mutex::new(Some(JoinSet::new())),
            #[cfg(feature = "sandbox-window")]
            touched: watch::Sender::new(()),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, D> {
        let data = self.locked();
        // Who looks now waits for this lock, and so sees what its holder does.
        #[cfg(feature = "sandbox-window")]
        self.touched.send_replace(());
        data
    }

    /// The data, only to be looked at: it is not reported as touched.
    #[cfg(feature = "sandbox-window")]
    pub(crate) fn peek(&self) -> MutexGuard<'_, D> {
        self.locked()
    }

    /// Reports each time that somebody may have changed the data.
    #[cfg(feature = "sandbox-window")]
    pub(crate) fn touched(&self) -> watch::Receiver<()> {
        self.touched.subscribe()
    }

    fn locked(&self) -> MutexGuard<'_, D> {
        // Handlers check before they change anything, so that the data is whole even after a panic.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Now {
        Now { instant: self.clock.now(), wall: self.clock.wall() }
    }

    /// Runs a task until the sandbox is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.tasks() {
            // Those that have ended are removed, so that they do not pile up.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Ends the tasks; none begins any more.
    pub(crate) fn end(&self) {
        drop(self.tasks().take());
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        // Nothing panics while the lock is held, but for a task outside a runtime, which changes nothing.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the data, which is long and holds tokens.
impl<D> fmt::Debug for State<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}
