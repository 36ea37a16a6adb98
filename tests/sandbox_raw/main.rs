//! The sandbox, spoken to in plain HTTP: what it answers to programs that do not use this crate.

mod chatwork;
mod faults;
mod lancers;
mod oauth;
#[allow(dead_code, reason = "the example uses more of it")]
#[path = "../../examples/contract_check/schema.rs"]
mod schema;
mod spec;
mod tascha;
mod webhooks;
mod wire;
