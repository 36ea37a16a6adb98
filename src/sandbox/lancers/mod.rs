//! Lancers in memory: the 13 operations of the message API v2.
//!
//! A [`Seed`] holds what is there at the start and how the service behaves, a [`View`] shows what is there now.
//!
//! The only source on this API is a blog post, and it names no credential. The sandbox takes one header, by default
//! `Cookie: session=sandbox`, for one account. A success is answered with 200, and every failure with 400 and
//! `{"type": "bad_request", "message": …}`, unknown paths and a missing credential included. Where the post is silent,
//! the sandbox decides:
//!
//! * Boards are listed by `modified`, newest first, then by id, highest first; `modified` asks for strictly older
//!   ones, with a precision of seconds. Posting a message and changing a board or its users count as changes.
//! * `/boards/unread` lists the unread messages of as many boards as `limit` says, board by board in the order of the
//!   list of boards, each board's messages by id upwards.
//! * Messages are listed from `message_id` upwards (`next`) or downwards (`prev`), the given one included, in that
//!   order. Without `message_id`, `next` begins with the oldest and `prev` with the newest.
//! * Files: the post says ids from `file_id` upwards, and prints an example sorted downwards. Here the page holds the
//!   `limit` lowest ids that are not below `file_id` and is sorted downwards. See [`Seed::files_upwards`].
//! * The search looks for `q` in titles, descriptions, names of users and texts of messages, without regard to case.
//! * An account has read a board up to a message. Its own messages are not unread for it, but it is in `read_users`
//!   only once it has marked them as read. Marking as read never goes back. A new user has read nothing.
//! * A mention is `@name`, with no letter, digit, `_` or `-` after it.
//! * `POST …/users` answers with the users given; those who are on the board already stay there.
//! * A parameter of the query that is empty is one that is not there.
//! * The parts of a form may be named in PHP's way (`users[]`, `users[0]`), as the post prints them
//!   (`message['description']`), or by the bare name of the list. A part of another name is answered with 400, and so is a
//!   body that is neither JSON nor, where one is expected, a form.
//! * A message needs a text or a file. All users named must exist.

mod boards;
mod call;
mod data;
mod error;
mod files;
mod form;
#[cfg(feature = "sandbox-window")]
mod glance;
mod messages;
mod model;
mod recording;
mod seed;
mod serve;
mod users;
mod view;

pub use model::Work;
pub use seed::{BoardSeed, Seed};
pub use view::{BoardView, View};

pub(crate) use data::State;
