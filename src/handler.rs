//! Handlers of messages: how they are run, and how they fail.

use crate::Clock;
use crate::transport::http_client::panic_text;
use futures::future::{Either, select};
use std::any::Any;
use std::error::Error;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How a handler failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerFailure {
    /// It returned an error.
    #[error("the handler failed: {0}")]
    Error(#[source] Box<dyn Error + Send + Sync>),
    /// It panicked, with this message.
    #[error("the handler panicked: {0}")]
    Panic(String),
    /// It was dropped after this time.
    #[error("the handler took longer than {0:?}")]
    Timeout(Duration),
}

/// Runs a handler, within its time limit if it has one.
pub(crate) async fn run<C, H, E>(
    clock: &dyn Clock,
    limit: Option<Duration>,
    handler: &H,
    context: C,
) -> Result<(), HandlerFailure>
where
    H: AsyncFn(C) -> Result<(), E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let limit = limit.map(|time| (time, clock.sleep(time)));
    // The handler may panic before there is a future.
    let handling = Contained(Some(Box::pin(contain(|| handler(context))?)));
    match limit {
        None => handling.await,
        Some((time, limit)) => match select(handling, limit).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(HandlerFailure::Timeout(time)),
        },
    }
}

/// A handler's future. It can panic when it is polled, when its error is converted, and when it is dropped: after it has
/// ended, at its timeout, or at the bot's shutdown.
struct Contained<F>(Option<Pin<Box<F>>>);

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
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, HandlerFailure> {
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
