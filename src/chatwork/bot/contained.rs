//! Panics of handlers, which end only the handler.

use super::HandlerFailure;
use crate::transport::http_client::panic_text;
use std::any::Any;
use std::error::Error;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A handler's future. It can panic when it is polled, when its error is converted, and when it is dropped: after it has
/// ended, at its timeout, or at the bot's shutdown.
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
        // A handler has only ended once its state was dropped.
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
        // The reason for the drop is reported; the program's panic hook sees the panic itself.
        drop(self.end());
    }
}

/// Runs the closure, and catches its panic.
pub(super) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, HandlerFailure> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic_text(&*panic).unwrap_or("no message").to_owned();
        dispose(panic);
        HandlerFailure::Panic(text)
    })
}

/// Drops the payload of a panic, which can panic itself.
fn dispose(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Dropping the next payload could panic again.
        mem::forget(another);
    }
}
