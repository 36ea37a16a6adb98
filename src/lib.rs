//! Typed async clients for the chat services that Japanese companies use: **Chatwork API v2**, the
//! **TAS-CHA Public API v1** and the **Lancers message API v2**.
//!
//! `kaiwa` (会話) is for bots that must not post twice, must not leak a token, and must not die because a service added
//! a field.
//!
//! ```no_run
//! use kaiwa::chatwork::{self, RoomId};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), kaiwa::Error> {
//!     let chatwork = chatwork::Client::from_env()?; // CHATWORK_API_TOKEN
//!     let me = chatwork.me().await?;
//!     let sent = chatwork.room(RoomId(123)).post(format!("{}のボットです", me.name)).await?;
//!     println!("posted {}; limits: {:?}", sent.message_id, sent.rate_limit());
//!     Ok(())
//! }
//! ```
//!
//! # How calls are made
//!
//! A [`Client`](chatwork::Client) is cheap to clone. A handle such as `client.room(id)` holds an id and sends nothing. A
//! method on it makes a [`Request`], and nothing is sent until that is awaited. Required parameters are arguments,
//! optional ones are setters named as in the API, and options of the call start with `with_`. The result is a
//! [`Response`] that dereferences to the value.
//!
#![cfg_attr(feature = "tascha", doc = "```no_run")]
#![cfg_attr(not(feature = "tascha"), doc = "```ignore")]
//! # async fn example() -> Result<(), kaiwa::Error> {
//! use futures::TryStreamExt;
//! use std::time::Duration;
//!
//! let tascha = kaiwa::tascha::Client::builder().api_key("tcha_live_…").build()?;
//! let mut rooms = tascha.rooms().limit(200).stream(); // every item of every page
//! while let Some(room) = rooms.try_next().await? {
//!     println!("{}", room.name);
//! }
//! let post = tascha.room("ckabc").post("決裁しました");
//! post.with_idempotency_key("order-42").with_timeout(Duration::from_secs(20)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Lists that come in pages are streams of items or of pages. They fetch ahead, survive failures, and have a
//! [`Checkpoint`] from which another process resumes: [`guide::paging`]. The first of the [guides](guide) is
//! [`guide::getting_started`].
//!
//! # What a failure means
//!
//! Every failure is an [`Error`], and [`Error::outcome`] says what became of the message: [`Outcome::NotSent`] and
//! [`Outcome::Rejected`] mean that it was not done, so sending it again once the cause is gone does no harm;
//! [`Outcome::Applied`] that it was done, and must not be sent again; [`Outcome::Unknown`] that a check is needed first. The transport follows the same rules:
//!
#![doc = include_str!("transport/verdict.md")]
//!
//! Retries are bounded by the [`RetryPolicy`], the [`RetryBudget`] and the call's deadline. A body that is a stream is not
//! sent again once any of it was read. The documentation of each operation names its [`Safety`]: Chatwork's and Lancers'
//! posts are unsafe, TAS-CHA's writes are keyed. If an earlier attempt may have been applied, a later refusal does not
//! change that: the outcome stays `Unknown`.
//!
//! # Bots
//!
//! [`chatwork::bot`] passes each new message to your function once, from a [watch](chatwork::watch) that polls or from
//! webhooks: [`guide::webhooks`]. [`chatwork::notation`] writes mentions, quotes and boxes, in which a user's text stays
//! text, and reads them: [`guide::notation`].
//!
//! # Files
//!
//! An [`Upload`] is made of bytes, of a file by its path, of a reader or of a stream.
//! [`download`](chatwork::FileHandle::download) reads Chatwork's files, as a stream or to a file, and resumes where its
//! connection broke. Both report their [`Progress`], and use little memory for any size.
//!
//! # Limits
//!
//! [`Pace`] keeps a client within what the services allow, by waiting before it sends: the account's window as the headers
//! report it, 10 posts in 10 seconds for each Chatwork room, TAS-CHA's monthly units. Every response and error has the
//! limits that the service reported, as a [`RateLimit`]. Several processes of one account share all of it, with Redis:
//! [`guide::many_processes`].
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `chatwork`, `tascha`, `lancers` | yes | a client each; without the feature, its code is neither generated nor compiled; at least one is needed |
//! | `rustls` | yes | TLS by rustls with its default cryptography |
//! | `native-tls` | | TLS by the operating system |
//! | `rustls-no-provider` | | TLS by rustls with the cryptography that the program installs |
//! | `oauth` | | `kaiwa::oauth`: OAuth2, with tokens that are renewed while a client lives |
//! | `webhooks` | | `chatwork::webhook` and `tascha::webhook`: verified, typed events, each once |
//! | `axum` | | axum extractors for these events |
//! | `redis` | | `kaiwa::store`: budgets, tokens and seen webhooks in Redis, for several processes |
//! | `outbox` | | `kaiwa::outbox`: messages that are posted however often the program is killed |
//! | `sqlite` | | an outbox, tokens and seen webhooks in SQLite files, with the system's SQLite; `sqlite-bundled` compiles it |
//! | `clap` | | `chatwork::bot::commands`: commands of a bot, of which `#[derive(clap::Parser)]` is the set |
//! | `sandbox` | | `kaiwa::sandbox`: the three services in memory, for tests |
//! | `sandbox-window` | | a page in the browser that shows what is in them: `sandbox::Builder::window` |
//! | `generate` | yes | the services' code is made from their specifications during the build, instead of before it |
//!
//! The code that `generate` makes lies in the crate as well, and is the same. Without the feature a build needs neither
//! progenitor nor its crates: `kaiwa = { version = "0.1", default-features = false, features = ["chatwork", "rustls"] }`.
//!
//! # How certain it is
//!
//! Nothing here was tried against the live services. Chatwork is documented by its vendor. TAS-CHA's paths are inferred,
//! except one. Lancers is built from an engineers' blog post of 2019 and is experimental.
//! [`Operation::inferred`] says what is uncertain about an operation, and `client.request(method, path)` replaces a path
//! that is wrong.

