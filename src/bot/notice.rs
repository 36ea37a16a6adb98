//! What a durable bot reports.

use super::progress::Progress;
use crate::handler::HandlerFailure;
use crate::outbox::{Status, StoredEntry};
use serde_json::Value;
use std::fmt;
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
    /// A message is set aside: it is not handled any more until [`retry`](super::Inbox::retry) is called.
    SetAside(SetAside),
    /// What a handler did is not stored, because the claim on the message ended: the handler held up its thread, the process was
    /// stopped, or the store did not answer. The message is handled again, or was handled by another process.
    #[non_exhaustive]
    Lost {
        /// The key of the message.
        key: String,
    },
    /// A reply, or what else the handler has queued, was refused, or it is not known whether it is there, or it is there twice: the
    /// [phase](Status::phase) and the [reason](Status::reason) say so.
    Reply(Status),
}

/// A message that is set aside, and stored until a person decides.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAside {
    /// Its key, for [`retry`](super::Inbox::retry) and [`discard`](super::Inbox::discard): it holds the ids of the room and
    /// of the message.
    pub key: String,
    /// What the person wrote, as the service has it.
    pub text: String,
    /// How often its handler has failed.
    pub failures: u32,
    /// The last failure.
    pub reason: String,
}

impl SetAside {
    pub(super) fn read(entry: &StoredEntry) -> Self {
        Self::new(entry, &Progress::read(&entry.progress))
    }

    pub(super) fn new(entry: &StoredEntry, progress: &Progress) -> Self {
        // Both services call it so.
        let body = serde_json::from_str::<Value>(&entry.request).ok();
        let text = body.as_ref().and_then(|message| message["body"].as_str()).unwrap_or_default().to_owned();
        let reason = progress.reason.clone().unwrap_or_default();
        Self { key: entry.key.clone(), text, failures: progress.failures, reason }
    }
}

/// What people wrote is left out.
impl fmt::Debug for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, failures, reason, .. } = self;
        let mut debug = f.debug_struct("SetAside");
        debug.field("key", key).field("failures", failures).field("reason", reason).finish_non_exhaustive()
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

/// One line for a log, without the text of the message, unless the handler's own error has it.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { key, failure, failures, again } => {
                write!(f, "{key} was not handled ({failures}), and is handled again in {again:?}: {failure}")
            }
            Self::SetAside(SetAside { key, reason, .. }) => write!(f, "{key} is set aside: {reason}"),
            Self::Lost { key } => write!(
                f,
                "what the handler did for {key} is not stored: its claim had ended, and the message is handled again"
            ),
            Self::Reply(Status { key, phase, reason, .. }) => {
                let (phase, reason) = (phase.name(), reason.as_deref().unwrap_or("no reason is known"));
                write!(f, "the reply {key} is {phase}: {reason}")
            }
        }
    }
}

pub(super) fn log(notice: &Notice) {
    match notice {
        Notice::SetAside(_) => tracing::error!("{notice}"),
        // The outbox has logged it.
        Notice::Reply(_) => {}
        Notice::Failed { .. } | Notice::Lost { .. } => tracing::warn!("{notice}"),
    }
}
