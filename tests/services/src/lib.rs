//! What the tests of stores share: servers to stop and kill, and services that count.

pub mod redis;
pub mod service;
pub mod town;
