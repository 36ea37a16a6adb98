//! Twenty refusals in a row for each service, while all writes are sent at once.

use super::clock::FastClock;
use super::{AT_ONCE, BOT, OLD_MESSAGES, rooms, seed, unlimited_tascha};
use kaiwa::chatwork::RoomId;
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script, lancers, tascha};
use kaiwa::{ClientBuilder, Error, Pace, RetryPolicy};
use std::future::Future;
use std::time::Duration;

/// Refusals in a row, without `Retry-After`.
const STORM: u64 = 20;

/// Enough attempts for a call that meets all refusals. The budget of retries is the default, which has one for each
/// refusal.
fn patient<S: kaiwa::Service>(builder: ClientBuilder<S>) -> S::Client {
    let rooms = Pace::new().room_limit(1_000_000, Duration::from_secs(10));
    builder.retry(RetryPolicy::new().attempts(STORM as u32 + 1)).pace(rooms).build().unwrap()
}

/// Writes sent at once into a storm of 429s.
async fn weather<F>(service: Provider, sandbox: &Sandbox, write: impl Fn(usize) -> F) -> Vec<String>
where
    F: Future<Output = Result<String, Error>> + Send + 'static,
{
    let storm = Script::any().then(Fault::too_many_requests(None)).times(STORM);
    sandbox.faults().script(service, storm);
    let writes: Vec<_> = (0..AT_ONCE).map(|number| tokio::spawn(write(number))).collect();
    let mut ids = Vec::new();
    for write in writes {
        ids.push(write.await.unwrap().unwrap());
    }
    let (refused, applied): (Vec<_>, Vec<_>) =
        sandbox.requests().into_iter().partition(|request| request.status == Some(429));
    assert_eq!(refused.len() as u64, STORM);
    assert!(applied.len() == AT_ONCE && applied.iter().all(|request| request.applied));
    println!("{service:?}: {AT_ONCE} writes through {STORM} times 429: each acknowledged, and applied once");
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_refusals_neither_loses_nor_duplicates_writes() {
    let builder = Sandbox::builder().clock(FastClock::new()).seed(seed());
    let sandbox = builder.chatwork(rooms()).tascha(unlimited_tascha()).start().await.unwrap();
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };

    let client = patient(sandbox.chatwork_client(BOT));
    let ids = weather(Provider::Chatwork, &sandbox, |number| {
        let post = client.room(RoomId(1)).post(format!("w{number}"));
        async move { post.await.map(|message| message.message_id.to_string()) }
    });
    let ids = ids.await;
    let there = sandbox.chatwork().room(1).messages().into_iter().skip(OLD_MESSAGES);
    assert_eq!(ids, sorted(there.map(|message| message.message_id.0).collect()));

    sandbox.clear_requests();
    let before = sandbox.tascha().room(tascha::Seed::ROOM).messages().len();
    let client = patient(sandbox.tascha_client(tascha::Seed::TOKEN));
    let ids = weather(Provider::Tascha, &sandbox, |number| {
        let post = client.room(tascha::Seed::ROOM).post(format!("w{number}"));
        async move { post.await.map(|message| message.id.to_string()) }
    });
    let ids = ids.await;
    let there = sandbox.tascha().room(tascha::Seed::ROOM).messages().into_iter().skip(before);
    assert_eq!(ids, sorted(there.map(|message| message.id.0).collect()));

    sandbox.clear_requests();
    let board = sandbox.lancers().boards()[0].id;
    let before = sandbox.lancers().board(board).messages().len();
    let client = patient(sandbox.lancers_client(lancers::Seed::CREDENTIAL));
    let ids = weather(Provider::Lancers, &sandbox, |number| {
        let board = client.board(board);
        let post = board.post(format!("w{number}"));
        async move { post.await.map(|message| message.id.to_string()) }
    });
    let ids = ids.await;
    let there = sandbox.lancers().board(board).messages().into_iter().skip(before);
    assert_eq!(ids, sorted(there.map(|message| message.id.to_string()).collect()));
}
