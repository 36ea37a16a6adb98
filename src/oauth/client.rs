//! The OAuth2 client of a service.

use super::exchange::Provider;
use super::store::TokenStore;
use std::fmt;
use std::sync::Arc;

/// An OAuth2 client of a service: the program's credentials and the service's endpoints. Clones share everything.
#[derive(Clone)]
pub struct OAuth {
    pub(super) provider: Arc<Provider>,
    pub(super) store: Arc<dyn TokenStore>,
}

impl OAuth {
    /// The same OAuth2 client for another person's tokens.
    pub fn with_store(&self, store: impl TokenStore) -> Self {
        Self { provider: Arc::clone(&self.provider), store: Arc::new(store) }
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("provider", &self.provider).field("store", &self.store).finish()
    }
}
