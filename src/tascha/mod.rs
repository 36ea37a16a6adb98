//! TAS-CHA Public API v1.
//!
//! ```no_run
//! # async fn example() -> Result<(), kaiwa::Error> {
//! use futures::TryStreamExt;
//!
//! let tascha = kaiwa::tascha::Client::from_env()?; // TASCHA_API_KEY
//! let mut rooms = tascha.rooms().limit(200).stream();
//! while let Some(room) = rooms.try_next().await? {
//!     println!("{}", room.name);
//! }
//! tascha.room("ckabc").post("決裁しました").with_idempotency_key("order-42").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Writes carry an idempotency key, so that they are repeated after a failure without being done twice. All paths but
//! `GET /me` are inferred: [`table`] says of each operation why. [`Client::request`] is the way round one that is wrong.

mod account;
mod messages;
#[cfg(feature = "oauth")]
pub mod oauth;
mod records;
mod rooms;
mod tasks;
#[cfg(feature = "webhooks")]
pub mod webhook;
mod webhooks;

pub use crate::generated::tascha::*;
pub use records::RecordHandle;
pub use rooms::RoomHandle;
pub use tasks::TaskHandle;
pub use webhooks::WebhookHandle;

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
use tokio::sync::watch;

/// The service's address.
pub const BASE_URL: &str = "https://api.tas-cha.com/v1";

/// The address of the staging environment.
pub const STAGING_URL: &str = "https://stg-api.tas-cha.com/v1";

/// TAS-CHA, as what a [`ClientBuilder`] builds for.
#[derive(Debug)]
pub enum Tascha {}

/// A client of the TAS-CHA Public API. Clones share connections, limits and credential.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
}

/// Builds a [`Client`].
pub type Builder = ClientBuilder<Tascha>;

impl Client {
    /// Begins a client with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Begins a client of the staging environment. Whether `tcha_test_` keys are for it or for production is not
    /// documented.
    pub fn staging() -> Builder {
        Builder::new().base_url(STAGING_URL)
    }

    /// A client with the API key in `TASCHA_API_KEY` and default settings.
    /// `TASCHA_BASE_URL`, if it is set, is where the service is: a sandbox, a mock or a staging system.
    ///
    /// # Errors
    ///
    /// If the variable is missing or empty, or TLS cannot be set up.
    pub fn from_env() -> Result<Self, Error> {
        Builder::from_env(bearer)?.build()
    }

    /// A room. Nothing is sent until something is done with it.
    pub fn room(&self, id: impl Into<RoomId>) -> RoomHandle {
        RoomHandle { transport: Arc::clone(&self.transport), id: id.into() }
    }

    /// A request to any path below the base URL, such as `/rooms/ckabc/messages`, with this client's credential.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<Raw> {
        self.call(Raw::new(method, path.into()))
    }

    /// What the service last said of the limits.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.transport.limits.borrow().clone()
    }

    /// Follows what the service says of the limits.
    pub fn watch_rate_limit(&self) -> watch::Receiver<Option<RateLimit>> {
        self.transport.limits.subscribe()
    }

    fn call<E: Endpoint>(&self, endpoint: E) -> Request<E> {
        Request::new(&self.transport, endpoint)
    }
}

impl Builder {
    /// An API key (`tcha_live_…`, `tcha_test_…`), sent as `Authorization: Bearer`.
    pub fn api_key(self, key: impl Into<SecretString>) -> Self {
        self.with_credential(bearer(&key.into()))
    }

    /// An API key sent as `X-Api-Key`, for where something on the way uses `Authorization` itself.
    pub fn x_api_key(self, key: impl Into<SecretString>) -> Self {
        self.with_credential(Credential::header("x-api-key", "", &key.into()))
    }

    /// An OAuth access token (`tcha_at_…`), as it is: when it expires, calls fail with status 401.
    pub fn bearer(self, token: impl Into<SecretString>) -> Self {
        self.with_credential(bearer(&token.into()))
    }

    /// Bearer tokens that are renewed while the client lives, as an OAuth authorization gives them.
    pub fn token_source(self, source: impl TokenSource) -> Self {
        self.with_credential(Ok(Credential::Source(Arc::new(source))))
    }
}

fn bearer(secret: &SecretString) -> Result<Credential, Error> {
    Credential::header("authorization", "Bearer ", secret)
}

impl Service for Tascha {
    type Client = Client;
}

impl Sealed for Tascha {
    const NAME: &'static str = "TAS-CHA";
    const BASE_URL: &'static str = BASE_URL;
    const VARIABLE: &'static str = "TASCHA_API_KEY";
    const BASE_URL_VARIABLE: &'static str = "TASCHA_BASE_URL";
    const CREDENTIAL_OPTIONAL: bool = false;
    const REQUEST_IDS: bool = true;
    const FORMS: bool = false;

    /// The envelope is nested or flat, which is not documented, so both are read.
    fn error_body(body: &Value) -> ServiceError {
        let nested = &body["error"];
        let either = |name: &str| text(&nested[name]).or_else(|| text(&body[name]));
        let (code, message, bare) = (either("code"), either("message"), nested.as_str().map(str::to_owned));
        // A bare `error` text is the code where there is a message besides, and the message where there is none.
        let (code, message) = match (code, message, bare) {
            (None, Some(message), Some(code)) => (Some(code), Some(message)),
            (code, message, bare) => (code, message.or(bare)),
        };
        let details = [&nested["details"], &body["details"]].into_iter().find(|details| !details.is_null());
        let (messages, details) = (message.into_iter().collect(), details.cloned());
        ServiceError { code, messages, request_id: either("requestId"), details }
    }

    fn is_error(body: &Value, _: bool) -> bool {
        let has = |value: &Value, name: &str| value[name].is_string();
        let nested = &body["error"];
        let flat = has(body, "code") && has(body, "message");
        nested.is_string() || has(nested, "code") || has(nested, "message") || flat
    }

    fn client(transport: Arc<Transport>) -> Client {
        Client { transport }
    }
}
