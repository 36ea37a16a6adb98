//! Seen webhooks in Redis.

use super::link::Link;
use super::numbers::millis;
use crate::store_error::StoreError;
use crate::webhook::{Claim, ClaimId, ReplayCache};
use futures::future::BoxFuture;
use redis::Script;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("replays.lua")));

/// The webhooks that some processes have seen, in Redis: see [`Redis::replays`](super::Redis::replays).
///
/// There is one key for each event, which expires with the claim or with the time for which the event is remembered.
#[derive(Clone)]
pub struct RedisReplays {
    link: Arc<Link>,
    prefix: String,
}

impl RedisReplays {
    pub(super) fn new(link: Arc<Link>, prefix: String) -> Self {
        Self { link, prefix }
    }

    async fn run(&self, action: &str, key: &str, id: &str, time: Duration) -> Result<i64, StoreError> {
        self.link.may_try()?;
        let key = format!("{}event:{key}", self.prefix);
        let time = millis(time).max(1).to_string();
        self.link.run(&SCRIPT, &[key], &[action, id, &time]).await
    }
}

impl ReplayCache for RedisReplays {
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        Box::pin(async move {
            Ok(match self.run("claim", key, &id.to_string(), lease).await? {
                -1 => Claim::New,
                -2 => Claim::Done,
                left => Claim::Held { left: Duration::from_millis(left.unsigned_abs()) },
            })
        })
    }

    fn done<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        time: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.run("done", key, &id.to_string(), time).await? == 1) })
    }

    fn release<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.run("release", key, &id.to_string(), Duration::ZERO).await.map(drop) })
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.run("forget", key, "", Duration::ZERO).await.map(drop) })
    }
}

impl fmt::Debug for RedisReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, keys) = (self.link.place(), &self.prefix);
        f.debug_struct("RedisReplays").field("server", &server).field("keys", keys).finish()
    }
}
