//! Stores for tokens that outlive the process.

use super::tokens::TokenSet;
use crate::clock::Clock;
use crate::transport::timer::{Bound, within};
use futures::future::BoxFuture;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest wait for a store.
pub(super) const STORE_TIME: Duration = Duration::from_secs(10);

/// Why a store failed. Its text is shown in errors and events, so it must not hold a token.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps the tokens of one person, from one run of a program to the next.
///
/// ```
/// use futures::future::BoxFuture;
/// use kaiwa::oauth::{ExposeSecret, StoreError, TokenSet, TokenStore};
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
    /// If the store cannot be read. A refresh then uses the tokens in memory, as it does after 10 seconds without a result.
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>>;

    /// Replaces the saved tokens. When it ends, the tokens must survive a crash: the service may have invalidated the
    /// previous refresh token.
    ///
    /// # Errors
    ///
    /// If the tokens could not be saved; see [`Authorization::save`](super::Authorization::save). After 10 seconds the
    /// caller stops waiting. The save is not cancelled, and the next one begins after it has ended.
    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Keeps tokens until the process ends; the default. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryTokenStore(Arc<Mutex<Option<TokenSet>>>);

impl MemoryTokenStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl TokenStore for MemoryTokenStore {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(std::future::ready(Ok(tokens)))
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokens.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The stored tokens, unless the store takes too long.
pub(super) async fn load(store: &dyn TokenStore, clock: &dyn Clock) -> Result<Option<TokenSet>, StoreError> {
    let bound = Bound::after(clock.now(), Some(STORE_TIME));
    let too_slow = |time| Err(format!("the store did not respond within {time:?}").into());
    within(clock, bound, store.load()).await.unwrap_or_else(too_slow)
}
