//! Writing messages.

use crate::chatwork::{AccountId, MessageId, RoomId};
use jiff::Timestamp;
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// A builder for messages in notation.
///
/// Every text is [escaped](escape): the message has only the tags that the methods write, so a user's text can be included.
/// Nothing is added between the parts; line breaks belong to the texts.
///
/// ```
/// use kaiwa::chatwork::{AccountId, MessageId, RoomId, notation::MessageBuilder};
///
/// let answer = MessageBuilder::new()
///     .reply(RoomId(7), &MessageId::from("8"), AccountId(1))
///     .text("Aliceさん\n")
///     .quote(AccountId(1), None, |quote| quote.text("いつですか"))
///     .text("明日です。");
/// assert_eq!(
///     answer.to_string(),
///     "[rp aid=1 to=7-8]Aliceさん\n[qt][qtmeta aid=1]いつですか[/qt]明日です。",
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use = "a message does nothing until it is posted"]
pub struct MessageBuilder {
    /// Notation in which every tag that holds others is closed, and in which no other bracket stands outside code.
    body: String,
}

impl MessageBuilder {
    /// An empty message.
    pub const fn new() -> Self {
        Self { body: String::new() }
    }

    /// Notation that another message was made of.
    pub(super) fn from_notation(body: String) -> Self {
        Self { body }
    }

    /// Text, with its brackets made full-width: `[toall]` becomes `［toall］`.
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        self.body.push_str(&escape(text.as_ref()));
        self
    }

    /// `[To:…]`, which notifies the account. The service's client writes the name after it: `.text(" Bob さん\n")`.
    pub fn to(self, account: AccountId) -> Self {
        self.tag(format_args!("[To:{account}]"))
    }

    /// `[toall]`, which notifies all members of the room.
    pub fn to_all(self) -> Self {
        self.tag(format_args!("[toall]"))
    }

    /// `[rp …]`: replies to `message` of `account` in `room`, and notifies the account.
    ///
    /// Message ids are numbers. If the id is not a number, which the service would not accept, the account is addressed with
    /// `[To:…]` instead.
    pub fn reply(self, room: RoomId, message: &MessageId, account: AccountId) -> Self {
        // Any other text could contain attributes or a tag.
        if super::kind::number(&message.0).is_none() {
            return self.to(account);
        }
        self.tag(format_args!("[rp aid={account} to={room}-{message}]"))
    }

    /// `[qt]…[/qt]`: a quote of `account`, with its time if known. `time` is written in whole seconds.
    pub fn quote(
        self,
        account: AccountId,
        time: Option<Timestamp>,
        content: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Self {
        // The notation has no times before 1970, and 0 means none.
        let quote = match time.map(Timestamp::as_second).filter(|seconds| *seconds > 0) {
            Some(seconds) => self.tag(format_args!("[qt][qtmeta aid={account} time={seconds}]")),
            None => self.tag(format_args!("[qt][qtmeta aid={account}]")),
        };
        quote.append(&content(MessageBuilder::new())).tag(format_args!("[/qt]"))
    }

    /// `[info]…[/info]`, a box. A blank title is omitted, since the service shows an empty one as text.
    pub fn info(
        self,
        title: impl AsRef<str>,
        content: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Self {
        let title = title.as_ref();
        let mut info = self.tag(format_args!("[info]"));
        if !title.trim().is_empty() {
            info = info.tag(format_args!("[title]{}[/title]", escape(title)));
        }
        info.append(&content(MessageBuilder::new())).tag(format_args!("[/info]"))
    }

    /// `[code]…[/code]`, which shows the text as it is. It cannot contain `[/code]`: the bracket of every `[/code`, in upper or
    /// lower case, becomes full-width.
    pub fn code(mut self, code: impl AsRef<str>) -> Self {
        const CLOSING: &str = "/code";
        self.body.push_str("[code]");
        let mut rest = code.as_ref();
        while let Some((before, after)) = rest.split_once('[') {
            self.body.push_str(before);
            let closes = after.get(..CLOSING.len()).is_some_and(|start| start.eq_ignore_ascii_case(CLOSING));
            self.body.push(if closes { '［' } else { '[' });
            rest = after;
        }
        self.body.push_str(rest);
        self.body.push_str("[/code]");
        self
    }

    /// `[hr]`, a rule. In the service's client a line break directly after it belongs to it.
    pub fn hr(self) -> Self {
        self.tag(format_args!("[hr]"))
    }

    /// `[picon:…]`, the account's icon.
    pub fn picon(self, account: AccountId) -> Self {
        self.tag(format_args!("[picon:{account}]"))
    }

    /// `[piconname:…]`, the account's icon and name.
    pub fn picon_name(self, account: AccountId) -> Self {
        self.tag(format_args!("[piconname:{account}]"))
    }

    /// `[pname:…]`, the account's name.
    pub fn pname(self, account: AccountId) -> Self {
        self.tag(format_args!("[pname:{account}]"))
    }

    /// Appends another message, with its tags.
    ///
    /// ```
    /// use kaiwa::chatwork::notation::MessageBuilder;
    ///
    /// let lines = ["一", "二"].iter().fold(MessageBuilder::new(), |list, line| list.text(line).text("\n"));
    /// assert_eq!(MessageBuilder::new().info("", |info| info.append(&lines)).as_str(), "[info]一\n二\n[/info]");
    /// ```
    pub fn append(mut self, other: &MessageBuilder) -> Self {
        self.body.push_str(&other.body);
        self
    }

    /// The message in notation.
    pub fn as_str(&self) -> &str {
        &self.body
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    fn tag(mut self, tag: fmt::Arguments<'_>) -> Self {
        self.body.write_fmt(tag).expect("writing to a String does not fail");
        self
    }
}

impl fmt::Display for MessageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.body)
    }
}

/// Escaped text.
impl From<&str> for MessageBuilder {
    fn from(text: &str) -> Self {
        Self::new().text(text)
    }
}

/// Escaped text.
impl From<String> for MessageBuilder {
    fn from(text: String) -> Self {
        Self::new().text(text)
    }
}

/// Escaped text.
impl From<Cow<'_, str>> for MessageBuilder {
    fn from(text: Cow<'_, str>) -> Self {
        Self::new().text(text)
    }
}

impl From<&MessageBuilder> for MessageBuilder {
    fn from(message: &MessageBuilder) -> Self {
        message.clone()
    }
}

impl From<MessageBuilder> for String {
    fn from(message: MessageBuilder) -> Self {
        message.body
    }
}

impl AsRef<str> for MessageBuilder {
    fn as_ref(&self) -> &str {
        &self.body
    }
}

/// Escapes text: `[` and `]` become `［` and `］`.
///
/// The service has no escape, and this is the customary substitute. All brackets are replaced, since a list of known tags
/// would miss unknown ones, and since texts are put next to each other. The result holds no bracket, so no tag can begin, end
/// or continue in it. A bracket in an address breaks the link; write `%5B` there.
///
/// ```
/// use kaiwa::chatwork::notation::escape;
///
/// assert_eq!(escape("[toall] a[0]"), "［toall］ a［0］");
/// ```
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['[', ']']) {
        return Cow::Borrowed(text);
    }
    let replace = |character| match character {
        '[' => '［',
        ']' => '］',
        other => other,
    };
    Cow::Owned(text.chars().map(replace).collect())
}
