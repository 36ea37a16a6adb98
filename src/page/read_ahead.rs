//! Pages that are fetched before they are asked for.

use super::list::{List, Paged};
use super::walk::{Page, Walker};
use crate::error::Error;
use futures::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

type Fetched<E> = Result<Option<Page<<E as List>::Item>>, Error>;

/// What was fetched, and the walker if the next page is not being fetched already.
type Told<E> = (Option<Box<Walker<E>>>, Fetched<E>);

/// Where a stream has its pages from.
pub(super) struct Source<E: Paged> {
    state: State<E>,
    ahead: usize,
}

enum State<E: Paged> {
    /// Nothing is under way.
    Idle(Box<Walker<E>>),
    /// A page is being fetched, as often as the stream is polled.
    Here(BoxFuture<'static, Told<E>>),
    /// A task fetches pages until the inbox is full.
    Elsewhere {
        inbox: mpsc::Receiver<Told<E>>,
        task: Task,
    },
    Ended,
}

/// Stops its task when it is dropped.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<E: Paged> Source<E> {
    pub(super) fn new(walker: Box<Walker<E>>, ahead: usize) -> Self {
        Self { state: State::Idle(walker), ahead }
    }

    /// The next page. After an error it goes on with the page that failed, after the end it stays there.
    pub(super) fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Fetched<E>> {
        loop {
            let told = match &mut self.state {
                State::Ended => return Poll::Ready(Ok(None)),
                State::Idle(_) => {
                    if let State::Idle(walker) = std::mem::replace(&mut self.state, State::Ended) {
                        self.state = begin(walker, self.ahead);
                    }
                    continue;
                }
                State::Here(fetching) => ready!(fetching.as_mut().poll(context)),
                State::Elsewhere { inbox, task } => match ready!(inbox.poll_recv(context)) {
                    Some(told) => told,
                    None => (None, Err(ready!(lost(task, context)))),
                },
            };
            let (walker, fetched) = told;
            match (&fetched, walker) {
                (Ok(Some(_)), None) => {}
                (Ok(Some(_)) | Err(_), Some(walker)) => self.state = State::Idle(walker),
                (Ok(None), _) | (Err(_), None) => self.state = State::Ended,
            }
            return Poll::Ready(fetched);
        }
    }
}

fn begin<E: Paged>(mut walker: Box<Walker<E>>, ahead: usize) -> State<E> {
    match Handle::try_current() {
        Ok(runtime) if ahead > 0 => {
            let (outbox, inbox) = mpsc::channel(ahead);
            // What the task logs belongs to whatever the stream is polled for.
            let task = runtime.spawn(fetch_ahead(walker, outbox).in_current_span());
            State::Elsewhere { inbox, task: Task(task) }
        }
        _ => State::Here(Box::pin(async move {
            let fetched = walker.fetch().await;
            (Some(walker), fetched)
        })),
    }
}

/// Fetches pages for as long as there is room for them. It ends with the list, or with an error, after which the caller
/// decides when to go on.
async fn fetch_ahead<E: Paged>(mut walker: Box<Walker<E>>, outbox: mpsc::Sender<Told<E>>) {
    // The room is taken before the page is asked for: what is under way counts as much as what waits.
    while let Ok(room) = outbox.reserve().await {
        match walker.fetch().await {
            Ok(Some(page)) => room.send((None, Ok(Some(page)))),
            Ok(None) => return room.send((None, Ok(None))),
            Err(error) => return room.send((Some(walker), Err(error))),
        }
    }
}

/// Why the task has ended without a word, which must not pass for the end of the list.
fn lost(task: &mut Task, context: &mut Context<'_>) -> Poll<Error> {
    match ready!(Pin::new(&mut task.0).poll(context)) {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Poll::Ready(Error::config("the runtime has stopped the task that fetched the pages ahead")),
    }
}
