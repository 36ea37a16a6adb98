//! Properties that hold for any input: a function for each fuzz target, which panics if one does not.
//!
//! See `README.md` for how they are run.

mod decode;
mod message;
mod notation;
mod rate_limit;
mod spoil;
mod webhook;

pub use decode::{decode, decode_as_all, decode_seed};
pub use message::message;
pub use notation::notation;
pub use rate_limit::rate_limit;
pub use spoil::spoil;
pub use webhook::webhook;
