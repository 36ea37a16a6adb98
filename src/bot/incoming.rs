//! What is given to an inbox.

#[cfg(feature = "tascha")]
use crate::Error;
use std::fmt;

/// An event of either service: of a verified webhook, or of a watch.
#[non_exhaustive]
pub enum Incoming {
    /// An event of Chatwork.
    #[cfg(feature = "chatwork")]
    Chatwork(crate::chatwork::bot::Input),
    /// A delivery of TAS-CHA.
    #[cfg(all(feature = "tascha", feature = "webhooks"))]
    Tascha(Box<crate::tascha::webhook::Delivery>),
    /// A message of TAS-CHA.
    #[cfg(feature = "tascha")]
    TaschaMessage(Box<crate::tascha::Message>),
}

#[cfg(feature = "tascha")]
impl Incoming {
    pub(super) fn into_tascha(self) -> Result<crate::tascha::bot::Input, Error> {
        match self {
            #[cfg(feature = "webhooks")]
            Self::Tascha(delivery) => Ok(crate::tascha::bot::Input::Delivery(delivery)),
            Self::TaschaMessage(message) => Ok(crate::tascha::bot::Input::Message(message)),
            #[cfg(feature = "chatwork")]
            Self::Chatwork(_) => Err(Error::config("an event of Chatwork was given to a bot of TAS-CHA")),
        }
    }
}

#[cfg(feature = "chatwork")]
impl From<crate::chatwork::bot::Input> for Incoming {
    fn from(input: crate::chatwork::bot::Input) -> Self {
        Self::Chatwork(input)
    }
}

#[cfg(all(feature = "chatwork", feature = "webhooks"))]
impl From<crate::chatwork::webhook::Event> for Incoming {
    fn from(event: crate::chatwork::webhook::Event) -> Self {
        Self::Chatwork(event.into())
    }
}

#[cfg(all(feature = "chatwork", feature = "webhooks"))]
impl From<crate::chatwork::webhook::Delivery> for Incoming {
    fn from(delivery: crate::chatwork::webhook::Delivery) -> Self {
        Self::Chatwork(delivery.into())
    }
}

#[cfg(all(feature = "tascha", feature = "webhooks"))]
impl From<crate::tascha::webhook::Delivery> for Incoming {
    fn from(delivery: crate::tascha::webhook::Delivery) -> Self {
        Self::Tascha(Box::new(delivery))
    }
}

#[cfg(feature = "tascha")]
impl From<crate::tascha::Message> for Incoming {
    fn from(message: crate::tascha::Message) -> Self {
        Self::TaschaMessage(Box::new(message))
    }
}

/// What people wrote is left out.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "chatwork")]
            Self::Chatwork(_) => "Chatwork",
            #[cfg(all(feature = "tascha", feature = "webhooks"))]
            Self::Tascha(_) => "Tascha",
            #[cfg(feature = "tascha")]
            Self::TaschaMessage(_) => "TaschaMessage",
        })
    }
}
