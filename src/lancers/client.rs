//! The client of the Lancers message API.

use super::zone::Zone;
use crate::builder::ClientBuilder;
use crate::call::{ServiceError, text};
use crate::client::{Service, sealed::Sealed};
use crate::error::Error;
use crate::profile::{Limit, Profile};
use crate::transport::auth::Credential;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Deref;

/// The service's address.
pub const BASE_URL: &str = "https://www.lancers.jp/message_api/v2";

/// The service Lancers, as a type parameter of [`ClientBuilder`].
#[derive(Debug)]
pub enum Lancers {}

/// A client of the Lancers message API. Clones share connections and credential.
///
/// ```no_run
/// # async fn example() -> Result<(), kaiwa::Error> {
/// use kaiwa::lancers::Client;
///
/// let lancers = Client::builder().cookie("…").user_agent("build-bot/1.2").build()?;
/// println!("{} boards", lancers.boards().limit(20).await?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client(crate::Client<Lancers>);

impl Deref for Client {
    type Target = crate::Client<Lancers>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<crate::Client<Lancers>> for Client {
    fn from(client: crate::Client<Lancers>) -> Self {
        Self(client)
    }
}

/// Builds a [`Client`].
pub type Builder = ClientBuilder<Lancers>;

impl Client {
    /// A builder for a client.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A client with the cookie in `LANCERS_COOKIE` and default settings.
    /// `LANCERS_BASE_URL`, if set, is the base URL: a sandbox, a mock or a staging system.
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
        Builder::from_env(cookie)
    }
}

impl Builder {
    /// The value of the `Cookie` header. For a credential in another header, use
    /// [`credential_header`](Self::credential_header).
    pub fn cookie(self, cookie: impl Into<SecretString>) -> Self {
        self.with_credential(self::cookie(&cookie.into()))
    }

    /// The zone of the service's wall-clock times, instead of Japan's.
    pub fn time_zone(mut self, zone: TimeZone) -> Self {
        self.state = Zone::new(zone);
        self
    }
}

fn cookie(value: &SecretString) -> Result<Credential, Error> {
    Credential::header("cookie", "", value)
}

impl Sealed for Lancers {}

impl Service for Lancers {
    type Client = Client;
    type State = Zone;

    const PROFILE: &'static Profile = &Profile {
        name: "Lancers",
        base_url: BASE_URL,
        variable: "LANCERS_COOKIE",
        base_url_variable: "LANCERS_BASE_URL",
        credential_optional: true,
        instead_of_keys: Some(
            "for messages there is `post_once`; before you send anything else again, look whether it is there",
        ),
        request_ids: false,
        forms: false,
        error_body,
        is_error,
        limit_of: |_| Limit::Account,
    };

    fn localize<'a>(zone: &Zone, body: &'a [u8]) -> Cow<'a, [u8]> {
        zone.absolute_times(body)
    }
}

fn error_body(body: &Value) -> ServiceError {
    let messages = text(&body["message"]).into_iter().collect();
    ServiceError { code: text(&body["type"]), messages, ..ServiceError::default() }
}

fn is_error(body: &Value, identified: bool) -> bool {
    // A message of a board has a type as well.
    !identified && body["type"].is_string() && body["message"].is_string()
}
