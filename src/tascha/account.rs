//! The owner of the credential, and the event types of webhooks.

use super::operations::{GetMe, ListEvents, ListOrganizations};
use super::{Client, requests, returns};

impl Client {
    /// The owner of the credential.
    #[doc = returns!(GetMe)]
    pub fn me(&self) -> requests::GetMe {
        self.call(GetMe::new())
    }

    /// The organizations that the credential gives access to.
    #[doc = returns!(ListOrganizations)]
    pub fn organizations(&self) -> requests::ListOrganizations {
        self.call(ListOrganizations::new())
    }

    /// The types of event that a webhook can subscribe to.
    #[doc = returns!(ListEvents)]
    pub fn events(&self) -> requests::ListEvents {
        self.call(ListEvents::new())
    }
}
