//! TAS-CHA in memory: the 16 operations of the Public API v1.
//!
//! A [`Seed`] holds what is there at the start and how the service behaves, a [`View`] shows what is there now.
//!
//! The reference leaves much open. Where it does, the sandbox decides, and the choice can often be changed:
//!
//! * Creating is answered with 201, everything else with 200. A room that the caller is not in is answered with 404.
//! * Error codes other than `insufficient_scope` are the sandbox's own: `unauthorized`, `user_actor_required`,
//!   `forbidden`, `record_locked`, `record_archived`, `not_found`, `validation_error`, `invalid_cursor`,
//!   `board_not_found`, `version_conflict`, `idempotency_key_reused`, `rate_limit_exceeded`, `units_exhausted`. A
//!   `validation_error` names the fields in `details.fields`. See also [`ErrorShape`].
//! * A full burst window is answered with 429 and `Retry-After`; so are spent units, or with 403
//!   ([`Seed::units_exhausted_status`]). Refused requests cost no units.
//! * An empty `limit` or `cursor` is one that is not there.
//! * Lists are in the order of creation. See also [`EndOfList`], [`Seed::page_size`] and [`Seed::page_cap`].
//! * An `Idempotency-Key` belongs to the credential; method, path and JSON value are the payload; failures are not
//!   remembered; a replay costs the same units and is not marked.
//! * Writing in a room reports an event to the room's webhooks. Event names and bodies are made up, nothing is signed
//!   and nothing is retried. Receivers must be on loopback addresses.

mod account;
mod auth;
mod call;
mod data;
mod deliver;
mod error;
mod events;
mod fields;
#[cfg(feature = "sandbox-window")]
mod glance;
mod idempotency;
mod limits;
mod messages;
mod model;
mod page;
mod recording;
mod records;
mod room;
mod room_seed;
mod rooms;
mod seed;
mod serve;
mod tasks;
mod view;
mod webhooks;

pub use auth::Key;
pub use error::ErrorShape;
pub use model::{Delivery, EventType, Organization, RecordStatus, User};
pub use page::EndOfList;
pub use room_seed::{RoomSeed, WebhookSeed};
pub use seed::Seed;
pub use view::{RoomView, View};

pub(crate) use data::State;
