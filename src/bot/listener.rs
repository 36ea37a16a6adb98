//! The service that a durable bot listens to.

use super::context::DurableContext;
use super::incoming::Incoming;
use super::received::Received;
use super::staged::Staged;
use crate::outbox::{NewEntry, Outbox};
use crate::{Clock, Error};
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// What a bot shares with its inboxes.
pub(super) struct Shared {
    pub(super) listener: Listener,
    pub(super) outbox: Outbox,
    /// Says that there may be a message to handle.
    pub(super) added: Notify,
}

/// A bot of a service, and its account once it is known.
pub(super) enum Listener {
    #[cfg(feature = "chatwork")]
    Chatwork { bot: Box<crate::chatwork::bot::Bot>, me: OnceLock<crate::chatwork::AccountId> },
    #[cfg(feature = "tascha")]
    Tascha { bot: crate::tascha::bot::Bot, me: OnceLock<crate::tascha::bot::Account> },
}

/// What becomes of a stored message.
pub(super) enum Read {
    Handle(Box<DurableContext>),
    /// The bot wrote it.
    Own,
    Unreadable(serde_json::Error),
}

impl Listener {
    #[cfg(feature = "chatwork")]
    pub(super) fn chatwork(bot: crate::chatwork::bot::Bot) -> Self {
        let me = bot.known_account().map_or_else(OnceLock::new, OnceLock::from);
        Self::Chatwork { bot: Box::new(bot), me }
    }

    #[cfg(feature = "tascha")]
    pub(super) fn tascha(bot: crate::tascha::bot::Bot) -> Self {
        let me = bot.known_account().map_or_else(OnceLock::new, OnceLock::from);
        Self::Tascha { bot, me }
    }

    /// The queue of the messages that wait to be handled.
    pub(super) fn queue(&self) -> &'static str {
        match self {
            #[cfg(feature = "chatwork")]
            Self::Chatwork { .. } => "bot-chatwork",
            #[cfg(feature = "tascha")]
            Self::Tascha { .. } => "bot-tascha",
        }
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        match self {
            #[cfg(feature = "chatwork")]
            Self::Chatwork { bot, .. } => bot.client().transport().clock(),
            #[cfg(feature = "tascha")]
            Self::Tascha { bot, .. } => bot.client().transport().clock(),
        }
    }

    pub(super) fn has_timeout(&self) -> bool {
        match self {
            #[cfg(feature = "chatwork")]
            Self::Chatwork { bot, .. } => bot.client().transport().settings().timeout.is_some(),
            #[cfg(feature = "tascha")]
            Self::Tascha { bot, .. } => bot.client().transport().settings().timeout.is_some(),
        }
    }

    /// Finds out whose account it is, and returns that with the address of the service.
    pub(super) async fn start(&self) -> Result<String, Error> {
        match self {
            #[cfg(feature = "chatwork")]
            Self::Chatwork { bot, me } => {
                let account = bot.account().await?;
                let base = &bot.client().transport().settings().base_text;
                Ok(format!("account {} at {base}", me.get_or_init(|| account)))
            }
            #[cfg(feature = "tascha")]
            Self::Tascha { bot, me } => {
                let account = bot.account().await?;
                let base = &bot.client().transport().settings().base_text;
                Ok(format!("account {} at {base}", me.get_or_init(|| account).id()))
            }
        }
    }

    /// The entry of a message, or `None` for what is not to be handled.
    ///
    /// # Errors
    /// It is of another service.
    pub(super) fn entry(&self, incoming: Incoming) -> Result<Option<NewEntry>, Error> {
        match (self, incoming) {
            #[cfg(feature = "chatwork")]
            (Self::Chatwork { bot, me }, Incoming::Chatwork(input)) => {
                let Some((ids, room, message)) = bot.to_store(me.get().copied(), input) else {
                    return Ok(None);
                };
                let is_own = me.get().is_some_and(|me| message.account() == *me);
                Ok((!is_own).then(|| self.new_entry(&ids, &room, &message)))
            }
            #[cfg(feature = "tascha")]
            (Self::Tascha { bot, me }, incoming) => {
                let Some(message) = bot.to_store(incoming.into_tascha()?) else { return Ok(None) };
                let is_own = me.get().is_some_and(|me| me.wrote(&message));
                let room = message.room_id.as_ref().map(ToString::to_string).unwrap_or_default();
                Ok((!is_own).then(|| self.new_entry(message.id.as_ref(), &room, &message)))
            }
            #[cfg(all(feature = "chatwork", feature = "tascha"))]
            (Self::Chatwork { .. }, _) => {
                Err(Error::config("an event of TAS-CHA was given to a bot of Chatwork"))
            }
        }
    }

    fn new_entry(&self, ids: &str, room: &dyn std::fmt::Display, message: &impl Serialize) -> NewEntry {
        let queue = self.queue();
        let text = serde_json::to_string(message).expect("texts, numbers and times are valid JSON");
        NewEntry::new(format!("{queue}:{ids}"), format!("{queue}/{room}"), text).queue(queue)
    }

    /// The context of a stored message.
    pub(super) async fn read(&self, request: &str, lane: &str, staged: Staged, attempt: u32) -> Read {
        let (staged, lane) = (Arc::new(staged), Arc::from(lane));
        let received = match self {
            #[cfg(feature = "chatwork")]
            Self::Chatwork { bot, me } => {
                use crate::chatwork::bot::{ReplyQueue, durable::StoredMessage};
                let message: StoredMessage = match serde_json::from_str(request) {
                    Ok(message) => message,
                    Err(error) => return Read::Unreadable(error),
                };
                let me = *me.get().expect("`run` finds it out before it handles anything");
                if message.account() == me {
                    return Read::Own;
                }
                let (room, replies) = (bot.client().room(message.room()), Arc::clone(&staged));
                let queue = ReplyQueue(Arc::new(move |text| replies.queue(&room.post(text)).map(drop)));
                Received::Chatwork(Box::new(bot.context(me, message, queue).await))
            }
            #[cfg(feature = "tascha")]
            Self::Tascha { bot, me } => {
                let message = match serde_json::from_str(request) {
                    Ok(message) => message,
                    Err(error) => return Read::Unreadable(error),
                };
                let me = me.get().expect("`run` finds it out before it handles anything");
                if me.wrote(&message) {
                    return Read::Own;
                }
                Received::Tascha(Box::new(bot.received(me.clone(), message)))
            }
        };
        Read::Handle(Box::new(DurableContext { received, staged, lane, attempt }))
    }
}
