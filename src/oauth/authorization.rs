//! What a login has given, and the one refresh that everybody waits for.

use super::client::OAuth;
use super::exchange::Grant;
use super::failure::{Failure, clean};
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
    /// The authorization whose tokens are in the store; `None` if there are none, so that a login is needed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token) if the store cannot be read, or does not answer within 10 seconds.
    pub async fn restore(&self) -> Result<Option<Authorization>, Error> {
        let loaded = store::load(&*self.store, &*self.provider.clock).await;
        let tokens = loaded.map_err(|error| {
            let error = clean(&error.to_string(), &self.provider.credentials);
            Failure::local(format!("the tokens cannot be loaded: {error}")).not_sent()
        })?;
        tokens.map(|tokens| Authorization::new(self.clone(), tokens, true)).transpose()
    }

    /// An authorization with tokens that came by another way. They are in the store after the first refresh, or after
    /// [`Authorization::save`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the access token cannot stand in a header.
    pub fn authorization(&self, tokens: TokenSet) -> Result<Authorization, Error> {
        Authorization::new(self.clone(), tokens, false)
    }
}

/// How long after a refresh that was refused none is sent.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// How long after a refresh that failed for another reason the old access token is used without trying again; and how
/// long a new access token has to be left alone before a 401 is taken to be about it and not about the service.
const SHORT_PAUSE: Duration = Duration::from_secs(10);

/// How long calls that have a good access token wait for a refresh from its beginning, by real time: a program may end
/// right after its call, and would cut off what has made its refresh token useless.
const HEAD_START: Duration = Duration::from_secs(1);

/// The longest pause that a `Retry-After` makes.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A person's authorization: hands out access tokens, and renews them.
///
/// Give it to [`token_source`](crate::ClientBuilder::token_source) of one client or of many. Clones share the tokens.
#[derive(Clone)]
pub struct Authorization(Arc<Shelf>);

struct Shelf {
    oauth: OAuth,
    state: Mutex<State>,
    /// Held while the store is written, so that the last tokens to be there are the newest.
    writing: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    tokens: Arc<TokenSet>,
    bearer: BearerToken,
    /// Whether the store has these tokens.
    is_saved: bool,
    /// Whether the service has refused the access token.
    is_refused: bool,
    /// The refresh that is under way.
    flight: Option<Flight>,
    /// What the last refresh failed with, if it did.
    pause: Option<Pause>,
    /// When a refused access token was last replaced.
    replaced_at: Option<Instant>,
}

/// One refresh, for every call that waits for it.
#[derive(Clone)]
struct Flight {
    result: Shared<BoxFuture<'static, Result<BearerToken, Failure>>>,
    /// Until when a call waits that could do without.
    head_start: tokio::time::Instant,
}

struct Pause {
    until: Instant,
    failure: Failure,
}

/// How a call gets its token.
enum Way {
    Ready(Result<BearerToken, Failure>),
    Wait(Flight, Option<oneshot::Sender<Result<BearerToken, Failure>>>),
}

impl Authorization {
    pub(super) fn new(oauth: OAuth, tokens: TokenSet, is_saved: bool) -> Result<Self, Error> {
        let state = State {
            bearer: bearer(&tokens)?,
            tokens: Arc::new(tokens),
            is_saved,
            is_refused: false,
            flight: None,
            pause: None,
            replaced_at: None,
        };
        Ok(Self(Arc::new(Shelf { oauth, state: Mutex::new(state), writing: Arc::default() })))
    }

    /// The tokens as they are now.
    pub fn tokens(&self) -> TokenSet {
        TokenSet::clone(&self.0.lock().tokens)
    }

    /// Renews the access token now, whether it is due or not. If a refresh is under way, waits for that one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token). The tokens stay as they were. [`Error::code`] has what the token
    /// endpoint said, such as `invalid_grant`, and [`Error::outcome`] what became of the request to it.
    pub async fn refresh(&self) -> Result<(), Error> {
        let way = self.0.lock().join();
        self.0.follow(way).await.map(drop).map_err(Failure::into_error)
    }

    /// Whether only a login helps: the authorization was revoked or has ended, or there is no refresh token to renew an
    /// access token with that is of no more use. It is known after the first refresh that failed for it.
    ///
    /// Once another login has put its tokens into the same store, this authorization goes on with those.
    pub fn needs_login(&self) -> bool {
        let state = self.0.lock();
        let has_refresh_token = state.tokens.refresh_token.is_some();
        let refused = state.pause.as_ref().is_some_and(|pause| pause.failure.needs_login);
        refused || !has_refresh_token && !state.is_usable(self.0.wall())
    }

