//! Stores that several processes share: [`guide::many_processes`](crate::guide::many_processes).

#[cfg(feature = "oauth")]
mod lease;
mod name;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(all(feature = "redis", feature = "oauth"))]
pub use redis::RedisTokens;
#[cfg(feature = "redis")]
pub use redis::{Outage, Redis, RedisBudgets, RedisBuilder, RedisReplays};
#[cfg(all(feature = "sqlite", feature = "oauth"))]
pub use sqlite::SqliteTokens;
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteReplays};
