//! What calls report while they run.

use crate::error::Outcome;
use crate::operation::Operation;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An event of a call, for metrics and logs of your own. [`ClientBuilder::on_event`](crate::ClientBuilder::on_event) takes the
/// function that gets it.
///
/// The events of one call have the same number, and come in this order:
///
/// ```text
///         ┌──────────────── Retry ◄──┐
///         ▼                          │
///   Waited (for each budget) ──► Attempt ──► Succeeded, Failed or Dropped
/// ```
///
/// A call that fails before it is sent has no attempt, and one whose input is refused at once has no events. If the next attempt
/// then waits for a limit in vain, `Retry` is followed by `Failed`.
///
/// The content of a file is a call of its own, after the one that asks for its address: each request to the file server is an
/// attempt, and another one may follow a redirect or a part of the file without a `Retry`. If the file is saved, the call ends
/// when it has its name.
///
/// No value comes from a message, a path, a header or a body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEvent {
    /// The service: `Chatwork`, `TAS-CHA` or `Lancers`.
    pub service: &'static str,
    /// The operation, with its path template.
    pub operation: &'static Operation,
    /// The call's number among those of the client and its clones, from 1.
    pub call: u64,
    /// What happened.
    pub kind: CallEventKind,
}

/// What happened in a call. The last event of each call is [`Succeeded`](Self::Succeeded), [`Failed`](Self::Failed) or
/// [`Dropped`](Self::Dropped).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CallEventKind {
    /// The call has waited for its turn, to stay within a limit. A call that waits in vain fails, without this event.
    #[non_exhaustive]
    Waited {
        /// The limit.
        budget: BudgetKind,
        /// How long.
        time: Duration,
    },
    /// The request was sent, or was to be sent.
    #[non_exhaustive]
    Attempt {
        /// The attempt, from 1. One that could not connect does not count, so the next one has the same number.
        number: u32,
        /// The status of the response, if one came.
        status: Option<u16>,
        /// Why the attempt failed, as in [`Failed`](Self::Failed); `None` if it did not.
        error: Option<&'static str>,
        /// How long it took, with reading the response.
        time: Duration,
    },
    /// Another attempt follows.
    #[non_exhaustive]
    Retry {
        /// After this wait.
        wait: Duration,
        /// Why the last attempt failed, as in [`Failed`](Self::Failed).
        error: &'static str,
    },
    /// The call has returned a response.
    #[non_exhaustive]
    Succeeded {
        /// How many attempts were made.
        attempts: u32,
        /// How long the call took, with all waits.
        time: Duration,
    },
    /// The call has returned an error.
    #[non_exhaustive]
    Failed {
        /// What became of the request.
        outcome: Outcome,
        /// The kind of the error in snake case, such as `connect`, `timeout` or `wait_too_long`; `status` if the service
        /// responded with a status other than success.
        error: &'static str,
        /// The status of the last response, if one came.
        status: Option<u16>,
        /// How many attempts were made.
        attempts: u32,
        /// How long the call took, with all waits.
        time: Duration,
    },
    /// The call's future was dropped before it returned, for example by a timeout of the program.
    #[non_exhaustive]
    Dropped {
        /// What became of the request: [`Outcome::Unknown`] if it was being sent. A download applies nothing, and is
        /// [`Outcome::Rejected`] then.
        outcome: Outcome,
        /// How many attempts had ended.
        attempts: u32,
        /// How long the call had run.
        time: Duration,
    },
}

/// A limit for which a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BudgetKind {
    /// The account's calls in a window.
    Account,
    /// The posts in a room.
    Room,
    /// The monthly units of TAS-CHA.
    Units,
}

/// Its name in lower case, for labels.
impl fmt::Display for BudgetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Room => "room",
            Self::Units => "units",
        })
    }
}

/// The function of a client that gets the events.
#[derive(Clone)]
pub(crate) struct EventHook(Arc<Hook>);

struct Hook {
    report: Box<dyn Fn(&CallEvent) + Send + Sync>,
    calls: AtomicU64,
}

impl EventHook {
    pub(crate) fn new(report: impl Fn(&CallEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Hook { report: Box::new(report), calls: AtomicU64::new(0) }))
    }

    /// The number of the next call.
    pub(crate) fn next_call(&self) -> u64 {
        self.0.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A panic of the function ends here: the call may have posted a message, and has to return what became of it.
    pub(crate) fn report(&self, event: &CallEvent) {
        if catch_unwind(AssertUnwindSafe(|| (self.0.report)(event))).is_err() {
            tracing::error!(operation = event.operation.id, "the function for the events of calls panicked");
        }
    }
}
