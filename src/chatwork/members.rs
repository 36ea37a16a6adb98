//! Members of a room.

use super::operations::{ListMembers, ReplaceMembers};
use super::{AccountId, RoomHandle, requests, returns};

impl RoomHandle {
    /// The members with their roles.
    #[doc = returns!(ListMembers)]
    pub fn members(&self) -> requests::ListMembers {
        self.call(ListMembers::new(self.id))
    }

    /// Replaces the whole list of members, with at least one administrator. Members who are not named here or by the request's
    /// setters are removed from the room.
    #[doc = returns!(ReplaceMembers)]
    pub fn replace_members(&self, admins: impl IntoIterator<Item = AccountId>) -> requests::ReplaceMembers {
        self.call(ReplaceMembers::new(self.id, admins))
    }
}
