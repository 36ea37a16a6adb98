//! The argument of a handler.

use super::names::Names;
use super::{Bot, ReceivedMessage};
#[cfg(feature = "clap")]
use crate::chatwork::notation::Heard;
use crate::chatwork::notation::{Mention, MessageBuilder, parse};
use crate::chatwork::operations::PostMessage;
use crate::chatwork::{AccountId, Client, RoomHandle};
use crate::{Error, Request};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A message to handle, with the methods to reply to it.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) client: Client,
    pub(super) me: AccountId,
    pub(super) names: Names,
    pub(super) honorific: Option<Arc<str>>,
    pub(super) message: Arc<ReceivedMessage>,
    /// Where the bot's own replies go, unless they are posted at once.
    #[cfg_attr(not(feature = "clap"), allow(dead_code))]
    pub(super) queue: Option<ReplyQueue>,
    #[cfg(feature = "clap")]
    pub(super) commands: super::commands::Settings,
}

/// Takes the text of a post into the room of the message.
#[derive(Clone)]
#[cfg_attr(not(feature = "clap"), allow(dead_code))]
pub(crate) struct ReplyQueue(pub(crate) Arc<dyn Fn(MessageBuilder) -> Result<(), Error> + Send + Sync>);

impl fmt::Debug for ReplyQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyQueue")
    }
}

impl Context {
    pub(crate) fn new(
        bot: &Bot,
        me: AccountId,
        message: Arc<ReceivedMessage>,
        queue: Option<ReplyQueue>,
    ) -> Self {
        Self {
            client: bot.client.clone(),
            me,
            names: bot.names.clone(),
            honorific: bot.honorific.clone(),
            message,
            queue,
            #[cfg(feature = "clap")]
            commands: bot.commands.clone(),
        }
    }

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

    /// The room of the message.
    pub fn room(&self) -> RoomHandle {
        self.client.room(self.message.room_id)
    }

    /// A post that replies to the message, and notifies its author: `[rp …]`, and the text on the next line. With an
    /// [`honorific`](super::Bot::honorific) the author's name follows the tag.
    ///
    /// Text is escaped, so a user's text can be sent back; a [`notation::MessageBuilder`](MessageBuilder) keeps its tags. This
    /// is an ordinary request, sent when it is awaited:
    ///
    /// ```no_run
    /// # async fn handler(context: kaiwa::chatwork::bot::Context) -> Result<(), kaiwa::Error> {
    /// use kaiwa::chatwork::Reconcile;
    /// use kaiwa::chatwork::notation::MessageBuilder;
    ///
    /// context.reply(context.plain_text()).await?;
    /// context.reply(MessageBuilder::new().code("cargo test")).self_unread(true).await?;
    /// context.reply("受け付けました").with_reconcile(Reconcile::new().account(context.me())).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reply(&self, text: impl Into<MessageBuilder>) -> Request<PostMessage> {
        self.room().post(self.reply_text(&text.into()))
    }

    /// Posts this into the room, or queues it if the bot is durable.
    #[cfg(feature = "clap")]
    pub(super) async fn say(&self, text: MessageBuilder) -> Result<(), Error> {
        match &self.queue {
            Some(queue) => (queue.0)(text),
            None => self.room().post(text).await.map(drop),
        }
    }

    /// The text of a reply.
    pub(crate) fn reply_text(&self, text: &MessageBuilder) -> MessageBuilder {
        let ReceivedMessage { room_id, message_id, account_id, .. } = &*self.message;
        let answer = MessageBuilder::new().reply(*room_id, message_id, *account_id);
        self.named(answer).text("\n").append(text)
    }

    /// A post that notifies the author without replying to this message: `[To:…]`, and the text on the next line. Otherwise as
    /// [`reply`](Self::reply).
    pub fn mention(&self, text: impl Into<MessageBuilder>) -> Request<PostMessage> {
        let to = MessageBuilder::new().to(self.message.account_id);
        self.room().post(self.named(to).text("\n").append(&text.into()))
    }

    /// Whether the message addresses the bot, or replies to it. `[toall]` does not count.
    ///
    /// A `mention_to_me` does whatever its text is, also `[toall]` or none: the service says so. So does every message in a
    /// direct chat, where people write no tag.
    pub fn mentions_me(&self) -> bool {
        self.message.mentioned == Some(self.me) || self.is_direct() || names(&self.message, self.me)
    }

    /// Whether the room is a direct chat, as far as the bot [knows](super::Bot#direct-chats).
    pub fn is_direct(&self) -> bool {
        self.client.state().direct_chats.is_direct(self.message.room_id) == Some(true)
    }

    /// The text of the message, [without its markup](crate::chatwork::notation::Document::plain_text). It includes quotes, and
    /// the names after `[To:…]` and `[rp …]`. For commands, use [`own_text`](Self::own_text).
    pub fn plain_text(&self) -> Cow<'_, str> {
        parse(&self.message.body).plain_text()
    }

    /// The author's own text, for commands: without quotes, and without the names that people's pages write after `[To:…]` and
    /// `[rp …]`, as far as the bot [knows](super::Bot#names) them. A person whom the author mentions later keeps the name. All
    /// other words stay;
    /// [`Document::own_text`](crate::chatwork::notation::Document::own_text) has the rules.
    ///
    /// ```no_run
    /// # async fn handler(context: kaiwa::chatwork::bot::Context) -> Result<(), kaiwa::Error> {
    /// // "[To:1]Bot\ndeploy" is a command. "[To:1]Bot\n[qt]deploy[/qt]\nとは？" is a question.
    /// if context.mentions_me() && context.own_text() == "deploy" {
    ///     context.reply("始めます").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn own_text(&self) -> String {
        parse(&self.message.body).own_text(self.me, |account| self.names.of(account))
    }

    /// The own text, and whom the addresses before it name.
    #[cfg(feature = "clap")]
    pub(super) fn heard(&self) -> Heard {
        parse(&self.message.body).heard(self.me, |account| self.names.of(account))
    }

    /// `[pname:…]` and the honorific, if there is one.
    fn named(&self, address: MessageBuilder) -> MessageBuilder {
        match &self.honorific {
            Some(honorific) => address.pname(self.message.account_id).text(honorific),
            None => address,
        }
    }
}

/// Whether the text of the message addresses the account.
pub(super) fn names(message: &ReceivedMessage, account: AccountId) -> bool {
    parse(&message.body).mentions().any(|mention| mention == Mention::Account(account))
}
