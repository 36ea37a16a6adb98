//! Bots of TAS-CHA: messages from webhooks, or from polls of rooms.
//!
//! A bot of TAS-CHA is [durable](Bot::durable): its handler is the same as that of a durable bot of Chatwork, an
//! `AsyncFn(`[`DurableContext`](crate::bot::DurableContext)`)`.
//!
//! ```no_run
//! # #[cfg(feature = "webhooks")]
//! # async fn example(
//! #     store: impl kaiwa::outbox::OutboxStore, verifier: kaiwa::tascha::webhook::Verifier, request: kaiwa::tascha::webhook::RawDelivery<'_>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use kaiwa::bot::{DurableContext, Source};
//! use kaiwa::tascha::{self, bot::Bot};
//!
//! let tascha = tascha::Client::from_env()?;
//! let bot = Bot::new(tascha).durable(store);
//!
//! // In the server's handler; see `tascha::webhook`:
//! let inbox = bot.inbox();
//! let delivery = verifier.verify(request).await?;
//! inbox.push(delivery.clone()).await?; // on an error, respond with 503: the event is sent again
//! delivery.done().await;
//!
//! // Beside the server:
//! bot.run(Source::webhooks(), async |context: DurableContext| {
//!     context.reply("受け付けました").map(drop)
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is not documented
//!
//! TAS-CHA publishes neither what a delivery holds, nor how people address a bot. A message is looked for where others have it:
//! the body itself, or its fields `data`, `message` or `object`, with an `id` and a `body`. An event of another kind may hold a message
//! too. So if the delivery says its kind, in a text `event`, `type` or `eventType`, the kind must name something new (`creat`, `post`, `new`,
//! `sent`), and neither a change, a removal or a reaction, nor another thing than a message, such as a task. A message that was changed more than
//! a second after it was created is not new. [`Bot::read_with`] replaces all of this.
//!
//! A message without an author or a room is not handled, and a warning says so: the bot could not tell whether it wrote the
//! message itself, or where to reply.
//!
//! A message addresses the bot if it contains `@` and the bot's name; [`Bot::addressed_if`] replaces this.

use super::{Client, Message, RoomHandle, RoomId, UserId, requests};
use crate::Error;
use jiff::SignedDuration;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type ReadFn = dyn Fn(&Value) -> Option<Message> + Send + Sync;
type AddressedFn = dyn Fn(&Message) -> bool + Send + Sync;

/// A bot of TAS-CHA; see the [module](self).
#[derive(Clone)]
#[must_use = "a bot does nothing until it is run"]
pub struct Bot {
    client: Client,
    me: Option<Account>,
    read: Option<Arc<ReadFn>>,
    addressed: Option<Arc<AddressedFn>>,
}

/// The bot's own account.
#[derive(Clone)]
pub(crate) struct Account {
    id: UserId,
    name: Arc<str>,
}

impl Account {
    pub(crate) fn id(&self) -> &UserId {
        &self.id
    }

    pub(crate) fn wrote(&self, message: &Message) -> bool {
        message.author_id.as_ref() == Some(&self.id)
    }
}

/// What a bot is given.
pub(crate) enum Input {
    #[cfg(feature = "webhooks")]
    Delivery(Box<super::webhook::Delivery>),
    Message(Box<Message>),
}

impl Bot {
    /// A bot that uses this client and its clock.
    pub fn new(client: Client) -> Self {
        Self { client, me: None, read: None, addressed: None }
    }

    /// The bot's own account and its name. Without it the bot calls `GET /me` when it starts, and cannot run if that fails.
    pub fn me(mut self, user: impl Into<UserId>, name: impl Into<Arc<str>>) -> Self {
        self.me = Some(Account { id: user.into(), name: name.into() });
        self
    }

    /// Finds the new message in the JSON of a delivery; `None` if there is none, as in an event of another kind.
    pub fn read_with(mut self, read: impl Fn(&Value) -> Option<Message> + Send + Sync + 'static) -> Self {
        self.read = Some(Arc::new(read));
        self
    }

