//! Guides: each covers one task, from the first line to what can go wrong. Their programs are compiled with the tests, and
//! run against the sandbox where possible.
//!
//! * [`getting_started`]: a project, a credential, the first call
//! * [`errors`]: what a failure means for the message
//! * [`limits`]: what is retried, and how fast calls go
//! * [`paging`]: lists, streams and checkpoints
//! * [`webhooks`]: receiving messages, and bots
//! * [`commands`]: a bot with commands, by clap
//! * [`durable_bots`]: conversations that survive
//! * [`oauth`]: acting for a person, in one process or in many
//! * [`many_processes`]: several processes of one account, with Redis or, on one machine, SQLite
//! * [`killed`]: messages that are posted however often the program is killed
//! * [`notation`]: writing and reading Chatwork's messages
//! * [`testing`]: testing a bot without an account, and with every kind of fault
//! * [`services`]: what each service allows, and what is inferred
//! * [`operations`]: all operations, the method of each, and whether it may be sent again
//! * [`internals`]: how the crate is built, for contributors
//!
//! [`ja`] has them in Japanese. 日本語のガイドは [`ja`] にあります。

pub mod ja;

#[cfg(all(feature = "chatwork", feature = "tascha", feature = "lancers"))]
#[doc = include_str!("guide/getting_started.md")]
pub mod getting_started {}

#[cfg(all(feature = "chatwork", feature = "tascha", feature = "lancers"))]
#[doc = include_str!("guide/errors.md")]
pub mod errors {}

#[cfg(all(feature = "chatwork", feature = "tascha", feature = "lancers"))]
#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[cfg(all(feature = "chatwork", feature = "tascha", feature = "lancers"))]
#[doc = include_str!("guide/paging.md")]
pub mod paging {}

#[cfg(all(feature = "webhooks", feature = "chatwork", feature = "tascha"))]
#[doc = include_str!("guide/webhooks.md")]
pub mod webhooks {}

/// Receiving messages, and bots.
///
/// This page comes with the feature `webhooks`: `cargo add kaiwa --features webhooks`, then `cargo doc --open`. Bots
/// that watch need no feature; their documentation is that of the module `chatwork::bot`.
#[cfg(not(all(feature = "webhooks", feature = "chatwork", feature = "tascha")))]
pub mod webhooks {}

// Its programs derive with clap, which is no crate of the tests: `tests/commands` runs them.
#[cfg(feature = "clap")]
#[cfg_attr(not(doctest), doc = include_str!("guide/commands.md"))]
pub mod commands {}

/// A bot with commands, by clap.
///
/// This page comes with the feature `clap`: `cargo add kaiwa --features clap`, then `cargo doc --open`.
#[cfg(not(feature = "clap"))]
pub mod commands {}

// Its programs are run by `tests/commands` too.
#[cfg(all(feature = "clap", feature = "outbox", feature = "webhooks", feature = "tascha"))]
#[cfg_attr(not(doctest), doc = include_str!("guide/durable_bots.md"))]
pub mod durable_bots {}

/// Bots that people talk with, and that survive.
///
/// This page comes with the features `clap`, `outbox` and `webhooks`: `cargo add kaiwa --features clap,outbox,webhooks`, then
/// `cargo doc --open`.
#[cfg(not(all(feature = "clap", feature = "outbox", feature = "webhooks", feature = "tascha")))]
pub mod durable_bots {}

#[cfg(all(feature = "oauth", feature = "chatwork"))]
#[doc = include_str!("guide/oauth.md")]
pub mod oauth {}

/// Acting for a person, in one process or in many.
///
/// This page comes with the feature `oauth`: `cargo add kaiwa --features oauth`, then `cargo doc --open`.
#[cfg(not(all(feature = "oauth", feature = "chatwork")))]
pub mod oauth {}

#[cfg(all(feature = "redis", feature = "oauth", feature = "webhooks", feature = "chatwork"))]
#[doc = include_str!("guide/many_processes.md")]
#[doc = include_str!("guide/fleet.svg")]
pub mod many_processes {}

/// Several processes of one account: budgets, tokens and webhooks that they share.
///
/// This page comes with the features `redis`, `oauth` and `webhooks`:
/// `cargo add kaiwa --features redis,oauth,webhooks`, then `cargo doc --open`.
#[cfg(not(all(feature = "redis", feature = "oauth", feature = "webhooks", feature = "chatwork")))]
pub mod many_processes {}

#[cfg(all(feature = "outbox", feature = "chatwork"))]
#[doc = include_str!("guide/killed.md")]
pub mod killed {}

/// Messages that are posted however often the program is killed.
///
/// This page comes with the feature `outbox`: `cargo add kaiwa --features sqlite-bundled`, then `cargo doc --open`.
#[cfg(not(all(feature = "outbox", feature = "chatwork")))]
pub mod killed {}

#[cfg(feature = "chatwork")]
#[doc = include_str!("guide/notation.md")]
pub mod notation {}

#[cfg(feature = "sandbox")]
#[doc = include_str!("guide/testing.md")]
pub mod testing {}

/// Testing a bot without an account, and with every kind of fault.
///
/// This page comes with the feature `sandbox`: `cargo add kaiwa --features sandbox`, then `cargo doc --open`.
#[cfg(not(feature = "sandbox"))]
pub mod testing {}

#[cfg(all(feature = "chatwork", feature = "tascha", feature = "lancers"))]
#[doc = include_str!("guide/services.md")]
pub mod services {}

#[cfg(all(feature = "chatwork", feature = "tascha", feature = "lancers"))]
#[doc = include_str!("guide/operations.md")]
pub mod operations {}

#[doc = include_str!("guide/internals.md")]
pub mod internals {}
