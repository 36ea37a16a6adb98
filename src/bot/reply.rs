//! The text of a reply, in the form of either service.

#[cfg(feature = "chatwork")]
use crate::chatwork::notation::{MessageBuilder, parse};
use std::fmt;

/// What a bot says: plain text, or a message of Chatwork, of which other services get the words.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply(Text);

#[derive(Clone, PartialEq, Eq)]
enum Text {
    Plain(String),
    #[cfg(feature = "chatwork")]
    Notation(MessageBuilder),
}

impl Reply {
    /// The reply for Chatwork. Plain text is escaped.
    #[cfg(feature = "chatwork")]
    pub(super) fn notation(&self) -> MessageBuilder {
        match &self.0 {
            Text::Plain(text) => text.as_str().into(),
            Text::Notation(message) => message.clone(),
        }
    }

    /// The words.
    #[cfg(feature = "tascha")]
    pub(super) fn plain(&self) -> String {
        match &self.0 {
            Text::Plain(text) => text.clone(),
            #[cfg(feature = "chatwork")]
            Text::Notation(message) => parse(message.as_str()).plain_text().into_owned(),
        }
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self(Text::Plain(text))
    }
}

#[cfg(feature = "chatwork")]
impl From<MessageBuilder> for Reply {
    fn from(message: MessageBuilder) -> Self {
        Self(Text::Notation(message))
    }
}

/// What is said is left out.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}
