//! A page in the browser that shows what is in the services, and lets a person act there.
//!
//! It is for a developer's own machine, on which any page of any site can send requests to loopback ports. Therefore:
//!
//! * It listens on 127.0.0.1, on a port of its own, and all of its paths begin with a random token (`guard.rs`).
//! * `Host` has to be its own address, which ends DNS rebinding. `Origin` and `Sec-Fetch-Site`, if they are there, have to be its
//!   own too. What changes something is a `POST` of `application/json` with an `Origin`, so that no form can send it, and a
//!   script of another origin has to ask first, which is refused.
//! * The Content-Security-Policy allows the one script and the one style sheet by their whole addresses (`reply.rs`): nothing that
//!   a person or a program uploads can be one of them, and no inline script runs.
//! * The page makes nodes of data and never parses HTML; Trusted Types hold it to that, where the browser has them.
//! * No credential is sent to the page: the log has masked them, and `requests.rs` masks those that a program or a
//!   person has put elsewhere, also in names. Those of less than 6 characters are not looked for: they are parts of other words.
//! * What is kept for pages, and what a page can hold on to, is bounded (`requests.rs`, `stream.rs`, `patient.rs`).

mod acts;
mod faults;
mod guard;
mod patient;
mod reply;
mod requests;
mod serve;
mod stream;
mod tree;
mod views;

pub(super) use self::views::Inside;

use self::guard::Address;
use self::requests::Requests;
use self::serve::{accept, follow};
use self::views::Panes;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

/// The server of the page. Dropping it closes the port and every connection.
pub(super) struct Window {
    address: Address,
    tasks: [AbortHandle; 2],
}

impl Window {
    /// Serves the page on a port that the system chooses.
    pub(super) async fn open(inside: Inside) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = Address::new(listener.local_addr()?.port());
        let panes = Arc::new(Panes {
            requests: Mutex::new(Requests::default()),
            frames: broadcast::Sender::new(stream::BACKLOG),
            streams: stream::Streams::default(),
            inside,
        });
        // Before anything can be sent, so that no request is missed.
        let follow = tokio::spawn(follow(Arc::clone(&panes), panes.inside.log.stages()));
        let accept = tokio::spawn(accept(listener, address.clone(), panes));
        Ok(Self { address, tasks: [follow.abort_handle(), accept.abort_handle()] })
    }

    /// Where the page is, with the token.
    pub(super) fn url(&self) -> String {
        self.address.url()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Without the token.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").finish_non_exhaustive()
    }
}
