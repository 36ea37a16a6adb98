//! What the stores on one server have in common.

use super::link::Link;
use crate::clock::Clock;
use std::sync::Arc;

/// A server, and how its stores use it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) link: Arc<Link>,
    pub(super) outage: Outage,
    pub(super) clock: Arc<dyn Clock>,
    /// How many processes there are, as long as the server has not said.
    pub(super) processes: u32,
    /// Whether the server's clock is replaced by `clock`, for tests.
    pub(super) replaced: bool,
}

/// What a store does while the server cannot be reached.
///
/// An outage is that the server cannot be reached, does not answer in time, refuses the user, or cannot be written to. Each is one
/// `WARN` event of `tracing`, with the reason, and its end one `INFO` event. While it lasts, one call a second tries the server
/// again; all others go on at once. A command that the server refuses for another reason fails alone, as in an outage, with a
/// `WARN` event a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// Each process keeps the budgets by itself, with its part of them: what is left is divided by the number of processes
    /// that the server saw last, or by [`processes`](super::RedisBuilder::processes) if it was never reached. The posts of a
    /// room that other processes made just before are not known.
    #[default]
    Divide,
    /// Calls fail with [`ErrorKind::Store`](crate::ErrorKind::Store), and nothing is sent.
    Refuse,
}
