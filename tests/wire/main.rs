//! The exact requests that go out: method, path, query, body and headers of all 61 operations.

#[path = "../common/mod.rs"]
mod common;

mod chatwork;
mod client;
mod lancers;
mod multipart;
mod raw;
mod support;
mod tascha;
mod ways_round;
