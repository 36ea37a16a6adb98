//! The tokens of one login, and the single refresh that all calls wait for.
//!
//! What a call gets depends on the access token, on the pause after a failed refresh, and on a refresh in flight:
//!
//! ```text
//!                    due (refresh_ahead), expired, or refused (401)
//!   FRESH ─────────────────────────────────────────────────────────► STALE
//!   calls get the token at once                                        │ the next call starts
//!     ▲                                                                │ the refresh
//!     │ installed: the store had newer tokens,                         ▼
//!     │ or the endpoint issued some                                REFRESHING ◄───────────┐
//!     └─────────────────────────────────────────────────────────── all calls wait; those  │
//!                                                                   with a usable token   │ the next call
//!                                                                   for 1 s at most       │ after the pause
//!                                                                      │ failed           │
//!                                                                      ▼                  │
//!                                                                   PAUSED ───────────────┘
//!                                                                   10 s; 30 s if refused; as long as the
//!                                                                   endpoint asks, 5 min at most
//! ```
//!
//! A usable token is one that is neither expired nor refused. If a refresh fails or is slow, a call with a usable token gets
//! that token. While PAUSED, so does every later call with a usable token. A call without one gets the failure if that is
//! final or came with a `Retry-After`; after any other failure it starts a refresh within the pause.
//!
//! [`Authorization::refresh`] joins or starts a refresh in every state; calls in FRESH do not wait for it. A 401 within 10 s
//! after a refused token was replaced is reported and starts no refresh.

use super::client::OAuth;
use super::exchange::Grant;
use super::failure::{TokenFailure, clean};
use super::store::{self, STORE_TIME, StoreError};
use super::tokens::TokenSet;
use crate::error::Error;
use crate::transport::auth::{BearerToken, TokenSource};
use crate::transport::timer::{Bound, within};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, oneshot};
use tracing::Instrument;

impl OAuth {
    /// The authorization whose tokens are in the store; `None` if the store is empty and a login is needed.
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

    /// An authorization with tokens from elsewhere. They are saved with the first refresh, or by [`Authorization::save`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the access token has characters that a header cannot hold.
    pub fn authorization(&self, tokens: TokenSet) -> Result<Authorization, Error> {
        Authorization::new(self.clone(), tokens, false)
    }
}

/// How long no refresh is sent after the service has refused one.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// How long the old access token is used without another refresh, after a refresh that failed for another reason. Also for
/// how long after a refused token was replaced another 401 counts as a fault of the service and starts no refresh.
const SHORT_PAUSE: Duration = Duration::from_secs(10);

/// How long calls with a usable access token wait for a refresh, from its beginning and in real time. A program that ends
/// right after its call would cut off a refresh that has already invalidated its refresh token.
const HEAD_START: Duration = Duration::from_secs(1);

/// The longest pause, whatever `Retry-After` asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A person's authorization: it provides access tokens, and renews them.
///
/// Pass it to [`token_source`](crate::ClientBuilder::token_source) of one or more clients. Clones share the tokens.
#[derive(Clone)]
pub struct Authorization(Arc<Inner>);

struct Inner {
    oauth: OAuth,
    state: Mutex<TokenState>,
    /// Held while the store is written, so that the last save is of the newest tokens.
    writing: Arc<tokio::sync::Mutex<()>>,
}

struct TokenState {
    tokens: Arc<TokenSet>,
    bearer: BearerToken,
    /// Whether the store has these tokens.
    is_saved: bool,
    /// Whether the service has refused the access token.
    is_refused: bool,
    /// The refresh in flight.
    refreshing: Option<Refresh>,
    /// The pause after the last refresh, if that failed.
    pause: Option<Pause>,
    /// When a refused access token was last replaced.
    replaced_at: Option<Instant>,
}

/// A refresh in flight, shared by every call that waits for it.
#[derive(Clone)]
struct Refresh {
    result: Shared<BoxFuture<'static, Result<BearerToken, TokenFailure>>>,
    /// Until when a call with a usable token waits.
    head_start: tokio::time::Instant,
}

