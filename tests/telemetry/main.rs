//! The crate's output. It is a separate test binary, because tracing remembers for each callsite whether there is a
//! subscriber, and the threads of other tests have none.

mod canaries;
mod secrets;
#[allow(dead_code)]
#[path = "../common/server.rs"]
mod server;
mod trace;

/// One subscriber at a time.
static LISTENING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
