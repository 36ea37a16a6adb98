//! Users of a board, who are identified by their names.

use super::operations::{AddUsers, ListUsers, RemoveUser};
use super::{BoardHandle, requests, returns};

impl BoardHandle {
    /// The users with a name after `.user(…)`, by name; all of them unless `.limit(…)` is set.
    #[doc = returns!(ListUsers)]
    pub fn users(&self) -> requests::ListUsers {
        self.call(ListUsers::new(self.id))
    }

    /// Adds users, at least one, by their names.
    #[doc = returns!(AddUsers)]
    pub fn add_users(&self, users: impl IntoIterator<Item = impl Into<String>>) -> requests::AddUsers {
        self.call(AddUsers::new(self.id, users))
    }

    /// Removes a user.
    #[doc = returns!(RemoveUser)]
    pub fn remove_user(&self, name: impl Into<String>) -> requests::RemoveUser {
        self.call(RemoveUser::new(self.id, name))
    }
}