struct Pause {
    until: Instant,
    failure: TokenFailure,
}

/// How a call gets its token.
enum TokenPath {
    Ready(Result<BearerToken, TokenFailure>),
    Wait(Refresh, Option<oneshot::Sender<Result<BearerToken, TokenFailure>>>),
}

impl Authorization {
    pub(super) fn new(oauth: OAuth, tokens: TokenSet, is_saved: bool) -> Result<Self, Error> {
        let state = TokenState {
            bearer: bearer(&tokens)?,
            tokens: Arc::new(tokens),
            is_saved,
            is_refused: false,
            refreshing: None,
            pause: None,
            replaced_at: None,
        };
        Ok(Self(Arc::new(Inner { oauth, state: Mutex::new(state), writing: Arc::default() })))
    }

    /// The tokens as they are now.
    pub fn tokens(&self) -> TokenSet {
        TokenSet::clone(&self.0.lock().tokens)
    }

    /// Renews the access token now, whether it is due or not. If a refresh is in flight, waits for that one.
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
    /// there is no refresh token. This is known after the first refresh that failed for this reason.
    ///
    /// After a new login has saved its tokens in the same store, this authorization uses those.
    pub fn needs_login(&self) -> bool {
        let state = self.0.lock();
        let has_refresh_token = state.tokens.refresh_token.is_some();
        let refused = state.pause.as_ref().is_some_and(|pause| pause.failure.needs_login);
        refused || !has_refresh_token && !state.is_usable(self.0.wall())
    }

