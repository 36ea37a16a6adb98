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

use super::clients::{Clients, Looked};
use super::rendered::Rendered;
use super::status::{Progress, Status};
use super::store::{Change, Claim, Filter, OutboxStore, Phase, StoredEntry};
use crate::clock::{Clock, later_on_the_wall};
use crate::error::{Error, Outcome, Resend};
use crate::store_error::StoreError;
use futures::future::{Either, select};
use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a claim holds, unless it is renewed.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// How long TAS-CHA remembers an idempotency key, less an hour for clocks that differ.
const KEY_KEPT: SignedDuration = SignedDuration::from_hours(23);

/// The wait after a failure, doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The wait of an entry whose service has no client here: another process may have one.
const WITHOUT_CLIENT: Duration = Duration::from_secs(10);

/// How often a store that failed is asked again.
const STORE_AGAIN: u32 = 10;

/// How often a message is looked for, and the wait in between.
const LOOKS: u32 = 2;
/// How many looks in a row may fail with an answer, over more than an hour.
const MOST_FAILED_LOOKS: u32 = 20;
/// How many looks in a row may show that a list is not whole.
const MOST_UNSURE_LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// When an entry that was sent twice is looked for once more, in times of `settle` after the look before.
const LOOKS_FOR_ANOTHER: [u32; 3] = [1, 3, 10];

/// The sent messages of a lane whose ids are not taken for another one's.
const ATTRIBUTED: usize = 300;

/// What delivering needs.
pub(super) struct Delivery {
    pub(super) store: Arc<dyn OutboxStore>,
    pub(super) clients: Clients,
    pub(super) clock: Arc<dyn Clock>,
    /// After this time a request that was sent can no longer arrive.
    pub(super) settle: Duration,
}

/// What becomes of a claimed entry.
struct Step {
    phase: Phase,
    progress: Progress,
    wait: Option<Duration>,
}

impl Step {
    fn closed(phase: Phase, progress: Progress) -> Self {
        Self { phase, progress, wait: None }
    }

    fn later(phase: Phase, progress: Progress, wait: Duration) -> Self {
        Self { phase, progress, wait: Some(wait) }
    }

    fn sent(progress: Progress) -> Self {
        Self::closed(Phase::Sent, progress)
    }

    fn uncertain(mut progress: Progress, reason: impl ToString) -> Self {
        progress.reason = Some(reason.to_string());
        Self::closed(Phase::Uncertain, progress)
    }

