//! Why it cannot be said whether a message is there.

use std::fmt;

/// Why a look for a message shows neither that it is there nor that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unsure {
    /// Too many messages have been posted since: those that can be read do not go back to the start of the search.
    /// Chatwork shows the newest 100 of a room.
    OutOfReach,
    /// The service hides older messages from this account, by the limit of its plan.
    Hidden,
    /// A message of this author was changed or deleted since the start of the search. It may be the sought one.
    Changed,
    /// The clocks contradict each other: it cannot be said which messages were posted since the start of the search. Another
    /// look may show it, if a response had a wrong time.
    Clock,
    /// The list is not whole: an empty response that the service does not give for an empty room, or one without the
    /// message that has to be in it. Another look may show it.
    Incomplete,
}

#[cfg(feature = "outbox")]
impl Unsure {
    /// Whether another look may be sure.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Self::Clock | Self::Incomplete)
    }
}

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfReach => "too many messages have been posted since",
            Self::Hidden => "the plan of the account hides older messages",
            Self::Changed => "a message of the account was changed or deleted since, which may be this one",
            Self::Clock => "the clocks contradict each other",
            Self::Incomplete => "the list of messages is not whole",
        })
    }
}
