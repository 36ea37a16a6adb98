//! One entry on its way out.
//!
//! ```text
//!            claim            stored, before a byte leaves          an answer
//!  WAITING ─────────► claimed ─────────────────────────────► SENDING ────────► SENT
//!     ▲                  ▲                                     │   │
//!     │                  │ again, later                        │   └─ refused ─► REJECTED
//!     │                  │                                     │
//!     │        keyed: under its key ◄──────────────────────────┤ no answer, or this process died
//!     │                                                        ▼
//!     └── twice not there ◄── LOOK, once the request can no longer arrive ── found ─► SENT
//!                                │
//!                                └─ cannot be said ─► UNCERTAIN
//!
//!  SENT, after it was sent again ── LOOK, three times more ── another one is there ─► DOUBLED
//! ```

use super::clients::{Clients, missing};
use super::entry::{Change, Claim, Phase, StoredEntry};
use super::rendered::Rendered;
use super::status::{Progress, Status, UNREADABLE};
use super::step::{AGAIN, BETWEEN_LOOKS, LONGEST_WAIT, MOST_FAILURES, Step, wait_after};
use super::store::OutboxStore;
use super::work::{hold, insist};
use crate::clock::{Clock, later_on_the_wall};
use crate::error::{Error, Outcome, Resend};
use crate::store_error::StoreError;
use jiff::SignedDuration;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long TAS-CHA remembers an idempotency key, less an hour for clocks that differ.
pub(super) const KEY_KEPT: Duration = Duration::from_secs(23 * 60 * 60);

/// The wait of an entry whose service has no client here: another process may have one.
const WITHOUT_CLIENT: Duration = Duration::from_secs(10);

/// What delivering needs.
pub(super) struct Delivery {
    pub(super) store: Arc<dyn OutboxStore>,
    pub(super) clients: Clients,
    pub(super) clock: Arc<dyn Clock>,
    /// After this time a request that was sent can no longer arrive.
    pub(super) settle: Duration,
    /// After this time a request that may be repeated is given up.
    pub(super) repeat_for: Duration,
}

impl Delivery {
    /// Works on a claimed entry, and renews the claim meanwhile. `None` if another worker has taken it over, or nothing has
    /// come of it that was not known.
    ///
    /// # Errors
    /// The store failed. The claim ends with its lease, and the entry is handed out again.
    pub(super) async fn deliver(
        &self,
        entry: StoredEntry,
        claim: &Claim,
    ) -> Result<Option<Status>, StoreError> {
        let work = self.work(entry, claim);
        hold(&*self.store, &*self.clock, claim, work).await.unwrap_or(Ok(None))
    }

    async fn work(&self, mut entry: StoredEntry, claim: &Claim) -> Result<Option<Status>, StoreError> {
        let Some(before) = Progress::read(&entry) else { return self.put_off(entry, claim).await };
        let (phase, reason, mut progress) = (entry.phase, before.reason.clone(), before);
        let step = match serde_json::from_str::<Rendered>(&entry.request) {
            Ok(rendered) => match self.clients.base(&rendered.service) {
                None => {
                    progress.reason = Some(missing(&rendered));
                    Step::later(phase, progress, WITHOUT_CLIENT)
                }
                Some(base) if base != rendered.base => {
                    progress.reason = Some(format!(
                        "it was stored for the base URL {}, and the outbox's client has another one",
                        rendered.base
                    ));
                    Step::later(phase, progress, LONGEST_WAIT)
                }
                Some(_) => match self.go_on(&entry, &rendered, progress, claim).await? {
                    Some(step) => step,
                    None => return Ok(None),
                },
            },
            Err(_) if phase.is_open() => {
                progress.reason = Some(UNREADABLE.to_owned());
                Step::later(phase, progress, LONGEST_WAIT)
            }
            Err(_) => Step::closed(phase, progress),
        };
        let change = Change { wait: step.wait, ..Change::new(step.phase, step.progress.write()) };
        if !self.keep(claim, change).await? {
            return Ok(None);
        }
        let is_news = phase.is_open() || step.phase != phase || step.progress.reason != reason;
        if step.progress.reason != reason {
            log(&entry, &step);
        }
        entry.phase = step.phase;
        entry.not_before = step.wait.map(|wait| later_on_the_wall(self.clock.wall(), wait));
        Ok(is_news.then(|| Status::of(&entry, &step.progress)))
    }

    /// The next step of an entry whose service has a client here. `None` if another worker has taken it over.
    async fn go_on(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        progress: Progress,
        claim: &Claim,
    ) -> Result<Option<Step>, StoreError> {
        let step = match entry.phase {
            Phase::Sending if !rendered.is_repeatable() => self.look(entry, rendered, progress).await?,
            Phase::Waiting | Phase::Sending => match self.send(entry, rendered, progress, claim).await? {
                Some(step) => step,
                None => return Ok(None),
            },
            _ => return self.look_for_another(entry, rendered, progress).await.map(Some),
        };
        Ok(Some(self.with_another_look(step, rendered)))
    }

    /// Leaves an entry as it is, with its notes, which a newer version of the program may have written.
    async fn put_off(&self, entry: StoredEntry, claim: &Claim) -> Result<Option<Status>, StoreError> {
        let wait = entry.phase.is_open().then_some(LONGEST_WAIT);
        let change = Change { wait, ..Change::new(entry.phase, &*entry.progress) };
        let is_kept = self.keep(claim, change).await?;
        Ok((is_kept && wait.is_some()).then(|| Status::read(&entry)))
    }

