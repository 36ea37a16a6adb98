//! Contacts, and requests to become one.

use super::operations::{AcceptIncomingRequest, DeclineIncomingRequest, ListContacts, ListIncomingRequests};
use super::{Client, RequestId};
use crate::Request;
use crate::transport::Transport;
use std::sync::Arc;

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
        IncomingRequestHandle { transport: Arc::clone(&self.transport), id }
    }
}

/// A request of somebody to become a contact.
#[derive(Clone, Debug)]
pub struct IncomingRequestHandle {
    transport: Arc<Transport>,
    id: RequestId,
}

impl IncomingRequestHandle {
    /// Accepts it; the answer is the new contact, with the room of the two.
    pub fn accept(&self) -> Request<AcceptIncomingRequest> {
        Request::new(&self.transport, AcceptIncomingRequest::new(self.id))
    }

    /// Declines it.
    pub fn decline(&self) -> Request<DeclineIncomingRequest> {
        Request::new(&self.transport, DeclineIncomingRequest::new(self.id))
    }
}
