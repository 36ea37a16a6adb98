//! Ports for servers that are killed and started again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that no other server of these tests has, also while it is down, and that the system gives to no connection. A server of
/// a cluster takes the one 10,000 above as well.
///
/// # Panics
/// If none is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 120) as u16 * 100;
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed)).take(700);
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    ports.find(|port| is_free(*port) && is_free(*port + 10_000)).expect("a free port")
}