    /// Stores what has become of an entry. The answer that it is about comes once.
    async fn keep(&self, claim: &Claim, change: Change) -> Result<bool, StoreError> {
        insist(&*self.clock, || self.store.change(claim, change.clone(), false)).await
    }

    /// Sends the request. Before a byte leaves, the store knows that it may have.
    async fn send(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        mut progress: Progress,
        claim: &Claim,
    ) -> Result<Option<Step>, StoreError> {
        let (now, before) = (self.clock.wall(), progress.clone());
        let first = progress.first_sent.filter(|_| entry.phase == Phase::Sending).unwrap_or(now);
        progress.first_sent = Some(first);
        if entry.phase == Phase::Sending && now.duration_since(first) > signed(self.repeat_for) {
            let reason = "no answer has said in time whether it is done; look before posting it again";
            return Ok(Some(Step::uncertain(progress, reason)));
        }
        let sender = match self.clients.sender(rendered).await {
            Ok(sender) => sender,
            Err(reason) => {
                let progress = Progress { reason: Some(reason), ..before };
                return Ok(Some(Step::later(entry.phase, progress, LONGEST_WAIT)));
            }
        };
        progress.attempts += 1;
        (progress.looks, progress.settling, progress.applied) = (0, false, false);
        // The message of an attempt that was given up may still come, and counts.
        if !progress.reposted || progress.since.is_none() {
            progress.since = Some(self.clients.service_time(&rendered.service, self.clock.wall()));
            progress.author = sender;
        }
        let change = Change::new(Phase::Sending, progress.write());
        if !self.store.change(claim, change, true).await? {
            return Ok(None);
        }
        Ok(Some(match self.clients.send(rendered).await {
            Ok(answer) => {
                // More certain than what the program was told.
                let sender = answer.pointer("/send_user/name").and_then(Value::as_str);
                progress.author = sender.map(str::to_owned).or(progress.author);
                progress.answer = Some(answer);
                Step::sent(progress)
            }
            Err(error) => self.failed(entry, rendered, before, progress, &error),
        }))
    }

    /// What follows from a failure.
    fn failed(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        before: Progress,
        sent: Progress,
        error: &Error,
    ) -> Step {
        let mut progress = sent;
        progress.reason = Some(error.to_string());
        if error.outcome() == Outcome::Unknown {
            progress.reason =
                Some(format!("the outbox finds out by itself whether it is done; the call said: {error}"));
        }
        let wait = wait_after(&mut progress, error);
        let not_done = |phase| {
            let Progress { failures, reason, .. } = progress.clone();
            Step::later(phase, Progress { failures, reason, ..before.clone() }, wait)
        };
        match error.outcome() {
            // It is done; only its id is not known, and another entry must not take it for its own.
            Outcome::Applied if !rendered.is_repeatable() => {
                (progress.applied, progress.settling, progress.failures) = (true, true, 0);
                Step::later(Phase::Sending, progress, BETWEEN_LOOKS)
            }
            Outcome::Applied => Step::sent(progress),
            // What an earlier attempt has left open stays open.
            Outcome::NotSent if entry.phase == Phase::Sending => not_done(Phase::Sending),
            Outcome::NotSent if error.resend() != Resend::No => not_done(Phase::Waiting),
            Outcome::NotSent => Step::rejected(Progress { attempts: before.attempts, ..progress }, error),
            Outcome::Rejected if may_pass(error, progress.failures) => {
                Step::later(entry.phase, Progress { first_sent: before.first_sent, ..progress }, wait)
            }
            Outcome::Rejected if entry.phase == Phase::Sending => {
                Step::uncertain(progress, format!("an earlier attempt may have been done, and now: {error}"))
            }
            Outcome::Rejected => Step::rejected(progress, error),
            // A repeat that arrives after the next entry would undo that one.
            Outcome::Unknown if rendered.overwrites() => {
                Step::later(Phase::Sending, progress, wait.max(self.settle))
            }
            Outcome::Unknown if rendered.is_repeatable() => Step::later(Phase::Sending, progress, wait),
            Outcome::Unknown => {
                (progress.settling, progress.failures) = (true, 0);
                Step::later(Phase::Sending, progress, self.settle)
            }
        }
    }
}

/// Writes a new reason to the log of the program: loud if nothing more happens by itself, or nothing was sent.
fn log(entry: &StoredEntry, step: &Step) {
    let Some(reason) = &step.progress.reason else { return };
    let (id, lane, phase) = (entry.id, &entry.lane, step.phase.name());
    if step.phase.needs_decision() || step.phase == Phase::Rejected || !step.progress.was_sent() {
        tracing::warn!(id, lane, phase, reason, "an entry of the outbox is not done");
    } else {
        tracing::debug!(id, lane, phase, reason, "an entry of the outbox goes on later");
    }
}

/// Whether a refused request may be taken later. The page of a gateway, which is not the service, may be there for an hour.
fn may_pass(error: &Error, failures: u32) -> bool {
    error.resend() == Resend::Yes
        || error.status().is_some_and(|status| AGAIN.contains(&status))
        || error.is_foreign() && failures < MOST_FAILURES
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
