//! The client, written once for all services.

use crate::limits::RateLimit;
use crate::profile::Profile;
use crate::transport::Transport;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// One of the services that a client can be built for. Sealed: the services are those of this crate.
pub trait Service: sealed::Sealed + 'static {
    /// The service's client.
    type Client: From<Client<Self>>;

    /// The state that the clones of a client share, in addition to connections and limits.
    #[doc(hidden)]
    type State: Default + Send + Sync + 'static;

    #[doc(hidden)]
    const PROFILE: &'static Profile;

    /// The body with everything made absolute that depends on the client, such as wall-clock times of its zone.
    #[doc(hidden)]
    fn localize<'a>(state: &Self::State, body: &'a [u8]) -> Cow<'a, [u8]> {
        let _ = state;
        Cow::Borrowed(body)
    }
}

pub(crate) mod sealed {
    pub trait Sealed: Sized {}
}

/// The common part of all services' clients. Each of them dereferences to it.
///
/// Clones share connections, limits and credential.
pub struct Client<S: Service>(Arc<Inner<S>>);

struct Inner<S: Service> {
    transport: Transport,
    state: S::State,
}

impl<S: Service> Client<S> {
    pub(crate) fn new(transport: Transport, state: S::State) -> Self {
        Self(Arc::new(Inner { transport, state }))
    }

    /// The limits that the service last reported; `None` if it has reported none.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.0.transport.limits().borrow().clone()
    }

    /// Follows the limits that the service reports.
    pub fn watch_rate_limit(&self) -> watch::Receiver<Option<RateLimit>> {
        self.0.transport.limits().subscribe()
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    pub(crate) fn state(&self) -> &S::State {
        &self.0.state
    }
}

impl<S: Service> Clone for Client<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Service> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("service", &S::PROFILE.name)
            .field("transport", &self.0.transport)
            .finish_non_exhaustive()
    }
}
