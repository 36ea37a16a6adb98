//! The invitation link of a room.

use super::RoomHandle;
use super::operations::{CreateLink, DeleteLink, GetLink, UpdateLink};
use crate::Request;

impl RoomHandle {
    /// The invitation link; `public` says whether there is one.
    pub fn link(&self) -> Request<GetLink> {
        self.call(GetLink::new(self.id))
    }

    /// Makes an invitation link. If there is one already the service answers with status 400.
    pub fn create_link(&self) -> Request<CreateLink> {
        self.call(CreateLink::new(self.id))
    }

    /// Replaces the invitation link: what is not set on the request goes back to its default, and the code becomes a
    /// new random one.
    pub fn update_link(&self) -> Request<UpdateLink> {
        self.call(UpdateLink::new(self.id))
    }

    /// Removes the invitation link.
    pub fn delete_link(&self) -> Request<DeleteLink> {
        self.call(DeleteLink::new(self.id))
    }
}
