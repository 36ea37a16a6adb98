//! Chatwork in memory: the 32 operations of API v2, the OAuth endpoints, and webhooks out.
//!
//! A [`Seed`] says what is there at the start and how the service behaves, a [`View`] what is there now.
//!
//! The reference leaves some things open. Where it does, the sandbox decides:
//!
//! * A room that does not exist, or that the caller is not in, is answered with 403. Contact requests that are gone: 404.
//! * The account's window opens with the first call and is fixed; calls that are refused with 400 do not count. The
//!   limit of posts in a room is a rolling one, shared by all accounts; its 429 carries the headers of the window.
//! * Any list of messages counts as fetched, so `force=1` moves the mark of `force=0` too. If more than 100 messages are
//!   new, the newest 100 are answered and the others are passed over. Messages come oldest first.
//! * The two task lists hold open tasks unless `status` says otherwise.
//! * Tasks and files post their announcement to the room, which counts and is unread like any message; changes of
//!   members, names and task states post nothing.
//! * A deleted message can be read, as `[deleted]`, but no longer edited or deleted (404).
//! * A parameter that is sent empty, or without `=` as clients write nil, is one that is not sent; one that is sent twice
//!   is answered with 400. `description=` clears the description.
//! * `action_type` of `DELETE /rooms/{room_id}` is taken from the query too: only some operations with POST and PUT are
//!   known to refuse it there.
//! * The body of a `POST` may be `multipart/form-data`, which the live service was seen to take for a message; that of a
//!   `PUT` or a `DELETE` may not, and JSON is read nowhere (seen too).
//! * Contact requests are answered under `…/accept` (`PUT`) and `…/reject` (`DELETE`) too, where the vendor's own MCP server
//!   answers them. For faults and in the log both paths are the same operation.
//! * A file without a name is no file. `filename*` goes before `filename`.
//! * Texts are counted in characters, 5 MB are 5242880 bytes.
//! * An address to download a file from is answered with 403 once its 30 seconds are over, by the sandbox's clock. It
//!   serves ranges and an `ETag`. For faults and in the log it is the operation `download_file`.
//! * The free plan's header on a list is about what was asked for: with `force=0`, about what has not been fetched yet.
//! * Refreshing with fewer scopes narrows the access token only (RFC 6749, 6). `expires_in` is a number; see
//!   [`Seed::expires_in_as_text`].
//! * A refresh token is replaced when it is used and the old one dies; see [`Seed::rotate_refresh_tokens`].
//! * Webhooks come for one's own messages too, `mention_to_me` does not. They are sent one after the other.
//!   A setting is switched off when more than 100 of its webhooks in a row have failed; see [`Seed::webhook_errors`].

mod account;
mod account_seed;
mod call;
mod consent;
mod contacts;
mod data;
mod download;
mod files;
mod input;
mod limits;
mod link;
mod members;
mod messages;
mod model;
mod notation;
mod oauth;
mod reading;
mod reply;
mod room_seed;
mod rooms;
mod scopes;
mod seed;
mod settings;
mod tasks;
mod token;
mod view;
mod webhook;

pub use account_seed::Account;
pub use model::{Contact, File, IncomingRequest, Link, Member, Message, Role, RoomKind, Task};
pub use oauth::{Consent, OAuthClient};
pub use room_seed::Room;
pub use seed::Seed;
pub use view::{RoomView, View};
pub use webhook::{Delivery, RegisteredWebhook, Webhook};

pub(crate) use webhook::deliver;

use crate::sandbox::context::Context;
use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::routing::{MethodFilter, MethodRouter, get, on, post};
use call::Handler;
use data::Data;
use reply::Refusal;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// The service: all its data, and the clock.
pub(crate) struct State {
    context: Context,
    data: Mutex<Data>,
    /// What [`deliver`] takes out and posts.
    outbox: Mutex<Option<mpsc::UnboundedReceiver<webhook::Outgoing>>>,
}

impl State {
    pub(crate) fn new(context: Context, seed: Seed) -> Self {
        let (events, outbox) = mpsc::unbounded_channel();
        let data = seed.build(&context, events);
        Self { context, data: Mutex::new(data), outbox: Mutex::new(Some(outbox)) }
    }

