//! Chatwork API v2.
//!
//! ```no_run
//! # async fn example() -> Result<(), kaiwa::Error> {
//! use kaiwa::chatwork::{self, RoomId};
//!
//! let chatwork = chatwork::Client::from_env()?; // CHATWORK_API_TOKEN
//! let me = chatwork.me().await?;
//! let sent = chatwork.room(RoomId(123)).post(format!("{}です", me.name)).self_unread(true).await?;
//! println!("{} {:?}", sent.message_id, sent.rate_limit());
//! # Ok(())
//! # }
//! ```
//!
//! Limits of the service: 300 calls in 5 minutes for the account, and 10 messages and tasks in 10 seconds for each
//! room. Lists have no pages and end at 100 items. There is no idempotency key, so that a post is never repeated once
//! it may have arrived. What happens in rooms is told by a [`watch`].

mod account;
pub mod bot;
mod contacts;
mod download;
mod files;
mod link;
mod members;
mod messages;
pub mod notation;
#[cfg(feature = "oauth")]
pub mod oauth;
mod reconcile;
mod rooms;
mod tasks;
pub mod watch;
#[cfg(feature = "webhooks")]
pub mod webhook;

pub use crate::generated::chatwork::*;
pub use contacts::IncomingRequestHandle;
pub use download::{Download, FileStream};
pub use files::{FileHandle, UploadFile};
pub use messages::MessageHandle;
pub use reconcile::{Arrival, Reconcile, ReconciledMessage, ReconciledPost};
pub use rooms::RoomHandle;
pub use tasks::TaskHandle;

pub(crate) use reconcile::Posted;

use crate::builder::{ClientBuilder, Service, sealed::Sealed};
use crate::error::{Error, ServiceError, text};
use crate::raw::Raw;
use crate::request::Request;
use crate::transport::Transport;
use crate::transport::auth::Credential;
use crate::{Endpoint, RateLimit, TokenSource};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use std::sync::Arc;

/// The service's address.
pub const BASE_URL: &str = "https://api.chatwork.com/v2";

/// Chatwork, as what a [`ClientBuilder`] builds for.
#[derive(Debug)]
pub enum Chatwork {}

/// A client of the Chatwork API. Clones share connections, limits and credential.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
}

/// Builds a [`Client`].
pub type Builder = ClientBuilder<Chatwork>;

impl Client {
    /// Begins a client with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A client with the API token in `CHATWORK_API_TOKEN` and default settings.
    /// `CHATWORK_BASE_URL`, if it is set, is where the service is: a sandbox, a mock or a staging system.
    ///
    /// # Errors
    ///
    /// If the variable is missing or empty, or TLS cannot be set up.
    pub fn from_env() -> Result<Self, Error> {
        Builder::from_env(api_token)?.build()
    }

    /// A room. Nothing is sent until something is done with it.
    pub fn room(&self, id: RoomId) -> RoomHandle {
        RoomHandle { transport: Arc::clone(&self.transport), id }
    }

    /// A request to any path below the base URL, such as `/rooms/123/messages`, with this client's credential.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<Raw> {
        self.call(Raw::new(method, path.into()))
    }

    /// What the service last said of the account's limits.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.transport.limits.borrow().clone()
    }

    /// Follows what the service says of the account's limits.
    pub fn watch_rate_limit(&self) -> tokio::sync::watch::Receiver<Option<RateLimit>> {
        self.transport.limits.subscribe()
    }

    fn call<E: Endpoint>(&self, endpoint: E) -> Request<E> {
        Request::new(&self.transport, endpoint)
    }
}

impl Builder {
    /// The API token, from Chatwork's settings page. It has the whole account's rights and does not expire.
    pub fn api_token(self, token: impl Into<SecretString>) -> Self {
        self.with_credential(api_token(&token.into()))
    }

    /// An OAuth2 access token, as it is: when it expires, calls fail with status 401.
    pub fn bearer(self, token: impl Into<SecretString>) -> Self {
        self.with_credential(Credential::header("authorization", "Bearer ", &token.into()))
    }

    /// Bearer tokens that are renewed while the client lives, as an OAuth2 authorization gives them.
    pub fn token_source(self, source: impl TokenSource) -> Self {
        self.with_credential(Ok(Credential::Source(Arc::new(source))))
    }
}

fn api_token(token: &SecretString) -> Result<Credential, Error> {
    Credential::header("x-chatworktoken", "", token)
}

impl Service for Chatwork {
    type Client = Client;
}

impl Sealed for Chatwork {
    const NAME: &'static str = "Chatwork";
    const BASE_URL: &'static str = BASE_URL;
    const VARIABLE: &'static str = "CHATWORK_API_TOKEN";
    const BASE_URL_VARIABLE: &'static str = "CHATWORK_BASE_URL";
    const CREDENTIAL_OPTIONAL: bool = false;
    const REQUEST_IDS: bool = false;
    const FORMS: bool = true;

    fn error_body(body: &Value) -> ServiceError {
        let errors = match &body["errors"] {
            Value::Array(errors) => errors.as_slice(),
            Value::Null => &[],
            single => std::slice::from_ref(single),
        };
        let errors =
            errors.iter().map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned));
        let code = text(&body["error"]);
        let messages = errors.chain(text(&body["error_description"])).collect();
        ServiceError { code, messages, ..ServiceError::default() }
    }

    fn is_error(body: &Value, _: bool) -> bool {
        let errors = &body["errors"];
        errors.is_string()
            || errors.as_array().is_some_and(|errors| !errors.is_empty())
            || errors.as_object().is_some_and(|errors| !errors.is_empty())
            || body["error"].is_string()
    }

    fn client(transport: Arc<Transport>) -> Client {
        Client { transport }
    }
}
