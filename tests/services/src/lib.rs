//! What the tests of stores share: servers to stop and kill, and services that count.

pub mod bots;
pub mod login;
#[path = "../../../examples/cookbook/src/outbox_postgres.rs"]
pub mod outbox_postgres;
pub mod port;
pub mod redis;
pub mod replicas;
pub mod service;
pub mod store;
pub mod town;
