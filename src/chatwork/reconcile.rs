//! Checks whether a message arrived before it is posted again.
//!
//! ```no_run
//! # async fn example(room: kaiwa::chatwork::RoomHandle) -> Result<(), kaiwa::Error> {
//! use kaiwa::chatwork::{AccountId, Reconcile};
//!
//! let sent = room.post("ビルドが通りました").with_reconcile(Reconcile::new().account(AccountId(1))).await?;
//! println!("{} ({:?})", sent.message_id, sent.arrival);
//! # Ok(())
//! # }
//! ```

mod ledger;
mod lookup;

pub(super) use ledger::PostLedger;

use super::operations::PostMessage;
use super::{AccountId, Chatwork, MessageId};
use crate::error::{Error, ErrorKind, Outcome};
use crate::input::InvalidInput;
use crate::operation::Operation;
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::retry::{Retries, RetryPolicy, RetryScope};
use crate::transport::settings::{Options, Settings};
use crate::transport::timer::{Bound, within};
use crate::transport::verdict::Repeat;
use crate::transport::{Encoder, Payload};
use crate::wire::{DecodeFailure, Flag};
use ledger::PostGuard;
use lookup::{Lookup, LookupContext};
use std::time::Duration;

/// How a call finds out whether its message arrived, if the post has an unknown outcome.
///
/// Set it on the first post of a message with [`with_reconcile`](Request::with_reconcile): the call posts, and looks the
/// message up if the outcome is unknown. On a repetition it would post before it looks.
///
/// Chatwork has no idempotency keys, so a post is not repeated once it may have arrived. With this option, the call reads the
/// newest 100 messages of the room, and searches for one of this account with this text, sent since the call began by the
/// service's clock. If the message is found, the call succeeds with its id. If it is certainly not there, it is posted again,
/// within the call's timeout, attempts and retry budget. In all other cases the call fails as without this option.
///
/// # Cost
///
/// No cost if the post gets its response. Otherwise one call for each lookup, and one call to `GET /me` per client if the
/// [`account`](Self::account) is not set. An OAuth token needs the scopes for both.
///
/// # Limits
///
/// * **Equal texts**: if another process of the same account, or a plain [`post`](super::RoomHandle::post) of this client,
///   posts the same text meanwhile, that message counts as this one. Posts with `with_reconcile` of one client and its clones
///   are distinguished: equal texts in one room are posted one after the other, and each message counts for one of them.
/// * **Late messages**: if the service executes a post after the last lookup, the message is there twice. A longer
///   [`delay`](Self::delay) and more [`lookups`](Self::lookups) make this less likely.
/// * **Hidden messages**: a lookup is not conclusive if there are 100 or more messages since the call began, or if the service
///   says that it hides messages (`chatwork-message-limitation`) and shows none from before the call. Then the message is not
///   posted again.
/// * **Changed messages**: a message that was edited or deleted before the lookup is not recognised, and is posted again. The
///   same holds if the service stores a different text; white space at the ends and the kind of line breaks are ignored.
///
/// # The cursor of `force=0`
///
/// The lookup is `GET /rooms/{room_id}/messages?force=1`. It is not documented whether it moves the cursor of `force=0`; in
/// the sandbox it does. A bot that reads the same room with the same token should read with [`force(true)`](Request::force)
/// and drop the known messages.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it does nothing until it is set on a post"]
pub struct Reconcile {
    account: Option<AccountId>,
    delay: Duration,
    lookups: u32,
    repost: bool,
}

impl Reconcile {
    /// Two lookups, each after two seconds, and another post if the message is not there.
    pub fn new() -> Self {
        Self { account: None, delay: Duration::from_secs(2), lookups: 2, repost: true }
    }

    /// The account of the token. Without it the client calls `GET /me` once.
    pub fn account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// How long to wait before each lookup, for a post that is still in flight.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// How many lookups are made before the message is posted again; 0 counts as 1. The last one decides.
    pub fn lookups(mut self, lookups: u32) -> Self {
        self.lookups = lookups.max(1);
        self
    }

    /// Never posts again: if the message is not found, the call fails with the post's error.
    pub fn lookup_only(mut self) -> Self {
        self.repost = false;
        self
    }
}

impl Default for Reconcile {
    fn default() -> Self {
        Self::new()
    }
}

/// A post whose message is looked up before it is repeated; from [`with_reconcile`](Request::with_reconcile).
#[derive(Clone, Debug)]
pub struct ReconciledPost {
    post: PostMessage,
    reconcile: Reconcile,
}

/// A message that is certainly in the room.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReconciledMessage {
    /// The message's id.
    pub message_id: MessageId,
    /// How this is known.
    pub arrival: Arrival,
}

/// How it is known that a message is in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The post's response says so.
    Answered,
    /// No usable response came, and a lookup found it in the room.
    Found,
    /// The lookups did not find it, and the response to another post says so.
    PostedAgain,
}

