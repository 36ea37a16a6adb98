//! The programs of the guide compile.

#[cfg(doctest)]
#[doc = include_str!("../../../src/guide/commands.md")]
struct Guide;

#[cfg(doctest)]
#[doc = include_str!("../../../src/guide/durable_bots.md")]
struct DurableBots;
