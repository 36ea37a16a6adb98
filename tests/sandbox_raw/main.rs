//! The sandbox over plain HTTP: its answers to programs that do not use this crate.

mod chatwork;
mod faults;
mod lancers;
mod oauth;
mod refusals;
mod spec;
mod tascha;
mod tour;
mod webhooks;
mod window;
mod wire;
