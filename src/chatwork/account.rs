//! The account that the credential belongs to.

use super::Client;
use super::operations::{GetMe, GetMyStatus, ListMyTasks};
use crate::Request;

impl Client {
    /// Who I am.
    pub fn me(&self) -> Request<GetMe> {
        self.call(GetMe::new())
    }

    /// My counts of unread messages, mentions and open tasks over all rooms.
    pub fn my_status(&self) -> Request<GetMyStatus> {
        self.call(GetMyStatus::new())
    }

    /// The tasks assigned to me, at most 100.
    pub fn my_tasks(&self) -> Request<ListMyTasks> {
        self.call(ListMyTasks::new())
    }
}
