//! Watching Chatwork rooms, against the sandbox and on a virtual clock.

#[macro_use]
#[path = "../common/traits.rs"]
mod traits;
mod clocks;
mod events;
mod extremes;
mod lossless;
mod model;
mod resume;
mod schedule;
#[path = "../common/server.rs"]
mod server;
mod service;
mod sharing;
mod trouble;
mod world;
