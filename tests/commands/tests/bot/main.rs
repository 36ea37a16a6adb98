//! Bots with commands, against the sandbox.

mod addressed;
mod guards;
mod planted;
mod world;
