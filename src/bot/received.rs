//! A message on its way to the handler.

/// A message, as the service's own bots hand it out.
#[derive(Clone)]
pub(super) enum Received {
    #[cfg(feature = "chatwork")]
    Chatwork(Box<crate::chatwork::bot::Context>),
    #[cfg(feature = "tascha")]
    Tascha(Box<crate::tascha::bot::Received>),
}
