//! What a specification says of an operation.

use reqwest::Method;
use std::fmt;

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Safety {
    /// It only reads.
    Safe,
    /// Doing it twice is doing it once.
    Idempotent,
    /// It carries an idempotency key, under which the service does it once.
    Keyed,
    /// Doing it twice is doing it twice: it is not sent again once it may have been applied.
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
/// Every service module has the `table` of its own; a request names its entry by
/// [`Endpoint::operation`](crate::Endpoint::operation).
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
    /// Whether an empty answer stands for an empty list.
    pub empty_list: bool,
    /// Whether it counts against the limit of posts per room.
    pub room_limit: bool,
    /// Whether it takes a `version`, and refuses to change what somebody else has changed since.
    pub versioned: bool,
    /// Its cost in TAS-CHA's API units; 0 where there are none.
    pub units: u32,
    /// The OAuth scopes, any of which suffices.
    pub scopes: &'static [&'static str],
    /// How the list is paged, if it is.
    pub page: Option<&'static str>,
    /// Why it is not certain that the service has the operation like this; `None` where it is documented.
    pub inferred: Option<&'static str>,
    /// What a successful answer holds.
    pub answer: AnswerShape,
}

/// What a successful answer of an operation holds, as its specification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerShape {
    /// Nothing that a caller needs.
    Nothing,
    /// An object. An answer without any of the required fields does not come from the operation.
    Object {
        /// The fields that the specification requires of the object.
        required: &'static [&'static str],
    },
    /// An array.
    List,
    /// Any JSON: requests to paths of your own.
    Any,
}

/// The request for a file's content, which is no operation of the service: the address is told in its answer.
pub(crate) static DOWNLOAD: Operation =
    Operation::unspecified("download_file", Method::GET, "(the file's address)", Safety::Safe);

impl Operation {
    /// One that no specification has.
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
