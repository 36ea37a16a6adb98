//! A post that an earlier run of the program may have made.

use super::lookup::LookFor;
use super::posting::{ChatworkPost, Looking};
use super::sought::{Sought, check};
use super::{Reconcile, ReconciledMessage};
use crate::chatwork::operations::PostMessage;
use crate::chatwork::{Chatwork, RoomHandle};
use crate::error::Error;
use crate::input::InvalidInput;
use crate::operation::Operation;
use crate::reconcile::{Arrival, CallTime, Earlier};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::{Encoder, Payload};
use crate::wire::{DecodeFailure, Flag};
use std::time::Duration;

/// A post that looks first: [`RoomHandle::post_once`].
#[derive(Clone, Debug)]
pub struct PostOnce {
    post: PostMessage,
    sought: Sought,
    reconcile: Reconcile,
    settle: Option<Duration>,
}

impl RoomHandle {
    /// Posts the sought message, unless it is there already: for a program that may be killed at any moment and is then run
    /// again.
    ///
    /// ```no_run
    /// # async fn example(room: kaiwa::chatwork::RoomHandle, me: kaiwa::chatwork::AccountId) -> Result<(), Box<dyn std::error::Error>> {
    /// use kaiwa::chatwork::Sought;
    /// use std::{fs, io::ErrorKind};
    ///
    /// let sought: Sought = match fs::read("notice.json") {
    ///     Ok(stored) => serde_json::from_slice(&stored)?,
    ///     // The first run. Stored before the message is posted, and moved to its place as a whole.
    ///     Err(error) if error.kind() == ErrorKind::NotFound => {
    ///         let sought = room.before_post("ビルドが通りました", me).await?.into_inner();
    ///         fs::write("notice.new", serde_json::to_vec(&sought)?)?;
    ///         fs::rename("notice.new", "notice.json")?;
    ///         sought
    ///     }
    ///     Err(error) => return Err(error.into()),
    /// };
    /// let sent = room.post_once(&sought).await?;
    /// println!("{} ({:?})", sent.message_id, sent.arrival);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// * The first time, with what [`before_post`](Self::before_post) returned, it looks once, in case another run was
    ///   faster, and posts.
    /// * With a `Sought` that was stored and read again, or that was used before, an earlier run may have posted, and its
    ///   request may still be on the way. If the message is not there, the call waits until that request can no longer arrive
    ///   ([`with_settle`](Request::with_settle)), looks as often as [`Reconcile::lookups`] says, and then posts.
    /// * If the post itself has no usable response, it goes on as [`with_reconcile`](Request::with_reconcile) does.
    ///
    /// [`Arrival::Found`] says that a look found it. [`Response::attempts`](crate::Response::attempts) counts the posts of
    /// this call, which can be none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsure`](crate::ErrorKind::Unsure) if a look cannot say whether the message is there: nothing is posted,
    /// and for most reasons trying again does not help. After every other error the call can be made again with the same
    /// `Sought`, at any time: the outcome is [`Unknown`](crate::Outcome::Unknown) if an earlier run may have posted the
    /// message, or this one.
    ///
    /// # What stays open
    ///
    /// A request that arrives later than [`with_settle`](Request::with_settle) allows for is a second message. The looks see
    /// only what [`Sought`] describes.
    pub fn post_once(&self, sought: &Sought) -> Request<PostOnce> {
        let post = PostMessage::new(self.id, &*sought.text);
        self.call(PostOnce { post, sought: sought.clone(), reconcile: Reconcile::new(), settle: None })
    }
}

impl Request<PostOnce> {
    /// Whether the message counts as unread for this account itself. Default: no.
    pub fn self_unread(mut self, self_unread: bool) -> Self {
        self.endpoint.post.body.self_unread = Some(Flag(self_unread));
        self
    }

    /// How the looks are made: [`Reconcile::delay`], [`lookups`](Reconcile::lookups) and
    /// [`lookup_only`](Reconcile::lookup_only), which here means that a post of this call is not repeated. The account is
    /// that of the [`Sought`].
    pub fn with_reconcile(mut self, reconcile: Reconcile) -> Self {
        self.endpoint.reconcile = reconcile;
        self
    }

    /// How long after it left a request of an earlier run can still arrive. Default: the time of an attempt and ten seconds,
    /// 40 s if nothing is set; 60 s if attempts have no time limit.
    ///
    /// It is counted from now on, since an earlier run may have posted until it was killed. That run must have ended: two
    /// that run at the same time need a lock of their own. The wait is part of the time of the call, which must be longer,
    /// and there is none if the message is found at once.
    pub fn with_settle(mut self, settle: Duration) -> Self {
        self.endpoint.settle = Some(settle);
        self
    }
}

impl Endpoint for PostOnce {
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
        self.post.check()?;
        check(&self.sought)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.post.encode(to)
    }

    fn decode(&self, body: &[u8]) -> Result<ReconciledMessage, DecodeFailure> {
        let message_id = self.post.decode(body)?.message_id;
        Ok(ReconciledMessage { message_id, arrival: Arrival::Answered })
    }

    async fn send(request: Request<Self>) -> Result<Response<ReconciledMessage>, Error> {
        request.endpoint.check().map_err(|invalid| request.refused(invalid))?;
        let Request { endpoint: Self { post, sought, reconcile, settle }, client, options } = &request;
        let time = CallTime::begin(client.transport().settings(), options);
        let looking = Looking::Stored(LookFor::new(post.room_id, sought.clone()));
        let posting = ChatworkPost::begin(&request, post, looking, time).await?;
        let earlier = Earlier { fresh: &sought.fresh, settle: *settle };
        let posted = reconcile.course().once(&posting, &time, earlier).await?;
        Ok(posted.map(|(message_id, arrival)| ReconciledMessage { message_id, arrival }))
    }
}
