//! Looking for a message that may have arrived, and posting it only if it is certainly not there.
//!
//! **Inferred**, as the whole API: that ids grow with time, that a list goes on to its end, and that `direction=prev` without a
//! `message_id` begins with the newest message.

mod lookup;
mod sought;

pub use lookup::{BeforePost, LookFor};
pub use sought::Sought;

use super::{BoardHandle, Lancers, MessageId, PostMessage};
use crate::call::CallInfo;
use crate::client::Client;
use crate::error::Error;
use crate::input::InvalidInput;
use crate::operation::Operation;
#[doc(no_inline)]
pub use crate::reconcile::Arrival;
use crate::reconcile::{CallTime, Course, Earlier, Found, Posting};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::settings::Options;
use crate::transport::{Encoder, Payload};
use crate::wire::DecodeFailure;
use std::time::Duration;

/// A message that is certainly on its board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconciledMessage {
    /// The message's id.
    pub message_id: MessageId,
    /// How this is known.
    pub arrival: Arrival,
}

/// A post that looks first: [`BoardHandle::post_once`].
#[derive(Clone, Debug)]
pub struct PostOnce {
    post: PostMessage,
    sought: Sought,
    course: Course,
    settle: Option<Duration>,
}

impl BoardHandle {
    /// Posts the sought message, unless it is there already: for a program that may be killed at any moment and is then run
    /// again. **Inferred**: nothing of it was tried against the service.
    ///
    /// ```no_run
    /// # async fn example(board: kaiwa::lancers::BoardHandle) -> Result<(), Box<dyn std::error::Error>> {
    /// use kaiwa::lancers::Sought;
    /// use std::{fs, io::ErrorKind};
    ///
    /// let sought: Sought = match fs::read("notice.json") {
    ///     Ok(stored) => serde_json::from_slice(&stored)?,
    ///     // The first run. Stored before the message is posted, and moved to its place as a whole.
    ///     Err(error) if error.kind() == ErrorKind::NotFound => {
    ///         let sought = board.before_post("承知しました", "alice").await?.into_inner();
    ///         fs::write("notice.new", serde_json::to_vec(&sought)?)?;
    ///         fs::rename("notice.new", "notice.json")?;
    ///         sought
    ///     }
    ///     Err(error) => return Err(error.into()),
    /// };
    /// let sent = board.post_once(&sought).await?;
    /// println!("{} ({:?})", sent.message_id, sent.arrival);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// * The first time, with what [`before_post`](Self::before_post) returned, it looks once, in case another run was
    ///   faster, and posts.
    /// * With a `Sought` that was stored and read again, or that was used before, an earlier run may have posted, and its
    ///   request may still be on the way. If the message is not there, the call waits until that request can no longer arrive
    ///   (`with_settle`), looks again ([`with_lookups`](Request::with_lookups)), and then posts.
    /// * If the post itself has no usable response, it looks in the same way, and posts again if the message is certainly not
    ///   there, within the call's timeout, attempts and retry budget.
    ///
    /// [`Arrival::Found`] says that a look found it. [`Response::attempts`] counts the posts of this call, which can be none.
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
    /// A request that arrives later than `with_settle` allows for is a second message. The looks see
    /// only what [`Sought`](crate::Sought) describes. Two calls at the same time for equal texts can take the same message
    /// for theirs.
    pub fn post_once(&self, sought: &Sought) -> Request<PostOnce> {
        let post = PostMessage::text(self.id, &*sought.text);
        let course = Course { delay: Duration::from_secs(2), lookups: 2, repost: true };
        self.call(PostOnce { post, sought: sought.clone(), course, settle: None })
    }
}

impl Request<PostOnce> {
    /// How many times it is looked for before it is posted or posted again, and how long to wait before each time but the
    /// first. Default: twice, after 2 s; 0 counts as 1.
    pub fn with_lookups(mut self, lookups: u32, delay: Duration) -> Self {
        self.endpoint.course = Course { delay, lookups: lookups.max(1), ..self.endpoint.course };
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
    type Service = Lancers;
    type Output = ReconciledMessage;
    const IS_ONE_REQUEST: bool = false;

    fn operation(&self) -> &'static Operation {
        self.post.operation()
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.post.check()?;
        sought::check(&self.sought.author)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.post.encode(to)
    }

    fn decode(&self, body: &[u8]) -> Result<ReconciledMessage, DecodeFailure> {
        let message_id = self.post.decode(body)?.id;
        Ok(ReconciledMessage { message_id, arrival: Arrival::Answered })
    }

    async fn send(request: Request<Self>) -> Result<Response<ReconciledMessage>, Error> {
        request.endpoint.check().map_err(|invalid| request.refused(invalid))?;
        let Request { endpoint: Self { post, sought, course, settle }, client, options } = &request;
        let time = CallTime::begin(client.transport().settings(), options);
        let look = LookFor::new(post.board(), sought.clone());
        let posting = LancersPost { client, post, info: request.info(), look, time };
        let earlier = Earlier { fresh: &sought.fresh, settle: *settle };
        let posted = course.once(&posting, &time, earlier).await?;
        Ok(posted.map(|(message_id, arrival)| ReconciledMessage { message_id, arrival }))
    }
}

/// A message that is being posted to a board.
struct LancersPost<'a> {
    client: &'a Client<Lancers>,
    post: &'a PostMessage,
    info: CallInfo,
    look: LookFor,
    time: CallTime<'a>,
}

impl Posting for LancersPost<'_> {
    type Id = MessageId;

    fn info(&self) -> CallInfo {
        self.info.clone()
    }

    async fn post(&self, options: Options) -> Result<Response<MessageId>, Error> {
        let request = Request { options, ..self.client.call(self.post.clone()) };
        Ok(request.send().await?.map(|message| message.id))
    }

    async fn look(&self) -> Result<Response<Found<MessageId>>, Error> {
        Request { options: self.time.reading(), ..self.client.call(self.look.clone()) }.send().await
    }
}
