//! What the webhooks of all services, and bots, know of events: which are being handled, and which are done.
//!
//! ```
//! use kaiwa::webhook::{Claim, ClaimId, DEFAULT_LEASE, MemoryReplayCache, ReplayCache};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), kaiwa::StoreError> {
//! let cache = MemoryReplayCache::new(10_000);
//! let (one, other) = (ClaimId::unique(), ClaimId::unique());
//! assert_eq!(cache.claim("event-1", one, DEFAULT_LEASE).await?, Claim::New);
//! assert!(matches!(cache.claim("event-1", other, DEFAULT_LEASE).await?, Claim::Held { .. }));
//!
//! // The event is handled.
//! cache.done("event-1", one, Duration::from_secs(600)).await?;
//! assert_eq!(cache.claim("event-1", other, DEFAULT_LEASE).await?, Claim::Done);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "axum")]
#[cfg_attr(partial, allow(dead_code))]
pub(crate) mod axum;
// Bots and webhooks use a part of it each.
#[cfg_attr(any(partial, not(feature = "webhooks")), allow(dead_code))]
pub(crate) mod claims;
mod memory;
#[cfg(feature = "webhooks")]
#[cfg_attr(partial, allow(dead_code))]
pub(crate) mod pending;
mod replay;
#[cfg(test)]
mod tests;

#[cfg(feature = "axum")]
pub use self::axum::{Refusal, Rejection, Verified};
pub use self::memory::MemoryReplayCache;
#[cfg(feature = "webhooks")]
pub use self::pending::Pending;
pub use self::replay::{Claim, ClaimId, DEFAULT_LEASE, ReplayCache, STORE_TIME, StoreFailure};
