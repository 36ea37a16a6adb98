//! Panics of handlers, which end no more than the handler.

use super::HandlerFailure;
use crate::transport::http_client::panic_text;
use std::any::Any;
use std::error::Error;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A handler's future. It can panic when it is polled, when its error is turned into ours, and when it is dropped: once
/// it has ended, or before, when its time is over or the bot shuts down.
pub(super) struct Contained<F>(pub(super) Option<Pin<Box<F>>>);

impl<F, E> Future for Contained<F>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<(), HandlerFailure>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut().expect("it is not polled again once it has ended");
        let polled = contain(|| future.as_mut().poll(task).map(|result| result.map_err(Into::into)));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result.map_err(HandlerFailure::Error),
            Err(panicked) => Err(panicked),
        };
        // A handler is not done before what it held is let go.
        Poll::Ready(result.and(self.end()))
    }
}

impl<F> Contained<F> {
    fn end(&mut self) -> Result<(), HandlerFailure> {
        let future = self.0.take();
        contain(|| drop(future))
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        // Why it is dropped is reported; the panic itself is seen by the program's panic hook.
        drop(self.end());
    }
}

/// What the closure comes to, unless it panics.
pub(super) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, HandlerFailure> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic_text(&*panic).unwrap_or("no message").to_owned();
        dispose(panic);
        HandlerFailure::Panic(text)
    })
}

/// What a panic was raised with can panic in its turn when it is dropped.
fn dispose(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Nor is the next one to be trusted.
        mem::forget(another);
    }
}
