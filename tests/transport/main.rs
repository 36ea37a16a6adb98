//! The transport's treatment of failures, limits and secrets, on real sockets and a virtual clock.

#[path = "../stores/budgets.rs"]
mod budgets;
mod events;
mod limits;
mod outcome;
mod pace;
mod retry;
#[path = "../common/server.rs"]
mod server;
