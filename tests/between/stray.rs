//! An additional answer on a kept HTTP/1.1 connection, which the client takes for the answer to the next request.

use crate::effects::{Effects, posted, text};
use crate::server::{Seen, Server, Step};
use kaiwa::chatwork::{self, RoomId};
use kaiwa::{Pace, RetryBudget};
use std::collections::BTreeMap;
use std::time::Duration;

/// The bytes that follow an answer, up to 400 µs later.
fn strays() -> [(&'static str, Step); 4] {
    let foreign = r#"{"message_id":"999999999"}"#;
    let errors = r#"{"errors":["too late"]}"#;
    [
        ("429", Step::status(429).body(errors).header("retry-after", 0)),
        ("400", Step::status(400).body(errors)),
        ("200", Step::ok(foreign)),
        ("204", Step::status(204)),
    ]
}

/// How many posts were reported wrongly, by the reported outcome.
async fn untrue(stray: &Step, posts: usize, fresh: bool) -> BTreeMap<String, usize> {
    let effects = Effects::default();
    let (made, bytes) = (effects.clone(), stray.bytes());
    let server = Server::respond(move |seen: &Seen| {
        let late = Duration::from_micros(fastrand::u64(0..=400));
        Step::Stray(Box::new(Step::ok(&posted(&made.apply(&seen.body)))), late, bytes.clone())
    })
    .await;
    let builder = chatwork::Client::builder().api_token("token").base_url(&server.url);
    let builder = builder.pace(Pace::off()).retry_budget(RetryBudget::off());
    let room = builder.fresh_connections(fresh).build().expect("a client").room(RoomId(1));
    let mut untrue = BTreeMap::new();
    for number in 0..posts {
        let result = room.post(text(number)).await.map(|sent| sent.message_id.to_string());
        if !effects.bear_out(&text(number), &result) {
            let outcome = result.map_or_else(|error| format!("{:?}", error.outcome()), |_| "Ok".to_owned());
            *untrue.entry(outcome).or_default() += 1;
        }
    }
    untrue
}

/// The numbers for kept connections depend on the machine. `-- --nocapture` shows them for the table in the
/// documentation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_connections_do_not_mix_up_answers() {
    for (name, stray) in strays() {
        let kept = untrue(&stray, 500, false).await;
        let fresh = untrue(&stray, 500, true).await;
        println!(
            "a stray {name}: of 500 posts, untrue over kept connections {kept:?}, over fresh ones {fresh:?}"
        );
        assert!(fresh.is_empty(), "a stray {name}: {fresh:?} of 500");
    }
}

/// The option applies to writes; reads use kept connections as before.
#[tokio::test]
async fn fresh_connections_are_used_for_writes_only() {
    for (fresh, posts, reads) in [(true, 4, 1), (false, 1, 1)] {
        let build = |url: &str| {
            let builder = chatwork::Client::builder().api_token("token").base_url(url).pace(Pace::off());
            builder.fresh_connections(fresh).build().expect("a client").room(RoomId(1))
        };
        let server = Server::play([Step::ok(&posted("1"))]).await;
        let room = build(&server.url);
        for number in 0..4 {
            room.post(text(number)).await.expect("it is posted");
        }
        assert_eq!((server.accepted(), server.seen().len()), (posts, 4), "posts, {fresh}");

        let server = Server::play([Step::ok("[]")]).await;
        let room = build(&server.url);
        for _ in 0..4 {
            room.members().await.expect("the members");
        }
        assert_eq!((server.accepted(), server.seen().len()), (reads, 4), "reads, {fresh}");
    }
}
