//! One look for a message on its board.

use super::sought::{Sought, check};
use crate::Unsure;
use crate::error::{Error, ErrorKind, Outcome};
use crate::input::InvalidInput;
use crate::lancers::operations::ListMessages;
use crate::lancers::{BoardHandle, BoardId, Direction, Lancers, Message, MessageId, PostMessage};
use crate::limits::date;
use crate::operation::Operation;
use crate::reconcile::{CallTime, Found, Row, Rows, Since};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::timer::within;
use crate::transport::{Encoder, Payload};
use crate::wire::DecodeFailure;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use std::collections::BTreeSet;

/// How many messages a page has.
const PAGE: i64 = 100;

/// How many messages a look reads at most.
const MOST: usize = 1000;

fn rows<'a>(messages: &'a [Message], author: &str, missing: Option<Unsure>) -> Rows<'a, MessageId> {
    let rows = messages.iter().map(|message| Row {
        id: &message.id,
        text: &message.description,
        is_own: message.send_user.as_ref().is_some_and(|user| user.name == author),
        sent: message.created,
        is_changed: message.created < message.modified,
    });
    Rows { rows: rows.collect(), missing }
}

/// A look for a message that may have been posted: [`BoardHandle::look_for`].
#[derive(Clone, Debug)]
pub struct LookFor {
    list: ListMessages,
    sought: Sought,
}

impl BoardHandle {
    /// Looks for a message that may have been posted, also by another run of the program, in at most 1,000 messages: those
    /// after [`Sought::after`](crate::Sought::after), or else the newest ones back to
    /// [`Sought::since`](crate::Sought::since). It posts nothing. **Inferred**: nothing of it was tried against the service.
    ///
    /// It is [`Found::No`] only if that is certain. Even then the message can come later, if its request is still on the way:
    /// [`post_once`](Self::post_once) waits for that. [`Sought`](crate::Sought) says what a look does not see.
    ///
    /// To see whether a message is there twice, look with its id in [`taken`](crate::Sought::taken).
    pub fn look_for(&self, sought: &Sought) -> Request<LookFor> {
        self.call(LookFor::new(self.id, sought.clone()))
    }

    /// Reads the newest messages of the board, so that a message of this user can be found among those after them: see
    /// [`post_once`](Self::post_once). It posts nothing. The user must be the one that the credential is of, by the login name.
    ///
    /// Call it right before the first post of the message, and store its result before that post.
    pub fn before_post(&self, text: impl Into<String>, author: impl Into<String>) -> Request<BeforePost> {
        let list = ListMessages {
            direction: Some(Direction::Prev),
            limit: Some(PAGE),
            ..ListMessages::new(self.id)
        };
        self.call(BeforePost { list, text: text.into(), author: author.into() })
    }
}

impl LookFor {
    pub(super) fn new(board: BoardId, sought: Sought) -> Self {
        let direction = if sought.after.is_some() { Direction::Next } else { Direction::Prev };
        let list = ListMessages {
            message_id: sought.after,
            direction: Some(direction),
            limit: Some(PAGE),
            ..ListMessages::new(board)
        };
        Self { list, sought }
    }

    fn find(&self, messages: &[Message], missing: Option<Unsure>, since: Since) -> Found<MessageId> {
        let Sought { text, author, after, taken, .. } = &self.sought;
        rows(messages, author, missing).find(text, since, after.as_ref(), |id| taken.contains(id))
    }

    /// Reads pages until nothing is missing, or there are too many.
    async fn read(
        &self,
        request: Request<ListMessages>,
        local: Timestamp,
    ) -> Result<Response<Found<MessageId>>, Error> {
        let (messages, response) = request.clone().send().await?.split();
        let since = Since::stored(self.sought.since, response.headers(), local);
        let is_far_enough = |messages: &[Message]| {
            self.sought.after.is_none() && messages.iter().any(|message| since.is_before(message.created))
        };
        // A list after a message has to begin with it.
        let mut missing = self.sought.after.map(|_| Unsure::Incomplete);
        let mut read = messages;
        while !is_far_enough(&read) {
            if read.len() >= MOST {
                // In a list that goes upwards, it is the newest messages that are missing.
                let found = self.find(&read, Some(Unsure::OutOfReach), since);
                let found = if found == Found::No { Found::Unsure(Unsure::OutOfReach) } else { found };
                return Ok(response.map(|()| found));
            }
            let Some(next) = self.next(&read) else { break };
            let page = request.clone().message_id(next).send().await?.into_inner();
            if page.is_empty() {
                break;
            }
            let known: BTreeSet<MessageId> = read.iter().map(|message| message.id).collect();
            let before = read.len();
            read.extend(page.into_iter().filter(|message| !known.contains(&message.id)));
            if read.len() == before {
                // The service does not heed where the page is to begin.
                missing = Some(Unsure::Incomplete);
                break;
            }
        }
        if is_far_enough(&read) {
            missing = Some(Unsure::OutOfReach);
        }
        Ok(response.map(|()| self.find(&read, missing, since)))
    }

