//! Pages that are fetched before they are asked for.

use super::list::{List, Paged};
use super::pager::{Page, Pager};
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

/// What was fetched, and the pager if the next page is not being fetched already.
type FetchedBy<E> = (Option<Box<Pager<E>>>, Fetched<E>);

/// Where a stream has its pages from.
pub(super) struct Source<E: Paged> {
    state: State<E>,
    ahead: usize,
}

enum State<E: Paged> {
    /// Nothing is under way.
    Idle(Box<Pager<E>>),
    /// A page is being fetched, as often as the stream is polled.
    Here(BoxFuture<'static, FetchedBy<E>>),
    /// A task fetches pages until the inbox is full.
    Elsewhere {
        inbox: mpsc::Receiver<FetchedBy<E>>,
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
    pub(super) fn new(pager: Box<Pager<E>>, ahead: usize) -> Self {
        Self { state: State::Idle(pager), ahead }
    }

    /// The next page. After an error it goes on with the page that failed, after the end it stays there.
    pub(super) fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Fetched<E>> {
        loop {
            let fetched_by = match &mut self.state {
                State::Ended => return Poll::Ready(Ok(None)),
                State::Idle(_) => {
                    if let State::Idle(pager) = std::mem::replace(&mut self.state, State::Ended) {
                        self.state = begin(pager, self.ahead);
                    }
                    continue;
                }
                State::Here(fetching) => ready!(fetching.as_mut().poll(context)),
                State::Elsewhere { inbox, task } => match ready!(inbox.poll_recv(context)) {
                    Some(fetched_by) => fetched_by,
                    None => (None, Err(ready!(lost(task, context)))),
                },
            };
            let (pager, fetched) = fetched_by;
            match (&fetched, pager) {
                (Ok(Some(_)), None) => {}
                (Ok(Some(_)) | Err(_), Some(pager)) => self.state = State::Idle(pager),
                (Ok(None), _) | (Err(_), None) => self.state = State::Ended,
            }
            return Poll::Ready(fetched);
        }
    }
}

fn begin<E: Paged>(mut pager: Box<Pager<E>>, ahead: usize) -> State<E> {
    match Handle::try_current() {
        Ok(runtime) if ahead > 0 => {
            let (outbox, inbox) = mpsc::channel(ahead);
            // What the task logs belongs to whatever the stream is polled for.
            let task = runtime.spawn(fetch_ahead(pager, outbox).in_current_span());
            State::Elsewhere { inbox, task: Task(task) }
        }
        _ => State::Here(Box::pin(async move {
            let fetched = pager.fetch().await;
            (Some(pager), fetched)
        })),
    }
}

/// Fetches pages for as long as there is room for them. It ends with the list, or with an error, after which the caller
/// decides when to go on.
async fn fetch_ahead<E: Paged>(mut pager: Box<Pager<E>>, outbox: mpsc::Sender<FetchedBy<E>>) {
    // The room is taken before the page is asked for: what is under way counts as much as what waits.
    while let Ok(room) = outbox.reserve().await {
        match pager.fetch().await {
            Ok(Some(page)) => room.send((None, Ok(Some(page)))),
            Ok(None) => return room.send((None, Ok(None))),
            Err(error) => return room.send((Some(pager), Err(error))),
        }
    }
}

/// Why the task has ended without a last page. That must not count as the end of the list.
fn lost(task: &mut Task, context: &mut Context<'_>) -> Poll<Error> {
    match ready!(Pin::new(&mut task.0).poll(context)) {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Poll::Ready(Error::config("the runtime has stopped the task that fetched the pages ahead")),
    }
}
