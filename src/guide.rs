//! Guides: a whole job each, from the first line to what can go wrong. Their programs are compiled with the tests, and
//! run where there is a sandbox to run them against.

#[cfg(all(feature = "chatwork", feature = "tascha", feature = "lancers"))]
#[doc = include_str!("guide/paging.md")]
pub mod paging {}

#[cfg(feature = "sandbox")]
#[doc = include_str!("guide/testing.md")]
pub mod testing {}
