//! Guides: a whole job each, from the first line to what can go wrong. Their programs are run with the tests.

#[cfg(feature = "sandbox")]
#[doc = include_str!("guide/testing.md")]
pub mod testing {}
