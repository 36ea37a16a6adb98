//! The description of an operation, from its specification.

use reqwest::Method;
use std::fmt;

/// Whether a request may be sent again when its effect is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Safety {
    /// It only reads.
    Safe,
    /// Doing it twice has the same effect as once.
    Idempotent,
    /// It carries an idempotency key, under which the service does it once.
    Keyed,
    /// Doing it twice has a second effect: it is not sent again once it may have been applied.
    Unsafe,
}

impl Safety {
    /// Whether it may be sent again although an earlier attempt may have been applied.
    pub fn is_repeatable(self) -> bool {
        self != Self::Unsafe
    }
}

/// An operation as its specification describes it.
///
/// Every service module has a `table` of its operations. [`Endpoint::operation`](crate::Endpoint::operation) is a request's
/// entry in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Operation {
    /// The operation's name in the specification, in snake case.
    pub id: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path template, relative to the base URL.
    pub path: &'static str,
    /// Whether it may be sent again.
    pub safety: Safety,
    /// Whether an empty response means an empty list.
    pub empty_list: bool,
    /// Whether it counts against the limit of posts per room.
    pub room_limit: bool,
    /// Whether it takes a `version`, and refuses a change if the object has changed since.
    pub versioned: bool,
    /// Its cost in TAS-CHA's API units; 0 for the other services.
    pub units: u32,
    /// The OAuth scopes, any of which suffices.
    pub scopes: &'static [&'static str],
    /// How the list is paged, if it is.
    pub page: Option<&'static str>,
    /// Why it is uncertain whether the service has the operation in this form; `None` if it is documented.
    pub inferred: Option<&'static str>,
    /// What a successful response holds.
    pub answer: AnswerShape,
}

/// What a successful response of an operation holds, according to its specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerShape {
    /// Nothing that a caller needs.
    Nothing,
    /// An object. A response without any of the required fields does not come from the operation.
    Object {
        /// The fields that the specification requires of the object.
        required: &'static [&'static str],
    },
    /// An array.
    List,
    /// Any JSON, for requests to your own paths.
    Any,
}

/// The request for a file's content. It is not an operation of the service, which only provides the address.
pub(crate) static DOWNLOAD: Operation =
    Operation::unspecified("download_file", Method::GET, "(the file's address)", Safety::Safe);

impl Operation {
    /// An operation that no specification has.
    pub(crate) const fn unspecified(
        id: &'static str,
        method: Method,
        path: &'static str,
        safety: Safety,
    ) -> Self {
        Self {
            id,
            method,
            path,
            safety,
            empty_list: false,
            room_limit: false,
            versioned: false,
            units: 0,
            scopes: &[],
            page: None,
            inferred: None,
            answer: AnswerShape::Any,
        }
    }
}

/// Method and path template, such as `POST /rooms/{room_id}/messages`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
