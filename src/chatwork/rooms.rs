//! Rooms.

use super::operations::{CreateRoom, DeleteRoom, GetRoom, ListRooms, UpdateRoom};
use super::{AccountId, Chatwork, Client, RoomAction, RoomId, requests, returns};
use crate::{Endpoint, Request};

impl Client {
    /// A handle for a room. It sends nothing.
    pub fn room(&self, id: RoomId) -> RoomHandle {
        RoomHandle { client: self.clone(), id }
    }

    /// The account's rooms.
    #[doc = returns!(ListRooms)]
    pub fn rooms(&self) -> requests::ListRooms {
        self.call(ListRooms::new())
    }

    /// Creates a group room with these administrators, at least one. The account itself must be among the members.
    #[doc = returns!(CreateRoom)]
    pub fn create_room(
        &self,
        name: impl Into<String>,
        admins: impl IntoIterator<Item = AccountId>,
    ) -> requests::CreateRoom {
        self.call(CreateRoom::new(admins, name))
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
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// The room with its description and counts.
    #[doc = returns!(GetRoom)]
    pub fn get(&self) -> requests::GetRoom {
        self.call(GetRoom::new(self.id))
    }

    /// Changes the name, the description or the icon, as set on the request.
    #[doc = returns!(UpdateRoom)]
    pub fn update(&self) -> requests::UpdateRoom {
        self.call(UpdateRoom::new(self.id))
    }

    /// Leaves the room. The account's tasks and files in it are deleted permanently.
    #[doc = returns!(DeleteRoom)]
    pub fn leave(&self) -> requests::DeleteRoom {
        self.call(DeleteRoom::new(self.id, RoomAction::Leave))
    }

    /// Deletes the room permanently, with all its messages, tasks and files.
    #[doc = returns!(DeleteRoom)]
    pub fn delete(&self) -> requests::DeleteRoom {
        self.call(DeleteRoom::new(self.id, RoomAction::Delete))
    }

    pub(super) fn call<E: Endpoint<Service = Chatwork>>(&self, endpoint: E) -> Request<E> {
        self.client.call(endpoint)
    }
}
