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
    /// Whether the server's clock is replaced by `clock`, for tests.
    pub(super) replaced: bool,
}

/// What a store does while the server cannot be reached.
///
/// Each outage is one `WARN` event of `tracing`, with the reason, and its end one `INFO` event. While it lasts, one call a second
/// tries the server again; all others go on at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// Each process keeps the budgets by itself, with its part of them: what is left is divided by the number of processes
    /// that the server saw last. The posts of a room that other processes made just before are not known.
    #[default]
    Divide,
    /// Calls fail with [`ErrorKind::Store`](crate::ErrorKind::Store), and nothing is sent.
    Refuse,
}
