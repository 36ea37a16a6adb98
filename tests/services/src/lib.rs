//! What the tests of stores share: a server to stop and kill, and a service that counts.

pub mod redis;
pub mod service;