    fn lock(&self) -> MutexGuard<'_, Data> {
        // Handlers check before they change anything, so the data is whole even after a panic.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the data, which is long and holds tokens.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

pub(crate) fn router(state: Arc<State>) -> Router {
    use MethodFilter as M;
    Router::new()
        .route("/v2/me", operation(M::GET, "get_me", account::me))
        .route("/v2/my/status", operation(M::GET, "get_my_status", account::status))
        .route("/v2/my/tasks", operation(M::GET, "list_my_tasks", tasks::list_mine))
        .route("/v2/contacts", operation(M::GET, "list_contacts", contacts::list))
        .route(
            "/v2/rooms",
            operation(M::GET, "list_rooms", rooms::list).merge(operation(
                M::POST,
                "create_room",
                rooms::create,
            )),
        )
        .route(
            "/v2/rooms/{room_id}",
            operation(M::GET, "get_room", rooms::read)
                .merge(operation(M::PUT, "update_room", rooms::update))
                .merge(operation(M::DELETE, "delete_room", rooms::delete)),
        )
        .route(
            "/v2/rooms/{room_id}/members",
            operation(M::GET, "list_members", members::list).merge(operation(
                M::PUT,
                "replace_members",
                members::replace,
            )),
        )
        .route(
            "/v2/rooms/{room_id}/messages",
            operation(M::GET, "list_messages", messages::list).merge(operation(
                M::POST,
                "post_message",
                messages::post,
            )),
        )
        .route("/v2/rooms/{room_id}/messages/read", operation(M::PUT, "mark_read", reading::mark_read))
        .route("/v2/rooms/{room_id}/messages/unread", operation(M::PUT, "mark_unread", reading::mark_unread))
        .route(
            "/v2/rooms/{room_id}/messages/{message_id}",
            operation(M::GET, "get_message", messages::read)
                .merge(operation(M::PUT, "update_message", messages::update))
                .merge(operation(M::DELETE, "delete_message", messages::delete)),
        )
        .route(
            "/v2/rooms/{room_id}/tasks",
            operation(M::GET, "list_tasks", tasks::list).merge(operation(
                M::POST,
                "create_tasks",
                tasks::create,
            )),
        )
        .route("/v2/rooms/{room_id}/tasks/{task_id}", operation(M::GET, "get_task", tasks::read))
        .route(
            "/v2/rooms/{room_id}/tasks/{task_id}/status",
            operation(M::PUT, "set_task_status", tasks::set_status),
        )
        .route(
            "/v2/rooms/{room_id}/files",
            operation(M::GET, "list_files", files::list).merge(operation(
                M::POST,
                "upload_file",
                files::upload,
            )),
        )
        .route("/v2/rooms/{room_id}/files/{file_id}", operation(M::GET, "get_file", files::read))
        .route(
            "/v2/rooms/{room_id}/link",
            operation(M::GET, "get_link", link::read)
                .merge(operation(M::POST, "create_link", link::create))
                .merge(operation(M::PUT, "update_link", link::update))
                .merge(operation(M::DELETE, "delete_link", link::delete)),
        )
        .route("/v2/incoming_requests", operation(M::GET, "list_incoming_requests", contacts::list_requests))
        .route(
            "/v2/incoming_requests/{request_id}",
            operation(M::PUT, "accept_incoming_request", contacts::accept).merge(operation(
                M::DELETE,
                "decline_incoming_request",
                contacts::decline,
            )),
        )
        // The vendor's own client for AI agents calls these two, the reference those above.
        .route(
            "/v2/incoming_requests/{request_id}/accept",
            operation(M::PUT, "accept_incoming_request", contacts::accept),
        )
        .route(
            "/v2/incoming_requests/{request_id}/reject",
            operation(M::DELETE, "decline_incoming_request", contacts::decline),
        )
        .route("/download/{key}/{filename}", get(download::download))
        .route("/packages/oauth2/login.php", get(consent::consent))
        .route("/token", post(token::token))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(state)
}

fn operation(method: MethodFilter, name: &'static str, handler: Handler) -> MethodRouter<Arc<State>> {
    on(method, move |Shared(state): Shared<Arc<State>>, request: Request| {
        call::serve(state, name, handler, request)
    })
}

async fn unknown() -> Refusal {
    Refusal::unknown_endpoint()
}
