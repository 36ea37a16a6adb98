//! The settings of a client, and the options of a call.

use super::auth::Credential;
use super::http_client::HttpClients;
use super::pace::Pace;
use super::redact::Redactor;
use super::retry::{RetryBudget, RetryPolicy};
use crate::clock::Clock;
use crate::event::EventHook;
use crate::input::InvalidInput;
use crate::profile::Profile;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// The settings of a client.
pub(crate) struct Settings {
    pub(crate) profile: &'static Profile,
    pub(crate) http: HttpClients,
    pub(crate) base: Url,
    /// The base URL for the generated encoder: without a slash at the end.
    pub(crate) base_text: String,
    pub(crate) credential: Option<Credential>,
    /// The headers of every request; those of a call take precedence.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Knows all of these that are secret, and do not change.
    pub(crate) redactor: Redactor,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retry: RetryPolicy,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) pace: Pace,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_body: usize,
    pub(crate) key_generator: Arc<dyn Fn() -> String + Send + Sync>,
    /// Gets the events of calls.
    pub(crate) events: Option<EventHook>,
}

/// The options of one call.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) invalid: Option<InvalidInput>,
    /// How many pages a stream of the request fetches in advance.
    pub(crate) read_ahead: Option<usize>,
}
