//! The connection to a Redis server, and its outages.
//!
//! ```text
//!                  connected                      an error, or no answer in time
//!   NONE ────────────────────────► UP ───────────────────────────────────────────────► DOWN
//!    │                             ▲                                                    │
//!    │ cannot connect              └──────────── the try of this second succeeds ───────┤
//!    └──────────────────────────────────────────────────────────────────────────────────►
//! ```
//!
//! A connection on which an answer was late is closed: the next answer on it could be as late, and would look like a hanging
//! server for ever.

use crate::clock::later;
use crate::error::Error;
use crate::store_error::StoreError;
use futures::future::FutureExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after a failed try the next one is made.
const TRY_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
    response_timeout: Duration,
    state: Mutex<State>,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a late error does not close the next one.
    generation: u64,
    outage: Option<Outage>,
    /// When the last outage ended.
    up_since: Option<Instant>,
    /// Whether the server's settings were looked at.
    looked: bool,
}

struct Outage {
    since: Instant,
    next_try: Instant,
}

impl Link {
    pub(super) fn new(
        url: &str,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Result<Self, Error> {
        const SCHEMES: [&str; 4] = ["redis://", "rediss://", "redis+unix://", "unix://"];
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(Error::config(
                "the URL of the Redis server does not begin with `redis://`, `rediss://` or `redis+unix://`",
            ));
        }
        let tls = cfg!(any(feature = "rustls", feature = "rustls-no-provider", feature = "native-tls"));
        if url.starts_with("rediss://") && !tls {
            return Err(Error::config("`rediss://` needs the feature `rustls` or `native-tls`"));
        }
        // The text of the error could repeat the password.
        let client = Client::open(url).map_err(|_| {
            Error::config(
                "the URL of the Redis server cannot be read; its form is redis://user:password@host:6379/0",
            )
        })?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(response_timeout));
        let (state, connecting) = Default::default();
        Ok(Self { client, config, connect_timeout, response_timeout, state, connecting })
    }

    /// The server's address, without user and password.
    pub(super) fn place(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// Runs a script that [`may_try`](Self::may_try) allows.
    ///
    /// It is run a second time if the connection fails, so running it twice must be the same as once.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<T, StoreError> {
        let mut run = script.prepare_invoke();
        for key in keys {
            run.key(key);
        }
        for argument in arguments {
            run.arg(*argument);
        }
        // While the server is down, one try is enough.
        let mut again = self.lock().outage.is_none();
        loop {
            let (mut connection, generation) = self.connection().await?;
            match run.invoke_async(&mut connection).await {
                Ok(answer) => {
                    self.is_up();
                    return Ok(answer);
                }
                Err(error) => {
                    if error.is_io_error() || error.is_unrecoverable_error() {
                        self.close(generation);
                    }
                    // Idle connections are closed by the server, or by something on the way; and an answer can be late because this
                    // process was.
                    if std::mem::take(&mut again) && error.is_io_error() {
                        continue;
                    }
                    return Err(self.is_down(self.problem(&error)));
                }
            }
        }
    }

    /// Connects, and runs a command.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let script = Script::new("return redis.call('TIME')");
        self.lock().outage = None;
        self.run::<Vec<String>>(&script, &[], &[]).await.map(drop)
    }

    /// Whether the server may be asked. While it is down, one caller a second may.
    ///
    /// # Errors
    /// It is down, and the next try is not due.
    pub(super) fn may_try(&self) -> Result<(), StoreError> {
        let now = now();
        match &mut self.lock().outage {
            Some(outage) if outage.next_try > now => Err("the Redis server cannot be reached".into()),
            // One try at a time.
            Some(outage) => {
                outage.next_try = later(now, TRY_AGAIN);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether an outage has just ended, so that other processes may not know it yet.
    pub(super) fn has_just_recovered(&self) -> bool {
        self.lock().up_since.is_some_and(|since| now().saturating_duration_since(since) < 2 * TRY_AGAIN)
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let known = || {
            let state = self.lock();
            state.connection.clone().map(|connection| (connection, state.generation))
        };
        if let Some(known) = known() {
            return Ok(known);
        }
        let _turn = self.connecting.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let connecting = self.client.get_multiplexed_async_connection_with_config(&self.config);
        let connection = AssertUnwindSafe(connecting).catch_unwind().await.unwrap_or_else(|_| {
            // rustls panics without a provider.
            Err((ErrorKind::InvalidClientConfig, "TLS has no cryptography; install a provider of rustls")
                .into())
        });
        let connection = connection.map_err(|error| self.is_down(self.problem(&error)))?;
        let (generation, look) = {
            let mut state = self.lock();
            state.connection = Some(connection.clone());
            state.generation += 1;
            (state.generation, !std::mem::replace(&mut state.looked, true))
        };
        if look {
            self.look(connection.clone()).await;
        }
        Ok((connection, generation))
    }

    /// Warns once if the server may remove keys. A user without the right to ask gets no warning.
    async fn look(&self, mut connection: MultiplexedConnection) {
        let info = redis::cmd("INFO").arg("memory").query_async::<String>(&mut connection).await;
        let policy = info.ok().and_then(|info| {
            let line = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
            Some(line.trim().to_owned())
        });
        if let Some(policy) = policy.filter(|policy| policy != "noeviction") {
            tracing::warn!(
                server = self.place(),
                maxmemory_policy = policy,
                "the Redis server may remove leases and budgets when its memory is full; set maxmemory-policy to noeviction"
            );
        }
    }

    fn close(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation == generation {
            state.connection = None;
        }
    }

    fn is_up(&self) {
        let now = now();
        let outage = {
            let mut state = self.lock();
            let Some(outage) = state.outage.take() else { return };
            state.up_since = Some(now);
            outage
        };
        let lasted = now.saturating_duration_since(outage.since);
        tracing::info!(server = self.place(), ?lasted, "the Redis server can be used again");
    }

    fn is_down(&self, error: StoreError) -> StoreError {
        let now = now();
        let next_try = later(now, TRY_AGAIN);
        let is_first = {
            let mut state = self.lock();
            let is_first = state.outage.is_none();
            state.outage.get_or_insert(Outage { since: now, next_try }).next_try = next_try;
            is_first
        };
        if is_first {
            tracing::warn!(
                server = self.place(),
                %error,
                "the Redis server cannot be used; its stores follow their policy for outages until it can"
            );
        }
        error
    }

    /// What went wrong, without the server's own text: some servers repeat the command, which may be the one with the password.
    fn problem(&self, error: &RedisError) -> StoreError {
        let place = self.place();
        let problem = match error.kind() {
            _ if error.is_timeout() => format!(
                "the Redis server {place} did not connect within {:?} or answer within {:?}",
                self.connect_timeout, self.response_timeout
            ),
            ErrorKind::Io => format!("the Redis server {place} cannot be reached: {}", error.category()),
            ErrorKind::AuthenticationFailed => {
                format!("the Redis server {place} refuses the user or the password of the URL")
            }
            ErrorKind::InvalidClientConfig => format!("the Redis server {place}: {}", error.category()),
            ErrorKind::Server(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::ClusterDown,
            ) => format!(
                "{place} is a Redis Cluster, which is not supported; use a single server, or one with replicas"
            ),
            ErrorKind::Server(ServerErrorKind::NoPerm) => {
                format!(
                    "the user of the Redis server {place} may not run a command; `kaiwa::store::Redis` lists them"
                )
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                format!("the Redis server {place} is a replica, which cannot be written to")
            }
            _ if error.code() == Some("OOM") => format!("the memory of the Redis server {place} is full"),
            _ => format!(
                "the Redis server {place} refused a command: {}",
                error.code().unwrap_or("unknown error")
            ),
        };
        problem.into()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
