//! Bots with state, started by functions that are generic over the handler and the source.
//!
//! The main point is that these tests compile: stable Rust has no way to state that the future of an `AsyncFn` is
//! `Send`, so a generic function cannot pass it to `tokio::spawn`. Each test shows a way without that.

use crate::world::{bot, created};
use futures::stream::{self, Stream};
use kaiwa::Error;
use kaiwa::chatwork::bot::{Bot, Context, Input, Summary};
use std::error::Error as StdError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::{JoinHandle, LocalSet};

type Failure = Box<dyn StdError + Send + Sync>;

/// Counts the calls of each handler.
#[derive(Clone, Default)]
struct State {
    calls: Arc<AtomicU64>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl State {
    /// A step that awaits something and borrows.
    async fn note(&self, context: &Context) -> Result<(), Error> {
        tokio::task::yield_now().await;
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bodies.lock().expect("no test panics here").push(context.message().body.clone());
        Ok(())
    }

    fn assert_called(&self, summary: Summary) {
        assert_eq!((summary.handled, summary.failed), (2, 0));
        assert_eq!(self.calls.load(Ordering::Relaxed), 2);
        assert_eq!(*self.bodies.lock().expect("no test panics here"), ["text", "text"]);
    }
}

fn messages() -> impl Stream<Item = kaiwa::chatwork::webhook::Event> + Send + 'static {
    stream::iter([created(10, 1), created(10, 2)])
}

/// Here the future is a named type parameter, so it can be bounded by `Send`.
fn start<S, H, F, E>(bot: Bot, source: S, handler: H) -> JoinHandle<Result<Summary, Error>>
where
    S: Stream<Item: Into<Input>> + Send + 'static,
    H: Fn(Context) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    // A type parameter that implements `Fn` does not implement `AsyncFn`, but a closure does.
    tokio::spawn(bot.run(source, move |context: Context| handler(context)))
}

#[tokio::test]
async fn a_generic_function_spawns_a_handler_that_returns_a_future() {
    let state = State::default();
    let handler = {
        let state = state.clone();
        move |context: Context| {
            let state = state.clone();
            async move { state.note(&context).await }
        }
    };
    let summary = start(bot().0, messages(), handler).await.expect("no panic").expect("it runs");
    state.assert_called(summary);
}

/// Takes any `AsyncFn`. Its caller, where the types are known, spawns the future of this function.
async fn serve<S, H, E>(bot: Bot, source: S, handler: H) -> Result<Summary, Error>
where
    S: Stream<Item: Into<Input>>,
    H: AsyncFn(Context) -> Result<(), E>,
    E: Into<Failure>,
{
    bot.run(source, handler).await
}

#[tokio::test]
async fn the_future_of_a_generic_function_is_spawned_by_its_caller() {
    let state = State::default();
    let own = state.clone();
    let running =
        tokio::spawn(serve(bot().0, messages(), async move |context: Context| own.note(&context).await));
    state.assert_called(running.await.expect("no panic").expect("it runs"));
}

/// Takes any `AsyncFn`, on this thread: neither the future nor the state need be `Send`.
fn start_local<S, H, E>(bot: Bot, source: S, handler: H) -> JoinHandle<Result<Summary, Error>>
where
    S: Stream<Item: Into<Input>> + 'static,
    H: AsyncFn(Context) -> Result<(), E> + 'static,
    E: Into<Failure> + 'static,
{
    tokio::task::spawn_local(bot.run(source, handler))
}

#[tokio::test]
async fn a_generic_function_spawns_any_handler_on_its_own_thread() {
    let (state, of_this_thread) = (State::default(), std::rc::Rc::new(()));
    let own = state.clone();
    let handler = async move |context: Context| {
        let _kept = std::rc::Rc::clone(&of_this_thread);
        own.note(&context).await
    };
    let local = LocalSet::new();
    let running = local.run_until(async { start_local(bot().0, messages(), handler).await });
    state.assert_called(running.await.expect("no panic").expect("it runs"));
}

/// A custom trait can state the bound that `AsyncFn` cannot.
trait Handler: Send + Sync + 'static {
    fn handle(&self, context: Context) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl Handler for State {
    async fn handle(&self, context: Context) -> Result<(), Failure> {
        Ok(self.note(&context).await?)
    }
}

fn start_service<H: Handler>(bot: Bot, handler: Arc<H>) -> JoinHandle<Result<Summary, Error>> {
    start(bot, messages(), move |context: Context| {
        let handler = Arc::clone(&handler);
        async move { handler.handle(context).await }
    })
}

#[tokio::test]
async fn a_generic_function_spawns_a_type_with_a_method() {
    let state = Arc::new(State::default());
    let running = start_service(bot().0, Arc::clone(&state));
    state.assert_called(running.await.expect("no panic").expect("it runs"));
}
