//! The courses of a call: a post that is looked for if it has no usable response, and one that is looked for first.
//!
//! ```text
//!   post once ─▶ look ── found ─────────────────────────────────────▶ it is there
//!                  ├─ unsure ──────────────────────────────────────▶ error: unknown
//!                  ├─ not there, nothing was posted before ─┐
//!                  └─ not there, and an earlier run may     │
//!                     have posted: wait until its request   │
//!                     can no longer arrive, look twice ─────┤
//!                                                           ▼
//!   with reconcile ───────────────────────────────────▶ post ── answered ──▶ it is there
//!                                                     ▲     ├─ refused ───▶ error: as it says
//!                                                     │     └─ unknown ─▶ look twice ── found ──▶ it is there
//!                                                     └──── not there ─────────┤
//!                                                                              └─ unsure ─▶ error: unknown
//! ```

use super::{Arrival, Found, Fresh};
use crate::Unsure;
use crate::call::CallInfo;
use crate::error::{Error, ErrorKind, Outcome};
use crate::response::Response;
use crate::transport::retry::{Retries, RetryPolicy, RetryScope};
use crate::transport::settings::{Options, Settings};
use crate::transport::timer::Bound;
use crate::transport::verdict::Repeat;
use std::future::Future;
use std::time::{Duration, Instant};

/// How much longer than an attempt a request is expected to be on its way: in a queue, or behind a proxy.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// The longest that a request is expected to be on its way if attempts have no time limit.
const UNLIMITED: Duration = Duration::from_secs(60);

/// The time of a call, and what its requests have in common.
#[derive(Clone, Copy)]
pub(crate) struct CallTime<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) options: &'a Options,
    pub(crate) began: Instant,
    pub(crate) deadline: Option<Bound>,
}

impl<'a> CallTime<'a> {
    pub(crate) fn begin(settings: &'a Settings, options: &'a Options) -> Self {
        let began = settings.clock.now();
        Self { settings, options, began, deadline: Bound::after(began, options.timeout.or(settings.timeout)) }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.settings.clock.now().saturating_duration_since(self.began)
    }

    /// The remaining time of the call; `None` if there is no limit.
    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.left(&*self.settings.clock))
    }

    /// The options of a request that only reads, within the time of the call and with its headers.
    pub(crate) fn reading(&self) -> Options {
        Options {
            timeout: self.left().or(self.options.timeout),
            attempt_timeout: self.options.attempt_timeout,
            retry: self.options.retry.clone(),
            headers: self.options.headers.clone(),
            invalid: self.options.invalid.clone(),
            ..Options::default()
        }
    }

    fn posting(&self, retry: RetryPolicy) -> Options {
        Options { timeout: self.left().or(self.options.timeout), retry: Some(retry), ..self.options.clone() }
    }

    fn policy(&self) -> &RetryPolicy {
        self.options.retry.as_ref().unwrap_or(&self.settings.retry)
    }

    /// How long after it left a request is expected to take effect at the latest.
    fn settles_after(&self) -> Duration {
        let attempt = self.options.attempt_timeout.or(self.settings.attempt_timeout);
        attempt.map_or(UNLIMITED, |attempt| attempt.saturating_add(ON_ITS_WAY))
    }
}

/// A message that is being posted: what the services do differently.
pub(crate) trait Posting: Sync {
    type Id: Send;

    fn info(&self) -> CallInfo;

    fn post(&self, options: Options) -> impl Future<Output = Result<Response<Self::Id>, Error>> + Send;

    fn look(&self) -> impl Future<Output = Result<Response<Found<Self::Id>>, Error>> + Send;
}

/// A post that an earlier run may have made.
pub(crate) struct Earlier<'a> {
    pub(crate) fresh: &'a Fresh,
    /// How long a request may be on its way, if the caller has set it.
    pub(crate) settle: Option<Duration>,
}

/// How a call finds out whether its message is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    pub(crate) delay: Duration,
    pub(crate) lookups: u32,
    pub(crate) repost: bool,
}

type Reached<Id> = Result<Response<(Id, Arrival)>, Error>;

/// Why a look did not find the message.
#[derive(Clone, Copy, PartialEq)]
enum NotFound {
    Missing,
    Unsure(Unsure),
}

fn found<Id>(look: Response<Found<Id>>) -> Result<Response<Id>, NotFound> {
    let (found, response) = look.split();
    match found {
        Found::Yes(id) => Ok(response.map(|()| id)),
        Found::No => Err(NotFound::Missing),
        Found::Unsure(why) => Err(NotFound::Unsure(why)),
    }
}