    fn rejected(mut progress: Progress, reason: impl ToString) -> Self {
        progress.reason = Some(reason.to_string());
        Self::closed(Phase::Rejected, progress)
    }
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
        let working = pin!(self.work(entry, claim));
        let lost = pin!(self.renew(claim));
        match select(working, lost).await {
            Either::Left((done, _)) => done,
            // Another worker may have it by now: nothing more is sent.
            Either::Right(((), _)) => {
                tracing::warn!("a claim of the outbox has ended, and another process may work on the entry");
                Ok(None)
            }
        }
    }

    /// Renews the claim as long as it holds.
    async fn renew(&self, claim: &Claim) {
        let mut renewed = self.clock.now();
        loop {
            self.clock.sleep_elsewhere(LEASE / 3).await;
            let asked = self.clock.now();
            match self.store.renew(claim, LEASE).await {
                Ok(true) => renewed = asked,
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "a claim of the outbox cannot be renewed"),
            }
            if self.clock.now().saturating_duration_since(renewed) >= LEASE {
                return;
            }
        }
    }

    async fn work(&self, mut entry: StoredEntry, claim: &Claim) -> Result<Option<Status>, StoreError> {
        let before = entry.phase;
        let step = match (serde_json::from_str::<Rendered>(&entry.request), Progress::read(&entry)) {
            (Ok(rendered), Some(progress)) if self.clients.has(&rendered.service) => match entry.phase {
                Phase::Sending if !rendered.is_repeatable() => {
                    let step = self.look(&entry, &rendered, progress).await?;
                    self.with_another_look(step, &rendered)
                }
                phase if !phase.is_open() => self.look_for_another(&entry, &rendered, progress).await?,
                _ => match self.send(&entry, &rendered, progress, claim).await? {
                    Some(step) => self.with_another_look(step, &rendered),
                    None => return Ok(None),
                },
            },
            (Ok(rendered), Some(mut progress)) => {
                progress.reason = Some(format!("the outbox has no client for {}", rendered.service));
                Step::later(entry.phase, progress, WITHOUT_CLIENT)
            }
            // A newer version of the program may have written it.
            (_, progress) => {
                let mut progress = progress.unwrap_or_default();
                let reason = "what is stored of it cannot be read";
                if entry.phase == Phase::Sending {
                    Step::uncertain(progress, reason)
                } else if !entry.phase.is_open() {
                    return self.store.change(claim, closed_as_it_is(&entry), false).await.map(|_| None);
                } else {
                    progress.reason = Some(reason.to_owned());
                    Step::later(entry.phase, progress, LONGEST_WAIT)
                }
            }
        };
        let not_before = step.wait.map(|wait| later_on_the_wall(self.clock.wall(), wait));
        let change = Change { phase: step.phase, progress: step.progress.write(), not_before };
        if !self.keep(claim, change).await? {
            return Ok(None);
        }
        (entry.phase, entry.not_before) = (step.phase, not_before);
        let is_news = before.is_open() || step.phase != before;
        Ok(is_news.then(|| Status::of(&entry, &step.progress)))
    }

    /// Stores what has become of an entry. The answer that it is about comes once, so a store that fails is asked again.
    async fn keep(&self, claim: &Claim, change: Change) -> Result<bool, StoreError> {
        for _ in 0..STORE_AGAIN {
            match self.store.change(claim, change.clone(), false).await {
                Err(error) => {
                    tracing::warn!(%error, "the store of the outbox failed; it is asked again");
                    self.clock.sleep(FIRST_WAIT).await;
                }
                stored => return stored,
            }
        }
        self.store.change(claim, change, false).await
    }

    /// Sends the request. Before a byte leaves, the store knows that it may have.
    async fn send(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        mut progress: Progress,
        claim: &Claim,
    ) -> Result<Option<Step>, StoreError> {
        let now = self.clock.wall();
        let before = progress.clone();
        let first = *progress.first_sent.get_or_insert(now);
        if entry.phase == Phase::Sending
            && rendered.idempotency_key.is_some()
            && now.duration_since(first) > KEY_KEPT
        {
            let reason =
                "there was no answer as long as the service remembers its key; look before posting it again";
            return Ok(Some(Step::uncertain(progress, reason)));
        }
        let sender = self.clients.sender(rendered).await;
        progress.attempts += 1;
        (progress.looks, progress.settling, progress.applied) = (0, false, false);
        // The message of an attempt that was given up may still come, and counts.
        if !progress.reposted || progress.since.is_none() {
            progress.since = Some(self.clients.service_time(&rendered.service, self.clock.wall()));
            progress.author = sender;
        }
        let change = Change { phase: Phase::Sending, progress: progress.write(), not_before: None };
        if !self.store.change(claim, change, true).await? {
            return Ok(None);
        }
        Ok(Some(match self.clients.send(rendered).await {
            Ok(answer) => {
                progress.reason = None;
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
        progress.failures += 1;
        let wait = error.retry_after().unwrap_or_default().max(backoff(progress.failures));
        match error.outcome() {
            // It is done; only its id is not known, and another entry must not take it for its own.
            Outcome::Applied if !rendered.is_repeatable() => {
                (progress.applied, progress.settling) = (true, true);
                Step::later(Phase::Sending, progress, BETWEEN_LOOKS)
            }
            Outcome::Applied => Step::sent(progress),
            // What an earlier attempt has left open stays open.
            Outcome::NotSent if entry.phase == Phase::Sending => {
                let reason = progress.reason;
                Step::later(Phase::Sending, Progress { failures: progress.failures, reason, ..before }, wait)
            }
            Outcome::NotSent => match error.resend() {
                Resend::No => Step::rejected(Progress { attempts: before.attempts, ..progress }, error),
                _ => {
                    let reason = progress.reason;
                    Step::later(
                        Phase::Waiting,
                        Progress { failures: progress.failures, reason, ..before },
                        wait,
                    )
                }
            },
            // A credential that has ended is replaced some day, and the messages are as good as before.
            Outcome::Rejected
                if error.resend() == Resend::Yes || error.status() == Some(StatusCode::UNAUTHORIZED) =>
            {
                Step::later(entry.phase, Progress { first_sent: before.first_sent, ..progress }, wait)
            }
            Outcome::Rejected if entry.phase == Phase::Sending => {
                Step::uncertain(progress, format!("an earlier attempt may have been done, and now: {error}"))
            }
            Outcome::Rejected => Step::rejected(progress, error),
            Outcome::Unknown if rendered.is_repeatable() => Step::later(Phase::Sending, progress, wait),
            Outcome::Unknown => {
                progress.settling = true;
                let wait = if self.clients.can_look(rendered) { self.settle } else { Duration::ZERO };
                Step::later(Phase::Sending, progress, wait)
            }
        }
    }

    /// Looks for the message of a request without an answer.
    async fn look(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        mut progress: Progress,
    ) -> Result<Step, StoreError> {
        if !progress.settling && self.clients.can_look(rendered) {
            // The process that sent it has died. How long its request took to leave is not known, so the time counts from now.
            progress.settling = true;
            return Ok(Step::later(Phase::Sending, progress, self.settle));
        }
        let taken = self.attributed(&entry.lane).await?;
        Ok(match self.clients.look(rendered, &progress, &taken).await {
            Looked::Found(id) => {
                progress.reason = None;
                progress.answer = Some(json!({ "message_id": id }));
                Step::sent(progress)
            }
            Looked::Missing | Looked::Unsure(_) | Looked::Never if progress.applied => Step::sent(progress),
            Looked::Missing => {
                progress.failures = 0;
                progress.looks += 1;
                if progress.looks < LOOKS {
                    return Ok(Step::later(Phase::Sending, progress, BETWEEN_LOOKS));
                }
                progress.reposted = true;
                Step::later(Phase::Waiting, progress, Duration::ZERO)
            }
            Looked::Unsure(why) if why.may_pass() && progress.failures < MOST_UNSURE_LOOKS => {
                progress.failures += 1;
                progress.reason = Some(why.to_string());
                let wait = backoff(progress.failures);
                Step::later(Phase::Sending, progress, wait)
            }
            Looked::Unsure(why) => Step::uncertain(progress, why),
            Looked::Never => Step::uncertain(
                progress,
                "there was no answer, and the service offers no way to look for its effect",
            ),
            Looked::Failed(error) if is_for_good(&error, &progress) => {
                if progress.applied {
                    return Ok(Step::sent(progress));
                }
                Step::uncertain(
                    progress,
                    format!("there was no answer, and it cannot be looked for: {error}"),
                )
            }
            Looked::Failed(error) => later_because(Phase::Sending, progress, &error),
        })
    }

    /// The same step. An entry that was sent again after looks is looked for once more: its first request may have been late.
    fn with_another_look(&self, mut step: Step, rendered: &Rendered) -> Step {
        let is_answered = matches!(step.phase, Phase::Sent | Phase::Rejected);
        if is_answered && step.progress.reposted && self.clients.can_look(rendered) {
            step.progress.looks = 0;
            step.wait = Some(self.settle);
        }
        step
    }

    /// Looks whether the message of an entry that was sent twice is there twice.
    async fn look_for_another(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        mut progress: Progress,
    ) -> Result<Step, StoreError> {
        let mut taken = self.attributed(&entry.lane).await?;
        let own = Status::read(entry).message_id();
        taken.extend(own.clone());
        match self.clients.look(rendered, &progress, &taken).await {
            Looked::Found(id) if self.may_be_of_another(entry, rendered, &id).await? => {
                return Ok(Step::later(entry.phase, progress, BETWEEN_LOOKS));
            }
            // Its id was not known, or the request that came late is the only one that was not refused.
            Looked::Found(id) if own.is_none() => {
                progress.reason = None;
                progress.answer = Some(json!({ "message_id": id }));
                return Ok(Step::later(Phase::Sent, progress, BETWEEN_LOOKS));
            }
            Looked::Found(id) => {
                progress.other = Some(id.clone());
                progress.reason = Some(format!(
                    "it was sent again after it had not been found, and is there twice: the other one is {id}"
                ));
                return Ok(Step::closed(Phase::Doubled, progress));
            }
            Looked::Failed(error) if !is_for_good(&error, &progress) => {
                return Ok(later_because(entry.phase, progress, &error));
            }
            Looked::Missing | Looked::Unsure(_) | Looked::Never | Looked::Failed(_) => {}
        }
        progress.failures = 0;
        progress.looks += 1;
        Ok(match LOOKS_FOR_ANOTHER.get(progress.looks as usize) {
            Some(times) => Step::later(entry.phase, progress, self.settle.saturating_mul(*times)),
            None => Step::closed(entry.phase, progress),
        })
    }

    /// Whether a message that a look has found may belong to another entry, which was sent meanwhile.
    async fn may_be_of_another(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        id: &String,
    ) -> Result<bool, StoreError> {
        let lane = Some(&*entry.lane);
        // What is sent now is in this list, or is attributed by the time of the next one.
        let sending = Filter { lane, phase: Some(Phase::Sending), limit: ATTRIBUTED, ..Filter::default() };
        let is_same = |other: &StoredEntry| {
            serde_json::from_str::<Rendered>(&other.request).is_ok_and(|other| other.is_same(rendered))
        };
        Ok(self.store.list(sending).await?.iter().any(is_same)
            || self.attributed(&entry.lane).await?.contains(id))
    }

    /// The ids of the lane's newest messages that are known to belong to other entries.
    async fn attributed(&self, lane: &str) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        for phase in [Phase::Sent, Phase::Doubled] {
            let filter =
                Filter { lane: Some(lane), phase: Some(phase), newest: true, limit: ATTRIBUTED, after: 0 };
            for entry in self.store.list(filter).await? {
                let progress = Progress::read(&entry).unwrap_or_default();
                ids.extend(Status::of(&entry, &progress).message_id());
                ids.extend(progress.other);
            }
        }
        Ok(ids)
    }
}

/// Whether the same look will fail again: the service refuses it, or it could never be sent. An answer that cannot be read may be
/// a broken one, so it ends only after many.
fn is_for_good(error: &Error, progress: &Progress) -> bool {
    const AGAIN: [StatusCode; 4] = [
        StatusCode::UNAUTHORIZED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    match error.status() {
        Some(status) if status.is_client_error() => !AGAIN.contains(&status),
        Some(_) => progress.failures >= MOST_FAILED_LOOKS,
        None => error.outcome() == Outcome::NotSent && error.resend() == Resend::No,
    }
}

fn later_because(phase: Phase, mut progress: Progress, error: &Error) -> Step {
    progress.failures += 1;
    if phase.is_open() {
        progress.reason = Some(error.to_string());
    }
    let wait = error.retry_after().unwrap_or_default().max(backoff(progress.failures));
    Step::later(phase, progress, wait)
}

fn closed_as_it_is(entry: &StoredEntry) -> Change {
    Change { phase: entry.phase, progress: entry.progress.clone(), not_before: None }
}

/// The wait after so many failures in a row, with a random part, so that processes do not try in step.
fn backoff(failures: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}
