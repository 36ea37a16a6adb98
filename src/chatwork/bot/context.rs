//! The argument of a handler.

use super::ReceivedMessage;
use crate::Request;
use crate::chatwork::notation::{Kind, Mention, MessageBuilder, Step, parse};
use crate::chatwork::operations::PostMessage;
use crate::chatwork::{AccountId, Client, RoomHandle};
use std::borrow::Cow;
use std::sync::Arc;

/// A message to handle, with the methods to reply to it.
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

    /// The room of the message.
    pub fn room(&self) -> RoomHandle {
        self.client.room(self.message.room_id)
    }

    /// A post that replies to the message, and notifies its author: `[rp …]`, and the text on the next line.
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
        let ReceivedMessage { room_id, message_id, account_id, .. } = &*self.message;
        let answer = MessageBuilder::new().reply(*room_id, message_id, *account_id);
        self.room().post(answer.text("\n").append(&text.into()))
    }

    /// A post that notifies the author without replying to this message: `[To:…]`, and the text on the next line. Otherwise as
    /// [`reply`](Self::reply).
    pub fn mention(&self, text: impl Into<MessageBuilder>) -> Request<PostMessage> {
        let to = MessageBuilder::new().to(self.message.account_id);
        self.room().post(to.text("\n").append(&text.into()))
    }

    /// Whether the message addresses the bot, or replies to it. `[toall]` does not count.
    pub fn mentions_me(&self) -> bool {
        parse(&self.message.body).mentions().any(|mention| mention == Mention::Account(self.me))
    }

    /// The text of the message, [without its markup](crate::chatwork::notation::Document::plain_text). It includes quotes, and
    /// the names after `[To:…]` and `[rp …]`. For commands, use [`own_text`](Self::own_text).
    pub fn plain_text(&self) -> Cow<'_, str> {
        parse(&self.message.body).plain_text()
    }

    /// The author's own text, for commands: [`plain_text`](Self::plain_text) without quotes, without the names that the
    /// service's page writes after `[To:…]` and `[rp …]`, and without surrounding white space.
    ///
    /// Such a name is recognised by its end: `さん`, followed by the end of the line or another tag. A name without it is kept,
    /// and a greeting that ends with it is removed.
    ///
    /// ```no_run
    /// # async fn handler(context: kaiwa::chatwork::bot::Context) -> Result<(), kaiwa::Error> {
    /// // "[To:1]Botさん\ndeploy" is a command. "[To:1]Botさん\n[qt]deploy[/qt]\nとは？" is a question.
    /// if context.mentions_me() && context.own_text() == "deploy" {
    ///     context.reply("始めます").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn own_text(&self) -> String {
        own_text(&self.message.body)
    }
}

fn own_text(body: &str) -> String {
    let document = parse(body);
    let (mut own, mut end) = (String::new(), 0);
    let mut walk = document.walk();
    while let Some(step) = walk.next() {
        let Step::Enter(node) = step else { continue };
        let range = node.range();
        let left_out = match node.kind() {
            Kind::Quote(_) => {
                walk.skip_children();
                range
            }
            Kind::To(_) | Kind::Reply(_) => match name(&body[range.end..]) {
                0 => continue,
                length => range.start..range.end + length,
            },
            _ => continue,
        };
        own.push_str(&body[end..left_out.start]);
        end = left_out.end;
        // The parts before and after stay separate, so they do not form new words or tags.
        if !own.is_empty() && !own.ends_with('\n') {
            own.push('\n');
        }
        if own.ends_with('\n') && body[end..].starts_with('\n') {
            end += 1;
        }
    }
    own.push_str(&body[end..]);
    parse(&own).plain_text().trim().to_owned()
}

/// The length of the name after an address, in bytes; 0 without one.
fn name(text: &str) -> usize {
    let name = text.split(['\n', '[']).next().unwrap_or_default();
    if name.trim_end().ends_with("さん") { name.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::own_text;
    use proptest::prelude::*;

    #[test]
    fn commands_are_neither_quoted_nor_names() {
        let texts = [
            ("deploy", "deploy"),
            ("[To:1] deploy", "deploy"),
            ("[To:1]Botさん\ndeploy --now", "deploy --now"),
            ("[To:1]Bot さん \r\n[To:2] Aliceさん\n\ndeploy", "deploy"),
            ("[To:1][To:2] deploy", "deploy"),
            ("[To:1]Botさん[To:2]Aliceさん\ndeploy", "deploy"),
            ("a [To:2] b", "a  b"),
            ("a [To:2]Aliceさん\nb", "a \nb"),
            ("[To:1]Bot\ndeploy", "Bot\ndeploy"),
            ("[rp aid=1 to=10-5] Botさん\ndeploy", "deploy"),
            ("[rp aid=1 to=10-5]\ndeploy", "deploy"),
            ("[To:1]Botさん\n[qt][qtmeta aid=2 time=1]deploy[/qt]\nとは？", "とは？"),
            ("a[qt]deploy[/qt]b", "a\nb"),
            ("a\n[qt]deploy[/qt]\nb", "a\nb"),
            ("[info]a[qt]b[qt]c[/qt]d[/qt]e[/info]", "a\ne"),
            ("[qt]deploy[/qt]", ""),
            ("[T[qt]x[/qt]o:1]", "[T\no:1]"),
            ("[code]deploy[/code]", "deploy"),
            ("", ""),
        ];
        for (body, own) in texts {
            assert_eq!(own_text(body), own, "{body}");
        }
    }

    proptest! {
        #[test]
        fn quoted_text_is_not_part_of_the_message(before in "[a-c\\[\\]\n]{0,8}", quoted in "[x-z\n]{1,8}", after in "[a-c\\[\\]\n]{0,8}") {
            let own = own_text(&format!("{before}[qt]{quoted}[/qt]{after}"));
            prop_assert!(!own.contains(['x', 'y', 'z']), "{own}");
        }
    }
}
