//! The kinds of nodes in a message.

use crate::chatwork::{AccountId, FileId, MessageId, RoomId};
use jiff::Timestamp;

/// What a [`Node`](super::Node) is. Cheap to copy: text is borrowed from the message.
///
/// [`Quote`](Self::Quote), [`Info`](Self::Info), [`Title`](Self::Title) and [`Task`](Self::Task) have children; the
/// other kinds have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// Text, including everything that only looks like a tag. Two text nodes are never next to each other.
    Text(&'a str),
    /// `[To:1]`, which notifies the account.
    To(AccountId),
    /// `[toall]`, which notifies all members of the room.
    ToAll,
    /// `[rp aid=1 to=2-3]` or `[返信 aid=1 to=2-3]`, which notifies the account. A colon in place of the hyphen was seen too.
    Reply(Reply<'a>),
    /// `[qt]…[/qt]` or `[引用 aid=1 time=2]…[/引用]`.
    Quote(Option<QuoteMeta>),
    /// `[info]…[/info]`, a box. Its [title](super::Node::title), if it has one, is its first child.
    Info,
    /// `[title]…[/title]`, directly after `[info]`.
    Title,
    /// `[code]…[/code]`, with the text in between, in which nothing is a tag.
    Code(&'a str),
    /// `[hr]`, a rule across the message.
    Hr,
    /// `[picon:1]`, the account's icon.
    Picon(AccountId),
    /// `[piconname:1]`, the account's icon and name.
    PiconName(AccountId),
    /// `[pname:1]`, the account's name.
    Pname(AccountId),
    /// `[url]…[/url]`, with the text in between. Bare addresses, which are linked as well, stay text.
    Url(&'a str),
    /// `[task aid=1,2 st=open lt=3]…[/task]`, in the service's own messages about tasks.
    Task(Task<'a>),
    /// `[preview id=1 ht=16]`, the picture of a file.
    Preview(Preview),
    /// `[download:1]name (size)[/download]`, in the service's own messages about files.
    Download(Download<'a>),
    /// `[dtext:key]`: words that each reader's client puts in the reader's language, such as `file_uploaded`.
    Dtext(&'a str),
    /// `[deleted]` as the whole message, which is what is left of one that was deleted.
    Deleted,
    /// `[cc:1]`, a live (call) of that number.
    Live(u64),
    /// What has the shape of a tag but is not one of the above. The service shows it as it is written.
    Unknown(UnknownTag<'a>),
}

impl Kind<'_> {
    pub(super) fn is_container(&self) -> bool {
        matches!(self, Self::Quote(_) | Self::Info | Self::Title | Self::Task(_))
    }
}

/// The message that a message replies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply<'a> {
    /// The author of that message.
    pub account: AccountId,
    /// The room of that message.
    pub room: RoomId,
    /// The id of that message, as it is written: decimal digits.
    pub message: &'a str,
}

impl Reply<'_> {
    /// The id of that message.
    pub fn message_id(&self) -> MessageId {
        MessageId(self.message.to_owned())
    }
}

/// The author and the time of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuoteMeta {
    /// The author of the quoted message.
    pub account: AccountId,
    /// When it was sent.
    pub time: Option<Timestamp>,
}

/// A task in a message of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task<'a> {
    /// The assignees.
    pub accounts: AccountIds<'a>,
    /// Its state as it is written, `open` or `done`.
    pub status: Option<&'a str>,
    /// When it is due.
    pub limit: Option<Timestamp>,
    /// How the limit is meant: `date` for the day, `time` for the time of the day.
    pub limit_type: Option<&'a str>,
}

/// The accounts of a [`Task`], read from the message as they are asked for.
///
/// ```
/// use kaiwa::chatwork::{AccountId, notation::{Kind, parse}};
///
/// let document = parse("[task aid=1,2 st=open lt=0]掃除[/task]");
/// let Some(Kind::Task(task)) = document.nodes().next().map(|node| node.kind()) else { panic!() };
/// assert!(task.accounts.iter().eq([AccountId(1), AccountId(2)]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountIds<'a>(&'a str);

impl<'a> AccountIds<'a> {
    /// `None` unless every part is an id.
    pub(super) fn read(list: &'a str) -> Option<Self> {
        list.split(',').all(|id| number(id).is_some()).then_some(Self(list))
    }

    /// The accounts, in the order they are written.
    pub fn iter(self) -> impl Iterator<Item = AccountId> + 'a {
        self.0.split(',').filter_map(number).map(AccountId)
    }
}

/// The picture of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// The file.
    pub file: FileId,
    /// How high the picture is shown, in pixels.
    pub height: Option<u64>,
}

/// A link to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Download<'a> {
    /// The file.
    pub file: FileId,
    /// The text of the link: the file's name and, in parentheses, its size.
    pub label: &'a str,
}

/// `[name]`, `[name:value]`, `[name attribute=value]` or `[/name]`, with a name that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownTag<'a> {
    /// The name: ASCII letters, digits, `_` and `-`, a letter first.
    pub name: &'a str,
    /// Everything between the name and `]`, with the leading `:` or space.
    pub rest: &'a str,
    /// Whether it is `[/name]`.
    pub closing: bool,
}

/// A number as tags write it: decimal digits and nothing else.
pub(super) fn number(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
