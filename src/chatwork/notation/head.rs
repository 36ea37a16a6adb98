//! One tag, from the text between its brackets.

use super::kind::{AccountIds, Kind, Preview, QuoteMeta, Reply, Task, UnknownTag, number};
use crate::chatwork::{AccountId, FileId, RoomId};
use jiff::Timestamp;

/// The content of a pair of brackets.
pub(super) enum Head<'a> {
    /// A tag that is complete.
    Single(Kind<'a>),
    /// A tag whose content is read literally up to its closing tag.
    Literal(Literal),
    /// A tag whose content is notation, if it is closed.
    Open(Container, Kind<'a>),
    /// The end of such a tag.
    Close(Container),
    /// Not a tag.
    Text,
}

/// A tag with literal content.
#[derive(Clone, Copy)]
pub(super) enum Literal {
    Code,
    Url,
    Download(FileId),
}

/// A tag that holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Quote,
    QuoteAlias,
    Info,
    Title,
    Task,
}

impl Container {
    pub(super) const COUNT: usize = 5;
}

/// Reads the text between `[` and `]`. Names are case-sensitive, as in the service.
pub(super) fn read(inner: &str) -> Head<'_> {
    // Most brackets in prose end here.
    match inner.as_bytes().first() {
        Some(b'/') => return close(&inner[1..]),
        Some(b'A'..=b'Z' | b'a'..=b'z' | 0x80..) => {}
        _ => return Head::Text,
    }
    let name_end = inner.bytes().position(|byte| byte == b':' || byte == b' ').unwrap_or(inner.len());
    let (name, rest) = inner.split_at(name_end);
    known(name, rest).unwrap_or_else(|| {
        if is_known(name) || !is_tag_name(name) || !is_tag_rest(rest) {
            return Head::Text;
        }
        Head::Single(Kind::Unknown(UnknownTag { name, rest, closing: false }))
    })
}

/// Reads a `qtmeta`, which is only valid directly after `[qt]`.
pub(super) fn quote_meta(inner: &str) -> Option<QuoteMeta> {
    let [account, time] = attributes(inner.strip_prefix("qtmeta")?, ["aid", "time"])?;
    Some(QuoteMeta { account: AccountId(number(account?)?), time: optional_time(time)? })
}

fn known<'a>(name: &str, rest: &'a str) -> Option<Head<'a>> {
    let account = || Some(AccountId(number(rest.strip_prefix(':')?)?));
    let bare = rest.is_empty();
    Some(match name {
        "To" => Head::Single(Kind::To(account()?)),
        "toall" if bare => Head::Single(Kind::ToAll),
        "hr" if bare => Head::Single(Kind::Hr),
        "picon" => Head::Single(Kind::Picon(account()?)),
        "piconname" => Head::Single(Kind::PiconName(account()?)),
        "pname" => Head::Single(Kind::Pname(account()?)),
        "cc" => Head::Single(Kind::Live(number(rest.strip_prefix(':')?)?)),
        "dtext" => Head::Single(Kind::Dtext(system_key(rest.strip_prefix(':')?)?)),
        "rp" | "返信" => Head::Single(Kind::Reply(reply(rest)?)),
        "preview" => {
            let [id, height] = attributes(rest, ["id", "ht"])?;
            let height = height.map_or(Some(None), |height| number(height).map(Some))?;
            Head::Single(Kind::Preview(Preview { file: FileId(number(id?)?), height }))
        }
        "code" if bare => Head::Literal(Literal::Code),
        "url" if bare => Head::Literal(Literal::Url),
        "download" => Head::Literal(Literal::Download(FileId(number(rest.strip_prefix(':')?)?))),
        "info" if bare => Head::Open(Container::Info, Kind::Info),
        "title" if bare => Head::Open(Container::Title, Kind::Title),
        "qt" if bare => Head::Open(Container::Quote, Kind::Quote(None)),
        "引用" => {
            let [account, time] = attributes(rest, ["aid", "time"])?;
            let meta = QuoteMeta { account: AccountId(number(account?)?), time: optional_time(time)? };
            Head::Open(Container::QuoteAlias, Kind::Quote(Some(meta)))
        }
        "task" => {
            let [accounts, status, limit, limit_type] = attributes(rest, ["aid", "st", "lt", "ltype"])?;
            let accounts = AccountIds::read(accounts?)?;
            let task = Task { accounts, status, limit: optional_time(limit)?, limit_type };
            Head::Open(Container::Task, Kind::Task(task))
        }
        _ => return None,
    })
}

/// Names whose malformed tags are text. `deleted` is not among them: only its position, which is not known here, makes it more
/// than an unknown tag.
fn is_known(name: &str) -> bool {
    matches!(
        name,
        "To" | "toall"
            | "hr"
            | "picon"
            | "piconname"
            | "pname"
            | "cc"
            | "dtext"
            | "rp"
            | "preview"
            | "code"
            | "url"
            | "download"
            | "info"
            | "title"
            | "qt"
            | "qtmeta"
            | "task"
    )
}

fn close(name: &str) -> Head<'_> {
    match name {
        "qt" => Head::Close(Container::Quote),
        "引用" => Head::Close(Container::QuoteAlias),
        "info" => Head::Close(Container::Info),
        "title" => Head::Close(Container::Title),
        "task" => Head::Close(Container::Task),
        _ if is_known(name) || !is_tag_name(name) => Head::Text,
        _ => Head::Single(Kind::Unknown(UnknownTag { name, rest: "", closing: true })),
    }
}

fn reply(rest: &str) -> Option<Reply<'_>> {
    let [account, to] = attributes(rest, ["aid", "to"])?;
    // The colon was seen in messages of one author only.
    let (room, message) = to?.split_once(['-', ':'])?;
    number(message)?;
    Some(Reply { account: AccountId(number(account?)?), room: RoomId(number(room)?), message })
}

fn system_key(key: &str) -> Option<&str> {
    let key_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!key.is_empty() && key.bytes().all(key_byte)).then_some(key)
}

/// A time in Unix seconds, with 0 for no time. The outer `None` means an invalid time.
fn optional_time(seconds: Option<&str>) -> Option<Option<Timestamp>> {
    let Some(seconds) = seconds else { return Some(None) };
    let seconds = i64::try_from(number(seconds)?).ok()?;
    let time = Timestamp::from_second(seconds).ok()?;
    Some((seconds != 0).then_some(time))
}

/// The values of `keys` in ` key=value key=value`, in any order. Other keys are ignored, so a tag with a new attribute is still
/// recognised. `None` if an attribute has no `=`, or one of `keys` comes twice.
fn attributes<'a, const N: usize>(rest: &'a str, keys: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut values = [None; N];
    for attribute in rest.strip_prefix(' ')?.split(' ').filter(|attribute| !attribute.is_empty()) {
        let (key, value) = attribute.split_once('=')?;
        let Some(index) = keys.iter().position(|known| *known == key) else { continue };
        if values[index].replace(value).is_some() {
            return None;
        }
    }
    Some(values)
}

fn is_tag_name(name: &str) -> bool {
    name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// `:value`, ` attribute=value …` or nothing; a bracketed remark has none of these forms.
fn is_tag_rest(rest: &str) -> bool {
    match rest.as_bytes().first() {
        None => true,
        Some(b':') => rest.len() > 1,
        _ => attributes(rest, []).is_some() && rest.contains('='),
    }
}
