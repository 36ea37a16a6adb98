//! Stores for tokens that outlive the process.

use super::lease::RefreshLease;
use super::tokens::TokenSet;
use crate::clock::Clock;
use crate::store_error::StoreError;
use crate::transport::timer::{Bound, within};
use futures::future::BoxFuture;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest wait for a store.
pub(super) const STORE_TIME: Duration = Duration::from_secs(10);

/// Keeps the tokens of one person, from one run of a program to the next.
///
/// ```
/// use futures::future::BoxFuture;
/// use kaiwa::StoreError;
/// use kaiwa::oauth::{ExposeSecret, TokenSet, TokenStore};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl TokenStore for Vault {
///     fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
///         Box::pin(async { Ok(read("bot/tokens").await?.map(|json| TokenSet::from_json(&json)).transpose()?) })
///     }
///
///     fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
///         Box::pin(async move { Ok(write("bot/tokens", tokens.to_json().expose_secret()).await?) })
///     }
/// }
/// # async fn read(_: &str) -> std::io::Result<Option<String>> { Ok(None) }
/// # async fn write(_: &str, _: &str) -> std::io::Result<()> { Ok(()) }
/// ```
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// The tokens that were saved last; `None` if none were.
    ///
    /// # Errors
    ///
    /// If the store cannot be read. After 10 seconds without a result the caller stops waiting, and it counts as failed. With
    /// a [lease](Self::lease) that is [held](RefreshLease::held), no refresh is sent then, as another process may have used
    /// up the refresh token. Without one, a refresh uses the tokens in memory.
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>>;

    /// Replaces the saved tokens. When it ends, the tokens must survive a crash: the service may have invalidated the
    /// previous refresh token.
    ///
    /// # Errors
    ///
    /// If the tokens could not be saved; see [`Authorization::save`](super::Authorization::save). After 10 seconds the
    /// caller stops waiting. The save is not cancelled, and the next one begins after it has ended.
    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Waits until no other process refreshes these tokens, and keeps the others from it until the lease is dropped.
    ///
    /// A store that several processes share needs this if the service replaces refresh tokens: two refreshes at once lose the
    /// login. After it has the lease, a process loads the tokens again, refreshes them only if no other has, and saves the new
    /// ones before the lease ends.
    ///
    /// A caller that waits no longer drops the future: that must leave no lease behind. The future must not block a thread
    /// of the runtime. If the holder is killed, the lease must end.
    ///
    /// By default there are no leases here ([`RefreshLease::none`]).
    ///
    /// # Errors
    ///
    /// If the store cannot say who may refresh. Then no refresh is sent: the access token is used until it expires, or
    /// until another process has saved a newer one.
    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        Box::pin(std::future::ready(Ok(RefreshLease::none())))
    }
}

impl<S: TokenStore + ?Sized> TokenStore for Arc<S> {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        (**self).load()
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).save(tokens)
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        (**self).lease()
    }
}

/// Keeps tokens until the process ends; the default. Clones share them, and their lease.
#[derive(Clone, Default)]
pub struct MemoryTokenStore(Arc<Memory>);

#[derive(Default)]
struct Memory {
    tokens: Mutex<Option<TokenSet>>,
    lease: Arc<tokio::sync::Mutex<()>>,
}

impl MemoryTokenStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl TokenStore for MemoryTokenStore {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        let tokens = self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(std::future::ready(Ok(tokens)))
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        *self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokens.clone());
        Box::pin(std::future::ready(Ok(())))
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        Box::pin(async { Ok(RefreshLease::held(Arc::clone(&self.0.lease).lock_owned().await)) })
    }
}

impl fmt::Debug for MemoryTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("MemoryTokenStore").field(&*tokens).finish()
    }
}

/// The stored tokens, unless the store takes too long.
pub(super) async fn load(store: &dyn TokenStore, clock: &dyn Clock) -> Result<Option<TokenSet>, StoreError> {
    let bound = Bound::after(clock.now(), Some(STORE_TIME));
    let too_slow = |time| Err(format!("the store did not respond within {time:?}").into());
    within(clock, bound, store.load()).await.unwrap_or_else(too_slow)
}
