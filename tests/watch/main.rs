//! Watching Chatwork rooms, against the sandbox and on a virtual clock.

mod events;
mod lossless;
mod resume;
mod schedule;
mod sharing;
mod trouble;
mod world;
