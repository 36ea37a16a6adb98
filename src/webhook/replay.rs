//! What a cache of events does: claims, and what is done.

use crate::StoreError;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// How long a claim holds, unless it is renewed.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(60);

/// The longest wait for one call of a [`ReplayCache`]. Then the cache counts as failed.
pub const STORE_TIME: Duration = Duration::from_secs(3);

/// Remembers which events are being handled, and which are done.
///
/// ```text
///            claim                    done
///   unknown ───────► claimed by one ───────► done
///      ▲                │                     │
///      └────────────────┴─────────────────────┘
///        release, end of the lease, forget, end of the time
/// ```
///
/// Whoever is to handle an event claims it first. A process that dies loses its claim at the end of the lease, and another one
/// handles the event. One that takes longer than its lease must claim the event again meanwhile, with the same [`ClaimId`].
///
/// [`MemoryReplayCache`](super::MemoryReplayCache) serves one process. Several processes behind one address need a shared
/// store. In Redis, with one key for an event, `claim` is `SET key id NX PX lease`; the others compare the value with the
/// id in a script. Keys begin with the name of their service, so one cache serves all services. They hold ids of messages,
/// and no texts.
///
/// Each method is atomic: of two simultaneous claims of one key, exactly one is [`New`](Claim::New). A call may be dropped
/// while it runs, and may or may not have taken effect then. A repeated call has the effect of one. A call that takes longer
/// than [`STORE_TIME`] is dropped and counts as failed; for what happens then see [`StoreFailure`].
pub trait ReplayCache: fmt::Debug + Send + Sync + 'static {
    /// Claims the event for `lease`, if it is neither claimed by another nor done. A claim of the same id is renewed: it then
    /// ends `lease` from now.
    ///
    /// # Errors
    ///
    /// If the store failed. The event may be claimed nevertheless.
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Claim, StoreError>>;

    /// Remembers for `time` that the event is done. If another claim holds it, this does nothing and returns `false`. A claim
    /// whose lease has ended is as good as any other as long as nobody else has claimed the event.
    ///
    /// # Errors
    ///
    /// If the store failed. The event may be done nevertheless.
    fn done<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        time: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Gives the claim up, so that the event is new at once. If another claim holds the event, or it is done, this does
    /// nothing.
    ///
    /// # Errors
    ///
    /// If the store failed. The claim then ends with its lease.
    fn release<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets the event, whether it is claimed or done. It is then new when it comes again.
    ///
    /// # Errors
    ///
    /// If the store failed.
    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}

impl<T: ReplayCache + ?Sized> ReplayCache for Arc<T> {
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        (**self).claim(key, id, lease)
    }

    fn done<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        time: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        (**self).done(key, id, time)
    }

    fn release<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).release(key, id)
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).forget(key)
    }
}

/// What became of an attempt to claim an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The event is claimed by this id, and is to be handled.
    New,
    /// Another id has claimed it.
    Held {
        /// How long that claim still holds, unless it is renewed.
        left: Duration,
    },
    /// The event is done.
    Done,
}

/// Who claims an event. It is unique among all processes, so that a process whose claim has ended cannot touch the claim that
/// another one has taken since: it is a fencing token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimId([u64; 2]);

impl ClaimId {
    /// An id that no other claim has.
    pub fn unique() -> Self {
        // Random numbers from the system cost more than a claim in memory, so there is one for the process.
        static PROCESS: LazyLock<u128> = LazyLock::new(|| uuid::Uuid::new_v4().as_u128());
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::from_u128(PROCESS.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into()))
    }

    /// The id with this number, for tests of a store.
    pub fn from_u128(number: u128) -> Self {
        // In halves it is aligned as other fields are, which makes the entries of a cache smaller.
        Self([(number >> 64) as u64, number as u64])
    }

    /// The id as a number.
    pub fn as_u128(self) -> u128 {
        let [high, low] = self.0;
        u128::from(high) << 64 | u128::from(low)
    }
}

/// 32 hexadecimal digits, as a store may keep it.
impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.as_u128())
    }
}

/// What happens to an event whose [`ReplayCache`] fails, or does not answer within [`STORE_TIME`]. An outage is one warning of
/// `tracing`, at its first failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFailure {
    /// It counts as new. No event is lost, and during an outage each process handles what it receives: an event may be handled
    /// twice.
    #[default]
    Take,
    /// It is not handled before the store answers. A verifier refuses the event: TAS-CHA sends it again, Chatwork does not. A
    /// bot keeps the message, and asks the store again.
    Refuse,
}
