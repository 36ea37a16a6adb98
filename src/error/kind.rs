//! What went wrong.

use super::Unsure;
use super::text::{OneLine, Rounded, shortened};
use crate::input::InvalidInput;
use crate::store_error::StoreError;
use jiff::Timestamp;
use reqwest::StatusCode;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What kind of failure an [`Error`](crate::Error) is.
///
/// # Troubleshooting
///
/// Repeated `Connect`: check the base URL, and whether a TLS feature is enabled. If there is a proxy, the error's text names
/// it and the variable that sets it; [`Proxy::from_env`](crate::Proxy::from_env) does so in advance. `Foreign`: something
/// between the program and the service responded instead, such as a proxy or a login page. `Decode`: the service has
/// changed, or the specification is wrong. The path in the error says where, [`Error::body`](crate::Error::body) has the
/// whole response, and [`Response::json`](crate::Response::json) or `client.request(…)` reads it as a type of your own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client's settings contradict each other or are not usable.
    #[error("{0}")]
    Config(String),
    /// A parameter is out of its bounds.
    #[error("{0}")]
    InvalidInput(InvalidInput),
    /// No connection could be opened: DNS, refused, TLS, or connecting took too long. If it failed at the proxy, the text of
    /// the [`Error`](crate::Error) says so.
    #[error("could not connect{}", to(.0))]
    Connect(#[source] reqwest::Error),
    /// The connection failed while the request was sent or the response was awaited.
    #[error("the connection failed before an answer came")]
    Send(#[source] reqwest::Error),
    /// There was no complete response within the time limit.
    #[error("{}", timed_out(*.0))]
    Timeout(Duration),
    /// The necessary wait would have outlasted the call's time.
    #[error("the call would have to wait {}, but only {:?} of its time is left", Rounded(*needed), Duration::new(left.as_secs(), left.subsec_millis() * 1_000_000))]
    WaitTooLong {
        /// How long the wait would have been.
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
    /// A store failed: that of the budgets could not say whether the call may be sent, or could not be told something.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// There is no token to send, or an expired token could not be renewed.
    #[error("no access token: {0}")]
    Token(String),
    /// The response ended early, or its connection failed.
    #[error("the answer was cut short")]
    Body(#[source] reqwest::Error),
    /// The response is larger than the limit.
    #[error("the answer is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit: the builder's `max_body`, or the argument of a download.
        limit: usize,
    },
    /// The service responded with a status other than success.
    #[error("{0}")]
    Status(StatusCode),
    /// A file of this machine, to upload or to download to, cannot be used.
    #[error("cannot {doing} `{}`", OneLine(&path.to_string_lossy()))]
    File {
        /// The failed action, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file server sent something else than the file that the service described.
    #[error("{0}")]
    Download(String),
    /// The service named the same next page twice: the list would repeat forever.
    #[error("the service named the same next page twice")]
    RepeatedCursor,
    /// A success is not the operation's response: HTML or other text, an error of the service with a success status, JSON
    /// without any field that identifies the response, or an empty body where one is required.
    #[error("the answer is {found}")]
    Foreign {
        /// What came instead.
        found: String,
    },
    /// A stream of a list failed too often in a row, and has ended. Each of the failures was yielded before.
    #[error("given up after {failures} failures in a row")]
    GaveUp {
        /// How many there were.
        failures: u32,
    },
    /// Many pages in a row had nothing new, and the stream has ended.
    #[error("{pages} pages in a row had nothing new")]
    EmptyPages {
        /// How many there were.
        pages: usize,
    },
    /// The list no longer has any of the items that the stream or its checkpoint remembers, and the stream has ended.
    #[error("the list no longer has any of the items that were yielded last")]
    PlaceLost,
    /// A message that an earlier run may have posted was looked for, and it cannot be said whether it is there. Nothing was
    /// posted.
    #[error("it cannot be said whether the message is there: {0}")]
    Unsure(Unsure),
    /// The response does not have the expected shape.
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
        "the call's timeout is zero".to_owned()
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
