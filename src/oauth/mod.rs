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
mod client;
mod exchange;
mod failure;
mod granted;
mod login;
mod store;
mod tokens;

pub use authorization::Authorization;
pub use builder::Builder;
pub use client::OAuth;
pub use login::Login;
pub use secrecy::{ExposeSecret, SecretString};
pub use store::{FileTokenStore, MemoryTokenStore, StoreError, TokenStore};
pub use tokens::TokenSet;
