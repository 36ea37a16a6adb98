//! The right to refresh the tokens of a store, which one process has at a time.

use std::any::Any;
use std::fmt;

/// The right to refresh the tokens of a [`TokenStore`](super::TokenStore). It ends when this value is dropped.
///
/// ```
/// use kaiwa::oauth::RefreshLease;
/// use std::time::{Duration, Instant};
///
/// /// A key of a lock server that expires by itself; dropping it gives it back.
/// struct Key {
///     expires: Instant,
/// }
///
/// impl Drop for Key {
///     fn drop(&mut self) {
///         // Queued behind the save of the tokens, which has ended by now.
///     }
/// }
///
/// let key = Key { expires: Instant::now() + Duration::from_secs(30) };
/// let expires = key.expires;
/// let lease = RefreshLease::held(key).valid_while(move || Instant::now() < expires);
/// # drop(lease);
/// ```
#[must_use = "the lease ends when it is dropped"]
pub struct RefreshLease {
    guard: Option<Box<dyn Any + Send + Sync>>,
    is_valid: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl RefreshLease {
    /// The answer of a store without leases: whoever asks may refresh.
    pub fn none() -> Self {
        Self { guard: None, is_valid: None }
    }

    /// A lease that ends when `guard` is dropped.
    ///
    /// The new tokens are saved before that. A store behind a network sends or queues the release in the guard's `Drop`, which
    /// must not block. Its leases also have to expire by themselves, since a process that is killed drops nothing; they are
    /// to be extended while the guard lives, as a refresh lasts as long as the token endpoint takes.
    pub fn held(guard: impl Send + Sync + 'static) -> Self {
        Self { guard: Some(Box::new(guard)), is_valid: None }
    }

    /// The same with a question that is asked right before the refresh is sent: whether the lease has not expired meanwhile,
    /// while this process was stopped for example. If it has, nothing is sent. The answer must not block.
    pub fn valid_while(mut self, is_valid: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_valid = Some(Box::new(is_valid));
        self
    }

    /// Whether other processes are kept from refreshing. A store that wraps another one may want to know.
    pub fn is_held(&self) -> bool {
        self.guard.is_some()
    }

    pub(super) fn has_expired(&self) -> bool {
        self.is_valid.as_ref().is_some_and(|is_valid| !is_valid())
    }
}

impl fmt::Debug for RefreshLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshLease").field("is_held", &self.is_held()).finish_non_exhaustive()
    }
}
