//! The settings of an outbox.

use super::clients::Clients;
use super::deliver::{Delivery, KEY_KEPT};
use super::store::OutboxStore;
use super::{Inner, Outbox, TOLD};
use crate::clock::{Clock, SystemClock};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast};

/// The settings of an [`Outbox`].
#[must_use = "it does nothing until `build`"]
pub struct OutboxBuilder {
    store: Arc<dyn OutboxStore>,
    clients: Clients,
    clock: Arc<dyn Clock>,
    settle: Duration,
    repeat_for: Duration,
    concurrency: usize,
}

impl Outbox {
    /// An outbox that keeps its entries in this store.
    pub fn builder(store: impl OutboxStore) -> OutboxBuilder {
        OutboxBuilder {
            store: Arc::new(store),
            clients: Clients::default(),
            clock: Arc::new(SystemClock),
            settle: Duration::from_secs(90),
            repeat_for: KEY_KEPT,
            concurrency: 8,
        }
    }
}

impl OutboxBuilder {
    /// The client for Chatwork.
    #[cfg(feature = "chatwork")]
    pub fn chatwork(mut self, client: crate::chatwork::Client) -> Self {
        self.clients.chatwork = Some(client);
        self
    }

    /// The client for TAS-CHA.
    #[cfg(feature = "tascha")]
    pub fn tascha(mut self, client: crate::tascha::Client) -> Self {
        self.clients.tascha = Some(client);
        self
    }

    /// The client for Lancers, and the login name of its user, by which messages are looked for.
    #[cfg(feature = "lancers")]
    pub fn lancers(mut self, client: crate::lancers::Client, login: impl Into<String>) -> Self {
        self.clients.lancers = Some((client, login.into()));
        self
    }

    /// How long a request without an answer may still be carried out, at least the clients' time for an attempt (30 s, see [`attempt_timeout`](crate::ClientBuilder::attempt_timeout)). A message is
    /// looked for only then; after a kill the time counts from the restart. A request that takes longer is there twice, and
    /// [told](crate::outbox::Phase::Doubled). Default: 90 s.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// How long a request that may be repeated is repeated while it is not known whether it is done; then it is
    /// [uncertain](crate::outbox::Phase::Uncertain), and the next one of its room goes on. At most 23 hours, which is the default: TAS-CHA forgets
    /// its idempotency keys after a day.
    pub fn repeat_for(mut self, time: Duration) -> Self {
        self.repeat_for = time.min(KEY_KEPT);
        self
    }

    /// How many entries are worked on at once, at least one. Default: 8.
    pub fn concurrency(mut self, entries: usize) -> Self {
        self.concurrency = entries.max(1);
        self
    }

    /// The clock, for tests. It should be that of the clients and of the store.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The outbox. Nothing is sent before [`run`](Outbox::run) or [`deliver_due`](Outbox::deliver_due).
    pub fn build(self) -> Outbox {
        let Self { store, clients, clock, settle, repeat_for, concurrency } = self;
        let settle = settle.max(clients.attempt_timeout());
        Outbox(Arc::new(Inner {
            delivery: Delivery { store, clients, clock, settle, repeat_for },
            concurrency,
            added: Notify::new(),
            told: broadcast::Sender::new(TOLD),
        }))
    }
}

impl fmt::Debug for OutboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxBuilder").field("store", &self.store).finish_non_exhaustive()
    }
}
