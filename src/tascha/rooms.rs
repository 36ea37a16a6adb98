//! Rooms, their members and files.

use super::operations::{ListFiles, ListMembers, ListRooms};
use super::{Client, RoomId, Tascha, requests, returns};
use crate::{Endpoint, Request};

impl Client {
    /// A handle for a room. It sends nothing.
    pub fn room(&self, id: impl Into<RoomId>) -> RoomHandle {
        RoomHandle { client: self.clone(), id: id.into() }
    }

    /// The rooms that the credential gives access to, except direct messages.
    #[doc = returns!(ListRooms)]
    pub fn rooms(&self) -> requests::ListRooms {
        self.call(ListRooms::new())
    }
}

/// A room, by its id.
#[derive(Clone, Debug)]
pub struct RoomHandle {
    pub(super) client: Client,
    pub(super) id: RoomId,
}

impl RoomHandle {
    /// The room's id.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// The members.
    #[doc = returns!(ListMembers)]
    pub fn members(&self) -> requests::ListMembers {
        self.call(ListMembers::new(&self.id))
    }

    /// The files.
    #[doc = returns!(ListFiles)]
    pub fn files(&self) -> requests::ListFiles {
        self.call(ListFiles::new(&self.id))
    }

    pub(super) fn call<E: Endpoint<Service = Tascha>>(&self, endpoint: E) -> Request<E> {
        self.client.call(endpoint)
    }
}