    /// Says whether a message is for the bot.
    pub fn addressed_if(mut self, addressed: impl Fn(&Message) -> bool + Send + Sync + 'static) -> Self {
        self.addressed = Some(Arc::new(addressed));
        self
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn known_account(&self) -> Option<Account> {
        self.me.clone()
    }

    pub(crate) async fn account(&self) -> Result<Account, Error> {
        if let Some(me) = &self.me {
            return Ok(me.clone());
        }
        let me = self.client.me().await?.into_inner();
        Ok(Account { id: me.id, name: me.name.into() })
    }

    pub(crate) fn to_store(&self, input: Input) -> Option<Message> {
        let message = match input {
            Input::Message(message) => Some(*message),
            #[cfg(feature = "webhooks")]
            Input::Delivery(delivery) => {
                let message = match &self.read {
                    Some(read) => read(&delivery.json),
                    None => find_message(&delivery.json),
                };
                if message.is_none() {
                    let event_id = delivery.event_id.as_ref();
                    tracing::debug!(event_id, "a delivery holds no message for the bot");
                }
                message
            }
        }?;
        if message.author_id.is_none() || message.room_id.is_none() {
            let (id, author, room) = (&message.id, message.author_id.is_some(), message.room_id.is_some());
            tracing::warn!(%id, author, room, "a message without an author or a room cannot be handled");
            return None;
        }
        Some(message)
    }

    pub(crate) fn received(&self, me: Account, message: Message) -> Received {
        Received { client: self.client.clone(), me, message, addressed: self.addressed.clone() }
    }
}

/// How much later than its creation a new message may say that it was updated: the two times may be set one after the other.
const UNCHANGED: SignedDuration = SignedDuration::from_secs(1);

/// The new message of a delivery, where it is expected to be.
#[cfg_attr(not(feature = "webhooks"), allow(dead_code))]
fn find_message(json: &Value) -> Option<Message> {
    const WITHIN: [&str; 3] = ["data", "message", "object"];
    let is_message = |value: &Value| ["id", "body"].iter().all(|name| value[name].is_string());
    let inner = WITHIN.iter().map(|name| (&json[name], [json, json]));
    let innermost =
        inner.clone().flat_map(|(value, _)| WITHIN.iter().map(move |name| (&value[name], [json, value])));
    let mut places = std::iter::once((json, [json, json])).chain(inner).chain(innermost);
    let (found, around) = places.find(|(value, _)| is_message(value))?;
    let message: Message = serde_json::from_value(found.clone()).ok()?;
    let is_changed = message
        .created_at
        .zip(message.updated_at)
        .is_some_and(|(created, updated)| updated.duration_since(created) > UNCHANGED);
    (!is_changed && is_creation(around)).then_some(message)
}

/// Whether these objects, as far as they say what kind of event they are, say that a message was created.
fn is_creation(around: [&Value; 2]) -> bool {
    const KINDS: [&str; 3] = ["event", "type", "eventType"];
    const CREATIONS: [&str; 4] = ["creat", "post", "new", "sent"];
    const OTHERS: [&str; 11] =
        ["updat", "edit", "chang", "modif", "delet", "remov", "unsen", "unpost", "restor", "react", "renew"];
    const THINGS: [&str; 8] =
        ["task", "record", "file", "member", "organization", "user", "webhook", "room."];
    let kinds = around.iter().flat_map(|json| KINDS.iter().filter_map(|name| json[name].as_str()));
    let kinds: Vec<_> = kinds.map(str::to_lowercase).collect();
    let any = |words: &[&str]| kinds.iter().any(|kind| words.iter().any(|word| kind.contains(word)));
    kinds.is_empty() || any(&CREATIONS) && !any(&OTHERS) && (any(&["message"]) || !any(&THINGS))
}

/// A message that a bot of TAS-CHA has received.
#[derive(Clone)]
pub struct Received {
    client: Client,
    me: Account,
    message: Message,
    addressed: Option<Arc<AddressedFn>>,
}

impl Received {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The bot's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The room of the message.
    pub fn room(&self) -> RoomHandle {
        self.client.room(self.room_id())
    }

    pub(crate) fn room_id(&self) -> RoomId {
        // Messages without a room are not stored.
        self.message.room_id.clone().unwrap_or_else(|| RoomId::from(""))
    }

    pub(crate) fn reply(&self, text: String) -> requests::CreateMessage {
        self.room().post(text).reply_to_message_id(self.message.id.clone())
    }

    pub(crate) fn is_addressed(&self) -> bool {
        match &self.addressed {
            Some(addressed) => addressed(&self.message),
            None => self.mentions().next().is_some(),
        }
    }

    /// The text without the bot's name at its beginning.
    pub(crate) fn own_text(&self) -> String {
        let text = self.message.body.trim();
        match self.mentions().find(|(start, _)| self.message.body[..*start].trim().is_empty()) {
            Some((_, end)) => {
                let rest = self.message.body[end..]
                    .trim_start_matches(|c: char| c.is_whitespace() || "、，,:：".contains(c));
                rest.trim_end().to_owned()
            }
            None => text.to_owned(),
        }
    }

    /// Where `@` and the bot's name stand, with a title after it. It is no part of a longer name.
    fn mentions(&self) -> impl Iterator<Item = (usize, usize)> {
        const TITLES: [&str; 4] = ["さん", "様", "さま", "san"];
        let (body, name) = (&self.message.body, &*self.me.name);
        let at = body.match_indices(['@', '＠']);
        at.filter_map(move |(start, sign)| {
            let rest = body[start + sign.len()..].strip_prefix(name).filter(|_| !name.is_empty())?;
            let end = body.len() - rest.len();
            if let Some(after) = TITLES.iter().find_map(|title| rest.strip_prefix(title)) {
                return Some((start, body.len() - after.len()));
            }
            (!rest.starts_with(char::is_alphanumeric)).then_some((start, end))
        })
    }
}

/// Reads rooms again and again, each for a unit of the month's.
///
/// Where a webhook can be set up, it is better: a room that is read every 5 seconds costs 518,400 units a month, of 20,000 in
/// the documentation's example.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until a bot runs it"]
pub struct Poll {
    pub(crate) rooms: Vec<RoomId>,
    pub(crate) every: Option<Duration>,
    pub(crate) share: f64,
}

impl Poll {
    /// Reads these rooms, of which there must be one at least, as often as half of the units allow that are left when the poll begins, and at
    /// each new month; at most every 5 seconds. The bot begins with the messages that are posted after its first run has started.
    ///
    /// What may be used, and what was used of it, is stored: another start is no new half.
    pub fn new<R: Into<RoomId>>(rooms: impl IntoIterator<Item = R>) -> Self {
        Self { rooms: rooms.into_iter().map(Into::into).collect(), every: None, share: 0.5 }
    }

