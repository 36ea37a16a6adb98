//! Detects whether a request's body was read: until then no connection has it, and it was not sent.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use reqwest::Request;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// A request's body that can be withdrawn as long as no connection has read it.
pub(super) struct Withdrawable(Arc<AtomicU8>);

impl Withdrawable {
    /// Wraps a request's body; `None` if the body cannot show whether it was read.
    pub(super) fn watch(request: &mut Request) -> Option<Self> {
        let body = request.body_mut().as_mut().filter(|body| !body.is_end_stream())?;
        let state = Arc::<AtomicU8>::default();
        let watched = std::mem::replace(body, reqwest::Body::from(Bytes::new()));
        *body = reqwest::Body::wrap(GuardedBody { body: watched, state: Arc::clone(&state) });
        Some(Self(state))
    }

    /// Prevents the body from being sent; `false` if it was read already.
    ///
    /// A check alone does not suffice: a connection that has the request can read its body at the next moment.
    pub(super) fn withdraw(&self) -> bool {
        self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

struct GuardedBody {
    body: reqwest::Body,
    state: Arc<AtomicU8>,
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let asked = self.state.compare_exchange(WAITING, BEGUN, Ordering::Relaxed, Ordering::Relaxed);
        if asked == Err(WITHDRAWN) {
            return Poll::Ready(Some(Err("the call has ended".into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::future::poll_fn;

    fn watched() -> (Withdrawable, Request) {
        let url = "http://127.0.0.1".parse().expect("a URL");
        let mut request = Request::new(reqwest::Method::POST, url);
        assert!(Withdrawable::watch(&mut request).is_none(), "there is no body");
        *request.body_mut() = Some("body=x".into());
        (Withdrawable::watch(&mut request).expect("there is one"), request)
    }

    fn ask(request: &mut Request) -> Option<Result<Bytes, reqwest::Error>> {
        let body = request.body_mut().as_mut().expect("there is one");
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).now_or_never();
        let data = |frame: Frame<Bytes>| frame.into_data().expect("it is data");
        frame.expect("it is there at once").map(|frame| frame.map(data))
    }

    #[test]
    fn a_withdrawn_body_is_never_sent() {
        let (withdrawable, mut request) = watched();
        assert!(withdrawable.withdraw());
        assert!(ask(&mut request).expect("an error").is_err());
    }

    #[test]
    fn a_requested_body_is_not_withdrawn() {
        let (withdrawable, mut request) = watched();
        assert_eq!(ask(&mut request).expect("data").expect("no error"), "body=x");
        assert!(!withdrawable.withdraw());
    }
}
