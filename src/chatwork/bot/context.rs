//! What a handler is given.

use super::ReceivedMessage;
use crate::Request;
use crate::chatwork::notation::{Mention, Message, parse};
use crate::chatwork::operations::PostMessage;
use crate::chatwork::{AccountId, Client, RoomHandle};
use std::borrow::Cow;
use std::sync::Arc;

/// A message to be handled, and the means to answer it.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) client: Client,
    pub(super) me: AccountId,
    pub(super) message: Arc<ReceivedMessage>,
}

impl Context {
    /// The message.
    pub fn message(&self) -> &ReceivedMessage {
        &self.message
    }

    /// The bot's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The bot's account.
    pub fn me(&self) -> AccountId {
        self.me
    }

    /// The room that the message is in.
    pub fn room(&self) -> RoomHandle {
        self.client.room(self.message.room_id)
    }

    /// A post that answers the message, and notifies its author: `[rp …]`, and the text on the next line.
    ///
    /// Text is made harmless, so that what a user typed can be sent back; a [`notation::Message`](Message) keeps its
    /// tags. It is an ordinary request, sent when it is awaited:
    ///
    /// ```no_run
    /// # async fn handler(context: kaiwa::chatwork::bot::Context) -> Result<(), kaiwa::Error> {
    /// use kaiwa::chatwork::Reconcile;
    /// use kaiwa::chatwork::notation::Message;
    ///
    /// context.reply(context.plain_text()).await?;
    /// context.reply(Message::new().code("cargo test")).self_unread(true).await?;
    /// context.reply("受け付けました").with_reconcile(Reconcile::new().account(context.me())).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reply(&self, text: impl Into<Message>) -> Request<PostMessage> {
        let ReceivedMessage { room_id, message_id, account_id, .. } = &*self.message;
        let answer = Message::new().reply(*room_id, message_id, *account_id);
        self.room().post(answer.text("\n").append(&text.into()))
    }

    /// A post that notifies the author without answering this message: `[To:…]`, and the text on the next line.
    /// Otherwise as [`reply`](Self::reply).
    pub fn mention(&self, text: impl Into<Message>) -> Request<PostMessage> {
        let to = Message::new().to(self.message.account_id);
        self.room().post(to.text("\n").append(&text.into()))
    }

    /// Whether the message names the bot, or answers it. `[toall]` names nobody.
    pub fn mentions_me(&self) -> bool {
        parse(&self.message.body).mentions().any(|mention| mention == Mention::Account(self.me))
    }

    /// What the message says, [without its markup](crate::chatwork::notation::Document::plain_text).
    pub fn plain_text(&self) -> Cow<'_, str> {
        parse(&self.message.body).plain_text()
    }
}
