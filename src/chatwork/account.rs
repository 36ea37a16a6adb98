//! The account that the credential belongs to.

use super::operations::{GetMe, GetMyStatus, ListMyTasks};
use super::{Client, requests, returns};

impl Client {
    /// Who I am.
    #[doc = returns!(GetMe)]
    pub fn me(&self) -> requests::GetMe {
        self.call(GetMe::new())
    }

    /// My counts of unread messages, mentions and open tasks over all rooms.
    #[doc = returns!(GetMyStatus)]
    pub fn my_status(&self) -> requests::GetMyStatus {
        self.call(GetMyStatus::new())
    }

    /// The tasks assigned to me, at most 100.
    #[doc = returns!(ListMyTasks)]
    pub fn my_tasks(&self) -> requests::ListMyTasks {
        self.call(ListMyTasks::new())
    }
}
