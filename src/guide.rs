//! How to do things, and what to expect of the services when they are done.

#[doc = include_str!("guide/paging.md")]
pub mod paging {}