impl Request<PostMessage> {
    /// If the post has an unknown outcome, looks the message up, and posts it again if it is certainly not there.
    ///
    /// [`Reconcile`] describes cost and limits. The response is that of the post, or of the lookup that found the message.
    /// [`Response::attempts`] counts the posts.
    ///
    /// # Errors
    ///
    /// As without it. Once any post of the call had an unknown outcome, the outcome stays [`Outcome::Unknown`], even if later
    /// posts were refused: a lookup justifies another post, but is not a proof.
    pub fn with_reconcile(self, reconcile: Reconcile) -> Request<ReconciledPost> {
        self.with_endpoint(|post| ReconciledPost { post, reconcile })
    }
}

impl Request<ReconciledPost> {
    /// Whether the message counts as unread for this account itself. Default: no.
    pub fn self_unread(mut self, self_unread: bool) -> Self {
        self.endpoint.post.body.self_unread = Some(Flag(self_unread));
        self
    }
}

impl Endpoint for ReconciledPost {
    type Service = Chatwork;
    type Output = ReconciledMessage;

    fn operation(&self) -> &'static Operation {
        self.post.operation()
    }

    fn room(&self) -> Option<u64> {
        self.post.room()
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.post.check()
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.post.encode(to)
    }

    fn decode(&self, body: &[u8]) -> Result<ReconciledMessage, DecodeFailure> {
        let message_id = self.post.decode(body)?.message_id;
        Ok(ReconciledMessage { message_id, arrival: Arrival::Answered })
    }

    async fn send(request: Request<Self>) -> Result<Response<ReconciledMessage>, Error> {
        let settings = request.client.transport().settings();
        let began = settings.clock.now();
        let deadline = Bound::after(began, request.options.timeout.or(settings.timeout));
        let account = request.endpoint.reconcile.account;
        let context =
            LookupContext { client: &request.client, options: &request.options, account, began, deadline };
        Reconciled { request: &request, context }.run().await
    }
}

/// A call in progress.
struct Reconciled<'a> {
    request: &'a Request<ReconciledPost>,
    context: LookupContext<'a>,
}

impl Reconciled<'_> {
    async fn run(&self) -> Result<Response<ReconciledMessage>, Error> {
        let policy = self.request.options.retry.as_ref().unwrap_or(&self.settings().retry);
        let guard = self.guard().await?;
        let mut posts = 0;
        let mut arrival = Arrival::Answered;
        loop {
            let error = match self.post(policy, posts).await {
                Ok(sent) => {
                    guard.claim(&sent.message_id);
                    let posts = posts + sent.attempts();
                    let sent = sent.map(|sent| ReconciledMessage { message_id: sent.message_id, arrival });
                    return Ok(sent.with_attempts(posts));
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
            match self.look_up(&guard).await {
                Lookup::Found(found) => {
                    let arrival = Arrival::Found;
                    let found = found.map(|message_id| ReconciledMessage { message_id, arrival });
                    return Ok(found.with_attempts(posts));
                }
                Lookup::Missing
                    if outcome == Outcome::Unknown
                        && self.request.endpoint.reconcile.repost
                        && self.may_post_again(policy, posts) =>
                {
                    arrival = Arrival::PostedAgain;
                }
                Lookup::Missing | Lookup::Unsure => return failed(error),
            }
        }
    }

    /// Waits for the other calls that post the same text to the same room: while one of them runs, it is unclear which call
    /// a message with that text belongs to.
    async fn guard(&self) -> Result<PostGuard<'_>, Error> {
        let PostMessage { room_id, body } = &self.request.endpoint.post;
        let guard = self.request.client.state().ledger.guard(*room_id, &body.body);
        within(&*self.settings().clock, self.context.deadline, guard).await.map_err(|timeout| {
            Error::new(ErrorKind::Timeout(timeout), Outcome::NotSent).with_call(self.request.info(), 0)
        })
    }

    /// Whether policy, budget and time allow another post. The lookups were the wait before it.
    fn may_post_again(&self, policy: &RetryPolicy, posts: u32) -> bool {
        let Settings { retry_budget, clock, .. } = self.settings();
        let scope =
            RetryScope { policy, budget: retry_budget, clock: &**clock, deadline: self.context.deadline };
        let mut retries = Retries::begin(self.context.began);
        retries.attempts = posts;
        retries.next(scope, Repeat::Always, None).is_some()
    }

    async fn post(&self, policy: &RetryPolicy, posts: u32) -> Result<Response<super::MessageRef>, Error> {
        let options = Options {
            timeout: self.context.left().or(self.request.options.timeout),
            retry: Some(policy.rest(posts, self.context.elapsed())),
            ..self.request.options.clone()
        };
        let request = self.request.clone().with_endpoint(|reconciled| reconciled.post);
        Request { options, ..request }.send().await
    }

    async fn look_up(&self, guard: &PostGuard<'_>) -> Lookup {
        let Reconcile { delay, lookups, .. } = self.request.endpoint.reconcile;
        let room = self.request.endpoint.post.room_id;
        let mut lookup = Lookup::Unsure;
        for _ in 0..lookups {
            if self.context.left().is_some_and(|left| left <= delay) {
                return Lookup::Unsure;
            }
            self.settings().clock.sleep(delay).await;
            lookup = self.context.at(room, guard).await;
            if matches!(lookup, Lookup::Found(_)) {
                break;
            }
        }
        lookup
    }

    fn settings(&self) -> &Settings {
        self.request.client.transport().settings()
    }
}
