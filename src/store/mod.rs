//! Stores that several processes share: [`guide::many_processes`](crate::guide::many_processes).

mod redis;

#[cfg(feature = "oauth")]
pub use redis::RedisTokens;
pub use redis::{Outage, Redis, RedisBudgets, RedisBuilder, RedisReplays};
