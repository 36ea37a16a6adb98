//! Watching Chatwork rooms, against the sandbox and on a virtual clock.

#[macro_use]
#[path = "../common/traits.rs"]
mod traits;
mod events;
mod extremes;
mod lossless;
mod resume;
mod schedule;
mod sharing;
mod trouble;
mod world;
