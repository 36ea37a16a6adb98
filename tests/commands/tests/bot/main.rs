//! Bots with commands, against the sandbox.

mod addressed;
mod definitions;
mod durable;
mod guards;
mod planted;
mod spoken;
mod world;
