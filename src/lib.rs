//! lib
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// A service that is left out leaves parts of the shared ground unused.
#![cfg_attr(
    not(all(feature = "chatwork", feature = "tascha", feature = "lancers")),
    allow(dead_code, unused_imports, unused_macros)
)]

#[cfg(feature = "__service")]
mod builder;
#[cfg(feature = "__service")]
mod error;
#[cfg(feature = "__service")]
mod generated;
#[cfg(feature = "__service")]
mod limits;
#[cfg(feature = "__service")]
mod page;
#[cfg(feature = "__service")]
mod request;
#[cfg(feature = "__service")]
mod response;
#[cfg(feature = "__service")]
mod transport;
#[cfg(feature = "__service")]
mod upload;
#[cfg(feature = "__service")]
mod wire;

#[cfg(feature = "chatwork")]
pub mod chatwork;
#[cfg(feature = "lancers")]
pub mod lancers;
#[cfg(all(feature = "oauth", feature = "__service"))]
pub mod oauth;
#[cfg(feature = "tascha")]
pub mod tascha;

#[cfg(feature = "__service")]
pub use crate::{
    builder::{ClientBuilder, Service},
    error::{Error, ErrorKind, Outcome},
    limits::{RateLimit, Units},
    page::Paged,
    request::{Endpoint, Raw, Request},
    response::Response,
    transport::auth::{BearerToken, TokenSource},
    transport::check::InvalidInput,
    transport::clock::{Clock, SystemClock, VirtualClock},
    transport::operation::{Operation, Safety},
    transport::pace::{Budget, BudgetStore, Pace, Settlement},
    transport::retry::{RetryBudget, RetryPolicy},
    upload::Upload,
    wire::Nullable,
};
