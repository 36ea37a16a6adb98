//! What the tests of stores share: servers to stop and kill, and services that count.

pub mod login;
pub mod redis;
pub mod replicas;
pub mod service;
pub mod town;
