//! One call, as an operation sees it.

use super::data::{Data, Origin};
use super::input::{Fields, Reader};
use super::reply::Refusal;
use crate::sandbox::answer::Answer;
use crate::sandbox::routes::Route;
use jiff::Timestamp;

/// What an operation does with a call. It checks everything before it changes anything.
pub(super) type Handler = fn(&mut Call<'_>) -> Result<Answer, Refusal>;

/// A call whose sender is known.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) data: &'a mut Data,
    pub(super) now: Timestamp,
    /// The account of the token.
    pub(super) caller: u64,
    /// What the mark of `force=0` is kept for.
    pub(super) session: &'a str,
    /// Scheme, host and port under which the sandbox was called.
    pub(super) base: &'a str,
    pub(super) route: &'a Route,
    pub(super) parameters: &'a Fields,
    pub(super) body: &'a Fields,
}

impl<'a> Call<'a> {
    pub(super) fn query(&self) -> Reader<'a> {
        self.parameters.reader()
    }

    pub(super) fn form(&self) -> Reader<'a> {
        self.body.reader()
    }

    /// Where a parameter that may stand in the body or in the query is to be read. The body goes first.
    pub(super) fn form_or_query(&self, name: &str) -> Reader<'a> {
        if self.body.has(name) { self.form() } else { self.query() }
    }

    /// A number in the path. With anything else the path is no endpoint.
    pub(super) fn id(&self, name: &str) -> Result<u64, Refusal> {
        self.route.param(name).parse().map_err(|_| Refusal::unknown_endpoint())
    }

    pub(super) fn room_id(&self) -> Result<u64, Refusal> {
        self.id("room_id")
    }

    /// What the caller does now in a room.
    pub(super) fn origin(&self, room: u64) -> Origin {
        Origin { room, by: self.caller, now: self.now }
    }

    /// Posts a message of the service about what the caller did, if there is one. It counts for no limit.
    pub(super) fn tell(&mut self, room: u64, notice: Option<String>) {
        if let Some(notice) = notice {
            let origin = self.origin(room);
            self.data.post(origin, &notice, false);
        }
    }

    /// Counts the call for the limit of posts in the room, if it is one that counts.
    pub(super) fn count_post(&mut self, room: u64) -> Result<(), Refusal> {
        if self.route.operation.room_limit { self.data.take_post(room, self.now) } else { Ok(()) }
    }
}
