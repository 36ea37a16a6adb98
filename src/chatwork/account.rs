//! The account that the credential belongs to.

use super::operations::{GetMe, GetMyStatus, ListMyTasks};
use super::{Client, requests, returns};

impl Client {
    /// The account of the credential.
    #[doc = returns!(GetMe)]
    pub fn me(&self) -> requests::GetMe {
        self.call(GetMe::new())
    }

    /// The account's counts of unread messages, mentions and open tasks over all rooms.
    #[doc = returns!(GetMyStatus)]
    pub fn my_status(&self) -> requests::GetMyStatus {
        self.call(GetMyStatus::new())
    }

    /// The tasks assigned to the account, at most 100.
    #[doc = returns!(ListMyTasks)]
    pub fn my_tasks(&self) -> requests::ListMyTasks {
        self.call(ListMyTasks::new())
    }
}
