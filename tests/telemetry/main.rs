//! What the crate prints. A binary of its own, since tracing remembers for each place in the code whether anybody
//! listens, and the threads of other tests do not.

mod canaries;
mod secrets;
#[allow(dead_code)]
#[path = "../common/server.rs"]
mod server;
mod trace;

/// One listener at a time.
static LISTENING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