    /// Whether the store has the tokens that are in use.
    ///
    /// Tokens that cannot be saved are used all the same, since the service may have made those in the store useless. A
    /// program that ends before they are saved may need a login then: a warning is traced, and they are saved with the
    /// next refresh, or by [`save`](Self::save).
    pub fn is_saved(&self) -> bool {
        self.0.lock().is_saved
    }

    /// Saves the tokens, if the store does not have them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token) with the store's reason, or after 10 seconds; the save is not
    /// cancelled then. The tokens can be used nevertheless.
    pub async fn save(&self) -> Result<(), Error> {
        self.0.keep(None).await.map(drop).map_err(Failure::not_sent)
    }
}

impl TokenSource for Authorization {
    fn token(&self) -> BoxFuture<'_, Result<BearerToken, Error>> {
        Box::pin(async move {
            let way = self.0.lock().way(&self.0);
            let token = self.0.follow_if_needed(way).await;
            token.or_else(|failure| self.0.usable().ok_or_else(|| failure.not_sent()))
        })
    }

    fn renew<'a>(&'a self, refused: &'a BearerToken) -> BoxFuture<'a, Result<BearerToken, Error>> {
        Box::pin(async move {
            let way = self.0.lock().way_after(refused, &self.0);
            self.0.follow_if_needed(way).await.map_err(Failure::not_sent)
        })
    }
}

impl State {
    fn is_usable(&self, now: Timestamp) -> bool {
        !self.is_refused && !self.tokens.is_expired(now)
    }

    fn way(&mut self, shelf: &Shelf) -> Way {
        let provider = &shelf.oauth.provider;
        let wall = provider.clock.wall();
        let usable = self.is_usable(wall);
        if usable && !self.tokens.is_due(wall, provider.refresh_ahead) {
            return Way::Ready(Ok(self.bearer.clone()));
        }
        match self.pause.as_ref().filter(|pause| provider.clock.now() < pause.until) {
            Some(_) if usable => Way::Ready(Ok(self.bearer.clone())),
            Some(pause) if pause.failure.is_to_be_heeded() => Way::Ready(Err(pause.failure.clone())),
            _ => self.join(),
        }
    }

    fn way_after(&mut self, refused: &BearerToken, shelf: &Shelf) -> Way {
        if self.bearer != *refused {
            // Somebody was faster.
            return self.way(shelf);
        }
        let now = shelf.oauth.provider.clock.now();
        if self.replaced_at.is_some_and(|then| now < then + SHORT_PAUSE) {
            return Way::Ready(Err(Failure::local(
                "the service refuses an access token that was issued in place of a refused one just now",
            )));
        }
        self.is_refused = true;
        self.way(shelf)
    }

