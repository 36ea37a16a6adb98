//! What the core knows of a service: data, and readers of its error bodies.

use crate::call::ServiceError;
use serde_json::Value;
use std::time::Duration;

/// In what a service differs from the others, as far as calls are concerned.
pub struct Profile {
    pub(crate) name: &'static str,
    pub(crate) base_url: &'static str,
    /// The environment variable that has the credential.
    pub(crate) variable: &'static str,
    /// The environment variable that may have another base URL.
    pub(crate) base_url_variable: &'static str,
    /// Whether a client without a credential makes sense.
    pub(crate) credential_optional: bool,
    /// Whether the service takes over request ids.
    pub(crate) request_ids: bool,
    /// Whether the service takes forms: a write without parameters has their content type, too.
    pub(crate) forms: bool,
    /// What an error body says, field by field: one that is not as expected spoils no other.
    pub(crate) error_body: fn(&Value) -> ServiceError,
    /// Whether a body has all that makes an error of the service: it can come with the status of a success. The flag says
    /// whether the body has a field that the operation's answer is known by.
    pub(crate) is_error: fn(&Value, bool) -> bool,
    /// The limit that a 429 is about.
    pub(crate) limit_of: fn(&ServiceError) -> Limit,
}

/// A limit that a service refuses requests for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The account's; the headers say when it ends.
    Account,
    /// A room's, which ends after this time if the answer names none.
    #[cfg_attr(not(feature = "chatwork"), allow(dead_code))]
    Room(Duration),
}
