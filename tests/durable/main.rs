//! Durable bots: conversations that survive, on the sandbox and a virtual clock.

mod approval;
mod failing;

mod killed;
mod talking;
mod tascha;

mod watching;
mod webhooks;
mod world;
