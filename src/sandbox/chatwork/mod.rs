//! Chatwork in memory: the 32 operations of API v2, the OAuth endpoints, and webhooks out.
//!
//! A [`Seed`] holds what is there at the start and how the service behaves, a [`View`] shows what is there now.
//!
//! The reference leaves some things open. Where it does, the sandbox decides:
//!
//! * A room that does not exist, or that the caller is not in, is answered with 403. Contact requests that are gone: 404.
//! * The account's window opens with the first call and is fixed; calls that are refused with 400 do not count. The
//!   limit of posts in a room is a rolling one, shared by all accounts; its 429 carries the headers of the window.
//! * Any list of messages counts as fetched, so `force=1` moves the mark of `force=0` too. If more than 100 messages are
//!   new, the newest 100 are answered and the others are passed over. Messages come oldest first.
//! * The two task lists hold open tasks unless `status` says otherwise.
//! * New and finished tasks, files, a new name or description, and members who are added, removed or leave are announced by
//!   a message in the room, which counts and is unread like any message, but not for the limit of posts (a new task and a
//!   file count themselves). `[dtext:chatroom_deleted]` for members who are removed is inferred. A task that is opened again,
//!   a role, an icon and a new room post nothing. Only a file that is an image, by its type or its name, has a preview.
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
//!   If the old one is used again, the new one stays good; see [`Seed::detect_refresh_token_reuse`].
//! * In a direct chat every message causes `mention_to_me`, without a tag too, as was seen once. It counts in `mention_num`
//!   only with a tag.
//! * Messages of the account itself cause webhooks too, but not `mention_to_me`. They are sent one after the other.
//!   A setting is switched off when more than 100 of its webhooks in a row have failed; see [`Seed::webhook_errors`].

mod account;
mod account_seed;
mod call;
mod consent;
mod contacts;
mod data;
mod deliver;
mod download;
mod files;
#[cfg(feature = "sandbox-window")]
mod glance;
mod input;
mod limits;
mod link;
mod members;
mod messages;
mod model;
mod notice;
mod oauth;
mod reading;
mod recording;
mod reply;
mod room_seed;
mod rooms;
mod seed;
mod serve;
mod settings;
mod start;
mod tasks;
mod token;
mod view;
mod webhook;

pub use account_seed::Account;
pub use oauth::{Consent, OAuthClient};
pub use room_seed::Room;
pub use seed::Seed;
pub use view::{Member, RoomView, View};
pub use webhook::{Delivery, RegisteredWebhook, Webhook};

pub(crate) use data::State;
pub(crate) use start::start;
