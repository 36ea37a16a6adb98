//! One webhook at four replicas of a bot, which share a store.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

struct Replica {
    child: Child,
    input: Option<ChildStdin>,
}

impl Replica {
    fn start(program: &str, store: (&'static str, &str), handled: mpsc::UnboundedSender<String>) -> Self {
        let mut child = Command::new(program)
            .env(store.0, store.1)
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

/// Gives each event to all of four replicas, and kills one of them once 300 are handled. The program is `replica`, with the
/// variable for its store.
///
/// A handler that had ended, but whose end was not stored yet when its process was killed, runs again: no store can know that
/// it had ended. So a kill can double as many messages as were being handled, and loses none.
pub async fn handle_once(program: &str, store: (&'static str, &str)) {
    const EVENTS: u64 = 1_000;
    const ROOMS: u64 = 40;
    let (sender, mut handled) = mpsc::unbounded_channel();
    let mut replicas: Vec<_> = (0..4).map(|_| Replica::start(program, store, sender.clone())).collect();
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
        "{}: 1,000 events at 4 replicas, one killed at 300: {} handled, {twice} twice, {:.1?} in all, {:.1?} after the kill",
        store.0,
        times.len(),
        began.elapsed(),
        killed.expect("one was killed").elapsed(),
    );
    assert_eq!(times.len() as u64, EVENTS, "lost");
    // It handles eight rooms at a time, and almost never is one of them at its very end.
    assert!(twice <= 8, "{twice} were handled twice");
}
