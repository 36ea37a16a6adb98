//! OAuth tokens in Redis, and who may refresh them.

use super::link::Link;
use super::numbers::millis;
use crate::oauth::{ExposeSecret, RefreshLease, TokenSet, TokenStore};
use crate::store::lease::{Ask, LEASE, Leases, lease};
use crate::store_error::StoreError;
use futures::future::BoxFuture;
use redis::Script;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Handle;

static LEASE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("tokens.lua")));
static LOAD: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('GET', KEYS[1]) or ''"));
static SAVE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"));

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

    async fn refresh(&self, action: &str, id: &str) -> Result<bool, StoreError> {
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
        Box::pin(lease(self))
    }
}

impl Leases for RedisTokens {
    async fn ask(&self, ask: Ask, id: &str) -> Result<bool, StoreError> {
        let action = match ask {
            Ask::Lease => "lease",
            Ask::Renew => "renew",
        };
        self.refresh(action, id).await
    }

    fn give_back(&self, id: &str) {
        let (store, id) = (self.clone(), id.to_owned());
        // Without a runtime the lease ends by itself.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { store.refresh("release", &id).await.ok() });
        }
    }
}

impl fmt::Debug for RedisTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, keys) = (self.link.place(), &self.prefix);
        f.debug_struct("RedisTokens").field("server", &server).field("keys", keys).finish()
    }
}
