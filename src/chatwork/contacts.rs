//! Contacts, and requests to become one.

use super::operations::{AcceptIncomingRequest, DeclineIncomingRequest, ListContacts, ListIncomingRequests};
use super::{Client, RequestId};
use crate::Request;

impl Client {
    /// My contacts.
    pub fn contacts(&self) -> Request<ListContacts> {
        self.call(ListContacts::new())
    }

    /// The requests of others to become a contact, at most 100.
    pub fn incoming_requests(&self) -> Request<ListIncomingRequests> {
        self.call(ListIncomingRequests::new())
    }

    /// One such request, to be accepted or declined.
    pub fn incoming_request(&self, id: RequestId) -> IncomingRequestHandle {
        IncomingRequestHandle { client: self.clone(), id }
    }
}

/// A request of somebody to become a contact.
#[derive(Clone, Debug)]
pub struct IncomingRequestHandle {
    client: Client,
    id: RequestId,
}

impl IncomingRequestHandle {
    /// Accepts it; the answer is the new contact, with the room of the two.
    pub fn accept(&self) -> Request<AcceptIncomingRequest> {
        self.client.call(AcceptIncomingRequest::new(self.id))
    }

    /// Declines it.
    pub fn decline(&self) -> Request<DeclineIncomingRequest> {
        self.client.call(DeclineIncomingRequest::new(self.id))
    }
}
