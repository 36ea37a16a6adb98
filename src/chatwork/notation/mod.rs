//! The notation of Chatwork messages, task bodies and room descriptions: reading and writing.
//!
//! ```
//! use kaiwa::chatwork::AccountId;
//! use kaiwa::chatwork::notation::{Kind, MessageBuilder, parse};
//!
//! // Writing. Untrusted text cannot become a tag.
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
//! [`parse`] accepts every text and never fails. It is lossless: the document displays as the original text, byte for byte. A
//! tag in a form that the service does not write, such as `[To:abc]`, is text. So is a tag that is not closed; its content
//! stays where it is. A closing tag closes the innermost tag of its name, and tags that were opened inside it stay unclosed.
//!
//! Time and memory are linear in the length of any message, and a message without tags allocates nothing. Tags may be nested to
//! any depth: the parser does not recurse, and [`walk`](Document::walk) visits a whole tree without recursion. If your own
//! function recurses over [children](Node::children), it should bound its depth.
//!
//! # Writing
//!
//! The service has no escape for `[` and `]`. [`MessageBuilder`] therefore writes them in text as `［` and `］`, their
//! full-width forms. It does so [everywhere](escape), not only where a tag would result: the list of tags is not published in
//! full, and the end of one text and the start of the next could form a tag. Text in [`code`](MessageBuilder::code) keeps its
//! brackets, as nothing in there is a tag; only the bracket of a `[/code` in it is replaced. This is inferred, since the service
//! does not document `[code]`: for untrusted text, [`text`](MessageBuilder::text) is the cautious choice.
//!
//! # Sources
//!
//! The tags of the service's notation page, and tags seen in real messages. The latter (`toall`, `code`, `deleted`, `task`,
//! `preview`, `download`, `dtext`), and the reading of malformed tags, are inferred. `[deleted]` counts only as the whole
//! message. Emoticons such as `(sweat)` are plain text.

mod builder;
mod head;
mod kind;
mod node;
mod own;
mod own_name;
#[cfg(test)]
mod own_tests;
mod parser;
mod plain;
#[cfg(test)]
mod properties;
mod split;
#[cfg(test)]
mod split_tests;
#[cfg(test)]
mod tests;

pub use builder::{MessageBuilder, escape};
pub use kind::{AccountIds, Download, Kind, Preview, QuoteMeta, Reply, Task, UnknownTag};
pub use node::{Document, Node, Nodes, Step, Walk, parse};
#[cfg(feature = "clap")]
pub(in crate::chatwork) use own::Heard;
pub use plain::{Mention, Mentions};
