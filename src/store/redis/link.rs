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

/// How often refused commands are logged.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(60);

pub(super) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
    response_timeout: Duration,
    is_tls: bool,
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
    /// How many connections could not be opened.
    failed: u64,
    /// When a refused command was last logged.
    complained_at: Option<Instant>,
    /// Whether the server's settings were looked at.
    looked: bool,
}

struct Outage {
    since: Instant,
    next_try: Instant,
    problem: String,
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
        if has_odd_password(url) {
            return Err(Error::config(
                "the user or the password in the URL of the Redis server has one of the characters `/`, `?`, `#` and `@`; \
                 percent-encode it: `%2F`, `%3F`, `%23`, `%40`",
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
        let is_tls = url.starts_with("rediss://");
        Ok(Self { client, config, connect_timeout, response_timeout, is_tls, state, connecting })
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
                Err(error) if is_outage(&error) => {
                    self.close(generation);
                    // Idle connections are closed by the server, or by something on the way; and an answer can be late because
                    // this process was.
                    if std::mem::take(&mut again) {
                        continue;
                    }
                    return Err(self.is_down(self.problem(&error)));
                }
                Err(error) => return Err(self.is_refused(self.problem(&error))),
            }
        }
    }

    /// Connects if need be, and runs a command that writes. It does not wait for the next try of an outage.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let script = Script::new("return redis.call('SET', KEYS[1], '', 'PX', 1000)");
        self.run::<String>(&script, &["{kaiwa:check}:check".to_owned()], &[]).await.map(drop)
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

    /// Whether there is an outage, or one has just ended, so that other processes may not know it yet.
    pub(super) fn is_unsettled(&self) -> bool {
        let state = self.lock();
        let lately = |since| now().saturating_duration_since(since) < 2 * TRY_AGAIN;
        state.outage.is_some() || state.up_since.is_some_and(lately)
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let known = || {
            let state = self.lock();
            state.connection.clone().map(|connection| (connection, state.generation))
        };
        if let Some(known) = known() {
            return Ok(known);
        }
        let failed = self.lock().failed;
        let _turn = self.connecting.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        if self.lock().failed > failed {
            // The one in front has waited for all.
            let problem = self.lock().outage.as_ref().map(|outage| outage.problem.clone());
            return Err(problem.unwrap_or_else(|| "the Redis server cannot be reached".to_owned()).into());
        }
        let connecting = self.client.get_multiplexed_async_connection_with_config(&self.config);
        let connection = AssertUnwindSafe(connecting).catch_unwind().await.unwrap_or_else(|_| {
            // rustls panics without a provider.
            Err((ErrorKind::InvalidClientConfig, "TLS has no cryptography; install a provider of rustls")
                .into())
        });
        let connection = connection.map_err(|error| {
            self.lock().failed += 1;
            self.is_down(self.problem(&error))
        })?;
        if !self.lock().looked {
            self.look(connection.clone()).await?;
        }
        let mut state = self.lock();
        state.looked = true;
        state.connection = Some(connection.clone());
        state.generation += 1;
        Ok((connection, state.generation))
    }

    /// Refuses a Cluster, and warns once if the server may remove keys. A user without the right to ask gets no warning.
    async fn look(&self, mut connection: MultiplexedConnection) -> Result<(), StoreError> {
        let info = redis::cmd("INFO").query_async::<String>(&mut connection).await.unwrap_or_default();
        let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if value("cluster_enabled:") == Some("1") {
            return Err(self.is_down(self.cluster().into()));
        }
        if let Some(policy) = value("maxmemory_policy:").filter(|policy| *policy != "noeviction") {
            tracing::warn!(
                server = self.place(),
                maxmemory_policy = policy,
                "the Redis server may remove budgets, leases and tokens when its memory is full; set maxmemory-policy to noeviction"
            );
        }
        Ok(())
    }

    fn cluster(&self) -> String {
        let place = self.place();
        format!(
            "{place} is a Redis Cluster, which is not supported; use a single server, or one with replicas"
        )
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
            let since = state.outage.as_ref().map_or(now, |outage| outage.since);
            state.outage = Some(Outage { since, next_try, problem: error.to_string() });
            is_first
        };
        if is_first {
            tracing::warn!(
                server = self.place(),
                %error,
                "the Redis server cannot be used; until it can, each process goes on with its part of the budgets, or refuses calls"
            );
        }
        error
    }

    /// A command was refused, which says nothing of the others.
    fn is_refused(&self, error: StoreError) -> StoreError {
        let now = now();
        let mut state = self.lock();
        if state.complained_at.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAIN_AGAIN) {
            state.complained_at = Some(now);
            drop(state);
            tracing::warn!(server = self.place(), %error, "the Redis server refuses commands");
        }
        error
    }

    /// What went wrong, and what to do. Some servers repeat a command that they do not know, which may be the one with the
    /// password.
    fn problem(&self, error: &RedisError) -> StoreError {
        let place = self.place();
        let code = error.code();
        let problem = match error.kind() {
            _ if error.is_timeout() => format!(
                "the Redis server {place} did not connect within {:?} or answer within {:?}{}",
                self.connect_timeout,
                self.response_timeout,
                if self.is_tls { "; is it a server with TLS?" } else { "" }
            ),
            ErrorKind::Io => format!("the Redis server {place} cannot be reached: {error}"),
            ErrorKind::AuthenticationFailed => {
                format!("the Redis server {place} refuses the user or the password of the URL")
            }
            ErrorKind::InvalidClientConfig => format!("the Redis server {place}: {}", error.category()),
            _ if code == Some("NOAUTH") => {
                format!(
                    "the Redis server {place} wants a password, and the URL has none: redis://:PASSWORD@HOST"
                )
            }
            _ if is_cluster(error) => self.cluster(),
            _ if is_forbidden(error) => {
                format!(
                    "the user of the Redis server {place} may not run a command; `kaiwa::store::Redis` lists them"
                )
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                format!("the Redis server {place} is a replica, which cannot be written to")
            }
            _ if code == Some("OOM") => format!("the memory of the Redis server {place} is full"),
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
                format!("the Redis server {place} gave an answer that cannot be read")
            }
            _ => {
                let said = error.detail().filter(|said| !said.contains("args beginning"));
                let said = said.unwrap_or(error.category());
                format!("the Redis server {place} refused a command: {} {said}", code.unwrap_or_default())
            }
        };
        problem.into()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server cannot be used at all, as it seems; a new connection may lead to another one.
fn is_outage(error: &RedisError) -> bool {
    let is_kind = matches!(
        error.kind(),
        ErrorKind::Io
            | ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown
            )
    );
    // In an error of a script, the code can stand in the text.
    let text = error.detail().unwrap_or_default();
    is_kind
        || error.code() == Some("NOAUTH")
        || is_cluster(error)
        || text.contains("READONLY")
        || text.contains("read only replica")
}

fn is_cluster(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, CrossSlot, Moved};
    matches!(error.kind(), ErrorKind::Server(Moved | Ask | CrossSlot | ClusterDown))
}

fn is_forbidden(error: &RedisError) -> bool {
    let text = error.detail().unwrap_or_default();
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm))
        || ["can't run this command", "no permissions", "NOPERM"].iter().any(|words| text.contains(words))
}

/// Whether the part before the host has a character that ends it: what follows would be taken for the host, and be shown.
fn has_odd_password(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    scheme.starts_with("redis")
        && scheme != "redis+unix"
        && (rest[ends..].contains('@') || rest[..ends].matches('@').count() > 1)
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
