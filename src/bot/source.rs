//! Where a durable bot's messages come from.

#[cfg(feature = "tascha")]
use crate::tascha::bot::Poll;
use std::fmt;

/// What a durable bot reads. A [watch](crate::chatwork::watch) of Chatwork and a poll of TAS-CHA convert into it.
///
/// Its place is stored together with the messages, so that the next run goes on there. In addition, an
/// [`Inbox`](super::Inbox) takes webhooks, whatever the source is.
pub struct Source {
    pub(super) name: String,
    pub(super) what: What,
}

pub(super) enum What {
    Nothing,
    #[cfg(feature = "chatwork")]
    Watch(Box<crate::chatwork::watch::Builder>),
    #[cfg(feature = "tascha")]
    Poll(Poll),
}

impl Source {
    /// Nothing is read: all messages come as webhooks, through an [`Inbox`](super::Inbox).
    pub fn webhooks() -> Self {
        Self::of(What::Nothing)
    }

    /// A name of its own for the place. Programs that work on one store and read different rooms need different names.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    fn of(what: What) -> Self {
        Self { name: "main".to_owned(), what }
    }
}

/// Where it goes on is what the last run has stored; if there is nothing, where the builder says.
#[cfg(feature = "chatwork")]
impl From<crate::chatwork::watch::Builder> for Source {
    fn from(watch: crate::chatwork::watch::Builder) -> Self {
        Self::of(What::Watch(Box::new(watch)))
    }
}

#[cfg(feature = "tascha")]
impl From<Poll> for Source {
    fn from(poll: Poll) -> Self {
        Self::of(What::Poll(poll))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what: &dyn fmt::Debug = match &self.what {
            What::Nothing => &"webhooks",
            #[cfg(feature = "chatwork")]
            What::Watch(watch) => watch,
            #[cfg(feature = "tascha")]
            What::Poll(poll) => poll,
        };
        f.debug_struct("Source").field("name", &self.name).field("what", what).finish()
    }
}
