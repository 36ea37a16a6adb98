//! Redis, for what several processes share.

mod budgets;
mod link;
mod numbers;
mod replays;
mod request;
mod server;
mod share;
#[cfg(feature = "oauth")]
mod tokens;

pub use budgets::RedisBudgets;
pub use replays::RedisReplays;
pub use server::Outage;
#[cfg(feature = "oauth")]
pub use tokens::RedisTokens;

use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use link::Link;
use server::Server;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A Redis or Valkey server, from version 6.2, for what several processes share: the [`budgets`](Self::budgets) of an account,
/// the [webhooks](Self::replays) that were seen, and OAuth [tokens](Self::tokens).
///
/// Nothing is connected before the first use, so a program starts while the server is down. Clones share one connection.
///
/// ```no_run
/// # #[cfg(feature = "chatwork")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use kaiwa::store::Redis;
/// use kaiwa::{Pace, chatwork};
///
/// let redis = Redis::new("redis://127.0.0.1/")?;
/// let budgets = redis.budgets("support-bot")?;
/// let pace = Pace::new().store(budgets.clone());
/// let chatwork = chatwork::Client::builder().api_token("…").pace(pace).build()?;
/// // …
/// budgets.flush().await?; // at the end, so that the others need not wait until the last permits expire
/// # let _ = chatwork;
/// # Ok(())
/// # }
/// ```
///
/// # What is stored
///
/// All keys of a name begin with `{kaiwa:NAME}:`, so an ACL can allow them alone. Their names hold no credential, and no text of
/// a message is stored; those of webhooks hold the ids of messages. They expire by themselves: what is not used any more after
/// an hour, tokens 400 days after they were saved. All times are those of the server, so the clocks of the processes do not
/// matter. Only [`tokens`](Self::tokens) stores secrets.
///
/// # The user of the server
///
/// These commands are enough:
///
/// ```text
/// ACL SETUSER kaiwa on >PASSWORD resetkeys ~{kaiwa:* resetchannels -@all
///   +evalsha +script|load +time +get +set +del +pttl +zadd +zcard +zremrangebyscore +pexpire +ping +select
/// ```
///
/// With `+info` the client also warns if the server may remove keys when its memory is full.
///
/// # Kinds of servers
///
/// One server, or one with replicas: after a failover, the last writes may be missing, and a window be exceeded by them once.
/// A Redis Cluster is refused, because it needs another kind of connection. `rediss://` is TLS, with one of the features
/// `rustls`, `rustls-no-provider` and `native-tls`. Neither the user nor the password of the URL is ever shown.
///
/// [`guide::many_processes`](crate::guide::many_processes) shows all of it in one program.
#[derive(Clone)]
pub struct Redis(Server);

/// The settings of a [`Redis`].
#[must_use = "it does nothing until `build`"]
pub struct RedisBuilder {
    url: String,
    outage: Outage,
    connect_timeout: Duration,
    response_timeout: Duration,
    processes: u32,
    clock: Option<Arc<dyn Clock>>,
}

impl Redis {
    /// A server by its URL, such as `redis://user:password@host:6379/0`, `rediss://…` or `redis+unix:///path`.
    ///
    /// # Errors
    /// The URL cannot be used. The error does not show it.
    pub fn new(url: impl Into<String>) -> Result<Self, Error> {
        Self::builder(url).build()
    }

    /// The same, with settings.
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder {
            url: url.into(),
            outage: Outage::default(),
            connect_timeout: Duration::from_millis(500),
            response_timeout: Duration::from_millis(150),
            processes: 1,
            clock: None,
        }
    }

    /// The budgets of one account, under a name of your own. All processes with the account's credential use the same name, and
    /// other accounts other ones.
    ///
    /// # Errors
    /// The name is not 1 to 100 ASCII letters, digits, `_`, `-` and `.`, or looks like a credential.
    pub fn budgets(&self, name: &str) -> Result<RedisBudgets, Error> {
        Ok(RedisBudgets::new(&self.0, prefix(name)?))
    }

    /// The webhooks that some processes have seen, under a name of your own. All processes that one webhook reaches use the
    /// same name.
    ///
    /// While the server cannot be reached, [`StoreFailure`](crate::webhook::StoreFailure) says what happens to an event, and not
    /// [`Outage`].
    ///
    /// # Errors
    /// As [`budgets`](Self::budgets).
    pub fn replays(&self, name: &str) -> Result<RedisReplays, Error> {
        Ok(RedisReplays::new(Arc::clone(&self.0.link), prefix(name)?))
    }

    /// The OAuth tokens of one person, and the right to refresh them, under a name of your own.
    ///
    /// Whoever can read the server's memory, its files or its connections has the tokens. Use `rediss://`, a user whose ACL
    /// allows no other keys to it and these keys to no other user, and a server that saves to its disk (`appendonly yes`):
    /// a restart that loses the tokens ends the login. On one machine, a
    /// [`FileTokenStore`](crate::oauth::FileTokenStore) is better.
    ///
    /// While the server cannot be reached, no token is refreshed: an access token is used until it expires.
    ///
    /// # Errors
    /// As [`budgets`](Self::budgets).
    #[cfg(feature = "oauth")]
    pub fn tokens(&self, name: &str) -> Result<RedisTokens, Error> {
        Ok(RedisTokens::new(Arc::clone(&self.0.link), prefix(name)?))
    }

    /// Whether the server can be used: connects, and writes a key. It finds a wrong password and a missing right at the start,
    /// which look like an outage otherwise.
    ///
    /// # Errors
    /// It cannot be reached, refuses the user, or is of a kind that is not supported.
    pub async fn check(&self) -> Result<(), Error> {
        self.0.link.check().await.map_err(Error::store)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("server", &self.0.link.place()).finish_non_exhaustive()
    }
}

impl RedisBuilder {
    /// What to do while the server cannot be reached. The default is [`Outage::Divide`].
    pub fn outage(mut self, outage: Outage) -> Self {
        self.outage = outage;
        self
    }

    /// How long connecting may take; 500 ms by default.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long the server may take for an answer; 150 ms by default. Later answers are not waited for, and the connection is
    /// closed.
    pub fn response_timeout(mut self, time: Duration) -> Self {
        self.response_timeout = time;
        self
    }

    /// How many processes there are. It counts until the server has been reached for the first time, and then the server
    /// does. Default: 1.
    pub fn processes(mut self, processes: u32) -> Self {
        self.processes = processes.max(1);
        self
    }

    /// Replaces the server's clock as well, for tests on a virtual one.
    #[doc(hidden)]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The store. Nothing is connected yet.
    ///
    /// # Errors
    /// The URL cannot be used, or a timeout is zero. The error does not show the URL.
    pub fn build(self) -> Result<Redis, Error> {
        if self.connect_timeout.is_zero() || self.response_timeout.is_zero() {
            return Err(Error::config("a timeout of the Redis server is zero"));
        }
        let link = Link::new(&self.url, self.connect_timeout, self.response_timeout)?;
        let replaced = self.clock.is_some();
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let (outage, processes) = (self.outage, self.processes);
        Ok(Redis(Server { link: Arc::new(link), outage, processes, clock, replaced }))
    }
}

impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder").field("outage", &self.outage).finish_non_exhaustive()
    }
}

/// The beginning of all keys of a name.
fn prefix(name: &str) -> Result<String, Error> {
    let name = crate::store::name::check(name)?;
    Ok(format!("{{kaiwa:{name}}}:"))
}
