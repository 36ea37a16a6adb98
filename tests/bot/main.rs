//! The bot loop, against the sandbox.

mod answers;
mod closing;
mod hearing;
mod order;
mod repeats;
mod sharing;
mod spawning;
mod spoken;
mod trouble;
mod watching;
mod webhooks;
mod world;
