//! The notation of Chatwork messages, task bodies and room descriptions: reading and writing.
//!
//! ```
//! use kaiwa::chatwork::AccountId;
//! use kaiwa::chatwork::notation::{Kind, MessageBuilder, parse};
//!
//! // Writing. The text may come from anybody: it cannot become a tag.
//! let message = MessageBuilder::new()
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
//! The service has no escape for `[` and `]`. [`MessageBuilder`] therefore writes them in text as `［` and `］`, their
//! full-width forms, and does so [everywhere](escape), not only where a tag would result: the list of tags is not
//! published in full, and a tag could otherwise be put together from the end of one text and the start of the next.
//! Text in [`code`](MessageBuilder::code) keeps its brackets, as nothing in there is a tag, except that a `[/code` in it loses
//! the bracket. That is inferred, since the service does not document `[code]`: for text from anybody,
//! [`text`](MessageBuilder::text) is the cautious way.
//!
//! # Sources
//!
//! The tags of the service's notation page, and those seen in real messages: the latter (`toall`, `code`, `deleted`,
//! `task`, `preview`, `download`, `dtext`), and how malformed tags are taken, are inferred. `[deleted]` counts only as the whole message. Emoticons such as `(sweat)` are plain text.

mod builder;
mod head;
mod kind;
mod node;
mod parser;
mod plain;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use builder::{MessageBuilder, escape};
pub use kind::{AccountIds, Download, Kind, Preview, QuoteMeta, Reply, Task, UnknownTag};
pub use node::{Document, Node, Nodes, Step, Walk, parse};
pub use plain::{Mention, Mentions};
