//! OAuth tokens in Redis, and who may refresh them.

use super::link::Link;
use super::numbers::millis;
use crate::oauth::{ExposeSecret, RefreshLease, TokenSet, TokenStore};
use crate::store_error::StoreError;
use futures::future::BoxFuture;
use redis::Script;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Handle;

static LEASE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("tokens.lua")));
static LOAD: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('GET', KEYS[1]) or ''"));
static SAVE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"));

/// After this time without a sign of its holder, another process may refresh.
const LEASE: Duration = Duration::from_secs(10);

/// How often a lease is renewed, and how often it is asked for.
const RENEW: Duration = Duration::from_secs(3);
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The time that a request may still take when the lease is said to hold.
const MARGIN: Duration = Duration::from_secs(2);

/// How long unused tokens are kept.
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// How long a save is tried: the service may have made the former tokens invalid.
const SAVE_FOR: Duration = Duration::from_secs(8);
const SAVE_AGAIN: Duration = Duration::from_millis(250);

/// The tokens of one person in Redis: see [`Redis::tokens`](super::Redis::tokens).
#[derive(Clone)]
pub struct RedisTokens {
    link: Arc<Link>,
    prefix: String,
}

impl RedisTokens {
    pub(super) fn new(link: Arc<Link>, prefix: String) -> Self {
        Self { link, prefix }
    }

    fn keys(&self, name: &str) -> [String; 1] {
        [format!("{}{name}", self.prefix)]
    }

    async fn save_once(&self, json: &str) -> Result<(), StoreError> {
        self.link.may_try()?;
        let kept = millis(KEPT).to_string();
        self.link.run::<String>(&SAVE, &self.keys("tokens"), &[json, &kept]).await.map(drop)
    }

    async fn lease_once(&self, action: &str, id: &str) -> Result<bool, StoreError> {
        self.link.may_try()?;
        let time = millis(LEASE).to_string();
        self.link.run::<bool>(&LEASE_SCRIPT, &self.keys("refresh"), &[action, id, &time]).await
    }
}

impl TokenStore for RedisTokens {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        Box::pin(async {
            self.link.may_try()?;
            let json: String = self.link.run(&LOAD, &self.keys("tokens"), &[]).await?;
            if json.is_empty() {
                return Ok(None);
            }
            let tokens = TokenSet::from_json(&json);
            Ok(Some(tokens.map_err(|error| format!("the tokens in Redis cannot be read: {}", error.kind()))?))
        })
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let json = tokens.to_json();
            let began = tokio::time::Instant::now();
            loop {
                match self.save_once(json.expose_secret()).await {
                    Err(_) if began.elapsed() < SAVE_FOR => tokio::time::sleep(SAVE_AGAIN).await,
                    result => return result,
                }
            }
        })
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        Box::pin(async {
            // It is there before the server is asked, so that a lease without an answer is given back.
            let guard = Guard::new(self.clone());
            loop {
                let asked = now();
                if self.lease_once("lease", &guard.held.id).await? {
                    guard.held.renewed(asked);
                    guard.keep();
                    let held = Arc::clone(&guard.held);
                    return Ok(RefreshLease::held(guard).valid_while(move || held.is_valid()));
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        })
    }
}

impl fmt::Debug for RedisTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, keys) = (self.link.place(), &self.prefix);
        f.debug_struct("RedisTokens").field("server", &server).field("keys", keys).finish()
    }
}

/// A lease, which is given back when it is dropped.
struct Guard {
    store: RedisTokens,
    held: Arc<HeldLease>,
}

struct HeldLease {
    id: String,
    /// Until when it holds, as far as this process knows: by the monotonic clock, which may stand still while the machine
    /// sleeps, and by the wall clock, which may be set.
    ends: Mutex<Option<(Instant, SystemTime)>>,
    dropped: AtomicBool,
}

impl HeldLease {
    fn renewed(&self, (now, wall): (Instant, SystemTime)) {
        let lasts = LEASE - MARGIN;
        *self.lock() = Some((now + lasts, wall + lasts));
    }

    fn is_valid(&self) -> bool {
        self.lock().is_some_and(|(end, wall)| Instant::now() < end && SystemTime::now() < wall)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, SystemTime)>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}

impl Guard {
    fn new(store: RedisTokens) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        let held = HeldLease { id, ends: Mutex::default(), dropped: AtomicBool::new(false) };
        Self { store, held: Arc::new(held) }
    }

    /// Renews the lease until it is dropped.
    fn keep(&self) {
        let (store, held) = (self.store.clone(), Arc::clone(&self.held));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEW).await;
                if held.dropped.load(Ordering::Acquire) {
                    return;
                }
                let asked = now();
                match store.lease_once("renew", &held.id).await {
                    Ok(true) => held.renewed(asked),
                    // It has ended, and another process may have one.
                    Ok(false) => {
                        *held.lock() = None;
                        return;
                    }
                    Err(_) => {}
                }
            }
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.held.dropped.store(true, Ordering::Release);
        let (store, held) = (self.store.clone(), Arc::clone(&self.held));
        // Without a runtime the lease ends by itself.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { store.lease_once("release", &held.id).await.ok() });
        }
    }
}
