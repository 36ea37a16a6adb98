//! Lancers message API v2. **Experimental**: all that is known of it is an engineers' blog post of 2019.
//!
//! The post names no credential, says that the real endpoints differ from it, and offers nothing to third parties.
//! Everything can be overridden: the base URL, the credential (any header), the paths ([`Client::request`]).
//!
//! ```no_run
//! # async fn example() -> Result<(), kaiwa::Error> {
//! use kaiwa::lancers::{self, BoardId};
//!
//! let lancers = lancers::Client::from_env()?; // LANCERS_COOKIE
//! for board in lancers.boards().limit(20).await? {
//!     println!("{} {}", board.title, board.unread_count);
//! }
//! lancers.board(BoardId(4367793)).post("承知しました").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Times have no zone on the wire; they are read as Japan's, unless [`Builder::time_zone`](ClientBuilder::time_zone)
//! says otherwise.

mod boards;
mod files;
mod messages;
mod paging;
mod users;

pub use crate::generated::lancers::*;
pub use boards::{BoardHandle, CreateBoard, PartNames};
pub use messages::PostMessage;

use crate::builder::{ClientBuilder, Service, sealed::Sealed};
use crate::error::{Error, ServiceError, text};
use crate::raw::Raw;
use crate::request::Request;
use crate::transport::Transport;
use crate::transport::auth::Credential;
use crate::{Endpoint, RateLimit};
use jiff::tz::TimeZone;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

/// The service's address.
pub const BASE_URL: &str = "https://www.lancers.jp/message_api/v2";

/// Lancers, as what a [`ClientBuilder`] builds for.
#[derive(Debug)]
pub enum Lancers {}

/// A client of the Lancers message API. Clones share connections and credential.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
}

/// Builds a [`Client`].
pub type Builder = ClientBuilder<Lancers>;

impl Client {
    /// Begins a client with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A client with the cookie in `LANCERS_COOKIE` and default settings.
    /// `LANCERS_BASE_URL`, if it is set, is where the service is: a sandbox, a mock or a staging system.
    ///
    /// # Errors
    ///
    /// If the variable is missing or empty, or TLS cannot be set up.
    pub fn from_env() -> Result<Self, Error> {
        Builder::from_env(cookie)?.build()
    }

    /// A board. Nothing is sent until something is done with it.
    pub fn board(&self, id: BoardId) -> BoardHandle {
        BoardHandle { transport: Arc::clone(&self.transport), id }
    }

    /// A request to any path below the base URL, such as `/boards/210`, with this client's credential.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<Raw> {
        self.call(Raw::new(method, path.into()))
    }

    /// What the service last said of limits; the blog post mentions none.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.transport.limits.borrow().clone()
    }

    /// Follows what the service says of limits.
    pub fn watch_rate_limit(&self) -> watch::Receiver<Option<RateLimit>> {
        self.transport.limits.subscribe()
    }

    fn call<E: Endpoint>(&self, endpoint: E) -> Request<E> {
        Request::new(&self.transport, endpoint)
    }
}

impl Builder {
    /// The value of the `Cookie` header. For a credential in another header there is
    /// [`credential_header`](Self::credential_header).
    pub fn cookie(self, cookie: impl Into<SecretString>) -> Self {
        self.with_credential(self::cookie(&cookie.into()))
    }

    /// The zone of the service's wall-clock times, instead of Japan's.
    pub fn time_zone(self, zone: TimeZone) -> Self {
        self.zone(zone)
    }
}

fn cookie(value: &SecretString) -> Result<Credential, Error> {
    Credential::header("cookie", "", value)
}

impl Service for Lancers {
    type Client = Client;
}

impl Sealed for Lancers {
    const NAME: &'static str = "Lancers";
    const BASE_URL: &'static str = BASE_URL;
    const VARIABLE: &'static str = "LANCERS_COOKIE";
    const BASE_URL_VARIABLE: &'static str = "LANCERS_BASE_URL";
    const CREDENTIAL_OPTIONAL: bool = true;
    const REQUEST_IDS: bool = false;
    const FORMS: bool = false;

    fn error_body(body: &Value) -> ServiceError {
        let messages = text(&body["message"]).into_iter().collect();
        ServiceError { code: text(&body["type"]), messages, ..ServiceError::default() }
    }

    fn is_error(body: &Value, identified: bool) -> bool {
        // A message of a board has a type as well.
        !identified && body["type"].is_string() && body["message"].is_string()
    }

    fn client(transport: Arc<Transport>) -> Client {
        Client { transport }
    }
}
