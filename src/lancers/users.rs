//! Users of a board, who are known by their names alone.

use super::BoardHandle;
use super::operations::{AddUsers, ListUsers, RemoveUser};
use crate::Request;

impl BoardHandle {
    /// The users with a name after `.user(…)`, by name; all of them unless `.limit(…)` is set.
    pub fn users(&self) -> Request<ListUsers> {
        self.call(ListUsers::new(self.id))
    }

    /// Adds users, at least one, by their names.
    pub fn add_users(&self, users: impl IntoIterator<Item = impl Into<String>>) -> Request<AddUsers> {
        self.call(AddUsers::new(self.id, users))
    }

    /// Removes a user.
    pub fn remove_user(&self, name: impl Into<String>) -> Request<RemoveUser> {
        self.call(RemoveUser::new(self.id, name))
    }
}
