//! The bot loop, against the sandbox.

mod answers;
mod closing;
mod order;
mod repeats;
mod spawning;
mod trouble;
mod watching;
mod webhooks;
mod world;
