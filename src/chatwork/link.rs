//! The invitation link of a room.

use super::operations::{CreateLink, DeleteLink, GetLink, UpdateLink};
use super::{RoomHandle, requests, returns};

impl RoomHandle {
    /// The invitation link; `public` says whether there is one.
    #[doc = returns!(GetLink)]
    pub fn link(&self) -> requests::GetLink {
        self.call(GetLink::new(self.id))
    }

    /// Creates an invitation link. If there is one already, the service responds with status 400.
    #[doc = returns!(CreateLink)]
    pub fn create_link(&self) -> requests::CreateLink {
        self.call(CreateLink::new(self.id))
    }

    /// Replaces the invitation link: fields that are not set on the request return to their defaults, and the code to a new
    /// random one.
    #[doc = returns!(UpdateLink)]
    pub fn update_link(&self) -> requests::UpdateLink {
        self.call(UpdateLink::new(self.id))
    }

    /// Removes the invitation link.
    #[doc = returns!(DeleteLink)]
    pub fn delete_link(&self) -> requests::DeleteLink {
        self.call(DeleteLink::new(self.id))
    }
}