    /// Where the next page begins: pages include the message that they begin at. A page may have fewer messages than it was
    /// asked for, so that only an empty one is the end.
    fn next(&self, read: &[Message]) -> Option<MessageId> {
        let ids = read.iter().map(|message| message.id.0);
        let next =
            if self.sought.after.is_some() { ids.max()?.checked_add(1) } else { ids.min()?.checked_sub(1) };
        next.filter(|id| *id > 0).map(MessageId)
    }
}

impl Endpoint for LookFor {
    type Service = Lancers;
    type Output = Found<MessageId>;
    const IS_ONE_REQUEST: bool = false;

    fn operation(&self) -> &'static Operation {
        self.list.operation()
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.list.check()?;
        check(&self.sought.author)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.list.encode(to)
    }

    /// One page proves only what is in it.
    fn decode(&self, body: &[u8]) -> Result<Found<MessageId>, DecodeFailure> {
        let since = Since::stored(self.sought.since, &HeaderMap::new(), Timestamp::MAX);
        Ok(self.find(&self.list.decode(body)?, Some(Unsure::Incomplete), since))
    }

    async fn send(request: Request<Self>) -> Result<Response<Found<MessageId>>, Error> {
        request.endpoint.check().map_err(|invalid| request.refused(invalid))?;
        let info = request.info();
        let client = request.client.clone();
        let settings = client.transport().settings();
        let time = CallTime::begin(settings, &request.options);
        let deadline = time.deadline;
        let look = request.endpoint.clone();
        let list = request.with_endpoint(|look| look.list);
        let read = look.read(list, settings.clock.wall());
        within(&*settings.clock, deadline, read).await.unwrap_or_else(|timeout| {
            Err(Error::new(ErrorKind::Timeout(timeout), Outcome::Unknown).with_call(info, 0))
        })
    }
}

/// The read before a message is posted: [`BoardHandle::before_post`].
#[derive(Clone, Debug)]
pub struct BeforePost {
    list: ListMessages,
    text: String,
    author: String,
}

impl BeforePost {
    fn sought(&self, messages: &[Message], since: Timestamp) -> Sought {
        Sought::new(&*self.text, self.author.clone(), since).before(&rows(messages, &self.author, None))
    }
}

impl Endpoint for BeforePost {
    type Service = Lancers;
    type Output = Sought;
    const IS_ONE_REQUEST: bool = false;

    fn operation(&self) -> &'static Operation {
        self.list.operation()
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.list.check()?;
        PostMessage::text(self.list.board_id, &*self.text).check()?;
        check(&self.author)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.list.encode(to)
    }

    /// Without the headers, which have the service's time, the newest message tells how late it is at least.
    fn decode(&self, body: &[u8]) -> Result<Sought, DecodeFailure> {
        let messages = self.list.decode(body)?;
        let since = messages.iter().filter_map(|message| message.created).max();
        Ok(self.sought(&messages, since.unwrap_or(Timestamp::UNIX_EPOCH)))
    }

    async fn send(request: Request<Self>) -> Result<Response<Sought>, Error> {
        request.endpoint.check().map_err(|invalid| request.refused(invalid))?;
        let before = request.endpoint.clone();
        let local = request.client.transport().clock().wall();
        let list = request.with_endpoint(|before| before.list).send().await?;
        let sought = before.sought(&list, date(list.headers()).unwrap_or(local));
        Ok(list.map(|_| sought))
    }
}
