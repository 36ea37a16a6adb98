//! OAuth2: a person logs in once, and a client's access tokens are renewed from then on.
//!
//! The Authorization Code grant with PKCE (RFC 6749, RFC 7636), for confidential and public clients. The endpoints of
//! Chatwork are in [`chatwork::oauth`](crate::chatwork::oauth); those of TAS-CHA are yours to give to
//! [`tascha::oauth`](crate::tascha::oauth).
//!
//! ```no_run
//! # async fn example(secret: &str, callback: &str) -> Result<(), kaiwa::Error> {
//! use kaiwa::chatwork::{self, oauth::Scope};
//! use kaiwa::oauth::FileTokenStore;
//!
//! let oauth = chatwork::oauth::confidential("client id", secret)
//!     .redirect_url("https://bot.example.com/callback")
//!     .scopes([Scope::RoomsAllReadWrite, Scope::OfflineAccess])
//!     .store(FileTokenStore::new("/var/lib/bot/tokens.json"))
//!     .build()?;
//!
//! let authorization = match oauth.restore().await? {
//!     Some(authorization) => authorization,
//!     None => {
//!         let login = oauth.login();
//!         println!("open {}", login.url());
//!         // …and the service sends the browser to the redirect URL, with a code and the state:
//!         login.finish_redirect(callback).await?
//!     }
//! };
//! let chatwork = chatwork::Client::builder().token_source(authorization).build()?;
//! println!("{}", chatwork.me().await?.name);
//! # Ok(())
//! # }
//! ```
//!
//! # What is kept, and when it is renewed
//!
//! - The access token is renewed [a minute before it expires](Builder::refresh_ahead), and when the service refuses it
//!   with a 401. However many calls need it at that moment, one refresh is made, and all of them get its result or its
//!   error. It runs as a task of its own: no call that is cancelled ends it for the others.
//! - A call that comes in the minute before the expiry gives the refresh a second, so that a program which ends right
//!   after its call does not cut it off. A refresh that takes longer runs on, and the calls go on with the old access
//!   token meanwhile; if it fails, they do so until that expires.
//! - A store that does not answer within 10 seconds counts as one that failed.
//! - The refresh token of an answer replaces the one before; if the answer has none, the old one is kept. It is saved
//!   before the new access token is sent anywhere. No failure takes away the refresh token that is there.
//! - A refresh that the service refuses with `invalid_grant` can only be cured by a login:
//!   [`Authorization::needs_login`] says so, and the errors of the calls do. After a refusal no refresh is sent for 30
//!   seconds, so that a bot whose authorization was revoked does not hammer the service.
//! - Tokens that [cannot be saved](Authorization::save) are used all the same.
//!
//! # One store for each person
//!
//! A [`TokenStore`] holds one person's tokens. A program that acts for several gives each its own with
//! [`OAuth::with_store`]. Before a refresh the store is read, so that tokens which another process or a later login has
//! saved there are taken over. Two processes that refresh at the very same time can still get in each other's way where
//! refresh tokens rotate: give each its own login.

mod authorization;
mod builder;
mod exchange;
mod failure;
mod granted;
mod login;
mod store;
mod tokens;

pub use authorization::Authorization;
pub use builder::Builder;
pub use login::Login;
pub use secrecy::{ExposeSecret, SecretString};
pub use store::{FileTokenStore, MemoryTokenStore, StoreError, TokenStore};
pub use tokens::TokenSet;

use crate::error::Error;
use exchange::Provider;
use failure::Failure;
use std::fmt;
use std::sync::Arc;

/// An OAuth2 client of a service: who the program is, and where logins go. Clones share everything.
#[derive(Clone)]
pub struct OAuth {
    provider: Arc<Provider>,
    store: Arc<dyn TokenStore>,
}

impl OAuth {
    /// Begins an OAuth2 client with settings of its own. For Chatwork see
    /// [`chatwork::oauth`](crate::chatwork::oauth).
    pub fn builder(client_id: impl Into<String>) -> Builder {
        Builder::new(client_id.into())
    }

    /// The same OAuth2 client for another person's tokens.
    pub fn with_store(&self, store: impl TokenStore) -> Self {
        Self { provider: Arc::clone(&self.provider), store: Arc::new(store) }
    }

    /// Begins a login. Nothing is sent: the person has to open [`Login::url`].
    pub fn login(&self) -> Login {
        Login::new(self.clone())
    }

    /// A login that was begun earlier, from its [`state`](Login::state) and [`verifier`](Login::verifier): what a web
    /// application has kept in the session between the two requests.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token) if the state is empty, or the verifier not 43 to 128 characters
    /// that a verifier can have.
    pub fn resume_login(
        &self,
        state: impl Into<SecretString>,
        verifier: impl Into<SecretString>,
    ) -> Result<Login, Error> {
        Login::resume(self.clone(), state.into(), verifier.into())
    }

    /// The authorization whose tokens are in the store; `None` if there are none, so that a login is needed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token) if the store cannot be read, or does not answer within 10 seconds.
    pub async fn restore(&self) -> Result<Option<Authorization>, Error> {
        let loaded = store::load(&*self.store, &*self.provider.clock).await;
        let tokens = loaded.map_err(|error| {
            let error = failure::clean(&error.to_string(), &self.provider.credentials);
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

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("provider", &self.provider).field("store", &self.store).finish()
    }
}
