//! Members of a room.

use super::operations::{ListMembers, ReplaceMembers};
use super::{AccountId, RoomHandle};
use crate::Request;

impl RoomHandle {
    /// The members with their roles.
    pub fn members(&self) -> Request<ListMembers> {
        self.call(ListMembers::new(self.id))
    }

    /// Replaces the whole list of members: whoever is not named here, or by the request's setters, is removed from
    /// the room. At least one administrator.
    pub fn replace_members(&self, admins: impl IntoIterator<Item = AccountId>) -> Request<ReplaceMembers> {
        self.call(ReplaceMembers::new(self.id, admins))
    }
}
