//! The notation of Chatwork messages, task bodies and room descriptions: reading and writing.
//!
//! ```
//! use kaiwa::chatwork::AccountId;
//! use kaiwa::chatwork::notation::{Kind, Message, parse};
//!
//! // Writing. The text may come from anybody: it cannot become a tag.
//! let message = Message::new()
//!     .to(AccountId(123))
//!     .text(" Bob さん\n")
//!     .info("結果", |info| info.text("[toall] は効きません").hr().code("let a = b[0];"));
//! assert_eq!(
//!     message.as_str(),
//!     "[To:123] Bob さん\n[info][title]結果[/title]［toall］ は効きません[hr][code]let a = b[0];[/code][/info]",
//! );
//!
//! // Reading.
//! let document = parse(message.as_str());
//! let kinds: Vec<Kind<'_>> = document.nodes().map(|node| node.kind()).collect();
//! assert_eq!(kinds, [Kind::To(AccountId(123)), Kind::Text(" Bob さん\n"), Kind::Info]);
//! assert!(document.notifies(AccountId(123)));
//! assert_eq!(document.to_string(), message.as_str());
//! ```
//!
//! # Reading
//!
//! [`parse`] takes every text and never fails. It is lossless: what it returns displays as the text it was given, byte
//! for byte. What is not a tag, or is one that is not written as the service writes it, such as `[To:abc]`, is text;
//! so is a tag that is not closed, and what it would have held stays where it is. A closing tag closes the innermost
//! tag of its name, and leaves tags that were opened inside it unclosed.
//!
//! Time and memory are linear in the length of the message, whatever it holds, and a message without tags allocates
//! nothing. Tags may be nested as deeply as the message is long; nothing here recurses, and
//! [`walk`](Document::walk) visits a whole tree without recursion. A function of yours that calls itself for
//! [children](Node::children) should bound its own depth.
//!
//! # Writing
//!
//! The service has no escape for `[` and `]`. [`Message`] therefore writes them in text as `［` and `］`, their
//! full-width forms, and does so [everywhere](escape), not only where a tag would result: the list of tags is not
//! published in full, and a tag could otherwise be put together from the end of one text and the start of the next.
//! Text in [`code`](Message::code) keeps its brackets, as nothing in there is a tag, except that a `[/code` in it loses
//! the bracket. That is inferred, since the service does not document `[code]`: for text from anybody,
//! [`text`](Message::text) is the cautious way.
//!
//! # Sources
//!
//! The tags of the service's notation page, and those seen in real messages: the latter (`toall`, `code`, `deleted`,
//! `task`, `preview`, `download`, `dtext`), and how malformed tags are taken, are inferred. `[deleted]` counts only as the whole message. Emoticons such as `(sweat)` are plain text.

mod head;
mod kind;
mod message;
mod node;
mod parser;
mod plain;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use kind::{AccountIds, Download, Kind, Preview, QuoteMeta, Reply, Task, UnknownTag};
pub use message::{Message, escape};
pub use node::{Node, Nodes, Step, Walk};
pub use plain::{Mention, Mentions};

use std::fmt;

/// Reads a message. See the [module](self) for what becomes of what is malformed.
///
/// ```
/// use kaiwa::chatwork::notation::{Kind, parse};
///
/// let document = parse("[info][title]お知らせ[/title]本文[/info]");
/// let info = document.nodes().next().expect("the message is a box");
/// assert_eq!(info.kind(), Kind::Info);
/// assert_eq!(info.title().map(|title| title.plain_text()).as_deref(), Some("お知らせ"));
/// ```
pub fn parse(source: &str) -> Document<'_> {
    Document { source, entries: parser::entries(source) }
}

/// A message that was read: a list of nodes, some of which have children. It borrows the message.
///
/// Its [`Display`](fmt::Display) is the message as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document<'a> {
    source: &'a str,
    /// All nodes in the order of their opening tags. Empty if the message is one text, or empty.
    entries: Vec<parser::Entry<'a>>,
}

impl<'a> Document<'a> {
    /// The message as it was.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// The nodes that are in no other.
    pub fn nodes(&self) -> Nodes<'_, 'a> {
        Nodes::new(self, 0, self.len())
    }

    /// Every node, each before its children.
    ///
    /// ```
    /// use kaiwa::chatwork::notation::{Kind, parse};
    ///
    /// let document = parse("[info]a[hr]b[/info]");
    /// let kinds: Vec<_> = document.descendants().map(|node| node.kind()).collect();
    /// assert_eq!(kinds, [Kind::Info, Kind::Text("a"), Kind::Hr, Kind::Text("b")]);
    /// ```
    pub fn descendants(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        self.walk().filter_map(|step| match step {
            Step::Enter(node) => Some(node),
            Step::Leave(_) => None,
        })
    }

    /// Goes through the whole tree, telling where each node begins and where it ends: for rendering without recursion.
    pub fn walk(&self) -> Walk<'_, 'a> {
        Walk::new(self, 0, self.len())
    }

    /// Whether there is nothing but text.
    pub fn is_plain(&self) -> bool {
        self.descendants().all(|node| matches!(node.kind(), Kind::Text(_)))
    }

    fn len(&self) -> usize {
        if self.entries.is_empty() { usize::from(!self.source.is_empty()) } else { self.entries.len() }
    }

    fn start(&self, index: usize) -> usize {
        // Past the last entry, and past the one text that has no entry, is the end of the message.
        match self.entries.get(index) {
            Some(entry) => entry.start,
            None if index == 0 => 0,
            None => self.source.len(),
        }
    }

    /// The text of the entries `from..to`.
    fn slice(&self, from: usize, to: usize) -> &'a str {
        &self.source[self.start(from)..self.start(to)]
    }
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // From the tree and not from `source`, so that the two cannot differ unnoticed.
        for step in self.walk() {
            f.write_str(match step {
                Step::Enter(node) => node.opening(),
                Step::Leave(node) => node.closing(),
            })?;
        }
        Ok(())
    }
}
