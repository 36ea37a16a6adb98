//! What the core knows about a service: data, and readers of its error bodies.

use crate::call::ServiceError;
use serde_json::Value;
use std::time::Duration;

/// How the calls of a service differ from those of the others.
pub struct Profile {
    pub(crate) name: &'static str,
    pub(crate) base_url: &'static str,
    /// The environment variable that has the credential.
    pub(crate) variable: &'static str,
    /// The environment variable that may have another base URL.
    pub(crate) base_url_variable: &'static str,
    /// Whether a client without a credential makes sense.
    pub(crate) credential_optional: bool,
    /// What to do instead of sending an idempotency key, if the service ignores keys.
    pub(crate) instead_of_keys: Option<&'static str>,
    /// Whether the service adopts request ids.
    pub(crate) request_ids: bool,
    /// Whether the service takes forms: a write without parameters then has their content type, too.
    pub(crate) forms: bool,
    /// Reads an error body field by field: an unexpected field does not spoil the others.
    pub(crate) error_body: fn(&Value) -> ServiceError,
    /// Whether a body is an error of the service, which can come with a success status. The flag says whether the body has a
    /// field that identifies the operation's response.
    pub(crate) is_error: fn(&Value, bool) -> bool,
    /// The limit that a 429 is about.
    pub(crate) limit_of: fn(&ServiceError) -> Limit,
}

/// A limit whose excess a service refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The account's; the headers say when it ends.
    Account,
    /// A room's; it ends after this time if the response names none.
    #[cfg_attr(partial, allow(dead_code))]
    Room(Duration),
}
