//! Rooms, their members and files.

use super::operations::{ListFiles, ListMembers, ListRooms};
use super::{Client, RoomId};
use crate::transport::Transport;
use crate::{Endpoint, Request};
use std::sync::Arc;

impl Client {
    /// The rooms that the credential gives access to, direct messages excepted.
    pub fn rooms(&self) -> Request<ListRooms> {
        self.call(ListRooms::new())
    }
}

/// A room, by its id.
#[derive(Clone, Debug)]
pub struct RoomHandle {
    pub(super) transport: Arc<Transport>,
    pub(super) id: RoomId,
}

impl RoomHandle {
    /// The room's id.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// The members.
    pub fn members(&self) -> Request<ListMembers> {
        self.call(ListMembers::new(&self.id))
    }

    /// The files.
    pub fn files(&self) -> Request<ListFiles> {
        self.call(ListFiles::new(&self.id))
    }

    pub(super) fn call<E: Endpoint>(&self, endpoint: E) -> Request<E> {
        Request::new(&self.transport, endpoint)
    }
}
