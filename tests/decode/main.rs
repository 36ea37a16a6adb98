//! What comes back: answers of every shape that is known, errors of every shape that is not, and what is refused before
//! it is sent.

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