    /// Reads each room this often. The run is refused if this is less than 5 seconds, or would use up more than the
    /// [share](Self::share) of the units; if fewer are left later, the rooms are read less often. To know what a round
    /// costs, the rooms are read once before.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = Some(interval);
        self
    }

    /// The share of a month's units that may be used for reading, from 0.01 to 1: of those that are left when the poll first begins or
    /// the month does. Default: one half.
    pub fn share(mut self, share: f64) -> Self {
        self.share = if share.is_nan() { 0.01 } else { share.clamp(0.01, 1.0) };
        self
    }
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot").field("client", &self.client).finish_non_exhaustive()
    }
}

/// The text is left out.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("id", &self.message.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn received(body: &str) -> Received {
        let client =
            Client::builder().api_key("x").base_url("http://127.0.0.1:1").build().expect("it is valid");
        let message = json!({ "id": "m1", "roomId": "r1", "body": body });
        let bot = Bot::new(client).me("u1", "受付");
        let me = bot.me.clone().expect("it is set");
        bot.received(me, serde_json::from_value(message).expect("it is a message"))
    }

    #[test]
    fn the_name_is_found_and_is_no_part_of_a_longer_one() {
        for (body, addressed, text) in [
            ("@受付 状態", true, "状態"),
            ("＠受付さん、状態は？", true, "状態は？"),
            ("@受付担当 状態", false, "@受付担当 状態"),
            ("状態を @受付 に聞く", true, "状態を @受付 に聞く"),
            ("受付 状態", false, "受付 状態"),
            ("@受付", true, ""),
            ("", false, ""),
        ] {
            let received = received(body);
            assert_eq!((received.is_addressed(), &*received.own_text()), (addressed, text), "{body}");
        }
    }

    #[test]
    fn a_message_is_found_where_deliveries_have_it() {
        let message = json!({ "id": "m1", "roomId": "r1", "body": "x", "authorId": "u2" });
        for json in [
            message.clone(),
            json!({ "data": message }),
            json!({ "event": "message.created", "data": { "message": message } }),
            json!({ "message": message }),
        ] {
            assert_eq!(find_message(&json).map(|found| found.id.to_string()), Some("m1".to_owned()));
        }
        for json in [json!(null), json!([1]), json!({ "data": { "id": "t1", "roomId": "r1", "title": "x" } })]
        {
            assert_eq!(find_message(&json), None);
        }
    }

    #[test]
    fn an_event_that_holds_a_message_is_not_always_a_new_message() {
        let message = json!({ "id": "m1", "roomId": "r1", "body": "x", "authorId": "u2", "kind": 1 });
        for kind in
            ["message.created", "MESSAGE_CREATED", "new_message", "room.message.posted", "thread.sent"]
        {
            for name in ["event", "type", "eventType"] {
                for json in [
                    json!({ name: kind, "data": message }),
                    json!({ name: kind, "data": { "message": message } }),
                    json!({ "data": { name: kind, "message": message } }),
                    json!({ "event": kind, "type": "event", "message": message }),
                ] {
                    assert!(find_message(&json).is_some(), "{json}");
                }
            }
        }
        let others = [
            "message.updated",
            "message.deleted",
            "message.reaction.created",
            "message.pinned",
            "message.unsent",
            "task.created",
            "created.then.edited",
            "",
        ];
        for kind in others {
            for json in [
                json!({ "event": kind, "data": { "message": message } }),
                json!({ "type": kind, "data": message }),
                json!({ "data": { "eventType": kind, "message": message } }),
            ] {
                assert_eq!(find_message(&json), None, "{json}");
            }
        }
        let at = |updated: &str| json!({ "id": "m1", "body": "x", "createdAt": "2026-11-01T00:00:00.000Z", "updatedAt": updated });
        assert!(find_message(&at("2026-11-01T00:00:00.004Z")).is_some());
        assert_eq!(find_message(&at("2026-11-01T00:00:02Z")), None);
    }

    #[test]
    fn a_message_needs_an_author_and_a_room() {
        let client =
            Client::builder().api_key("x").base_url("http://127.0.0.1:1").build().expect("it is valid");
        let bot = Bot::new(client);
        for (author, room, handled) in
            [(Some("u2"), Some("r1"), true), (None, Some("r1"), false), (Some("u2"), None, false)]
        {
            let message = json!({ "id": "m1", "roomId": room, "body": "x", "authorId": author });
            let message = serde_json::from_value(message).expect("it is a message");
            assert_eq!(bot.to_store(Input::Message(Box::new(message))).is_some(), handled);
        }
    }
}
