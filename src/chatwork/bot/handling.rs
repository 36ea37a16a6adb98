//! One message: it is claimed, passed to the handler, and done.

use super::context::names;
use super::rooms::Taken;
use super::{Bot, Context, HandlerFailure, ReceivedMessage};
use crate::chatwork::watch::fingerprint;
use crate::chatwork::{AccountId, Client, RoomType};
use crate::handler::run;
use crate::webhook::claims::Attempt;
use futures::future::{Either, select};
use jiff::Timestamp;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a message is remembered, unless the cache needs the room.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

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
    // Before the claim, which is renewed only while the handler runs.
    know_room(&bot.client, me, &taken.message).await;
    let claim = match bot.claims.claim(key(bot, me, &taken.message), REMEMBERED).await {
        Ok(Attempt::New(claim)) => claim,
        Ok(Attempt::Done) => return (taken, End::Repeated),
        Ok(Attempt::Held(left)) => return (taken, End::Held(left)),
        Err(_) => return (taken, End::Unknown),
    };
    taken.begin();
    let context = Context::new(bot, me, Arc::clone(&taken.message), None);
    let result = match select(
        pin!(run(&*bot.claims.clock, bot.timeout, handler, context)),
        pin!(claim.keep()),
    )
    .await
    {
        Either::Left((result, _)) => result,
        Either::Right((never, _)) => match never {},
    };
    // A handler that failed may have done part of its work, so its message is done as well.
    claim.done().await;
    (taken, End::Handled(result))
}

/// Asks whether the room is a direct chat, where that is not known and makes a difference.
pub(super) async fn know_room(client: &Client, me: AccountId, message: &ReceivedMessage) {
    let (direct_chats, room) = (&client.state().direct_chats, message.room_id);
    // A watch of a single room reads no list of rooms. Messages of webhooks, which have no name, cost no calls.
    if message.name.is_none() || direct_chats.is_direct(room).is_some() || names(message, me) {
        return;
    }
    // If this fails, the message counts as one of a group chat, and the next one asks again.
    if let Ok(found) = client.room(room).get().await {
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
    // If edits are handled, every version of a message is distinct. Two versions within a second differ in the text.
    if bot.edits {
        let update = update_time.map_or(0, Timestamp::as_second);
        key.push_str(&format!(":{update}:{:08x}", fingerprint(body)));
    }
    key
}
