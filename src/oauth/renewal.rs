//! One refresh of the tokens: what the store has, what the token endpoint issues, and what is saved.

use super::exchange::Grant;
use super::failure::{TokenFailure, clean};
use super::keeper::{Keeper, bearer};
use super::store::{self, STORE_TIME, StoreError};
use super::tokens::TokenSet;
use crate::transport::auth::BearerToken;
use crate::transport::timer::{Bound, within};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tracing::Instrument;

impl Keeper {
    pub(super) async fn refresh(self: &Arc<Self>) -> Result<BearerToken, TokenFailure> {
        let (current, is_saved) = {
            let state = self.lock();
            (Arc::clone(&state.tokens), state.is_saved)
        };
        let provider = &self.oauth.provider;
        // If our tokens are not saved, those in the store are older.
        let found = if is_saved { self.newer(&current).await } else { None };
        if let Some(found) = &found
            && !found.is_due(self.wall(), provider.refresh_ahead)
        {
            return self.install(found.clone(), true);
        }
        let base = found.as_ref().unwrap_or(&current);
        let Some(refresh_token) = base.refresh_token.as_ref().or(current.refresh_token.as_ref()) else {
            return Err(TokenFailure::login(
                "there is no refresh token to renew the access token with; log in again",
            ));
        };
        tracing::debug!("renewing the access token");
        match provider.request(Grant::Refresh { refresh_token, previous: base }).await {
            Ok(tokens) => {
                // The guard is held until they are installed, so no other save overwrites them with the old ones.
                let writing = self.save(Some(tokens.clone())).await;
                self.install(tokens, writing.is_ok())
            }
            Err(failure) if failure.needs_login && is_saved => {
                // Another process may have used the refresh token at the same moment.
                match self.newer(base).await.filter(|found| !found.is_expired(self.wall())) {
                    Some(found) => self.install(found, true),
                    None => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// The stored tokens, if they differ from ours.
    async fn newer(&self, ours: &TokenSet) -> Option<TokenSet> {
        match store::load(&*self.oauth.store, &*self.oauth.provider.clock).await {
            Ok(found) => found.filter(|found| !found.is_same_access_token(ours) && bearer(found).is_ok()),
            Err(error) => {
                let error = self.show(&error, ours);
                tracing::warn!(%error, "the stored tokens cannot be read; using those in memory");
                None
            }
        }
    }

    /// Saves the new tokens; without any, those in use if they are not saved. No other save begins before the returned guard
    /// is dropped.
    ///
    /// The save is a separate task, which continues if the caller stops waiting: a save cannot be cancelled, and must not
    /// end after a later one.
    pub(super) async fn save(
        self: &Arc<Self>,
        new: Option<TokenSet>,
    ) -> Result<OwnedMutexGuard<()>, TokenFailure> {
        let keeper = Arc::clone(self);
        let task = async move {
            let writing = Arc::clone(&keeper.writing).lock_owned().await;
            let tokens = match new {
                Some(tokens) => Arc::new(tokens),
                None => {
                    let state = keeper.lock();
                    if state.is_saved {
                        return Ok(writing);
                    }
                    Arc::clone(&state.tokens)
                }
            };
            keeper.write(&tokens).await?;
            let mut state = keeper.lock();
            if state.tokens.is_same_access_token(&tokens) {
                state.is_saved = true;
            }
            drop(state);
            Ok(writing)
        };
        let clock = &*self.oauth.provider.clock;
        let bound = Bound::after(clock.now(), Some(STORE_TIME));
        match within(clock, bound, tokio::spawn(task.in_current_span())).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(TokenFailure::local("the save was ended with its runtime, or by a panic of the store"))
            }
            Err(time) => {
                tracing::warn!(
                    "the store is slow; a login will be needed if the program ends before the tokens are saved"
                );
                Err(TokenFailure::local(format!(
                    "the tokens are not saved: the store did not finish within {time:?}; the save continues"
                )))
            }
        }
    }

    async fn write(&self, tokens: &TokenSet) -> Result<(), TokenFailure> {
        self.oauth.store.save(tokens).await.map_err(|error| {
            let error = self.show(&error, tokens);
            tracing::warn!(%error, "the tokens cannot be saved; a login will be needed if the program ends now");
            TokenFailure::local(format!("the tokens cannot be saved: {error}"))
        })
    }

    /// A store's error text without any old or new token that it may hold.
    fn show(&self, error: &StoreError, tokens: &TokenSet) -> String {
        let current = Arc::clone(&self.lock().tokens);
        let secrets = [tokens, &current].into_iter();
        let secrets = secrets.flat_map(|set| std::iter::once(&set.access_token).chain(&set.refresh_token));
        clean(&error.to_string(), secrets.chain(&self.oauth.provider.credentials))
    }

    fn install(&self, tokens: TokenSet, is_saved: bool) -> Result<BearerToken, TokenFailure> {
        let bearer =
            bearer(&tokens).map_err(|_| TokenFailure::local("a header cannot hold the access token"))?;
        let now = self.oauth.provider.clock.now();
        let mut state = self.lock();
        if state.is_refused {
            state.replaced_at = Some(now);
        }
        state.is_refused = false;
        state.is_saved = is_saved;
        state.tokens = Arc::new(tokens);
        state.bearer = bearer.clone();
        Ok(bearer)
    }
}
