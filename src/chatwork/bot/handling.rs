//! One message: it is claimed, passed to the handler, and done.

use super::context::names;
use super::rooms::Taken;
use super::{Bot, Context, HandlerFailure, ReceivedMessage};
use crate::RetryPolicy;
use crate::chatwork::watch::fingerprint;
use crate::chatwork::{AccountId, Client, RoomType};
use crate::handler::run;
use crate::webhook::claims::Attempt;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a message is remembered, unless the cache needs the room.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the question for the kind of a room may take: the room's messages wait for it.
const ASKING: Duration = Duration::from_secs(10);

/// What became of a message.
pub(super) enum End {
    /// The handler has ended.
    Handled(Result<(), HandlerFailure>),
    /// It is done already.
    Repeated,
    /// Another process handles it, or has died while it did. Its claim ends after this time.
    Held(Duration),
    /// The replay cache failed, and the policy is to wait for it.
    Unknown,
}

/// Claims the message and runs the handler.
pub(super) async fn handle<H, E>(bot: &Bot, me: AccountId, taken: Taken, handler: &H) -> (Taken, End)
where
    H: AsyncFn(Context) -> Result<(), E>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Also of a repeat: the service sends the message before the mention of it.
    learn_from_mention(&bot.client, me, &taken.message);
    let claim = match bot.claims.claim(key(bot, me, &taken.message), REMEMBERED).await {
        Ok(Attempt::New(claim)) => claim,
        Ok(Attempt::Done) => return (taken, End::Repeated),
        Ok(Attempt::Held(left)) => return (taken, End::Held(left)),
        Err(_) => return (taken, End::Unknown),
    };
    let work = async {
        know_room(&bot.client, me, &taken.message).await;
        taken.begin();
        let context = Context::new(bot, me, Arc::clone(&taken.message), None);
        run(&*bot.claims.clock, bot.timeout, handler, context).await
    };
    let result = match select(pin!(work), pin!(claim.keep())).await {
        Either::Left((result, _)) => result,
        Either::Right((never, _)) => match never {},
    };
    // A handler that failed may have done part of its work, so its message is done as well.
    claim.done().await;
    (taken, End::Handled(result))
}

/// Notes that the room is a direct chat if the service reports a mention that the text has not.
pub(super) fn learn_from_mention(client: &Client, me: AccountId, message: &ReceivedMessage) {
    let (direct_chats, room) = (&client.state().direct_chats, message.room_id);
    let tags = ["[To:", "[rp ", "[返信 ", "[toall]"];
    let is_tagged = || tags.iter().any(|tag| message.body.contains(tag));
    if message.mentioned == Some(me) && direct_chats.is_direct(room).is_none() && !is_tagged() {
        direct_chats.set(room, true);
    }
}

/// Asks whether the room is a direct chat, where that is not known and makes a difference: the message does not address the bot
/// otherwise. A watch of a single room and webhooks read no list of rooms.
pub(super) async fn know_room(client: &Client, me: AccountId, message: &ReceivedMessage) {
    let (direct_chats, room) = (&client.state().direct_chats, message.room_id);
    let transport = client.transport();
    if message.mentioned == Some(me)
        || direct_chats.is_direct(room).is_some()
        || names(message, me)
        || !direct_chats.begin_to_ask(room, transport.clock().now())
    {
        return;
    }
    let mut asking = client.room(room).get().with_retry(RetryPolicy::none());
    if let Some(timeout) = transport.settings().timeout {
        asking = asking.with_timeout(timeout.min(ASKING));
    }
    // If this fails, the message counts as one of a group chat.
    if let Ok(found) = asking.await {
        direct_chats.set(room, found.type_ == RoomType::Direct);
    }
}

/// What the message is remembered by.
fn key(bot: &Bot, me: AccountId, message: &ReceivedMessage) -> Arc<str> {
    format!("chatwork:bot-{me}:{}", version(bot, message)).into()
}

/// The message, by its ids, and the edit, if edits are handled.
pub(super) fn version(bot: &Bot, message: &ReceivedMessage) -> String {
    let ReceivedMessage { room_id, message_id, update_time, body, .. } = message;
    let mut key = format!("{room_id}:{message_id}");
    // If edits are handled, every version of a message is distinct. Two versions within a second differ in the text. What was never
    // edited has the same key without them.
    if let Some(update) = update_time.filter(|_| bot.edits) {
        key.push_str(&format!(":{}:{:08x}", update.as_second(), fingerprint(body)));
    }
    key
}
