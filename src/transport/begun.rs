//! Whether any of a request's body was asked for: until then no connection had it, and it was not sent.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use reqwest::Request;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Tells whether a request has begun to leave.
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    /// Watches a request's body; `None` if it has none whose reading could tell.
    pub(super) fn watch(request: &mut Request) -> Option<Self> {
        let body = request.body_mut().as_mut().filter(|body| !body.is_end_stream())?;
        let begun = Arc::<AtomicBool>::default();
        let watched = std::mem::replace(body, reqwest::Body::from(Bytes::new()));
        *body = reqwest::Body::wrap(Watched { body: watched, begun: Arc::clone(&begun) });
        Some(Self(begun))
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Watched {
    body: reqwest::Body,
    begun: Arc<AtomicBool>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        self.begun.store(true, Ordering::Relaxed);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