    /// Whether the store has the tokens that are in use.
    ///
    /// Tokens that cannot be saved are still used, since the service may have invalidated those in the store. A warning is
    /// traced, because a program that ends before they are saved may need a new login. They are saved with the next refresh,
    /// or by [`save`](Self::save).
    pub fn is_saved(&self) -> bool {
        self.0.lock().is_saved
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

impl TokenState {
    fn is_usable(&self, now: Timestamp) -> bool {
        !self.is_refused && !self.tokens.is_expired(now)
    }

    fn token_path(&mut self, inner: &Inner) -> TokenPath {
        let provider = &inner.oauth.provider;
        let wall = provider.clock.wall();
        let usable = self.is_usable(wall);
        if usable && !self.tokens.is_due(wall, provider.refresh_ahead) {
            return TokenPath::Ready(Ok(self.bearer.clone()));
        }
        match self.pause.as_ref().filter(|pause| provider.clock.now() < pause.until) {
            Some(_) if usable => TokenPath::Ready(Ok(self.bearer.clone())),
            Some(pause) if pause.failure.blocks_retry() => TokenPath::Ready(Err(pause.failure.clone())),
            _ => self.join(),
        }
    }

    fn token_path_after(&mut self, refused: &BearerToken, inner: &Inner) -> TokenPath {
        if self.bearer != *refused {
            // Another call has replaced it.
            return self.token_path(inner);
        }
        let now = inner.oauth.provider.clock.now();
        if self.replaced_at.is_some_and(|then| now < then + SHORT_PAUSE) {
            return TokenPath::Ready(Err(TokenFailure::local(
                "the service refuses an access token that was issued in place of a refused one just now",
            )));
        }
        self.is_refused = true;
        self.token_path(inner)
    }

    /// The refresh in flight, or a new one with the sender of its result.
    fn join(&mut self) -> TokenPath {
        // A refresh without a sender was cut off with its runtime, and is no longer in flight.
        if let Some(refresh) = self.refreshing.as_ref().filter(|refresh| refresh.result.peek().is_none()) {
            return TokenPath::Wait(refresh.clone(), None);
        }
        let (sender, receiver) = oneshot::channel();
        let cut_off = || Err(TokenFailure::local("the refresh was ended with its runtime"));
        let result = receiver.map(move |result| result.unwrap_or_else(|_| cut_off())).boxed().shared();
        let refresh = Refresh { result, head_start: tokio::time::Instant::now() + HEAD_START };
        self.refreshing = Some(refresh.clone());
        TokenPath::Wait(refresh, Some(sender))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, TokenState> {
        // Nothing panics while the lock is held, and the state is valid between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wall(&self) -> Timestamp {
        self.oauth.provider.clock.wall()
    }

    /// The access token, if it can be sent.
    fn usable(&self) -> Option<BearerToken> {
        let state = self.lock();
        state.is_usable(self.wall()).then(|| state.bearer.clone())
    }

    async fn resolve(self: &Arc<Self>, path: TokenPath) -> Result<BearerToken, TokenFailure> {
        match self.start(path) {
            Ok(refresh) => refresh.result.await,
            Err(result) => result,
        }
    }

    /// As [`resolve`](Self::resolve), but while there is a usable access token it waits for a second at most.
    async fn resolve_if_needed(self: &Arc<Self>, path: TokenPath) -> Result<BearerToken, TokenFailure> {
        let refresh = match self.start(path) {
            Ok(refresh) => refresh,
            Err(result) => return result,
        };
        // Without a runtime there are no timers, and the refresh has ended already.
        if self.usable().is_some() && tokio::runtime::Handle::try_current().is_ok() {
            let in_time = tokio::time::timeout_at(refresh.head_start, refresh.result.clone()).await;
            if let Ok(result) = in_time {
                return result;
            }
            if let Some(bearer) = self.usable() {
                tracing::debug!("the refresh is slow; using the old access token meanwhile");
                return Ok(bearer);
            }
        }
        refresh.result.await
    }

    /// Starts the refresh that a call waits for, unless it is in flight or not needed.
    fn start(self: &Arc<Self>, path: TokenPath) -> Result<Refresh, Result<BearerToken, TokenFailure>> {
        let (refresh, start) = match path {
            TokenPath::Ready(result) => return Err(result),
            TokenPath::Wait(refresh, start) => (refresh, start),
        };
        // Not under the lock: a runtime that is shutting down drops the task on the spot.
        if let (Some(sender), Ok(runtime)) = (start, tokio::runtime::Handle::try_current()) {
            let inner = Arc::clone(self);
            let task = async move {
                let result = inner.refresh().await;
                inner.finish(&result);
                // All calls may have been cancelled; the refresh must end nevertheless.
                let _ = sender.send(result);
            };
            runtime.spawn(task.in_current_span());
        }
        Ok(refresh)
    }

    /// Ends a refresh: later calls do not join it.
    fn finish(&self, result: &Result<BearerToken, TokenFailure>) {
        let now = self.oauth.provider.clock.now();
        let mut state = self.lock();
        state.refreshing = None;
        state.pause = result.as_ref().err().map(|failure| {
            let pause = if failure.is_final { REFUSED_PAUSE } else { SHORT_PAUSE };
            let until = now + failure.wait.unwrap_or(pause).min(LONGEST_PAUSE);
            Pause { until, failure: failure.clone() }
        });
        drop(state);
        match result {
            Ok(_) => tracing::debug!("access token renewed"),
            Err(failure) => tracing::warn!(error = %failure, "the access token was not renewed"),
        }
    }

    async fn refresh(self: &Arc<Self>) -> Result<BearerToken, TokenFailure> {
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
    async fn save(self: &Arc<Self>, new: Option<TokenSet>) -> Result<OwnedMutexGuard<()>, TokenFailure> {
        let inner = Arc::clone(self);
        let task = async move {
            let writing = Arc::clone(&inner.writing).lock_owned().await;
            let tokens = match new {
                Some(tokens) => Arc::new(tokens),
                None => {
                    let state = inner.lock();
                    if state.is_saved {
                        return Ok(writing);
                    }
                    Arc::clone(&state.tokens)
                }
            };
            inner.write(&tokens).await?;
            let mut state = inner.lock();
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

fn bearer(tokens: &TokenSet) -> Result<BearerToken, Error> {
    BearerToken::new(&tokens.access_token)
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Authorization")
            .field("oauth", &self.0.oauth)
            .field("tokens", &state.tokens)
            .field("is_saved", &state.is_saved)
            .finish_non_exhaustive()
    }
}
