//! Stores that several processes share.

mod redis;

#[cfg(feature = "oauth")]
pub use redis::RedisTokens;
pub use redis::{Outage, Redis, RedisBudgets, RedisBuilder, RedisReplays};
