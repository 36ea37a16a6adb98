//! Failures between the client and the service: proxies and login pages; connections that are refused, closed, kept too
//! long or shared with a stray answer; HTTP/2 servers that go away. In each case the reported outcome is true.

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/h2.rs"]
mod h2;
#[path = "../common/server.rs"]
mod server;

mod calls;
mod connecting;
mod effects;
mod foreign;
mod handshakes;
mod keys;
mod multiplexed;
mod proxies;
mod resending;
mod stale;
mod statuses;
mod stray;
mod tls;
