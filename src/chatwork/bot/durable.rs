//! What a [durable bot](crate::bot) needs of a bot of Chatwork.

use super::context::ReplyQueue;
use super::handling::{know_room, learn_from_mention, version};
use super::{Bot, Context, Input, Notice, ReceivedMessage};
use crate::Error;
use crate::chatwork::{AccountId, Client, RoomId};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A [`ReceivedMessage`] as it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredMessage {
    room: u64,
    message: String,
    account: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    body: String,
    sent: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mentioned: Option<u64>,
}

impl From<ReceivedMessage> for StoredMessage {
    fn from(message: ReceivedMessage) -> Self {
        Self {
            room: message.room_id.0,
            message: message.message_id.0,
            account: message.account_id.0,
            name: message.name,
            body: message.body,
            sent: message.send_time,
            updated: message.update_time,
            mentioned: message.mentioned.map(|account| account.0),
        }
    }
}

impl From<StoredMessage> for ReceivedMessage {
    fn from(stored: StoredMessage) -> Self {
        Self {
            room_id: stored.room.into(),
            message_id: stored.message.into(),
            account_id: stored.account.into(),
            name: stored.name,
            body: stored.body,
            send_time: stored.sent,
            update_time: stored.updated,
            mentioned: stored.mentioned.map(Into::into),
        }
    }
}

impl StoredMessage {
    pub(crate) fn account(&self) -> AccountId {
        self.account.into()
    }

    pub(crate) fn room(&self) -> RoomId {
        self.room.into()
    }
}

/// The settings that a durable bot takes over.
pub(crate) struct Settings {
    pub(crate) concurrency: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) shutdown_timeout: Option<Duration>,
    pub(crate) shutdown: BoxFuture<'static, ()>,
}

impl Bot {
    pub(crate) fn settings(&mut self) -> Settings {
        let shutdown = self.shutdown.get_mut().unwrap_or_else(PoisonError::into_inner);
        Settings {
            concurrency: self.concurrency,
            timeout: self.timeout,
            shutdown_timeout: self.shutdown_timeout,
            shutdown: std::mem::replace(shutdown, Box::pin(std::future::pending())),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The bot's account, if it is set.
    pub(crate) fn known_account(&self) -> Option<AccountId> {
        self.me
    }

    /// The bot's account, for which it asks if it is not set.
    pub(crate) async fn account(&self) -> Result<AccountId, Error> {
        match self.me {
            Some(me) => Ok(me),
            None => self.ask_who_i_am().await,
        }
    }

    /// The message to handle, if the input is one, under its ids. What is not for a handler is reported.
    pub(crate) fn to_store(
        &self,
        me: Option<AccountId>,
        input: Input,
    ) -> Option<(String, u64, StoredMessage)> {
        match input {
            Input::Notice(notice) => {
                self.report(notice);
                None
            }
            Input::Edited(_) if !self.edits => None,
            Input::Message(message) | Input::Edited(message) => {
                if let Some(name) = &message.name {
                    self.names.learn(message.account_id, name);
                }
                if let Some(me) = me {
                    // A repeat of a stored message is not stored, but it may show that the room is a direct chat.
                    learn_from_mention(&self.client, me, &message);
                }
                let ids = version(self, &message);
                Some((ids, message.room_id.0, message.into()))
            }
        }
    }

    pub(crate) fn report(&self, notice: Notice) {
        (self.on_notice)(notice);
    }

    /// The context of a stored message.
    pub(crate) async fn context(&self, me: AccountId, stored: StoredMessage, queue: ReplyQueue) -> Context {
        let message = ReceivedMessage::from(stored);
        if let Some(name) = &message.name {
            self.names.learn(message.account_id, name);
        }
        learn_from_mention(&self.client, me, &message);
        know_room(&self.client, me, &message).await;
        Context::new(self, me, Arc::new(message), Some(queue))
    }
}
