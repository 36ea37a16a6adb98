//! OAuth2: a person logs in once, and from then on the client's access tokens are renewed.
//!
//! The Authorization Code grant with PKCE (RFC 6749, RFC 7636), for confidential and public clients. The endpoints of
//! Chatwork are in [`chatwork::oauth`](crate::chatwork::oauth). For TAS-CHA, pass the endpoints to
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
//!     Some(authorization) if !authorization.needs_login() => authorization,
//!     _ => {
//!         let login = oauth.login();
//!         println!("open {}", login.url());
//!         // The service then sends the browser to the redirect URL, with a code and the state:
//!         login.finish_redirect(callback).await?
//!     }
//! };
//! let chatwork = chatwork::Client::builder().token_source(authorization).build()?;
//! println!("{}", chatwork.me().await?.name);
//! # Ok(())
//! # }
//! ```
//!
//! # When tokens are renewed and saved
//!
//! - The access token is renewed [a minute before it expires](Builder::refresh_ahead), and when the service refuses it
//!   with a 401. If many calls need it at that moment, one refresh is made, and all of them get its result or its error. The
//!   refresh is a separate task: cancelling a call does not end it for the others.
//! - In the minute before the expiry, a call waits up to a second for the refresh. Otherwise a program that ends right after
//!   its call would cut the refresh off. If the refresh takes longer, it continues in the background, and the calls use the
//!   old access token. If it fails, they use the old access token until that expires.
//! - If a store does not respond within 10 seconds, it counts as failed. A [lease](TokenStore::lease) may take longer, as
//!   long as another process needs for its refresh.
//! - The refresh token of a response replaces the previous one; if the response has none, the previous one is kept. It is
//!   saved before the new access token is sent anywhere. A failure never removes the refresh token.
//! - If the service refuses a refresh with `invalid_grant`, and the store has got no other tokens meanwhile, only a new login
//!   helps. [`Authorization::needs_login`] and the errors of the calls say so, here, in other processes and after a restart: the
//!   refusal is [saved with the tokens](TokenSet::refresh_token_refused), and that refresh token is not sent again. The store is
//!   looked into every 30 seconds, so a login that saves its tokens there helps at once. After another refusal no refresh is
//!   sent for 30 seconds.
//! - Tokens are used even if they [cannot be saved](Authorization::save).
//!
//! # One store for each person
//!
//! A [`TokenStore`] holds one person's tokens. A program that acts for several people gives each their own store with
//! [`OAuth::with_store`].
//!
//! Several processes can share a store. Before each refresh one of them wins its [lease](TokenStore::lease) and reads the store,
//! so that tokens which another process or a later login has saved there are used, and one refresh is made for all. A store
//! without leases, the default of the trait, is for one process if refresh tokens rotate.
//!
//! # The window that no lease closes
//!
//! Where refresh tokens rotate, the old one has ended when the token endpoint answers. A process that is killed between this
//! answer and its save loses the new one. The next process sends the old one once, is refused, and all need a login; the stored
//! tokens are kept. The page [many processes](crate::guide::oauth#many-processes) of the guide has the other cases.

mod authorization;
mod builder;
mod client;
mod exchange;
mod failure;
mod file_store;
mod granted;
mod keeper;
mod lease;
mod login;
mod renewal;
mod store;
mod tokens;

pub use authorization::Authorization;
pub use builder::Builder;
pub use client::OAuth;
pub use file_store::FileTokenStore;
pub use lease::RefreshLease;
pub use login::Login;
pub use secrecy::{ExposeSecret, SecretString};
pub use store::{MemoryTokenStore, TokenStore};
pub use tokens::TokenSet;
