//! One refresh of the tokens: the lease, what the store has, what the token endpoint issues, and what is saved.

use super::exchange::Grant;
use super::failure::{TokenFailure, clean};
use super::keeper::{Keeper, bearer};
use super::lease::RefreshLease;
use super::store::{self, STORE_TIME};
use super::tokens::TokenSet;
use crate::store_error::StoreError;
use crate::transport::auth::BearerToken;
use crate::transport::timer::{Bound, within};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tracing::Instrument;

/// The time for a request to the token endpoint, in the longest wait for a lease, if the client sets no limit.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// The longest wait of a save for a refresh by another process.
const LEASE_TIME_OF_SAVE: Duration = Duration::from_secs(5);

/// How often tokens that replace a used refresh token are saved again after a failure.
const SAVE_AGAIN: Duration = Duration::from_secs(2);

impl Keeper {
    pub(super) async fn refresh(self: &Arc<Self>) -> Result<BearerToken, TokenFailure> {
        match self.win_lease().await {
            Ok(lease) => {
                let result = self.renew(&lease).await;
                self.end_lease(lease);
                result
            }
            // Reading is safe without a lease, and its holder may have saved new tokens.
            Err(failure) => match self.newer(false).await? {
                Some(found) if !self.is_due(&found) => self.install(found),
                Some(found) => self.install(found).and(Err(failure)),
                None => Err(failure),
            },
        }
    }

