//! Decoding: answers of every known shape, errors for unknown shapes, and input that is refused before it is sent.

#[path = "../common/mod.rs"]
mod common;

mod bugs;
mod builder;
mod chatwork;
mod elsewhere;
mod errors;
mod fixtures;
mod lancers;
mod lists;
mod odd;
mod refused;
mod tascha;
