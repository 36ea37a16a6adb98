//! Looking whether a message arrived, before it is posted again.
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

/// How to find out whether a message arrived whose post left that open.
///
/// It belongs to the first post of a message: the call posts, and looks if that leaves it open. Given to a repetition, it
/// would post before it looks.
///
/// Chatwork knows no idempotency key, so that a post is never repeated once it may have arrived. With this, opted into
/// by [`with_reconcile`](Request::with_reconcile), the room is looked at instead: the newest 100 messages, for one of
/// this account with this text, sent since the call began by the clock of the service. Found, the call succeeds with
/// its id. Certainly not there, the message is posted again, within the call's timeout, attempts and retry budget.
/// Anything else stays the failure that it was.
///
/// # What it costs
///
/// Nothing when the post is answered. Otherwise one call for each look, and one to `GET /me` in the life of a client
/// that is not told its [`account`](Self::account). An OAuth token needs the scopes for both.
///
/// # What it cannot know
///
/// * **Whose it is**: the same text, posted meanwhile by another process of the same account or by a plain
///   [`post`](super::RoomHandle::post) of this client, looks like the message. Posts with `with_reconcile` of one
///   client and its clones are told apart: those of the same text in the same room go one after the other, and each
///   message answers for one of them only.
/// * **What arrives late**: a post that the service carries out after the last look is there twice. A longer
///   [`delay`](Self::delay) and more [`looks`](Self::looks) make that less likely.
/// * **What is out of sight**: with 100 or more messages since the call began, or where the service says that it hides
///   messages (`chatwork-message-limitation`) and shows none from before the call, not finding it means nothing, and
///   it is not posted again.
/// * **What was changed**: a message that was edited or deleted before the look is not recognised, and is posted again.
///   The same goes for a service that stores another text than it was sent; white space at the ends and the kind of
///   line breaks are not compared.
///
/// # The cursor of `force=0`
///
/// The look is `GET /rooms/{room_id}/messages?force=1`. Whether that moves the mark from which `force=0` goes on is not
/// documented; it does in the sandbox. A bot that reads the same room with the same token should read with
/// [`force(true)`](Request::force) and drop what it has seen.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it does nothing until a post is given it"]
pub struct Reconcile {
    account: Option<AccountId>,
    delay: Duration,
    lookups: u32,
    repost: bool,
}

impl Reconcile {
    /// Two looks, two seconds before each, and another post if the message is not there.
    pub fn new() -> Self {
        Self { account: None, delay: Duration::from_secs(2), lookups: 2, repost: true }
    }

    /// The account that the token belongs to. Without it the client asks `GET /me`, once.
    pub fn account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// How long to wait before each look, for a post that is still on its way.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// How many looks there are before the message is posted again; 0 counts as 1. The last one decides.
    pub fn lookups(mut self, lookups: u32) -> Self {
        self.lookups = lookups.max(1);
        self
    }

    /// Never posts again: a message that is not found stays the failure that it was.
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

/// A post that is looked for before it is repeated; [`with_reconcile`](Request::with_reconcile) makes it.
#[derive(Clone, Debug)]
pub struct ReconciledPost {
    post: PostMessage,
    reconcile: Reconcile,
}

/// A message that is in the room.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReconciledMessage {
    /// The message's id.
    pub message_id: MessageId,
    /// How it is known to be there.
    pub arrival: Arrival,
}

/// How a message is known to be in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The service said so.
    Answered,
    /// No usable answer came, and it was found in the room.
    Found,
    /// It was not found in the room and posted again, to which the service said so.
    PostedAgain,
}

impl Request<PostMessage> {
    /// Looks whether the message arrived when its post leaves that open, and posts it again if it certainly did not.
    ///
    /// [`Reconcile`] says what this costs and what it cannot know. The response is that of the post, or of the look
    /// that found the message; [`Response::attempts`] counts the posts.
    ///
    /// # Errors
    ///
    /// As without it. The outcome stays [`Outcome::Unknown`] once any post of the call has left it open, even if later
    /// ones were refused: the looks are good enough to go on, and no proof.
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

/// One call under way.
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
                // An earlier post was not found; that it will not turn up yet, nobody can say.
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

    /// Waits for those who post the same text to the same room: as long as one of them is under way, a message with
    /// that text could be anybody's.
    async fn guard(&self) -> Result<PostGuard<'_>, Error> {
        let PostMessage { room_id, body } = &self.request.endpoint.post;
        let guard = self.request.client.state().ledger.guard(*room_id, &body.body);
        within(&*self.settings().clock, self.context.deadline, guard).await.map_err(|timeout| {
            Error::new(ErrorKind::Timeout(timeout), Outcome::NotSent).with_call(self.request.info(), 0)
        })
    }

    /// Whether policy, budget and time allow another post. The looks were the wait before it.
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
