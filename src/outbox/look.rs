//! Looks for the message of a request without an answer, and for a second one.

use super::clients::Looked;
use super::deliver::Delivery;
use super::entry::{Filter, OUTBOX, Phase, StoredEntry};
use super::rendered::Rendered;
use super::status::{Progress, Status};
use super::step::{AGAIN, BETWEEN_LOOKS, MOST_FAILURES, Step, backoff, wait_after};
use crate::error::{Error, Outcome, Resend};
use crate::store_error::StoreError;
use serde_json::json;
use std::time::Duration;

/// When an entry that was sent twice is looked for once more, in times of `settle` after the look before.
const LOOKS_FOR_ANOTHER: [u32; 3] = [1, 3, 10];

/// The sent messages of a lane whose ids are not taken for another one's.
const ATTRIBUTED: usize = 300;

/// How often a message is looked for.
const LOOKS: u32 = 2;
/// How many looks in a row may show that a list is not whole.
const MOST_UNSURE_LOOKS: u32 = 5;

/// Whose a message is.
enum Owner {
    ThisOne,
    /// One that was sent meanwhile.
    AnotherOne,
    Unknown,
}

impl Delivery {
    /// Looks for the message of a request without an answer.
    pub(super) async fn look(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        mut progress: Progress,
    ) -> Result<Step, StoreError> {
        if !progress.settling {
            // The process that sent it has died. How long its request took to leave is not known, so the time counts from now.
            (progress.settling, progress.failures) = (true, 0);
            return Ok(Step::later(Phase::Sending, progress, self.settle));
        }
        let taken = self.attributed(&entry.lane).await?;
        Ok(match self.clients.look(rendered, &progress, &taken).await {
            Looked::Found(id) => {
                progress.answer = Some(json!({ "message_id": id }));
                Step::sent(progress)
            }
            Looked::Missing | Looked::Unsure(_) | Looked::Doubt(_) | Looked::Never if progress.applied => {
                Step::sent(progress)
            }
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
            Looked::Doubt(why) => Step::uncertain(progress, why),
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
    pub(super) fn with_another_look(&self, mut step: Step, rendered: &Rendered) -> Step {
        let is_answered = matches!(step.phase, Phase::Sent | Phase::Rejected);
        if is_answered && step.progress.reposted && self.clients.can_look(rendered) {
            step.progress.looks = 0;
            step.wait = Some(self.settle);
        }
        step
    }

    /// Looks whether the message of an entry that was sent twice is there twice.
    pub(super) async fn look_for_another(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        mut progress: Progress,
    ) -> Result<Step, StoreError> {
        let mut taken = self.attributed(&entry.lane).await?;
        let own = Status::read(entry).message_id();
        taken.extend(own.clone());
        let unsure = match self.clients.look(rendered, &progress, &taken).await {
            Looked::Found(id) => match self.owner(entry, rendered, &id).await? {
                Owner::ThisOne if own.is_some() => {
                    progress.reason = Some(format!(
                        "it was sent again after it had not been found, and is there twice: the other one is {id}"
                    ));
                    progress.other = Some(id);
                    return Ok(Step::closed(Phase::Doubled, progress));
                }
                // Its id was not known, or the request that came late is the only one that was not refused.
                Owner::ThisOne => {
                    (progress.reason, progress.answer) = (None, Some(json!({ "message_id": id })));
                    return Ok(Step::later(Phase::Sent, progress, BETWEEN_LOOKS));
                }
                Owner::AnotherOne => return Ok(Step::later(entry.phase, progress, self.settle)),
                Owner::Unknown => Some("another entry with this text may have it".to_owned()),
            },
            Looked::Missing | Looked::Never => None,
            Looked::Unsure(why) => Some(why.to_string()),
            Looked::Doubt(why) => Some(why),
            Looked::Failed(error) if is_for_good(&error, &progress) => Some(error.to_string()),
            Looked::Failed(error) => return Ok(later_because(entry.phase, progress, &error)),
        };
        progress.failures = 0;
        progress.looks += 1;
        if let Some(times) = LOOKS_FOR_ANOTHER.get(progress.looks as usize) {
            return Ok(Step::later(entry.phase, progress, self.settle.saturating_mul(*times)));
        }
        if let Some(why) = unsure {
            progress.reason =
                Some(format!("it was sent again, and it cannot be said whether it is there twice: {why}"));
        }
        Ok(Step::closed(entry.phase, progress))
    }

    /// Whose message a look for a second one has found.
    async fn owner(
        &self,
        entry: &StoredEntry,
        rendered: &Rendered,
        id: &String,
    ) -> Result<Owner, StoreError> {
        let has_same = async |phase| {
            let others = self
                .store
                .list(Filter::new(OUTBOX, ATTRIBUTED).lane(&entry.lane).phase(phase).newest())
                .await?;
            let is_same = |other: &StoredEntry| {
                let other = serde_json::from_str::<Rendered>(&other.request);
                other.is_ok_and(|other| other.is_same(rendered))
            };
            Ok::<_, StoreError>(others.iter().any(is_same))
        };
        // What is sent now is in this list, or is attributed by the time of the next one.
        if has_same(Phase::Sending).await? || self.attributed(&entry.lane).await?.contains(id) {
            return Ok(Owner::AnotherOne);
        }
        let may_be_theirs = has_same(Phase::Uncertain).await? || has_same(Phase::Discarded).await?;
        Ok(if may_be_theirs { Owner::Unknown } else { Owner::ThisOne })
    }

    /// The ids of the lane's newest messages that are known to belong to other entries.
    async fn attributed(&self, lane: &str) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        for phase in [Phase::Sent, Phase::Doubled] {
            for entry in
                self.store.list(Filter::new(OUTBOX, ATTRIBUTED).lane(lane).phase(phase).newest()).await?
            {
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
    match error.status() {
        Some(status) if status.is_client_error() && !error.is_foreign() => !AGAIN.contains(&status),
        Some(status) if status.is_server_error() => false,
        Some(_) => progress.failures >= MOST_FAILURES,
        None => error.outcome() == Outcome::NotSent && error.resend() == Resend::No,
    }
}

fn later_because(phase: Phase, mut progress: Progress, error: &Error) -> Step {
    if phase.is_open() {
        progress.reason = Some(error.to_string());
    }
    let wait = wait_after(&mut progress, error);
    Step::later(phase, progress, wait)
}
