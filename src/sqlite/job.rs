//! A call of a store, as it waits for the thread.

use super::content::Content;
use super::failure::Failure;
use tokio::sync::oneshot;

/// What a job does.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Access {
    Read,
    /// It writes what is of no use after a crash of the machine, when no process works any more: it is not synced.
    Lease,
    Write,
    /// It writes, and what it removes has to go from the log as well.
    Blank,
}

/// A call.
pub(super) trait Job<C: Content>: Send {
    fn access(&self) -> Access;

    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;

    /// Runs it in a transaction. It may run again in another one, if this is rolled back.
    fn run(&mut self, queries: &mut C::Queries<'_>) -> Result<(), Failure>;

    /// Tells the caller, once the transaction is over.
    fn end(self: Box<Self>, result: Result<(), Failure>);
}

/// A job of a query, and of what is made of its value once it is committed.
struct Task<T, R, W, F> {
    access: Access,
    work: W,
    value: Option<T>,
    finish: F,
    reply: oneshot::Sender<Result<R, Failure>>,
}

/// A job whose result nobody waits for.
struct Unattended<W>(W);

impl<C, W> Job<C> for Unattended<W>
where
    C: Content,
    W: Fn(&mut C::Queries<'_>) -> Result<(), Failure> + Send,
{
    fn access(&self) -> Access {
        Access::Write
    }

    fn is_abandoned(&self) -> bool {
        false
    }

    fn run(&mut self, queries: &mut C::Queries<'_>) -> Result<(), Failure> {
        (self.0)(queries)
    }

    fn end(self: Box<Self>, _: Result<(), Failure>) {}
}

/// A job that writes, and whose failure does no harm, such as to give back what ends by itself.
pub(super) fn unattended<C: Content>(
    work: impl Fn(&mut C::Queries<'_>) -> Result<(), Failure> + Send + 'static,
) -> Box<dyn Job<C>> {
    Box::new(Unattended(work))
}

/// A job, and where its result comes.
pub(super) fn task<C, T, R, W, F>(
    access: Access,
    work: W,
    finish: F,
) -> (Box<dyn Job<C>>, oneshot::Receiver<Result<R, Failure>>)
where
    C: Content,
    T: Send + 'static,
    R: Send + 'static,
    W: Fn(&mut C::Queries<'_>) -> Result<T, Failure> + Send + 'static,
    F: FnOnce(T) -> R + Send + 'static,
{
    let (reply, replied) = oneshot::channel();
    (Box::new(Task { access, work, value: None, finish, reply }), replied)
}

impl<C, T, R, W, F> Job<C> for Task<T, R, W, F>
where
    C: Content,
    T: Send,
    R: Send,
    W: Fn(&mut C::Queries<'_>) -> Result<T, Failure> + Send,
    F: FnOnce(T) -> R + Send,
{
    fn access(&self) -> Access {
        self.access
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, queries: &mut C::Queries<'_>) -> Result<(), Failure> {
        self.value = Some((self.work)(queries)?);
        Ok(())
    }

    fn end(self: Box<Self>, result: Result<(), Failure>) {
        let Self { value, finish, reply, .. } = *self;
        let result = result.and_then(|()| value.ok_or_else(Failure::gone)).map(finish);
        // The caller may have gone meanwhile.
        let _ = reply.send(result);
    }
}
