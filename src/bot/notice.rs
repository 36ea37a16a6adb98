//! What a durable bot reports.

use super::progress::Progress;
use crate::handler::HandlerFailure;
use crate::outbox::StoredEntry;
use std::time::Duration;

/// What a durable bot reports to [`DurableBot::on_notice`](super::DurableBot::on_notice).
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A handler failed. Nothing of its run is stored, and the message is handled again.
    #[non_exhaustive]
    Failed {
        /// The key of the message.
        key: String,
        /// How it failed.
        failure: HandlerFailure,
        /// The failures of this message so far.
        failures: u32,
        /// When it is handled again.
        again: Duration,
    },
    /// A message is set aside: it is not handled any more until [`retry`](super::DurableBot::retry) is called.
    SetAside(SetAside),
}

/// A message that is set aside, and stored until a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAside {
    /// Its key, for [`retry`](super::DurableBot::retry) and [`discard`](super::DurableBot::discard): it holds the ids of the room and
    /// of the message.
    pub key: String,
    /// The last failure.
    pub reason: String,
}

impl SetAside {
    pub(super) fn read(entry: &StoredEntry) -> Self {
        let reason = Progress::read(&entry.progress).reason.unwrap_or_default();
        Self { key: entry.key.clone(), reason }
    }
}

/// The result of a durable bot's run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Messages that were handled.
    pub handled: u64,
    /// Runs of handlers that failed.
    pub failed: u64,
    /// Messages that were set aside.
    pub set_aside: u64,
}

pub(super) fn log(notice: &Notice) {
    match notice {
        Notice::Failed { failure, failures, again, .. } => {
            tracing::warn!(error = %failure, failures, ?again, "a message was not handled, and is handled again");
        }
        Notice::SetAside(SetAside { key, reason }) => {
            tracing::error!(key, reason, "a message failed too often, and is set aside");
        }
    }
}
