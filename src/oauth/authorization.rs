//! A person's authorization, which a client takes its access tokens from.

use super::client::OAuth;
use super::failure::{TokenFailure, clean};
use super::keeper::Keeper;
use super::store;
use super::tokens::TokenSet;
use crate::error::Error;
use crate::transport::auth::{BearerToken, TokenSource};
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

impl OAuth {
    /// The authorization whose tokens are in the store; `None` if the store is empty and a login is needed. A login is needed,
    /// too, if [`Authorization::needs_login`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token) if the store cannot be read, or does not respond within 10 seconds.
    pub async fn restore(&self) -> Result<Option<Authorization>, Error> {
        let loaded = store::load(&*self.store, &*self.provider.clock).await;
        let tokens = loaded.map_err(|error| {
            let error = clean(&error.to_string(), &self.provider.credentials);
            TokenFailure::local(format!("the tokens cannot be loaded: {error}")).not_sent()
        })?;
        tokens.map(|tokens| Authorization::new(self.clone(), tokens, true)).transpose()
    }

    /// An authorization with tokens from elsewhere. They are saved with the first refresh, or by [`Authorization::save`]. If a
    /// shared store has tokens that were issued later, those are used instead of a refresh.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the access token has characters that a header cannot hold.
    pub fn authorization(&self, tokens: TokenSet) -> Result<Authorization, Error> {
        Authorization::new(self.clone(), tokens, false)
    }
}

/// A person's authorization: it provides access tokens, and renews them.
///
/// Pass it to [`token_source`](crate::ClientBuilder::token_source) of one or more clients. Clones share the tokens.
#[derive(Clone)]
pub struct Authorization(Arc<Keeper>);

impl Authorization {
    pub(super) fn new(oauth: OAuth, tokens: TokenSet, is_saved: bool) -> Result<Self, Error> {
        Keeper::new(oauth, tokens, is_saved).map(|keeper| Self(Arc::new(keeper)))
    }

    /// The tokens as they are now.
    pub fn tokens(&self) -> TokenSet {
        TokenSet::clone(&self.0.lock().tokens)
    }

    /// Renews the access token now, whether it is due or not. If a refresh is in flight, waits for that one. If another
    /// process has renewed it in the store, takes that one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token). The tokens stay as they were. [`Error::code`] has the token
    /// endpoint's code, such as `invalid_grant`, and [`Error::outcome`] says what became of the request to it.
    pub async fn refresh(&self) -> Result<(), Error> {
        let path = self.0.lock().join();
        self.0.resolve(path).await.map(drop).map_err(TokenFailure::into_error)
    }

    /// Whether only a new login helps: the authorization was revoked or has ended, or the access token is not usable and
    /// there is no refresh token. This is known after the first refresh that failed for this reason, also if another process
    /// or an earlier run has made it: [`TokenSet::refresh_token_refused`]. An access token that has not expired is still used.
    ///
    /// After a new login has saved its tokens in the same store, this authorization uses those, with the first call or
    /// [`refresh`](Self::refresh) that is 30 seconds later.
    pub fn needs_login(&self) -> bool {
        let state = self.0.lock();
        let has_refresh_token = state.tokens.refresh_token.is_some();
        let refused = state.tokens.refresh_token_refused
            || state.pause.as_ref().is_some_and(|pause| pause.failure.needs_login);
        refused || !has_refresh_token && !state.is_usable(self.0.wall())
    }

    /// Whether the store has the tokens that are in use.
    ///
    /// Tokens that cannot be saved are still used, since the service may have invalidated those in the store. A warning is
    /// traced, because a program that ends before they are saved may need a new login. They are saved with the next refresh,
    /// or by [`save`](Self::save). If the service has replaced the refresh token, the [lease](super::TokenStore::lease) is kept
    /// until then: another process would send the old one.
    pub fn is_saved(&self) -> bool {
        self.0.lock().is_saved()
    }

    /// Saves the tokens, if the store does not have them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token) with the store's reason, or after 10 seconds; then the save still
    /// continues. In both cases the tokens remain in use.
    pub async fn save(&self) -> Result<(), Error> {
        self.0.save(None).await.map(drop).map_err(TokenFailure::not_sent)
    }
}

impl TokenSource for Authorization {
    fn token(&self) -> BoxFuture<'_, Result<BearerToken, Error>> {
        Box::pin(async move {
            let path = self.0.lock().token_path(&self.0);
            let token = self.0.resolve_if_needed(path).await;
            token.or_else(|failure| self.0.usable().ok_or_else(|| failure.not_sent()))
        })
    }

    fn renew<'a>(&'a self, refused: &'a BearerToken) -> BoxFuture<'a, Result<BearerToken, Error>> {
        Box::pin(async move {
            let path = self.0.lock().token_path_after(refused, &self.0);
            self.0.resolve_if_needed(path).await.map_err(TokenFailure::not_sent)
        })
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Authorization")
            .field("oauth", &self.0.oauth)
            .field("tokens", &state.tokens)
            .field("is_saved", &state.is_saved())
            .finish_non_exhaustive()
    }
}
