//! The settings of a bot.

use super::inbox::{self, Deliveries, Inbox};
use super::names::Names;
use super::{Bot, Notice};
use crate::chatwork::watch::Event;
use crate::chatwork::{AccountId, Client, RoomId};
use crate::handler::contain;
use crate::webhook::claims::Claims;
use crate::webhook::{MemoryReplayCache, ReplayCache, StoreFailure};
use futures::FutureExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many messages are remembered unless there is another [`replay_cache`](Bot::replay_cache).
const REMEMBERED: usize = 10_000;

/// How long a handler may take unless [`timeout`](Bot::timeout) says otherwise.
const TIMEOUT: Duration = Duration::from_secs(300);

impl Bot {
    /// A bot that uses this client and its clock.
    pub fn new(client: Client) -> Self {
        let settings = client.transport().settings();
        let cache = Arc::new(MemoryReplayCache::with_clock(REMEMBERED, Arc::clone(&settings.clock)));
        let claims = Claims::new(cache, Arc::clone(&settings.clock));
        // In tests, a client without a timeout often has a virtual clock, on which handlers would time out at once.
        let timeout = settings.timeout.and(Some(TIMEOUT));
        Self {
            client,
            me: None,
            names: Names::default(),
            honorific: None,
            concurrency: 8,
            queue: 256,
            edits: false,
            timeout,
            shutdown_timeout: None,
            claims,
            shutdown: Mutex::new(futures::future::pending().boxed()),
            // A handler's error can panic when it is formatted or dropped.
            on_notice: Box::new(|notice| drop(contain(|| trace(notice)))),
            gates: Vec::new(),
            #[cfg(feature = "clap")]
            commands: super::commands::Settings::default(),
        }
    }

    /// The bot's own account. Without it the bot calls `GET /me` when it starts, and cannot run if that fails, and
    /// `GET /rooms`. With it, set its [`name`](Self::name) too.
    pub fn me(mut self, account: AccountId) -> Self {
        self.me = Some(account);
        self
    }

    /// A name of an account: its own where [`me`](Self::me) is set, and those of people whom webhooks do not name. An account may
    /// have several. See [names](Self#names).
    pub fn name(self, account: AccountId, name: impl AsRef<str>) -> Self {
        self.names.give(account, name.as_ref());
        self
    }

    /// A room that is a [direct chat](Self#direct-chats).
    pub fn direct_chat(self, room: RoomId) -> Self {
        self.client.state().direct_chats.set(room, true);
        self
    }

    /// Has replies and mentions name the person after the tag, as the service's own page does: `[pname:…]` and this, such as
    /// `さん`. Default: they do not.
    pub fn honorific(mut self, honorific: impl Into<Arc<str>>) -> Self {
        self.honorific = Some(honorific.into());
        self
    }

    /// How many rooms are handled at once, at least one. Default: 8.
    pub fn concurrency(mut self, rooms: usize) -> Self {
        self.concurrency = rooms.max(1);
        self
    }

    /// How many messages may wait, at least one; then the source is not read. Default: 256.
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.max(1);
        self
    }

    /// Whether edits are handled as well, each once. [`update_time`](super::ReceivedMessage::update_time) distinguishes them.
    /// Default: no.
    pub fn edits(mut self, edits: bool) -> Self {
        self.edits = edits;
        self
    }

    /// How long a handler may take before it is dropped; `None` for no limit. Default: 5 minutes; no limit if the client has
    /// no timeout.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How long a shutdown may take. Messages that are not handled by then are abandoned: running handlers are dropped, and
    /// their messages and the waiting ones are [reported](Notice::Abandoned). Messages in an inbox that the bot has not taken
    /// are lost. Default: the bot handles all of them.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
        self
    }

    /// The cache that remembers messages: one that several processes share, so that one of them handles each message, or a
    /// [`MemoryReplayCache`] of another size. See [several processes](super#several-processes).
    pub fn replay_cache(mut self, cache: impl ReplayCache) -> Self {
        self.claims.cache = Arc::new(cache);
        self
    }

    /// How long a claim on a message holds, at least a second. It is renewed while the handler runs. After that time another
    /// bot with the same [`replay_cache`](Self::replay_cache) handles the message of one that died. Default: one minute.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.claims.set_lease(lease);
        self
    }

    /// What happens to a message while the [`replay_cache`](Self::replay_cache) fails. By default it is handled, perhaps twice.
    /// With [`StoreFailure::Refuse`] it waits until the cache answers; in a shutdown it is [abandoned](Notice::Abandoned).
    pub fn on_store_failure(mut self, policy: StoreFailure) -> Self {
        self.claims.on_failure = policy;
        self
    }

    /// Shuts the bot down when this ends: Ctrl-C, a channel, a timer.
    pub fn shutdown(mut self, when: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Mutex::new(when.boxed());
        self
    }

    /// Calls `report` with everything that is not for the handler. By default it is logged as warnings of `tracing`. These
    /// hold no texts or ids of messages, unless the handler's own error or panic does. `report` must not block, and a panic in
    /// it ends the bot.
    pub fn on_notice(mut self, report: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Box::new(report);
        self
    }

    /// An inbox for webhooks that holds `capacity` events, at least one, and the source that takes them out.
    ///
    /// It buffers bursts. The bot takes events at once until [`queue`](Self::queue) messages wait; from then on the inbox must
    /// hold the events that arrive meanwhile.
    pub fn inbox(&mut self, capacity: usize) -> (Inbox, Deliveries) {
        let (inbox, deliveries) = inbox::inbox(capacity);
        self.gates.push(deliveries.gate());
        (inbox, deliveries)
    }
}

fn trace(notice: Notice) {
    match notice {
        Notice::Failed { failure, .. } => tracing::warn!(error = %failure, "a message was not handled"),
        Notice::Abandoned { begun, .. } => tracing::warn!(begun, "a message was abandoned in the shutdown"),
        Notice::Source(error) => tracing::warn!(%error, "the bot's source failed and continues"),
        Notice::Watch(Event::Gap { .. }) => {
            tracing::warn!("messages may be missing before the next one");
        }
        Notice::Watch(Event::Limited { hidden, .. }) => {
            tracing::warn!(?hidden, "the service hides messages");
        }
        Notice::Watch(Event::Undecodable { item, .. }) => {
            tracing::warn!(path = %item.path, "a message does not decode");
        }
        Notice::Watch(_) => {}
        #[cfg(feature = "webhooks")]
        Notice::Webhook(other) => {
            tracing::warn!(
                event_type = other.event_type,
                "a webhook event is unknown, or its fields do not read"
            );
        }
    }
}
