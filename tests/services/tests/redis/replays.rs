//! Webhooks that arrive at several processes.

use kaiwa::store::{Redis, RedisReplays};
use kaiwa::webhook::{Claim, ClaimId, ReplayCache};
use services::redis;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

const LEASE: Duration = Duration::from_secs(60);

fn replays(server: &redis::Redis) -> RedisReplays {
    Redis::new(server.url()).expect("a URL").replays("b").expect("a name")
}

#[tokio::test]
async fn a_claim_is_one_processes_until_it_is_done_or_released_or_has_ended() {
    let server = redis::Redis::start();
    let (one, other) = (replays(&server), replays(&server));
    let (a, b) = (ClaimId::unique(), ClaimId::unique());
    let claim = async |store: &RedisReplays, id, lease| {
        store.claim("event", id, lease).await.expect("the server is there")
    };
    assert_eq!(claim(&one, a, LEASE).await, Claim::New);
    assert_eq!(claim(&one, a, LEASE).await, Claim::New, "it is renewed");
    let held = claim(&other, b, LEASE).await;
    assert!(matches!(held, Claim::Held { left } if left <= LEASE && left > LEASE / 2), "{held:?}");
    assert!(!other.done("event", b, LEASE).await.expect("the server is there"), "it is not the holder");
    other.release("event", b).await.expect("the server is there");
    assert!(matches!(claim(&other, b, LEASE).await, Claim::Held { .. }), "nor can it release it");
    one.release("event", a).await.expect("the server is there");
    assert_eq!(claim(&other, b, Duration::from_millis(1)).await, Claim::New);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(claim(&one, a, LEASE).await, Claim::New, "the lease has ended");
    assert!(!other.done("event", b, LEASE).await.expect("the server is there"), "too late");
    for _ in 0..2 {
        assert!(one.done("event", a, LEASE).await.expect("the server is there"));
    }
    assert_eq!(claim(&other, b, LEASE).await, Claim::Done);
    one.release("event", a).await.expect("the server is there");
    assert_eq!(claim(&other, b, LEASE).await, Claim::Done, "what is done stays done");
    other.forget("event").await.expect("the server is there");
    assert_eq!(claim(&other, b, LEASE).await, Claim::New);
    let keys = server.command("KEYS *");
    assert!(keys.contains("{kaiwa:b}:event:") && keys.lines().count() <= 4, "{keys}");
}

#[tokio::test]
async fn a_server_that_hangs_or_is_gone_fails_in_time() {
    let mut server = redis::Redis::start();
    let store = replays(&server);
    let id = ClaimId::unique();
    assert_eq!(store.claim("event", id, LEASE).await.expect("the server is there"), Claim::New);
    server.suspend();
    let began = Instant::now();
    store.claim("event", id, LEASE).await.expect_err("it hangs");
    assert!(began.elapsed() < kaiwa::webhook::STORE_TIME);
    server.resume();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(store.claim("event", id, LEASE).await.expect("it is back"), Claim::New);
    server.kill();
    store.claim("event", id, LEASE).await.expect_err("it is gone");
}

struct Replica {
    child: Child,
    input: Option<ChildStdin>,
}

impl Replica {
    fn start(server: &redis::Redis, handled: mpsc::UnboundedSender<String>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_replica"))
            .env("REDIS", server.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program is built with the tests");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = handled.send(line);
            }
        });
        let input = child.stdin.take();
        Self { child, input }
    }
}

/// A handler that had ended, but whose end was not stored yet when its process was killed, runs again: no store can know that
/// it had ended. So a kill can double as many messages as were being handled, and loses none.
#[tokio::test]
async fn one_webhook_at_four_replicas_is_handled_once_though_one_is_killed() {
    const EVENTS: u64 = 1_000;
    const ROOMS: u64 = 40;
    let server = redis::Redis::start();
    let (sender, mut handled) = mpsc::unbounded_channel();
    let mut replicas: Vec<_> = (0..4).map(|_| Replica::start(&server, sender.clone())).collect();
    drop(sender);
    for id in 1..=EVENTS {
        let event = format!(
            r#"{{"message_id":"{id}","room_id":{},"account_id":2,"body":"text","send_time":1767193200,"update_time":0}}"#,
            id % ROOMS + 1
        );
        for replica in &mut replicas {
            let input = replica.input.as_mut().expect("it is open");
            input.write_all(format!("{event}\n").as_bytes()).await.expect("it reads");
        }
    }
    let began = Instant::now();
    let mut times = BTreeMap::<u64, u32>::new();
    let mut killed = None;
    while let Some(id) = handled.recv().await {
        *times.entry(id.parse().expect("an id")).or_default() += 1;
        if times.len() == 300 && killed.is_none() {
            replicas[0].child.start_kill().expect("it runs");
            killed = Some(Instant::now());
            // The others end once everything is handled.
            for replica in &mut replicas {
                replica.input = None;
            }
        }
    }
    for replica in &mut replicas {
        replica.child.wait().await.expect("it was started");
    }
    let twice = times.values().filter(|times| **times > 1).count();
    println!(
        "1,000 events at 4 replicas, one killed at 300: {} handled, {twice} twice, {:.1?} in all, {:.1?} after the kill",
        times.len(),
        began.elapsed(),
        killed.expect("one was killed").elapsed(),
    );
    assert_eq!(times.len() as u64, EVENTS, "lost");
    // It handles eight rooms at a time, and almost never is one of them at its very end.
    assert!(twice <= 8, "{twice} were handled twice");
}
