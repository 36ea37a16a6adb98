//! Contacts, and requests to become one.

use super::operations::{AcceptIncomingRequest, DeclineIncomingRequest, ListContacts, ListIncomingRequests};
use super::{Client, RequestId, requests, returns};

impl Client {
    /// My contacts.
    #[doc = returns!(ListContacts)]
    pub fn contacts(&self) -> requests::ListContacts {
        self.call(ListContacts::new())
    }

    /// The incoming contact requests, at most 100.
    #[doc = returns!(ListIncomingRequests)]
    pub fn incoming_requests(&self) -> requests::ListIncomingRequests {
        self.call(ListIncomingRequests::new())
    }

    /// One contact request, to accept or decline.
    pub fn incoming_request(&self, id: RequestId) -> IncomingRequestHandle {
        IncomingRequestHandle { client: self.clone(), id }
    }
}

/// An incoming contact request.
#[derive(Clone, Debug)]
pub struct IncomingRequestHandle {
    client: Client,
    id: RequestId,
}

impl IncomingRequestHandle {
    /// Accepts it; the response is the new contact, with the direct room.
    #[doc = returns!(AcceptIncomingRequest)]
    pub fn accept(&self) -> requests::AcceptIncomingRequest {
        self.client.call(AcceptIncomingRequest::new(self.id))
    }

    /// Declines it.
    #[doc = returns!(DeclineIncomingRequest)]
    pub fn decline(&self) -> requests::DeclineIncomingRequest {
        self.client.call(DeclineIncomingRequest::new(self.id))
    }
}
