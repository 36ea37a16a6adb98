//! The plain text of a message, and its mentions.

use super::{Document, Kind, Node, Step, Walk};
use crate::chatwork::AccountId;
use std::borrow::Cow;

/// A mention, which notifies one account or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mention {
    /// One account, by `[To:…]` or by a reply.
    Account(AccountId),
    /// All members of the room, by `[toall]`.
    All,
}

/// The mentions in a message, from [`Document::mentions`].
#[derive(Clone, Debug)]
pub struct Mentions<'d, 'a>(Walk<'d, 'a>);

impl Iterator for Mentions<'_, '_> {
    type Item = Mention;

    fn next(&mut self) -> Option<Mention> {
        loop {
            let Step::Enter(node) = self.0.next()? else { continue };
            match node.kind() {
                Kind::To(account) => return Some(Mention::Account(account)),
                Kind::Reply(reply) => return Some(Mention::Account(reply.account)),
                Kind::ToAll => return Some(Mention::All),
                Kind::Quote(_) => self.0.skip_children(),
                _ => {}
            }
        }
    }
}

impl<'a> Document<'a> {
    /// The mentions in the message, in order; an account that is mentioned twice comes twice.
    ///
    /// Tags in quotes and in code do not notify. For quotes the service says so since 2020-11-09.
    ///
    /// ```
    /// use kaiwa::chatwork::{AccountId, notation::{Mention, parse}};
    ///
    /// let document = parse("[To:1] [qt][qtmeta aid=2][To:3] a[/qt] [toall]");
    /// assert!(document.mentions().eq([Mention::Account(AccountId(1)), Mention::All]));
    /// ```
    pub fn mentions(&self) -> Mentions<'_, 'a> {
        Mentions(self.walk())
    }

    /// Whether the message notifies the account, by its number or by `[toall]`.
    pub fn notifies(&self, account: AccountId) -> bool {
        self.mentions().any(|mention| match mention {
            Mention::Account(named) => named == account,
            Mention::All => true,
        })
    }

    /// The text of the message, without its markup.
    ///
    /// Mentions, icons, names that only the service knows, previews and the service's own words are omitted. The text of code,
    /// links and files is kept. Boxes, titles, quotes, code, tasks and rules are on separate lines. Unknown tags are kept, since
    /// the service shows them. The result is borrowed if the message has no tags.
    ///
    /// ```
    /// use kaiwa::chatwork::notation::parse;
    ///
    /// let document = parse("[To:1] Bobさん\n[info][title]件名[/title]a[hr]b[/info]");
    /// assert_eq!(document.plain_text(), "Bobさん\n件名\na\nb");
    /// ```
    pub fn plain_text(&self) -> Cow<'a, str> {
        if self.len() == 1
            && let Some(Kind::Text(text)) = self.nodes().next().map(|node| node.kind())
        {
            return Cow::Borrowed(text);
        }
        Cow::Owned(plain_text(self.walk()))
    }
}

impl Node<'_, '_> {
    /// The text of this part without its markup, as in [`Document::plain_text`].
    pub fn plain_text(&self) -> String {
        plain_text(self.walk())
    }
}

fn plain_text(walk: Walk<'_, '_>) -> String {
    let mut text = PlainText::default();
    for step in walk {
        match step {
            Step::Enter(node) => text.enter(node),
            Step::Leave(node) => text.leave(node),
        }
    }
    text.out
}

fn is_block(kind: Kind<'_>) -> bool {
    kind.is_container() || matches!(kind, Kind::Code(_) | Kind::Hr)
}

#[derive(Default)]
pub(super) struct PlainText {
    pub(super) out: String,
    /// Whether the next text must begin a line.
    at_line_start: bool,
    /// Whether a mention was omitted last: the space after it is omitted too.
    after_address: bool,
}

impl PlainText {
    pub(super) fn enter(&mut self, node: Node<'_, '_>) {
        let kind = node.kind();
        if is_block(kind) {
            self.end_line();
        }
        match kind {
            Kind::Text(text) | Kind::Code(text) | Kind::Url(text) => self.push(text),
            Kind::Download(download) => self.push(download.label),
            Kind::Unknown(_) => self.push(node.source()),
            Kind::To(_)
            | Kind::ToAll
            | Kind::Reply(_)
            | Kind::Picon(_)
            | Kind::PiconName(_)
            | Kind::Pname(_) => {
                self.after_address = true;
            }
            _ => {}
        }
    }

    pub(super) fn leave(&mut self, node: Node<'_, '_>) {
        if is_block(node.kind()) {
            self.end_line();
        }
    }

    /// Whether the next text begins a line.
    pub(super) fn begins_line(&self) -> bool {
        self.at_line_start || self.out.is_empty() || self.out.ends_with('\n')
    }

    fn end_line(&mut self) {
        self.at_line_start = true;
        self.after_address = false;
    }

    pub(super) fn push(&mut self, mut text: &str) {
        let begins = self.begins_line();
        if std::mem::take(&mut self.after_address) && begins {
            text = text.strip_prefix(' ').unwrap_or(text);
        }
        if text.is_empty() {
            return;
        }
        if std::mem::take(&mut self.at_line_start) {
            // An existing line break is not doubled.
            let broken = self.out.is_empty() || self.out.ends_with('\n');
            match text.strip_prefix('\n') {
                Some(rest) if broken => text = rest,
                None if !broken => self.out.push('\n'),
                _ => {}
            }
        }
        self.out.push_str(text);
    }
}
