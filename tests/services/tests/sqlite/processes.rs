//! Several processes on one file, some of which are killed.

use crate::{Place, entry, is_sound};
use kaiwa::outbox::{Filter, Next, OUTBOX, OutboxStore, Phase};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(place: &Place, doing: &str, name: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_entries"))
            .args([doing.as_ref(), place.path.as_os_str(), name.as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built with the tests");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("it goes on").expect("it prints text")
    }

    /// Kills it, and returns what it had printed since.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was a child");
        self.lines.map(|line| line.expect("it prints text")).collect()
    }
}

#[tokio::test]
async fn what_enqueue_returned_is_there_after_a_kill() {
    let place = Place::new();
    let mut returned = Vec::new();
    for round in 0..12 {
        let mut pair = ["a", "b"].map(|name| Process::start(&place, "add", &format!("{name}{round}")));
        for process in &mut pair {
            returned.extend((0..1 + round * 7 % 23).map(|_| process.line()));
        }
        let [first, second] = pair;
        returned.extend(first.kill());
        returned.extend(second.kill());
    }
    let store = place.open().await;
    for key in &returned {
        let entry = store.get(key).await.expect("it is read").unwrap_or_else(|| panic!("{key} is lost"));
        assert!(
            entry.phase == Phase::Waiting && entry.request.starts_with(&format!("the request of {key}: "))
        );
    }
    // Of each process at most the entry on which it was killed is there in addition.
    let stored = store.list(Filter::new(OUTBOX, usize::MAX)).await.expect("it is read").len();
    assert!((returned.len()..=returned.len() + 24).contains(&stored), "{stored} of {}", returned.len());
    is_sound(&place.path);
}

#[tokio::test]
async fn several_processes_take_each_entry_once_and_in_order() {
    const ENTRIES: usize = 500;
    let place = Place::new();
    let store = place.open().await;
    for number in 0..ENTRIES {
        let mut entry = entry(&format!("{number}"));
        entry.lane = format!("{}", number % 20);
        store.enqueue(entry).await.expect("it is stored");
    }
    let workers: Vec<_> = (0..3).map(|_| Process::start(&place, "work", "")).collect();
    let mut lanes = BTreeMap::<String, Vec<i64>>::new();
    for mut worker in workers {
        let taken: Vec<String> = worker.lines.map(|line| line.expect("it prints text")).collect();
        assert!(worker.child.wait().expect("it was a child").success());
        let mut own = BTreeMap::<&str, i64>::new();
        for (lane, id) in taken.iter().filter_map(|line| line.rsplit_once(' ')) {
            let id = id.parse().expect("a number");
            assert!(own.insert(lane, id).is_none_or(|before| before < id), "{lane}: {taken:?}");
            lanes.entry(lane.to_owned()).or_default().push(id);
        }
    }
    for (lane, ids) in &mut lanes {
        ids.sort_unstable();
        assert!(ids.is_sorted_by(|a, b| a < b), "one of {lane} was taken twice: {ids:?}");
    }
    assert_eq!(lanes.values().map(Vec::len).sum::<usize>(), ENTRIES);
    is_sound(&place.path);
}

#[tokio::test]
async fn the_entry_of_a_killed_process_goes_to_another_when_its_lease_ends() {
    let place = Place::new();
    let store = place.open().await;
    store.enqueue(entry("a")).await.expect("it is stored");
    let mut process = Process::start(&place, "hold", "");
    assert_eq!(process.line(), "a 1");
    process.kill();
    loop {
        match store.claim(OUTBOX, Duration::from_secs(60)).await.expect("it can be claimed") {
            Next::Entry(entry, claim) => {
                assert_eq!((&*entry.key, claim.fence), ("a", 2));
                return;
            }
            Next::Wait(time) => tokio::time::sleep(time.expect("a lease ends")).await,
        }
    }
}

/// All of them find no file, create it, and bring it to the present version.
#[test]
fn many_processes_create_the_file_at_once() {
    for _ in 0..3 {
        let place = Place::new();
        let processes: Vec<_> =
            (0..8).map(|number| Process::start(&place, "add", &format!("{number}"))).collect();
        for mut process in processes {
            process.line();
            process.kill();
        }
        is_sound(&place.path);
    }
}
