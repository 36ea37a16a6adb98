//! What went wrong.

use super::text::{OneLine, Rounded, shortened};
use crate::input::InvalidInput;
use jiff::Timestamp;
use reqwest::StatusCode;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What kind of failure an [`Error`](crate::Error) is.
///
/// # Troubleshooting
///
/// `Connect` again and again: look at the base URL, and at whether a TLS feature is enabled. The error's text names the
/// proxy on the way, if there is one, and the variable that sets it; [`Proxy::from_env`](crate::Proxy::from_env) does
/// so beforehand. `Foreign`: something between the program and the service answered in its place, such as a proxy
/// or a login page. `Decode`: the service has changed or the specification's inference was wrong; the path in the
/// error says where, [`Error::body`](crate::Error::body) has the whole answer, and [`Response::json`](crate::Response::json) or
/// `client.request(…)` reads it in a shape of your own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client's settings contradict each other or are not usable.
    #[error("{0}")]
    Config(String),
    /// A parameter is out of its bounds.
    #[error("{0}")]
    InvalidInput(InvalidInput),
    /// No connection came up: DNS, refused, TLS, or connecting took too long. The text of the [`Error`](crate::Error)
    /// says so of the proxy, where it is the proxy's.
    #[error("no connection{} came up", to(.0))]
    Connect(#[source] reqwest::Error),
    /// The connection failed while the request was being sent or its answer awaited.
    #[error("the connection failed before an answer came")]
    Send(#[source] reqwest::Error),
    /// No complete answer in the time allowed.
    #[error("{}", timed_out(*.0))]
    Timeout(Duration),
    /// The time for the whole call would have ended before the wait that was needed.
    #[error("the call would have had to wait {}, but only {:?} of its time is left", Rounded(*needed), Duration::new(left.as_secs(), left.subsec_millis() * 1_000_000))]
    WaitTooLong {
        /// How long it would have taken.
        needed: Duration,
        /// How much of the call's time was left.
        left: Duration,
    },
    /// The call costs more of TAS-CHA's monthly units than are left.
    #[error("the call costs {cost} API units, and {remaining} are left{}", until(reset))]
    UnitsExhausted {
        /// What the call costs.
        cost: u64,
        /// What is left this month.
        remaining: u64,
        /// When the next month's allowance begins.
        reset: Option<Timestamp>,
    },
    /// There is no token to send, or no other one in place of an expired one.
    #[error("no access token: {0}")]
    Token(String),
    /// The answer ended early, or its connection failed.
    #[error("the answer was cut short")]
    Body(#[source] reqwest::Error),
    /// The answer is larger than the client reads.
    #[error("the answer is larger than {limit} bytes")]
    BodyTooLarge {
        /// The bound, which the builder's `max_body` sets, or which a download was given.
        limit: usize,
    },
    /// The service answered with a status other than success.
    #[error("{0}")]
    Status(StatusCode),
    /// A file of this machine, to upload or to download to, cannot be used.
    #[error("cannot {doing} `{}`", OneLine(&path.to_string_lossy()))]
    File {
        /// What was to be done with it, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// What a file server sends is not the file that the service described.
    #[error("{0}")]
    Download(String),
    /// The service named a page as the next one that it had named before: the list would go round in a circle.
    #[error("the service named a page as the next one that it had named before")]
    RepeatedCursor,
    /// A success came that is not the operation's answer: HTML or other text, an error of the service with the status of
    /// a success, JSON without any field that the answer is known by, or nothing where an answer is required.
    #[error("the answer is {found}")]
    Foreign {
        /// What came in its place.
        found: String,
    },
    /// A stream of a list failed too often in a row, and has ended. Each of the failures was yielded before.
    #[error("given up after {failures} failures in a row")]
    GaveUp {
        /// How many there were.
        failures: u32,
    },
    /// The service went on from page to page without anything new, and the stream has ended.
    #[error("{pages} pages in a row had nothing new")]
    EmptyPages {
        /// How many there were.
        pages: usize,
    },
    /// None of the items that a stream or its checkpoint remembers is in the list any more, and the stream has ended.
    #[error("none of the items yielded last is in the list any more")]
    PlaceLost,
    /// The answer is not of the shape that was expected.
    #[error("the answer does not decode{}: {problem}", at(path))]
    Decode {
        /// The JSON path of the place, such as `[3].account.name`; empty for the whole body.
        path: String,
        /// What is wrong there.
        problem: String,
    },
}

fn at(path: &str) -> String {
    if path.is_empty() || path == "." {
        String::new()
    } else {
        format!(" at `{}`", OneLine(&shortened(path, 200)))
    }
}

fn timed_out(bound: Duration) -> String {
    if bound.is_zero() {
        "the call was given no time".to_owned()
    } else {
        format!("no complete answer within {bound:?}")
    }
}

pub(super) fn to(error: &reqwest::Error) -> String {
    let host = error.url().and_then(|url| Some((url.host()?, url.port_or_known_default()?)));
    host.map(|(host, port)| format!(" to {host}:{port}")).unwrap_or_default()
}

fn until(reset: &Option<Timestamp>) -> String {
    reset.map(|reset| format!(" until {reset}")).unwrap_or_default()
}