    /// The refresh under way, or a new one with what is to be told its result.
    fn join(&mut self) -> Way {
        // One that ended without a result was cut off with its runtime, and is no more under way.
        if let Some(flight) = self.flight.as_ref().filter(|flight| flight.result.peek().is_none()) {
            return Way::Wait(flight.clone(), None);
        }
        let (sender, receiver) = oneshot::channel();
        let cut_off = || Err(Failure::local("the refresh was ended with its runtime"));
        let result = receiver.map(move |result| result.unwrap_or_else(|_| cut_off())).boxed().shared();
        let flight = Flight { result, head_start: tokio::time::Instant::now() + HEAD_START };
        self.flight = Some(flight.clone());
        Way::Wait(flight, Some(sender))
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, State> {
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

    async fn follow(self: &Arc<Self>, way: Way) -> Result<BearerToken, Failure> {
        match self.set_out(way) {
            Ok(flight) => flight.result.await,
            Err(result) => result,
        }
    }

    /// The same, but not for long while there is a good access token.
    async fn follow_if_needed(self: &Arc<Self>, way: Way) -> Result<BearerToken, Failure> {
        let flight = match self.set_out(way) {
            Ok(flight) => flight,
            Err(result) => return result,
        };
        // Without a runtime there are no timers, and the refresh has ended already.
        if self.usable().is_some() && tokio::runtime::Handle::try_current().is_ok() {
            let in_time = tokio::time::timeout_at(flight.head_start, flight.result.clone()).await;
            if let Ok(result) = in_time {
                return result;
            }
            if let Some(bearer) = self.usable() {
                tracing::debug!("the refresh takes its time; going on with the old access token");
                return Ok(bearer);
            }
        }
        flight.result.await
    }

    /// Sees that the refresh is under way that a call is to wait for, if it has to.
    fn set_out(self: &Arc<Self>, way: Way) -> Result<Flight, Result<BearerToken, Failure>> {
        let (flight, start) = match way {
            Way::Ready(result) => return Err(result),
            Way::Wait(flight, start) => (flight, start),
        };
        // Not under the lock: a runtime that is shutting down drops the task on the spot.
        if let (Some(sender), Ok(runtime)) = (start, tokio::runtime::Handle::try_current()) {
            let shelf = Arc::clone(self);
            let task = async move {
                let result = shelf.refresh().await;
                shelf.land(&result);
                // No call may be waiting any more, which is why this is a task of its own.
                let _ = sender.send(result);
            };
            runtime.spawn(task.in_current_span());
        }
        Ok(flight)
    }

    /// The end of a refresh: whoever comes from now on does not join it.
    fn land(&self, result: &Result<BearerToken, Failure>) {
        let now = self.oauth.provider.clock.now();
        let mut state = self.lock();
        state.flight = None;
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

    async fn refresh(self: &Arc<Self>) -> Result<BearerToken, Failure> {
        let (current, is_saved) = {
            let state = self.lock();
            (Arc::clone(&state.tokens), state.is_saved)
        };
        let provider = &self.oauth.provider;
        // Where the store has not got our tokens, it has older ones.
        let found = if is_saved { self.newer(&current).await } else { None };
        if let Some(found) = &found
            && !found.is_due(self.wall(), provider.refresh_ahead)
        {
            return self.adopt(found.clone(), true);
        }
        let base = found.as_ref().unwrap_or(&current);
        let Some(refresh_token) = base.refresh_token.as_ref().or(current.refresh_token.as_ref()) else {
            return Err(Failure::login(
                "there is no refresh token to renew the access token with; authorize again",
            ));
        };
        tracing::debug!("renewing the access token");
        match provider.request(Grant::Refresh { refresh_token, previous: base }).await {
            Ok(tokens) => {
                // Until they are adopted, so that no other save puts the old ones in their place.
                let writing = self.keep(Some(tokens.clone())).await;
                self.adopt(tokens, writing.is_ok())
            }
            Err(failure) if failure.needs_login && is_saved => {
                // Another process may have used the refresh token in the same moment.
                match self.newer(base).await.filter(|found| !found.is_expired(self.wall())) {
                    Some(found) => self.adopt(found, true),
                    None => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// What the store has, if it is not what we have.
    async fn newer(&self, ours: &TokenSet) -> Option<TokenSet> {
        match store::load(&*self.oauth.store, &*self.oauth.provider.clock).await {
            Ok(found) => found.filter(|found| !found.is_same_access_token(ours) && bearer(found).is_ok()),
            Err(error) => {
                let error = self.show(&error, ours);
                tracing::warn!(%error, "the stored tokens cannot be read; going on with those in memory");
                None
            }
        }
    }

    /// Saves these tokens, or else those in use unless the store has them. No other save begins before what is handed
    /// out is dropped.
    ///
    /// It is a task of its own, which goes on when it is waited for no longer: a save cannot be cancelled, and must not
    /// end after a later one.
    async fn keep(self: &Arc<Self>, new: Option<TokenSet>) -> Result<OwnedMutexGuard<()>, Failure> {
        let shelf = Arc::clone(self);
        let task = async move {
            let writing = Arc::clone(&shelf.writing).lock_owned().await;
            let tokens = match new {
                Some(tokens) => Arc::new(tokens),
                None => {
                    let state = shelf.lock();
                    if state.is_saved {
                        return Ok(writing);
                    }
                    Arc::clone(&state.tokens)
                }
            };
            shelf.write(&tokens).await?;
            let mut state = shelf.lock();
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
                Err(Failure::local("saving was ended with its runtime, or by a panic of the store"))
            }
            Err(time) => {
                tracing::warn!(
                    "the store is slow; a login will be needed if the program ends before it has the tokens"
                );
                Err(Failure::local(format!(
                    "the tokens cannot be saved: the store did not end within {time:?}; it is not cancelled"
                )))
            }
        }
    }

    async fn write(&self, tokens: &TokenSet) -> Result<(), Failure> {
        self.oauth.store.save(tokens).await.map_err(|error| {
            let error = self.show(&error, tokens);
            tracing::warn!(%error, "the tokens cannot be saved; a login will be needed if the program ends now");
            Failure::local(format!("the tokens cannot be saved: {error}"))
        })
    }

    /// A store's text without the tokens that it may hold against our wish, old or new.
    fn show(&self, error: &StoreError, tokens: &TokenSet) -> String {
        let current = Arc::clone(&self.lock().tokens);
        let secrets = [tokens, &current].into_iter();
        let secrets = secrets.flat_map(|set| std::iter::once(&set.access_token).chain(&set.refresh_token));
        clean(&error.to_string(), secrets.chain(&self.oauth.provider.credentials))
    }

    fn adopt(&self, tokens: TokenSet, is_saved: bool) -> Result<BearerToken, Failure> {
        let bearer =
            bearer(&tokens).map_err(|_| Failure::local("the access token cannot stand in a header"))?;
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
