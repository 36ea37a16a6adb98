//! The client of the TAS-CHA Public API.

use crate::TokenSource;
use crate::builder::ClientBuilder;
use crate::call::{ServiceError, text};
use crate::client::{Service, sealed::Sealed};
use crate::error::Error;
use crate::profile::{Limit, Profile};
use crate::transport::auth::Credential;
use secrecy::SecretString;
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;

/// The service's address.
pub const BASE_URL: &str = "https://api.tas-cha.com/v1";

/// The address of the staging environment.
pub const STAGING_URL: &str = "https://stg-api.tas-cha.com/v1";

/// The service TAS-CHA, as a type parameter of [`ClientBuilder`].
#[derive(Debug)]
pub enum Tascha {}

/// A client of the TAS-CHA Public API. Clones share connections, limits and credential.
///
/// ```no_run
/// # async fn example() -> Result<(), kaiwa::Error> {
/// use kaiwa::tascha::Client;
///
/// let tascha = Client::builder().api_key("tcha_live_…").user_agent("build-bot/1.2").build()?;
/// tascha.room("ckabc").post("決裁しました").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client(crate::Client<Tascha>);

impl Deref for Client {
    type Target = crate::Client<Tascha>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<crate::Client<Tascha>> for Client {
    fn from(client: crate::Client<Tascha>) -> Self {
        Self(client)
    }
}

/// Builds a [`Client`].
pub type Builder = ClientBuilder<Tascha>;

impl Client {
    /// A builder for a client.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A builder for a client of the staging environment. It is not documented whether `tcha_test_` keys are for staging or
    /// production.
    pub fn staging() -> Builder {
        Builder::new().base_url(STAGING_URL)
    }

    /// A client with the API key in `TASCHA_API_KEY` and default settings.
    /// `TASCHA_BASE_URL`, if set, is the base URL: a sandbox, a mock or a staging system.
    ///
    /// # Errors
    ///
    /// If the variable is missing or empty, or TLS cannot be set up.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder_from_env()?.build()
    }

    /// A builder with the credential and the base URL of the variables that [`from_env`](Self::from_env) reads, for further
    /// settings.
    ///
    /// # Errors
    ///
    /// If the variable of the credential is missing or empty, or a variable has no valid value.
    pub fn builder_from_env() -> Result<Builder, Error> {
        Builder::from_env(bearer)
    }
}

impl Builder {
    /// An API key (`tcha_live_…`, `tcha_test_…`), sent as `Authorization: Bearer`.
    pub fn api_key(self, key: impl Into<SecretString>) -> Self {
        self.with_credential(bearer(&key.into()))
    }

    /// An API key sent as `X-Api-Key`, for use behind a gateway that uses `Authorization` itself.
    pub fn x_api_key(self, key: impl Into<SecretString>) -> Self {
        self.with_credential(Credential::header("x-api-key", "", &key.into()))
    }

    /// An OAuth access token (`tcha_at_…`). It is not renewed: when it expires, calls fail with status 401.
    pub fn bearer(self, token: impl Into<SecretString>) -> Self {
        self.with_credential(bearer(&token.into()))
    }

    /// Bearer tokens that are renewed while the client lives, such as those of an OAuth authorization.
    pub fn token_source(self, source: impl TokenSource) -> Self {
        self.with_credential(Ok(Credential::Source(Arc::new(source))))
    }
}

fn bearer(secret: &SecretString) -> Result<Credential, Error> {
    Credential::header("authorization", "Bearer ", secret)
}

impl Sealed for Tascha {}

impl Service for Tascha {
    type Client = Client;
    type State = ();

    const PROFILE: &'static Profile = &Profile {
        name: "TAS-CHA",
        base_url: BASE_URL,
        variable: "TASCHA_API_KEY",
        base_url_variable: "TASCHA_BASE_URL",
        credential_optional: false,
        instead_of_keys: None,
        request_ids: true,
        forms: false,
        error_body,
        is_error,
        limit_of: |_| Limit::Account,
    };
}

/// It is not documented whether the envelope is nested or flat, so both are read.
fn error_body(body: &Value) -> ServiceError {
    let nested = &body["error"];
    let either = |name: &str| text(&nested[name]).or_else(|| text(&body[name]));
    let (code, message, bare) = (either("code"), either("message"), nested.as_str().map(str::to_owned));
    // A bare `error` text is the code if there is also a message, and otherwise the message.
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
