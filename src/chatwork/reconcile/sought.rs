//! What a message is looked for by, in a form that can be stored.

use super::newest::{newest, rows};
use crate::chatwork::operations::{ListMessages, PostMessage};
use crate::chatwork::{AccountId, Chatwork, Message, MessageId, RoomHandle};
use crate::error::Error;
use crate::input::{self, InvalidInput};
use crate::limits::date;
use crate::operation::{Operation, Safety};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use crate::transport::{Encoder, Payload};
use crate::wire::DecodeFailure;
use jiff::Timestamp;

/// A message that is to be posted to a room, and what a later run of the program looks for it by.
///
/// ```
/// use kaiwa::chatwork::{AccountId, Sought};
///
/// let stored = r#"{"text":"ビルドが通りました","author":1,"since":"2026-01-05T00:00:00Z","after":"999","taken":["998"]}"#;
/// let sought: Sought = serde_json::from_str(stored)?;
/// let same = Sought::new("ビルドが通りました", AccountId(1), "2026-01-05T00:00:00Z".parse()?);
/// assert_eq!(sought, same.after("999").taken(["998"]));
/// assert_eq!(serde_json::to_string(&sought)?, stored);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Sought = crate::Sought<MessageId, AccountId>;

pub(super) fn check(sought: &Sought) -> Result<(), InvalidInput> {
    input::positive("author", sought.author.0)
}

/// The read before a message is posted: [`RoomHandle::before_post`].
#[derive(Clone, Debug)]
pub struct BeforePost {
    list: ListMessages,
    text: String,
    author: AccountId,
}

impl RoomHandle {
    /// Reads the newest messages of the room, so that a message of this account can be found among those after them: see
    /// [`post_once`](Self::post_once). It posts nothing. The account must be that of the token.
    ///
    /// Call it right before the first post of the message, and store its result before that post.
    pub fn before_post(&self, text: impl Into<String>, author: AccountId) -> Request<BeforePost> {
        self.call(BeforePost { list: newest(self.id), text: text.into(), author })
    }
}

impl BeforePost {
    fn sought(&self, messages: &[Message], since: Timestamp) -> Sought {
        Sought::new(&*self.text, self.author, since).before(&rows(messages, self.author, None))
    }
}

impl Endpoint for BeforePost {
    type Service = Chatwork;
    type Output = Sought;
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
        PostMessage::new(self.list.room_id, &*self.text).check()?;
        input::positive("author", self.author.0)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.list.encode(to)
    }

    /// Without the headers, which have the service's time, the newest message tells how late it is at least.
    fn decode(&self, body: &[u8]) -> Result<Sought, DecodeFailure> {
        let messages = self.list.decode(body)?;
        let since = messages.iter().map(|message| message.send_time).max();
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
