//! TAS-CHA in memory: the 16 operations of the Public API v1.
//!
//! A [`Seed`] says what is there at the start and how the service behaves, a [`View`] what is there now.
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
mod error;
mod fields;
mod idempotency;
mod ids;
mod limits;
mod messages;
mod model;
mod page;
mod records;
mod room_seed;
mod rooms;
mod seed;
mod tasks;
mod view;
mod webhooks;

pub use auth::Key;
pub use error::ErrorShape;
pub use model::{
    Delivery, EventType, File, Member, Message, Organization, Record, RecordStatus, Room, Task, User,
};
pub use page::EndOfList;
pub use room_seed::{RoomSeed, WebhookSeed};
pub use seed::Seed;
pub use view::{RoomView, View};

use crate::sandbox::context::Context;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::routing::{get, patch, post};
use call::Operation;
use data::Data;
use limits::Now;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// The service: all its data, and the clock.
pub(crate) struct State {
    context: Context,
    data: Mutex<Data>,
    /// Deliveries to webhooks under way; none are made once the sandbox is gone.
    deliveries: Mutex<Option<JoinSet<()>>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(context: Context, seed: Seed) -> Self {
        let data = seed.build(context.clock.wall(), context.seed);
        Self { context, data: Mutex::new(data), deliveries: Mutex::new(Some(JoinSet::new())) }
    }

    fn lock(&self) -> MutexGuard<'_, Data> {
        // Handlers check before they change anything, so the data is whole even after a panic.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliveries(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        // Nothing panics while the lock is held.
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn end_deliveries(&self) {
        // Dropping them aborts them.
        drop(self.deliveries().take());
    }

    fn now(&self) -> Now {
        Now { instant: self.context.clock.now(), wall: self.context.clock.wall() }
    }
}

/// The API under `/v1`.
pub(crate) fn router(state: Arc<State>) -> Router {
    let serve = |operation: &'static Operation| {
        let state = Arc::clone(&state);
        move |params, request: Request| call::serve(Arc::clone(&state), operation, params, request)
    };
    let room = "/v1/rooms/{roomId}";
    let deliveries = format!("{room}/webhooks/{{webhookId}}/deliveries");
    Router::new()
        .route("/v1/me", get(serve(&ME)))
        .route("/v1/organizations", get(serve(&LIST_ORGANIZATIONS)))
        .route("/v1/rooms", get(serve(&LIST_ROOMS)))
        .route(&format!("{room}/members"), get(serve(&LIST_MEMBERS)))
        .route(&format!("{room}/messages"), get(serve(&LIST_MESSAGES)).post(serve(&CREATE_MESSAGE)))
        .route(&format!("{room}/tasks"), get(serve(&LIST_TASKS)).post(serve(&CREATE_TASK)))
        .route(&format!("{room}/tasks/{{taskId}}"), patch(serve(&UPDATE_TASK)))
        .route(&format!("{room}/records"), get(serve(&LIST_RECORDS)).post(serve(&CREATE_RECORD)))
        .route(&format!("{room}/records/{{recordId}}"), patch(serve(&UPDATE_RECORD)))
        .route(&format!("{room}/files"), get(serve(&LIST_FILES)))
        .route(&deliveries, get(serve(&LIST_DELIVERIES)))
        .route(&format!("{deliveries}/{{deliveryId}}/redeliver"), post(serve(&REDELIVER)))
        .route("/v1/events", get(serve(&LIST_EVENTS)))
        .method_not_allowed_fallback({
            let state = Arc::clone(&state);
            move |headers: HeaderMap| call::unknown(Arc::clone(&state), headers)
        })
        .fallback(move |headers: HeaderMap| call::unknown(Arc::clone(&state), headers))
}

static ME: Operation = Operation::read("me:read", account::me);
static LIST_ORGANIZATIONS: Operation = Operation::read("organizations:read", account::organizations);
static LIST_ROOMS: Operation = Operation::read("rooms:read", rooms::list);
static LIST_MEMBERS: Operation = Operation::read("rooms:read", rooms::members);
static LIST_MESSAGES: Operation = Operation::read("messages:read", messages::list);
static CREATE_MESSAGE: Operation = Operation::create("messages:write", messages::create);
static LIST_TASKS: Operation = Operation::read("tasks:read", tasks::list);
static CREATE_TASK: Operation = Operation::create("tasks:write", tasks::create);
static UPDATE_TASK: Operation = Operation::update("tasks:write", tasks::update);
static LIST_RECORDS: Operation = Operation::read("records:read", records::list);
static CREATE_RECORD: Operation = Operation::create("records:write", records::create);
static UPDATE_RECORD: Operation = Operation::update("records:write", records::update);
static LIST_FILES: Operation = Operation::read("files:read", rooms::files);
static LIST_DELIVERIES: Operation = Operation::read("webhooks:read", webhooks::list_deliveries);
/// A write that costs as little as a read, and takes no key.
static REDELIVER: Operation = Operation::read("webhooks:write", webhooks::redeliver);
static LIST_EVENTS: Operation = Operation::read("events:read", webhooks::list_events);
