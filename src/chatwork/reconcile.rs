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
mod newest;
mod once;
mod posting;
mod sought;

pub(super) use ledger::PostLedger;
pub use lookup::LookFor;
pub use once::PostOnce;
pub use sought::{BeforePost, Sought};

use super::operations::PostMessage;
use super::{AccountId, Chatwork, MessageId};
use crate::error::Error;
use crate::input::InvalidInput;
use crate::operation::Operation;
#[doc(no_inline)]
pub use crate::reconcile::Arrival;
use crate::reconcile::{CallTime, Course};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::{Encoder, Payload};
use crate::wire::{DecodeFailure, Flag};
use posting::{ChatworkPost, Looking};
use std::time::Duration;

/// How a call finds out whether its message arrived, if the post has an unknown outcome.
///
/// Set it on the first post of a message with [`with_reconcile`](Request::with_reconcile): the call posts, and looks the
/// message up if the outcome is unknown. On a repetition it would post before it looks; for a message that an earlier run of
/// the program may have posted there is [`post_once`](super::RoomHandle::post_once).
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
/// * **Changed messages**: a message that was edited or deleted before the lookup is not recognised. If there is one of this
///   account since the call began, it may be the message, which is not posted again. If the service stores a different text
///   at once, the message is posted again; white space at the ends and the kind of line breaks are ignored.
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

    fn course(&self) -> Course {
        let Self { delay, lookups, repost, .. } = *self;
        Course { delay, lookups, repost }
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

impl Request<PostMessage> {
    /// If the post has an unknown outcome, looks the message up, and posts it again if it is certainly not there.
    ///
    /// [`Reconcile`] describes cost and limits. The response is that of the post, or of the lookup that found the message.
    /// [`Response::attempts`] counts the posts.
    ///
    /// # Errors
    ///
    /// As without it. Once any post of the call had an unknown outcome, the outcome stays
    /// [`Unknown`](crate::Outcome::Unknown), even if later posts were refused: a lookup justifies another post, but is not a
    /// proof.
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
    const IS_ONE_REQUEST: bool = false;

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
        let Request { endpoint: Self { post, reconcile }, client, options } = &request;
        let time = CallTime::begin(client.transport().settings(), options);
        let posting = ChatworkPost::begin(&request, post, Looking::Call(reconcile.account), time).await?;
        let posted = reconcile.course().reconcile(&posting, &time).await?;
        Ok(posted.map(|(message_id, arrival)| ReconciledMessage { message_id, arrival }))
    }
}
