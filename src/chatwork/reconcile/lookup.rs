//! One look for a message in its room.

use super::newest::{missing, newest, rows};
use super::sought::{Sought, check};
use crate::Unsure;
use crate::chatwork::operations::ListMessages;
use crate::chatwork::{Chatwork, Message, MessageId, RoomHandle, RoomId};
use crate::error::Error;
use crate::input::InvalidInput;
use crate::operation::{Operation, Safety};
use crate::reconcile::{Found, Since};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::{Encoder, Payload};
use crate::wire::DecodeFailure;
use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// A look for a message that may have been posted: [`RoomHandle::look_for`].
#[derive(Clone, Debug)]
pub struct LookFor {
    list: ListMessages,
    sought: Sought,
}

impl LookFor {
    pub(super) fn new(room: RoomId, sought: Sought) -> Self {
        Self { list: newest(room), sought }
    }

    fn find(&self, messages: &[Message], missing: Option<Unsure>, since: Since) -> Found<MessageId> {
        let Sought { text, author, after, taken, .. } = &self.sought;
        rows(messages, *author, missing).find(text, since, after.as_ref(), |id| taken.contains(id))
    }
}

impl RoomHandle {
    /// Looks for a message that may have been posted, also by another run of the program, in the newest 100 messages of the
    /// room. It posts nothing.
    ///
    /// It is [`Found::No`] only if that is certain. Even then the message can come later, if its request is still on the way:
    /// [`post_once`](Self::post_once) waits for that. [`Sought`] says what a look does not see.
    ///
    /// It reads with `force=1`: [`Reconcile`](crate::chatwork::Reconcile#the-cursor-of-force0) has what that means for a reader
    /// with `force=0`.
    ///
    /// To see whether a message is there twice, look with its id in [`taken`](Sought::taken).
    pub fn look_for(&self, sought: &Sought) -> Request<LookFor> {
        self.call(LookFor::new(self.id, sought.clone()))
    }
}

impl Endpoint for LookFor {
    type Service = Chatwork;
    type Output = Found<MessageId>;
    const IS_ONE_REQUEST: bool = false;

    fn operation(&self) -> &'static Operation {
        self.list.operation()
    }

    fn safety(&self) -> Safety {
        self.list.safety()
    }

    fn room(&self) -> Option<u64> {
        self.list.room()
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.list.check()?;
        check(&self.sought)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.list.encode(to)
    }

    /// The headers say how much the list shows, so a body alone proves only what is in it.
    fn decode(&self, body: &[u8]) -> Result<Found<MessageId>, DecodeFailure> {
        let since = Since::stored(self.sought.since, &HeaderMap::new(), Timestamp::MAX);
        Ok(self.find(&self.list.decode(body)?, Some(Unsure::Incomplete), since))
    }

    async fn send(request: Request<Self>) -> Result<Response<Found<MessageId>>, Error> {
        request.endpoint.check().map_err(|invalid| request.refused(invalid))?;
        let look = request.endpoint.clone();
        let local = request.client.transport().clock().wall();
        let list = request.with_endpoint(|look| look.list).send().await?;
        let since = Since::stored(look.sought.since, list.headers(), local);
        let found = look.find(&list, missing(&list), since);
        Ok(list.map(|_| found))
    }
}
