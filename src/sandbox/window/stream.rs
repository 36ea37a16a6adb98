//! What a page receives while it is open, as server-sent events.
//!
//! A page asks for everything once it receives `hello`, and again after `changed`: what has changed is not sent, so that a page
//! that is slow misses nothing that it needs. Only requests are sent whole. A browser has six connections to a host, and each
//! stream takes one: a page that is hidden ends its own, and of too many the oldest is ended by `replaced`.

use bytes::Bytes;
use futures::future::{Either, select};
use futures::stream::{self, Stream};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

/// How many events wait for the slowest page. They are kept once for all pages, and each is 20 kB at most.
pub(super) const BACKLOG: usize = 256;

/// How many pages receive events at once. A browser would let a seventh wait for a connection without a word.
const STREAMS: usize = 4;

/// So often something is sent, so that a page that has gone is noticed.
const PULSE: Duration = Duration::from_secs(15);

/// The streams that are open, oldest first.
#[derive(Default)]
pub(super) struct Streams(Mutex<VecDeque<Arc<Notify>>>);

impl Streams {
    /// The end of a new stream; the oldest of too many is ended.
    fn enter(&self) -> Arc<Notify> {
        // Nothing panics while the lock is held.
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are held here only.
        open.retain(|end| Arc::strong_count(end) > 1);
        if open.len() == STREAMS
            && let Some(oldest) = open.pop_front()
        {
            oldest.notify_one();
        }
        let end = Arc::new(Notify::new());
        open.push_back(Arc::clone(&end));
        end
    }
}

/// An event with its data, as it is sent.
pub(super) fn frame(event: &str, data: &str) -> Bytes {
    // JSON has no line breaks.
    format!("event: {event}\ndata: {data}\n\n").into()
}

enum Next {
    Hello,
    Events,
    End,
}

/// The events for one page.
pub(super) fn events(
    streams: &Streams,
    receiver: Receiver<Bytes>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let end = streams.enter();
    stream::unfold((Next::Hello, receiver, end), |(next, mut receiver, end)| async move {
        let (sent, next) = match next {
            // A page that has lost its connection comes back after a second.
            Next::Hello => (Bytes::from_static(b"retry: 1000\nevent: hello\ndata: {}\n\n"), Next::Events),
            Next::End => return None,
            Next::Events => {
                let received = async {
                    match select(pin!(end.notified()), pin!(receiver.recv())).await {
                        Either::Left(_) => None,
                        Either::Right((event, _)) => Some(event),
                    }
                };
                let received = timeout(PULSE, received).await;
                match received {
                    Err(_) => (Bytes::from_static(b": still here\n\n"), Next::Events),
                    Ok(None) => (frame("replaced", "{}"), Next::End),
                    Ok(Some(Ok(event))) => (event, Next::Events),
                    // It asks for everything again.
                    Ok(Some(Err(RecvError::Lagged(_)))) => (frame("hello", "{}"), Next::Events),
                    Ok(Some(Err(RecvError::Closed))) => return None,
                }
            }
        };
        Some((Ok(sent), (next, receiver, end)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use tokio::sync::broadcast;

    #[tokio::test]
    async fn a_page_that_lags_has_to_ask_again() {
        let frames = broadcast::Sender::new(4);
        let streams = Streams::default();
        let mut page = pin!(events(&streams, frames.subscribe()));
        let hello = page.next().await.expect("an event").expect("it cannot fail");
        assert!(hello.ends_with(b"event: hello\ndata: {}\n\n"));
        for number in 0..10 {
            let _ = frames.send(frame("request", &number.to_string()));
        }
        let mut received = Vec::new();
        for _ in 0..5 {
            received.push(page.next().await.expect("an event").expect("it cannot fail"));
        }
        let expected: Vec<Bytes> = [frame("hello", "{}")]
            .into_iter()
            .chain((6..10).map(|number: u32| frame("request", &number.to_string())))
            .collect();
        assert_eq!(received, expected);
    }

    #[tokio::test]
    async fn the_oldest_of_too_many_streams_is_ended() {
        let frames = broadcast::Sender::new(4);
        let streams = Streams::default();
        let mut first = Box::pin(events(&streams, frames.subscribe()));
        drop(events(&streams, frames.subscribe()));
        let others: Vec<_> = (1..STREAMS).map(|_| events(&streams, frames.subscribe())).collect();
        assert!(first.next().await.is_some(), "hello");
        let _ = frames.send(frame("changed", "{}"));
        assert_eq!(first.next().await.expect("an event"), Ok(frame("changed", "{}")));
        let another = events(&streams, frames.subscribe());
        assert_eq!(first.next().await.expect("an event"), Ok(frame("replaced", "{}")));
        assert!(first.next().await.is_none());
        drop((others, another));
    }
}
