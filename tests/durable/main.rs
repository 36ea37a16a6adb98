//! Durable bots: conversations that survive, on the sandbox and a virtual clock.

mod failing;

mod talking;

mod watching;
mod webhooks;
mod world;