// A library neither prints nor ends the program, and errors never panic.
#![deny(clippy::exit, clippy::print_stderr, clippy::print_stdout)]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
// docs.rs shows which feature an item needs; the attribute is not stable.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// Pages of the shared ground name services as examples; docs.rs builds them with all services.
#![cfg_attr(partial, allow(rustdoc::broken_intra_doc_links))]

#[cfg(not(any(feature = "chatwork", feature = "tascha", feature = "lancers")))]
compile_error!(
    "kaiwa without a service has nothing in it: enable at least one of the features `chatwork`, `tascha` and `lancers`"
);

// Of the crates behind `futures`, the one that reqwest needs as well: without its parts for I/O and channels.
extern crate futures_util as futures;

/// The programs of the READMEs compile; their test is run by `tests/readme.rs`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../README.ja.md")]
struct Readmes;

mod builder;
mod call;
mod client;
mod clock;
mod digest;
mod error;
mod event;
mod generated;
#[cfg(any(feature = "chatwork", all(feature = "outbox", feature = "tascha")))]
mod handler;
// Each service uses a part of it.
#[cfg_attr(partial, allow(dead_code, unused_imports, unused_macros))]
mod input;
mod limits;
mod operation;
#[cfg(any(feature = "chatwork", feature = "oauth", feature = "sqlite"))]
mod private_file;
// Each service uses a part of it.
#[cfg_attr(partial, allow(dead_code, unused_imports, unused_macros))]
mod page;
mod profile;
mod progress;
mod proxy;
mod raw;
// Each service uses a part of it.
#[cfg(any(feature = "chatwork", feature = "lancers"))]
#[cfg_attr(partial, allow(dead_code, unused_imports))]
mod reconcile;
mod request;
mod response;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store_error;
mod transport;
mod upload;
// Each service uses a part of it.
#[cfg_attr(partial, allow(dead_code, unused_imports, unused_macros))]
mod wire;

// Each service uses a part of it.
#[cfg(all(feature = "outbox", any(feature = "chatwork", feature = "tascha")))]
#[cfg_attr(partial, allow(dead_code, unreachable_code, unused_imports, unused_variables))]
pub mod bot;
#[cfg(feature = "chatwork")]
pub mod chatwork;
pub mod guide;
#[cfg(feature = "lancers")]
pub mod lancers;
#[cfg(feature = "oauth")]
pub mod oauth;
// Each service uses a part of it.
#[cfg(feature = "outbox")]
#[cfg_attr(partial, allow(dead_code, unreachable_code, unused_imports, unused_variables))]
pub mod outbox;
#[cfg(feature = "sandbox")]
pub mod sandbox;
#[cfg(any(feature = "redis", feature = "sqlite"))]
pub mod store;
#[cfg(feature = "tascha")]
pub mod tascha;
pub mod text;
pub mod webhook;

#[cfg(any(feature = "chatwork", feature = "lancers"))]
pub use crate::reconcile::{Arrival, Found, Sought};
pub use crate::{
    builder::ClientBuilder,
    client::{Client, Service},
    clock::{Clock, SystemClock, VirtualClock},
    error::{Conflict, Error, ErrorKind, Outcome, Resend, Unsure},
    event::{BudgetKind, CallEvent, CallEventKind},
    input::InvalidInput,
    limits::{RateLimit, Units},
    operation::{AnswerShape, Operation, Safety},
    page::{Batch, Checkpoint, Items, Lenient, LenientList, List, Paged, Pages, UndecodableItem},
    progress::Progress,
    proxy::Proxy,
    raw::Raw,
    request::{Endpoint, Request},
    response::Response,
    store_error::StoreError,
    transport::auth::{BearerToken, TokenSource},
    transport::pace::{Budget, BudgetStore, Denied, Lease, MemoryBudgetStore, Pace, Settlement},
    transport::retry::{RetryBudget, RetryPolicy},
    upload::Upload,
    wire::{Nullable, Secret},
};
/// Times and time zones, as parameters and answers have them.
pub use jiff;
/// The methods of HTTP, for requests to paths of your own.
pub use reqwest::Method;
