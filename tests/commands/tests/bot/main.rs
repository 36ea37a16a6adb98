//! Bots with commands, against the sandbox.

mod addressed;
mod definitions;
mod guards;
mod planted;
mod spoken;
mod world;
