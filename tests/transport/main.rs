//! The transport's treatment of failures, limits and secrets, on real sockets and a virtual clock.

mod limits;
mod outcome;
mod pace;
mod retry;
#[path = "../common/server.rs"]
mod server;