    /// The lease, which is waited for as long as another process takes for an orderly refresh.
    async fn win_lease(&self) -> Result<RefreshLease, TokenFailure> {
        let kept = self.lock().lease.take();
        if let Some(lease) = kept.filter(|lease| !lease.has_expired()) {
            return Ok(lease);
        }
        let provider = &self.oauth.provider;
        let wait = provider.timeout.unwrap_or(REQUEST_TIME).saturating_add(2 * STORE_TIME);
        let bound = Bound::after(provider.clock.now(), Some(wait));
        match within(&*provider.clock, bound, self.oauth.store.lease()).await {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(error)) => Err(TokenFailure::local(format!(
                "the tokens are not refreshed, because their store does not say whether another program does so: {}; \
                 make it work, and try again",
                self.show(&error, None)
            ))),
            Err(time) => Err(TokenFailure::local(format!(
                "the tokens are not refreshed, because the lease of their store was not free within {time:?}; end the \
                 program that holds it, or try again later"
            ))),
        }
    }

    /// Ends a lease, unless the other processes have to wait for a save.
    fn end_lease(self: &Arc<Self>, lease: RefreshLease) {
        let mut state = self.lock();
        if lease.is_held() && state.needs_lease() {
            state.lease = Some(lease);
            drop(state);
            self.save_again();
        } else {
            // Foreign code is not run under the lock.
            drop(state);
            drop(lease);
        }
    }

    /// Saves the tokens in use until that succeeds, as the store has a used refresh token until then.
    fn save_again(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if std::mem::replace(&mut self.lock().saves_again, true) {
            return;
        }
        let (keeper, clock) = (Arc::downgrade(self), Arc::clone(&self.oauth.provider.clock));
        runtime.spawn(async move {
            loop {
                clock.sleep_elsewhere(SAVE_AGAIN).await;
                let Some(keeper) = keeper.upgrade() else { return };
                // A failure is traced.
                let _ = keeper.save(None).await;
                let mut state = keeper.lock();
                if !state.needs_lease() {
                    state.saves_again = false;
                    return;
                }
            }
        });
    }

    async fn renew(self: &Arc<Self>, lease: &RefreshLease) -> Result<BearerToken, TokenFailure> {
        let found = self.newer(lease.is_held()).await?;
        if let Some(found) = found {
            let is_due = self.is_due(&found);
            let bearer = self.install(found)?;
            if !is_due {
                return Ok(bearer);
            }
        }
        let base = Arc::clone(&self.lock().tokens);
        if base.refresh_token_refused {
            self.save_mark(&base).await;
            return Err(TokenFailure::refused_before());
        }
        let Some(refresh_token) = &base.refresh_token else {
            return Err(TokenFailure::login(
                "there is no refresh token to renew the access token with; log in again",
            ));
        };
        if lease.has_expired() {
            return Err(TokenFailure::local(
                "the tokens are not refreshed, because the lease of their store has expired meanwhile; try again",
            ));
        }
        tracing::debug!("renewing the access token");
        let grant = Grant::Refresh { refresh_token, previous: &base };
        match self.oauth.provider.request(grant).await {
            Ok(tokens) => {
                // The guard is held until they are installed, so no other save overwrites them with the old ones.
                let _writing = self.save(Some(Arc::new(tokens.clone()))).await;
                self.install(tokens)
            }
            Err(failure) if failure.needs_login => self.after_refusal(&base, failure).await,
            Err(failure) => Err(failure),
        }
    }

    /// After `invalid_grant`: tokens that the store has got meanwhile, or the failure if it still has the refused ones, which
    /// are then marked. They are never removed: the access token may be good, and the refusal a mistake.
    async fn after_refusal(
        self: &Arc<Self>,
        refused: &Arc<TokenSet>,
        failure: TokenFailure,
    ) -> Result<BearerToken, TokenFailure> {
        let loaded = self.load().await;
        if let Ok(Some(found)) = &loaded
            && self.is_other(found)
        {
            let is_expired = found.is_expired(self.wall());
            let bearer = self.install(found.clone())?;
            return if is_expired {
                Err(TokenFailure::local(
                    "the tokens of another program or login have expired meanwhile; try again",
                ))
            } else {
                Ok(bearer)
            };
        }
        let marked = Arc::new(TokenSet { refresh_token_refused: true, ..TokenSet::clone(refused) });
        self.lock().tokens = Arc::clone(&marked);
        match loaded {
            Ok(_) => self.save_mark(&marked).await,
            Err(error) => {
                tracing::warn!(%error, "the stored tokens cannot be read to see whether a login has replaced them");
            }
        }
        Err(failure)
    }

    /// Saves that the refresh token is refused, if the store has these tokens and does not know it.
    async fn save_mark(self: &Arc<Self>, marked: &Arc<TokenSet>) {
        let is_missing =
            |stored: &TokenSet| stored.is_same_access_token(marked) && !stored.refresh_token_refused;
        let stored = self.lock().stored.clone();
        if !stored.is_some_and(|stored| is_missing(&stored)) {
            return;
        }
        // Once more: what is known of the store may be old, and a login must not be overwritten.
        if self.load().await.ok().flatten().is_some_and(|stored| is_missing(&stored)) {
            // A failure is traced. The next refresh tries again.
            let _ = self.save(Some(Arc::clone(marked))).await;
        }
    }

    fn is_due(&self, tokens: &TokenSet) -> bool {
        tokens.is_due(self.wall(), self.oauth.provider.refresh_ahead)
    }

    /// Tokens of the store that another process or a login has saved there since. A mark of the tokens in use is adopted.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, and other processes may have used the refresh token (`is_shared`).
    async fn newer(&self, is_shared: bool) -> Result<Option<TokenSet>, TokenFailure> {
        let (is_saved, has_doubt, issued_at) = {
            let state = self.lock();
            // Ours are from elsewhere, and may be older or newer than those in a store that was never read.
            let has_doubt = state.stored.is_none() && !state.tokens.refresh_token_refused;
            (state.is_saved(), has_doubt, state.tokens.issued_at)
        };
        if has_doubt && !is_shared {
            return Ok(None);
        }
        let found = match self.load().await {
            Ok(found) => found,
            Err(error) if is_shared && is_saved => {
                return Err(TokenFailure::local(format!(
                    "the tokens are not refreshed, because those of other programs cannot be read: {error}; make the \
                     store readable, or log in again"
                )));
            }
            Err(error) => {
                tracing::warn!(%error, "the stored tokens cannot be read; using those in memory");
                None
            }
        };
        let Some(found) = found else { return Ok(None) };
        let mut state = self.lock();
        if found.is_same_access_token(&state.tokens) {
            if found.refresh_token_refused && !state.tokens.refresh_token_refused {
                state.tokens = Arc::new(found);
            }
            return Ok(None);
        }
        let is_later = || found.issued_at.zip(issued_at).is_some_and(|(theirs, ours)| theirs > ours);
        let digest = found.access_digest();
        if has_doubt && !is_later() {
            state.doubtful = Some(digest);
        }
        let is_doubtful = state.doubtful == Some(digest) && !state.tokens.refresh_token_refused;
        drop(state);
        Ok((!is_doubtful && self.is_other(&found)).then_some(found))
    }

    /// Whether stored tokens are neither ours nor some that ours have replaced.
    fn is_other(&self, found: &TokenSet) -> bool {
        let state = self.lock();
        let is_ours = found.is_same_access_token(&state.tokens);
        !is_ours && !state.superseded.contains(&found.access_digest()) && bearer(found).is_ok()
    }

    /// What the store has. The error's text shows no token.
    async fn load(&self) -> Result<Option<TokenSet>, String> {
        match store::load(&*self.oauth.store, &*self.oauth.provider.clock).await {
            Ok(found) => {
                self.lock().stored = found.clone().map(Arc::new);
                Ok(found)
            }
            Err(error) => Err(self.show(&error, None)),
        }
    }

    /// Saves the new tokens; without any, those in use if they are not saved. No other save begins before the returned guard
    /// is dropped.
    ///
    /// The save is a separate task, which continues if the caller stops waiting: a save cannot be cancelled, and must not
    /// end after a later one.
    pub(super) async fn save(
        self: &Arc<Self>,
        new: Option<Arc<TokenSet>>,
    ) -> Result<OwnedMutexGuard<()>, TokenFailure> {
        let keeper = Arc::clone(self);
        self.lock().saving += 1;
        let saving = Saving(Arc::clone(self));
        let task = async move {
            let _saving = saving;
            // A refresh has one.
            let _lease = match &new {
                Some(_) => RefreshLease::none(),
                None => keeper.lease_of_save().await,
            };
            let writing = Arc::clone(&keeper.writing).lock_owned().await;
            let tokens = match new {
                Some(tokens) => tokens,
                None => {
                    let state = keeper.lock();
                    if state.is_saved() {
                        return Ok(writing);
                    }
                    Arc::clone(&state.tokens)
                }
            };
            keeper.write(&tokens).await?;
            keeper.lock().stored = Some(tokens);
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

    /// A lease for tokens of a login or from elsewhere, which the refresh of another process could overwrite otherwise. They
    /// are saved without one, too: nothing else has them.
    async fn lease_of_save(&self) -> RefreshLease {
        {
            let state = self.lock();
            if state.is_saved() || state.lease.is_some() {
                return RefreshLease::none();
            }
        }
        let clock = &*self.oauth.provider.clock;
        let bound = Bound::after(clock.now(), Some(LEASE_TIME_OF_SAVE));
        match within(clock, bound, self.oauth.store.lease()).await {
            Ok(Ok(lease)) => lease,
            _ => {
                tracing::debug!("the store gives no lease; saving the tokens without");
                RefreshLease::none()
            }
        }
    }

    async fn write(&self, tokens: &TokenSet) -> Result<(), TokenFailure> {
        self.oauth.store.save(tokens).await.map_err(|error| {
            let error = self.show(&error, Some(tokens));
            tracing::warn!(%error, "the tokens cannot be saved; a login will be needed if the program ends now");
            TokenFailure::local(format!("the tokens cannot be saved: {error}"))
        })
    }

    /// A store's error text without any old or new token that it may hold.
    fn show(&self, error: &StoreError, tokens: Option<&TokenSet>) -> String {
        let current = Arc::clone(&self.lock().tokens);
        let secrets = tokens.into_iter().chain([&*current]);
        let secrets = secrets.flat_map(|set| std::iter::once(&set.access_token).chain(&set.refresh_token));
        clean(&error.to_string(), secrets.chain(&self.oauth.provider.credentials))
    }

    fn install(&self, tokens: TokenSet) -> Result<BearerToken, TokenFailure> {
        let bearer =
            bearer(&tokens).map_err(|_| TokenFailure::local("a header cannot hold the access token"))?;
        let now = self.oauth.provider.clock.now();
        let mut state = self.lock();
        if state.is_refused {
            state.replaced_at = Some(now);
        }
        state.is_refused = false;
        let old = std::mem::replace(&mut state.tokens, Arc::new(tokens));
        if state.is_saved() {
            state.superseded.clear();
            (state.is_rotated, state.doubtful) = (false, None);
        } else {
            state.superseded.push(old.access_digest());
            state.is_rotated |= !old.is_same_refresh_token(&state.tokens);
        }
        state.bearer = bearer.clone();
        Ok(bearer)
    }
}

/// A save that has not ended. When it ends, however it does, a kept lease may end.
struct Saving(Arc<Keeper>);

impl Drop for Saving {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.saving -= 1;
        let ended = if state.needs_lease() { None } else { state.lease.take() };
        drop(state);
        drop(ended);
    }
}
