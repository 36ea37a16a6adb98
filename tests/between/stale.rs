//! Kept connections that the server has closed while the client did not run.

use crate::effects::{Effects, posted, text};
use crate::h2::{self, Act};
use crate::server::{Server, Step};
use kaiwa::chatwork::{self, RoomHandle, RoomId};
use kaiwa::{Pace, Upload};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

const POSTS: usize = 20;

/// How long the program does something else: longer than the news of a closed connection takes.
const PAUSE: Duration = Duration::from_millis(20);

/// A server on a separate thread, which runs while the client's runtime is blocked.
struct Elsewhere {
    effects: Effects,
    server: Server,
    _runtime: Runtime,
}

impl Elsewhere {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let effects = Effects::default();
        let made = effects.clone();
        let respond = move |seen: &crate::server::Seen| {
            let id = made.apply(&seen.body);
            Step::ok(&if seen.head.contains("/files") {
                format!(r#"{{"file_id":{id}}}"#)
            } else {
                posted(&id)
            })
        };
        let server = runtime.block_on(Server::respond(respond));
        Self { effects, server, _runtime: runtime }
    }

    fn room(&self) -> RoomHandle {
        let builder = chatwork::Client::builder().api_token("token").base_url(&self.server.url);
        builder.pace(Pace::off()).build().expect("a client").room(RoomId(1))
    }

    /// The program does something else, and the server closes its idle connections.
    fn pause(&self) {
        self.server.close_idle();
        std::thread::sleep(PAUSE);
    }

    /// Every post exists once, and the client knows it.
    fn check(&self, results: Vec<Result<String, kaiwa::Error>>) {
        assert_eq!(results.len(), POSTS);
        for (number, result) in results.iter().enumerate() {
            assert!(self.effects.bear_out(&text(number), result), "{number}: {result:?}");
            assert!(result.is_ok(), "{number}: {result:?}");
        }
        assert_eq!((self.effects.total(), self.server.seen().len()), (POSTS, POSTS));
    }
}

async fn post(room: &RoomHandle, number: usize) -> Result<String, kaiwa::Error> {
    room.post(text(number)).await.map(|sent| sent.message_id.to_string())
}

async fn upload(room: &RoomHandle, number: usize) -> Result<String, kaiwa::Error> {
    room.upload(Upload::bytes("a.txt", text(number))).await.map(|sent| sent.file_id.to_string())
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A program without a running runtime, which does something else between two calls.
#[test]
fn a_synchronous_program_meets_no_closed_connection() {
    let (elsewhere, runtime) = (Elsewhere::start(), one_thread());
    let room = elsewhere.room();
    let results = (0..POSTS).map(|number| {
        elsewhere.pause();
        runtime.block_on(post(&room, number))
    });
    elsewhere.check(results.collect());
}

#[test]
fn uploads_of_a_synchronous_program_meet_no_closed_connection() {
    let (elsewhere, runtime) = (Elsewhere::start(), one_thread());
    let room = elsewhere.room();
    let results = (0..POSTS).map(|number| {
        elsewhere.pause();
        runtime.block_on(upload(&room, number))
    });
    elsewhere.check(results.collect());
}

/// A task that blocks its only thread between two calls.
#[test]
fn a_task_that_blocks_its_thread_meets_no_closed_connection() {
    let elsewhere = Elsewhere::start();
    let room = elsewhere.room();
    let results = one_thread().block_on(async {
        let mut results = Vec::new();
        for number in 0..POSTS {
            elsewhere.pause();
            results.push(post(&room, number).await);
        }
        results
    });
    elsewhere.check(results);
}

#[test]
fn a_task_that_blocks_one_of_several_threads_meets_no_closed_connection() {
    for workers in [1, 2] {
        let elsewhere = Elsewhere::start();
        let runtime =
            Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime");
        let room = elsewhere.room();
        // Half of the calls on the thread that waits, half on a worker.
        let results = (0..POSTS).map(|number| {
            elsewhere.pause();
            let room = room.clone();
            if number % 2 == 0 {
                runtime.block_on(post(&room, number))
            } else {
                runtime.block_on(async {
                    tokio::spawn(async move { post(&room, number).await }).await.expect("no panic")
                })
            }
        });
        elsewhere.check(results.collect());
    }
}

/// A blocked worker, for example by a computation in a handler.
#[test]
fn a_blocked_worker_meets_no_closed_connection() {
    let elsewhere = Elsewhere::start();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let room = elsewhere.room();
    let (elsewhere, results) = runtime.block_on(async {
        let task = tokio::spawn(async move {
            let mut results = Vec::new();
            for number in 0..POSTS {
                elsewhere.pause();
                results.push(post(&room, number).await);
            }
            (elsewhere, results)
        });
        task.await.expect("no panic")
    });
    elsewhere.check(results);
}

#[test]
fn a_local_set_meets_no_closed_connection() {
    let (elsewhere, runtime) = (Elsewhere::start(), one_thread());
    let (room, local) = (elsewhere.room(), LocalSet::new());
    let results = (0..POSTS).map(|number| {
        elsewhere.pause();
        let room = room.clone();
        // The second way is for a task that is not `Send`.
        if number % 2 == 0 {
            local.block_on(&runtime, post(&room, number))
        } else {
            let task = local.spawn_local(async move { post(&room, number).await });
            local.block_on(&runtime, task).expect("no panic")
        }
    });
    elsewhere.check(results.collect());
}

/// Several calls at once, each over a closed connection.
#[test]
fn joined_calls_meet_no_closed_connection() {
    let (elsewhere, runtime) = (Elsewhere::start(), one_thread());
    let room = elsewhere.room();
    let results = (0..POSTS).step_by(4).flat_map(|first| {
        elsewhere.pause();
        let four = (first..first + 4).map(|number| post(&room, number));
        runtime.block_on(futures::future::join_all(four))
    });
    elsewhere.check(results.collect());
}

/// HTTP/2: the server goes away while the program does something else.
#[test]
fn http_2_meets_no_closed_connection() {
    let other = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let effects = Effects::default();
    let made = effects.clone();
    let server = other.block_on(h2::Server::respond(move |request| {
        vec![
            Act::Answer(200, posted(&made.apply(&request.body))),
            Act::GoAway(request.stream, h2::NO_ERROR),
            Act::Close,
        ]
    }));
    let builder = chatwork::Client::builder().api_token("token").base_url(&server.url).pace(Pace::off());
    let room = builder.http_client(h2::client()).build().expect("a client").room(RoomId(1));
    let runtime = one_thread();
    for number in 0..POSTS {
        std::thread::sleep(PAUSE);
        let result = runtime.block_on(post(&room, number));
        assert!(result.is_ok() && effects.bear_out(&text(number), &result), "{number}: {result:?}");
    }
    assert_eq!((effects.total(), server.seen().len()), (POSTS, POSTS));
}

/// Load balancers close connections that were idle for 60 s; the client has to close them first.
#[tokio::test]
async fn a_connection_is_closed_after_the_idle_timeout() {
    for (timeout, connections) in [(Duration::from_millis(1), 3), (Duration::from_secs(3600), 1)] {
        let server = Server::play([Step::ok(&posted("1"))]).await;
        let builder = chatwork::Client::builder().api_token("token").base_url(&server.url).pace(Pace::off());
        let room = builder.idle_timeout(timeout).build().expect("a client").room(RoomId(1));
        for number in 0..3 {
            post(&room, number).await.expect("it is posted");
            tokio::time::sleep(PAUSE).await;
        }
        assert_eq!((server.accepted(), server.seen().len()), (connections, 3), "{timeout:?}");
    }
}
