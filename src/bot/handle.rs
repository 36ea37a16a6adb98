//! One stored message: it is claimed, passed to the handler, and what came of it is stored.

use super::context::DurableContext;
use super::listener::{Read, Shared};
use super::notice::{Notice, SetAside, Summary};
use super::progress::Progress;
use super::settings::DurableBot;
use super::staged::{Staged, What};
use crate::handler::{HandlerFailure, run};
use crate::outbox::work::{hold, insist};
use crate::outbox::{Change, Claim, Commit, Phase, StoredEntry, backoff};
use crate::store_error::StoreError;
use crate::{Error, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a message may be begun and not ended, because the process died, until it is set aside. The message may not be the reason:
/// a program that is killed again and again for another one must not lose it.
const DEATHS: u32 = 30;

/// From how many on it waits before it is handled again, so that the other rooms are handled meanwhile.
const SUSPICIOUS_DEATHS: u32 = 3;

/// What was done so far.
#[derive(Default)]
pub(super) struct Counts {
    handled: AtomicU64,
    failed: AtomicU64,
    set_aside: AtomicU64,
}

impl Counts {
    pub(super) fn summary(&self) -> Summary {
        let [handled, failed, set_aside] =
            [&self.handled, &self.failed, &self.set_aside].map(|count| count.load(Ordering::Relaxed));
        Summary { handled, failed, set_aside }
    }
}

impl DurableBot {
    /// Handles a claimed message.
    ///
    /// # Errors
    /// The store failed. The claim ends with its lease, and the message is handled again.
    pub(super) async fn handle<H, E>(
        &self,
        entry: StoredEntry,
        claim: Claim,
        handler: &H,
        counts: &Counts,
    ) -> Result<(), StoreError>
    where
        H: AsyncFn(DurableContext) -> Result<(), E>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (store, clock) = (self.shared.outbox.store(), &**self.shared.listener.clock());
        // If the claim has ended, another process may handle the message: what was done here is not stored.
        hold(store, clock, &claim, self.work(entry, &claim, handler, counts)).await.unwrap_or(Ok(()))
    }

    async fn work<H, E>(
        &self,
        entry: StoredEntry,
        claim: &Claim,
        handler: &H,
        counts: &Counts,
    ) -> Result<(), StoreError>
    where
        H: AsyncFn(DurableContext) -> Result<(), E>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut progress = Progress::read(&entry.progress);
        let died = u32::try_from(claim.fence - 1 - progress.ended).unwrap_or(0);
        progress.ended = claim.fence;
        progress.deaths = progress.deaths.saturating_add(died);
        let deaths = progress.deaths;
        if died > 0 && (SUSPICIOUS_DEATHS..DEATHS).contains(&deaths) {
            let again = backoff(deaths - SUSPICIOUS_DEATHS + 1);
            tracing::warn!(
                key = entry.key,
                deaths,
                ?again,
                "the process has ended again while a message was handled"
            );
            let change = Change::new(Phase::Waiting, progress.write()).after(again);
            return self.commit(Commit::default().change(claim.clone(), change)).await.map(drop);
        }
        let staged = Staged::new(self.shared.outbox.clone(), entry.key.clone());
        let attempt = deaths.saturating_add(progress.failures + 1);
        let context = match self.shared.listener.read(&entry.request, &entry.lane, staged, attempt).await {
            Read::Handle(context) => *context,
            Read::Own => return self.close(claim, progress, What::default()).await.map(drop),
            Read::Unreadable(error) => {
                // The error of serde may quote what a person wrote.
                let (line, column) = (error.line(), error.column());
                let reason = format!("what is stored of it does not read (line {line}, column {column})");
                return self.set_message_aside(entry, claim, progress, reason, None, counts).await;
            }
        };
        if deaths >= DEATHS {
            let reason = format!(
                "its handler was begun {deaths} times and did not end, perhaps because it ended the process"
            );
            return self.set_message_aside(entry, claim, progress, reason, Some(&context), counts).await;
        }
        let clock = &**self.shared.listener.clock();
        match run(clock, self.timeout, handler, context.clone()).await {
            Ok(()) => {
                let what = context.staged.close();
                let has_replies = !what.entries.is_empty();
                if !self.close(claim, progress, what).await? {
                    (self.on_notice)(Notice::Lost { key: entry.key });
                    return Ok(());
                }
                counts.handled.fetch_add(1, Ordering::Relaxed);
                if has_replies {
                    self.shared.outbox.wake();
                }
                Ok(())
            }
            Err(failure) => {
                drop(context.staged.close());
                counts.failed.fetch_add(1, Ordering::Relaxed);
                progress.failures += 1;
                let reason = failure.to_string();
                if progress.failures >= self.attempts || is_permanent(&failure) {
                    return self
                        .set_message_aside(entry, claim, progress, reason, Some(&context), counts)
                        .await;
                }
                self.put_off(&entry, claim, progress, failure).await
            }
        }
    }

    async fn close(&self, claim: &Claim, progress: Progress, what: What) -> Result<bool, StoreError> {
        let commit = Commit::new(what.notes.into_values().collect(), what.entries);
        self.commit(commit.change(claim.clone(), Change::new(Phase::Sent, progress.write()))).await
    }

    /// Keeps the message for another run.
    async fn put_off(
        &self,
        entry: &StoredEntry,
        claim: &Claim,
        progress: Progress,
        failure: HandlerFailure,
    ) -> Result<(), StoreError> {
        let failures = progress.failures;
        let again = Duration::from_secs(match failures {
            1 => 1,
            2 => 10,
            _ => 60,
        });
        let progress = Progress { reason: Some(failure.to_string()), ..progress };
        let change = Change::new(Phase::Waiting, progress.write()).after(again);
        if self.commit(Commit::default().change(claim.clone(), change)).await? {
            (self.on_notice)(Notice::Failed { key: entry.key.clone(), failure, failures, again });
        }
        Ok(())
    }

    /// Closes a message that cannot be handled, with the apology if there is one.
    async fn set_message_aside(
        &self,
        entry: StoredEntry,
        claim: &Claim,
        progress: Progress,
        reason: String,
        context: Option<&DurableContext>,
        counts: &Counts,
    ) -> Result<(), StoreError> {
        // If it is tried again, the deaths count anew.
        let progress = Progress { reason: Some(reason), deaths: 0, ..progress };
        let change = Change::new(Phase::Failed, progress.write());
        let mut commit = Commit::default().change(claim.clone(), change);
        if let (Some(apology), Some(context)) =
            (&self.apology, context.filter(|context| context.is_addressed()))
        {
            let staged = Staged::new(self.shared.outbox.clone(), format!("{}/apology", entry.key));
            let context = DurableContext { staged: staged.into(), ..context.clone() };
            // A text that the service would refuse is no reason to handle the message again.
            if let Err(error) = context.reply(apology.clone()) {
                tracing::warn!(%error, "the apology for a message that is set aside cannot be posted");
            }
            commit.entries = context.staged.close().entries;
        }
        if self.commit(commit).await? {
            self.shared.outbox.wake();
            counts.set_aside.fetch_add(1, Ordering::Relaxed);
            (self.on_notice)(Notice::SetAside(SetAside::new(&entry, &progress)));
        }
        Ok(())
    }

    /// Stores what came of a message. Whether the claim still held.
    async fn commit(&self, commit: Commit) -> Result<bool, StoreError> {
        let Shared { listener, outbox, .. } = &*self.shared;
        insist(&**listener.clock(), || outbox.store().commit(commit.clone())).await
    }
}

/// Whether the same message would fail again: a request that is refused before it is sent, such as a text that is too long.
fn is_permanent(failure: &HandlerFailure) -> bool {
    let HandlerFailure::Error(error) = failure else { return false };
    let error = error.downcast_ref::<Error>();
    error.is_some_and(|error| matches!(error.kind(), ErrorKind::InvalidInput(_)))
}
