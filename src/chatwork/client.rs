//! The client of the Chatwork API.

use super::direct::DirectChats;
use super::reconcile::PostLedger;
use super::watch::Poller;
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
use std::time::Duration;

/// The service's address.
pub const BASE_URL: &str = "https://api.chatwork.com/v2";

/// The service Chatwork, as a type parameter of [`ClientBuilder`].
#[derive(Debug)]
pub enum Chatwork {}

/// A client of the Chatwork API. Clones share connections, limits and credential.
///
/// ```no_run
/// # async fn example() -> Result<(), kaiwa::Error> {
/// use kaiwa::chatwork::Client;
///
/// let chatwork = Client::builder().api_token("…").user_agent("build-bot/1.2").build()?;
/// println!("{}", chatwork.me().await?.name);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client(crate::Client<Chatwork>);

impl Deref for Client {
    type Target = crate::Client<Chatwork>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<crate::Client<Chatwork>> for Client {
    fn from(client: crate::Client<Chatwork>) -> Self {
        Self(client)
    }
}

/// Builds a [`Client`].
pub type Builder = ClientBuilder<Chatwork>;

impl Client {
    /// A builder for a client.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A client with the API token in `CHATWORK_API_TOKEN` and default settings.
    /// `CHATWORK_BASE_URL`, if set, is the base URL: a sandbox, a mock or a staging system.
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
        Builder::from_env(api_token)
    }
}

impl Builder {
    /// The API token, from Chatwork's settings page. It has all permissions of the account and does not expire.
    pub fn api_token(self, token: impl Into<SecretString>) -> Self {
        self.with_credential(api_token(&token.into()))
    }

    /// An OAuth2 access token. It is not renewed: when it expires, calls fail with status 401.
    pub fn bearer(self, token: impl Into<SecretString>) -> Self {
        self.with_credential(Credential::header("authorization", "Bearer ", &token.into()))
    }

    /// Bearer tokens that are renewed while the client lives, such as those of an OAuth2 authorization.
    pub fn token_source(self, source: impl TokenSource) -> Self {
        self.with_credential(Ok(Credential::Source(Arc::new(source))))
    }
}

fn api_token(token: &SecretString) -> Result<Credential, Error> {
    Credential::header("x-chatworktoken", "", token)
}

impl Sealed for Chatwork {}

impl Service for Chatwork {
    type Client = Client;
    type State = Shared;

    const PROFILE: &'static Profile = &Profile {
        name: "Chatwork",
        base_url: BASE_URL,
        variable: "CHATWORK_API_TOKEN",
        base_url_variable: "CHATWORK_BASE_URL",
        credential_optional: false,
        instead_of_keys: Some("for posts there is `with_reconcile`"),
        request_ids: false,
        forms: true,
        error_body,
        is_error,
        limit_of,
    };
}

/// The state that the clones of a client share.
#[derive(Default)]
pub struct Shared {
    pub(super) watches: Poller,
    pub(super) ledger: PostLedger,
    pub(super) direct_chats: DirectChats,
}

/// Only the text of a 429 distinguishes the limit of posts in a room, and it names no time.
fn limit_of(error: &ServiceError) -> Limit {
    if error.messages.iter().any(|text| text.contains("per room")) {
        return Limit::Room(Duration::from_secs(10));
    }
    Limit::Account
}

fn error_body(body: &Value) -> ServiceError {
    let errors = match &body["errors"] {
        Value::Array(errors) => errors.as_slice(),
        Value::Null => &[],
        single => std::slice::from_ref(single),
    };
    let errors = errors.iter().map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned));
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
