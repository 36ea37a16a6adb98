//! The services that the sandbox has, by name.

use std::fmt;

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Chatwork API v2, with its OAuth endpoints.
    Chatwork,
    /// TAS-CHA Public API v1.
    Tascha,
    /// Lancers message API v2.
    Lancers,
}

impl Provider {
    /// The path that the paths of its operations follow.
    pub(crate) fn base_path(self) -> &'static str {
        match self {
            Self::Chatwork => "/v2",
            Self::Tascha => "/v1",
            Self::Lancers => "/message_api/v2",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chatwork => "Chatwork",
            Self::Tascha => "TAS-CHA",
            Self::Lancers => "Lancers",
        })
    }
}
