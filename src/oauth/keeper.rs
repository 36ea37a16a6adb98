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
//! `Authorization::refresh` joins or starts a refresh in every state; calls in FRESH do not wait for it. A 401 within 10 s
//! after a refused token was replaced is reported and starts no refresh.
//!
//! A refresh, in `renewal.rs`:
//!
//! ```text
//!   lease ──────► load ──────► request ──────► save ──────► installed, the lease ends
//!     │ none in     │ newer      │ invalid_grant  │ failed
//!     │ time        │ tokens:    ▼                └─► installed; the lease is kept until a save succeeds,
//!     ▼             │ installed  load again            if the refresh token was replaced
//!   load: newer     │              │ other tokens: installed
//!   tokens, or      │ marked:      │ the same: marked as refused and saved,
//!   failed          ▼ failed       ▼ failed: needs a login
//! ```

use super::client::OAuth;
use super::failure::TokenFailure;
use super::lease::RefreshLease;
use super::tokens::TokenSet;
use crate::error::Error;
use crate::transport::auth::BearerToken;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::Instrument;

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

/// The tokens that clones of an [`Authorization`](super::Authorization) share. This file decides when a refresh is made and
/// who waits for it; `renewal.rs` makes it.
pub(super) struct Keeper {
    pub(super) oauth: OAuth,
    state: Mutex<TokenState>,
    /// Held while the store is written, so that the last save is of the newest tokens.
    pub(super) writing: Arc<tokio::sync::Mutex<()>>,
}

pub(super) struct TokenState {
    pub(super) tokens: Arc<TokenSet>,
    pub(super) bearer: BearerToken,
    /// What the store had when it was last read or written; `None` if nothing, or if that is not known.
    pub(super) stored: Option<Arc<TokenSet>>,
    /// The access tokens, by their digests, that were replaced by some that are not saved. The store may have any of them, and
    /// all are older.
    pub(super) superseded: Vec<u64>,
    /// Whether the refresh token was replaced since the store had the tokens in use.
    pub(super) is_rotated: bool,
    /// Stored tokens of which nobody knows whether they are newer. They are used if the service refuses ours.
    pub(super) doubtful: Option<u64>,
    /// How many saves have not ended.
    pub(super) saving: usize,
    /// The lease of a refresh that has ended, kept from other processes until the store has the tokens in use.
    pub(super) lease: Option<RefreshLease>,
    /// Whether a task saves the tokens until that succeeds.
    pub(super) saves_again: bool,
    /// Whether the service has refused the access token.
    pub(super) is_refused: bool,
    /// The refresh in flight.
    refreshing: Option<Refresh>,
    /// The pause after the last refresh, if that failed.
    pub(super) pause: Option<Pause>,
    /// When a refused access token was last replaced.
    pub(super) replaced_at: Option<Instant>,
}

/// A refresh in flight, shared by every call that waits for it.
#[derive(Clone)]
pub(super) struct Refresh {
    result: Shared<BoxFuture<'static, Result<BearerToken, TokenFailure>>>,
    /// Until when a call with a usable token waits.
    head_start: tokio::time::Instant,
}

pub(super) struct Pause {
    until: Instant,
    pub(super) failure: TokenFailure,
}

/// How a call gets its token.
pub(super) enum TokenPath {
    Ready(Result<BearerToken, TokenFailure>),
    Wait(Refresh, Option<oneshot::Sender<Result<BearerToken, TokenFailure>>>),
}

impl Keeper {
    pub(super) fn new(oauth: OAuth, tokens: TokenSet, is_saved: bool) -> Result<Self, Error> {
        let tokens = Arc::new(tokens);
        let state = TokenState {
            bearer: bearer(&tokens)?,
            stored: is_saved.then(|| Arc::clone(&tokens)),
            tokens,
            superseded: Vec::new(),
            is_rotated: false,
            doubtful: None,
            saving: 0,
            lease: None,
            saves_again: false,
            is_refused: false,
            refreshing: None,
            pause: None,
            replaced_at: None,
        };
        Ok(Self { oauth, state: Mutex::new(state), writing: Arc::default() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, TokenState> {
        // Nothing panics while the lock is held, and the state is valid between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wall(&self) -> Timestamp {
        self.oauth.provider.clock.wall()
    }

    /// The access token, if it can be sent.
    pub(super) fn usable(&self) -> Option<BearerToken> {
        let state = self.lock();
        state.is_usable(self.wall()).then(|| state.bearer.clone())
    }

    pub(super) async fn resolve(self: &Arc<Self>, path: TokenPath) -> Result<BearerToken, TokenFailure> {
        match self.start(path) {
            Ok(refresh) => refresh.result.await,
            Err(result) => result,
        }
    }

    /// As [`resolve`](Self::resolve), but while there is a usable access token it waits for a second at most.
    pub(super) async fn resolve_if_needed(
        self: &Arc<Self>,
        path: TokenPath,
    ) -> Result<BearerToken, TokenFailure> {
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
            let keeper = Arc::clone(self);
            let task = async move {
                let result = keeper.refresh().await;
                keeper.finish(&result);
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
}

impl TokenState {
    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        !self.is_refused && !self.tokens.is_expired(now)
    }

    /// Whether the store has the tokens in use.
    pub(super) fn is_saved(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.is_same_access_token(&self.tokens))
    }

    /// Whether a refresh by another process would send a refresh token that is used up, or would be undone by a late save.
    pub(super) fn needs_lease(&self) -> bool {
        self.saving > 0 || self.is_rotated && !self.is_saved() && !self.tokens.refresh_token_refused
    }

    pub(super) fn token_path(&mut self, keeper: &Keeper) -> TokenPath {
        let provider = &keeper.oauth.provider;
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

    pub(super) fn token_path_after(&mut self, refused: &BearerToken, keeper: &Keeper) -> TokenPath {
        if self.bearer != *refused {
            // Another call has replaced it.
            return self.token_path(keeper);
        }
        let now = keeper.oauth.provider.clock.now();
        if self.replaced_at.is_some_and(|then| now < then + SHORT_PAUSE) {
            return TokenPath::Ready(Err(TokenFailure::local(
                "the service refuses an access token that was issued in place of a refused one just now",
            )));
        }
        self.is_refused = true;
        self.token_path(keeper)
    }

    /// The refresh in flight, or a new one with the sender of its result.
    pub(super) fn join(&mut self) -> TokenPath {
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

pub(super) fn bearer(tokens: &TokenSet) -> Result<BearerToken, Error> {
    BearerToken::new(&tokens.access_token)
}