impl Course {
    /// Posts, and looks if it is unknown whether the message arrived.
    pub(crate) async fn reconcile<P: Posting>(&self, posting: &P, time: &CallTime<'_>) -> Reached<P::Id> {
        let start = time.settings.clock.now();
        let mut posts = 0;
        let mut arrival = Arrival::Answered;
        loop {
            let elapsed = time.settings.clock.now().saturating_duration_since(start);
            let error = match posting.post(time.posting(time.policy().rest(posts, elapsed))).await {
                Ok(sent) => {
                    let posts = posts + sent.attempts();
                    return Ok(sent.map(|id| (id, arrival)).with_attempts(posts));
                }
                Err(error) => error,
            };
            posts += error.attempts();
            let outcome = error.outcome();
            let failed = |error: Error| {
                // An earlier post was not found, but may still appear.
                let open = arrival == Arrival::PostedAgain && outcome != Outcome::Applied;
                let error = error.with_attempts(posts);
                Err(if open { error.with_outcome(Outcome::Unknown) } else { error })
            };
            if !matches!(outcome, Outcome::Unknown | Outcome::Applied) {
                return failed(error);
            }
            match self.look_after(posting, time).await {
                Some(Ok(found)) => {
                    return Ok(found.map(|id| (id, Arrival::Found)).with_attempts(posts));
                }
                Some(Err(NotFound::Missing))
                    if outcome == Outcome::Unknown && self.repost && may_post_again(time, start, posts) =>
                {
                    arrival = Arrival::PostedAgain;
                }
                _ => return failed(error),
            }
        }
    }

    /// What the last of the lookups after a post shows; `None` if there was none, or it failed: the error of the post is the
    /// one to report.
    async fn look_after<P: Posting>(
        &self,
        posting: &P,
        time: &CallTime<'_>,
    ) -> Option<Result<Response<P::Id>, NotFound>> {
        let mut look = None;
        for _ in 0..self.lookups {
            if time.left().is_some_and(|left| left <= self.delay) {
                return None;
            }
            time.settings.clock.sleep(self.delay).await;
            look = posting.look().await.ok().map(found);
            if matches!(look, Some(Ok(_))) {
                break;
            }
        }
        look
    }

    /// Looks first, and posts only what is certainly not there.
    pub(crate) async fn once<P: Posting>(
        &self,
        posting: &P,
        time: &CallTime<'_>,
        earlier: Earlier<'_>,
    ) -> Reached<P::Id> {
        let there = |found: Response<P::Id>| Ok(found.map(|id| (id, Arrival::Found)).with_attempts(0));
        if earlier.fresh.get() {
            // Nothing was posted, so a look that is not conclusive does no harm.
            let look = posting.look().await.map_err(|error| not_posted(posting, error, Outcome::NotSent))?;
            if let Ok(response) = found(look) {
                return there(response);
            }
        }
        if !earlier.fresh.count() {
            let settle = earlier.settle.unwrap_or_else(|| time.settles_after());
            let mut wait = Duration::ZERO;
            if !settle.is_zero() {
                if let Some(response) = look_again(posting).await? {
                    return there(response);
                }
                // From now on: an earlier run may have posted until it was killed, however long ago the first one began.
                wait = settle;
            }
            for _ in 0..self.lookups {
                pause(posting, time, wait).await?;
                if let Some(response) = look_again(posting).await? {
                    return there(response);
                }
                wait = self.delay;
            }
        }
        let posted = self.reconcile(posting, time).await;
        let is_certain = |error: &Error| matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected);
        if posted.as_ref().is_err_and(is_certain) {
            earlier.fresh.take_back();
        }
        posted
    }
}

/// Waits within the time of the call.
async fn pause<P: Posting>(posting: &P, time: &CallTime<'_>, wait: Duration) -> Result<(), Error> {
    if wait.is_zero() {
        return Ok(());
    }
    if let Some(left) = time.left().filter(|left| *left <= wait) {
        let kind = ErrorKind::WaitTooLong { needed: wait, left };
        return Err(Error::new(kind, Outcome::Unknown).with_call(posting.info(), 0));
    }
    time.settings.clock.sleep(wait).await;
    Ok(())
}

/// A look for what an earlier run may have posted; `None` if it is certainly not there.
async fn look_again<P: Posting>(posting: &P) -> Result<Option<Response<P::Id>>, Error> {
    let look = posting.look().await.map_err(|error| not_posted(posting, error, Outcome::Unknown))?;
    match found(look) {
        Ok(response) => Ok(Some(response)),
        Err(NotFound::Missing) => Ok(None),
        Err(NotFound::Unsure(why)) => {
            Err(Error::new(ErrorKind::Unsure(why), Outcome::Unknown).with_call(posting.info(), 0))
        }
    }
}

/// The failure of a look before a post, as what it means for the message.
fn not_posted<P: Posting>(posting: &P, error: Error, outcome: Outcome) -> Error {
    error.with_outcome(outcome).with_call(posting.info(), 0)
}

/// Whether policy, budget and time allow another post. The lookups were the wait before it.
fn may_post_again(time: &CallTime<'_>, start: Instant, posts: u32) -> bool {
    let Settings { retry_budget, clock, .. } = time.settings;
    let scope =
        RetryScope { policy: time.policy(), budget: retry_budget, clock: &**clock, deadline: time.deadline };
    let mut retries = Retries::begin(start);
    retries.attempts = posts;
    retries.next(scope, Repeat::Always, None).is_some()
}
