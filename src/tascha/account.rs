//! Whom the credential belongs to, and what webhooks can be told of.

use super::Client;
use super::operations::{GetMe, ListEvents, ListOrganizations};
use crate::Request;

impl Client {
    /// Who I am.
    pub fn me(&self) -> Request<GetMe> {
        self.call(GetMe::new())
    }

    /// The organizations that the credential gives access to.
    pub fn organizations(&self) -> Request<ListOrganizations> {
        self.call(ListOrganizations::new())
    }

    /// The types of event that a webhook can subscribe to.
    pub fn events(&self) -> Request<ListEvents> {
        self.call(ListEvents::new())
    }
}
