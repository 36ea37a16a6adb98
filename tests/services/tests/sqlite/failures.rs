//! Each failure is told, without what is stored, and loses nothing.

use crate::{Place, entry, is_sound};
use futures_util::FutureExt;
use kaiwa::outbox::{Change, Enqueued, Filter, NewEntry, Next, OUTBOX, OutboxStore, Phase};
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn told(error: &dyn std::error::Error, part: &str) {
    let text = error.to_string();
    assert!(text.contains(part) && text.contains("outbox.db") && !text.contains("request of"), "{text}");
}

/// Runs `entries fill` behind a command that limits it.
fn fill(path: &Path, limit: &str) -> Output {
    Command::new("sh")
        .args(["-c", limit, "sh", env!("CARGO_BIN_EXE_entries")])
        .args([path.parent().expect("a folder"), path])
        .output()
        .expect("there is a shell")
}

fn filled(output: &Output, problem: &str) {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    assert!(out.contains(problem) && !out.contains("request of"), "{out}");
    let (first, count) = out.lines().last().and_then(|line| line.split_once(" of ")).expect("two lines");
    assert!(first == "full-0" && count.parse::<u32>().expect("a number") > 5, "{out}");
}

/// On a small disk in memory, for which Linux has to allow a mount in a namespace of its own.
#[test]
fn a_full_disk_is_told_and_what_was_stored_stays() {
    let allowed = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        println!("not here: this system allows no mounts; the next test limits the file instead");
        return;
    }
    let mount = "exec unshare -rm sh -c 'mount -t tmpfs -o size=600k,mode=700 tmpfs \"$2\" && exec \"$1\" fill \"$3\" full' sh \"$@\"";
    filled(&fill(&Place::new().path, mount), "the disk is full: make room");
}

/// The limit of a process: the log cannot grow, nor can the file. The reader of the errors is the same for a disk that fails.
#[test]
fn a_limit_on_files_is_told_and_what_was_stored_stays() {
    let place = Place::new();
    let limit = "trap '' XFSZ; ulimit -f 600; exec \"$1\" fill \"$3\" full";
    let output = fill(&place.path, limit);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("the disk failed, or has a limit that was reached"), "{out}");
    is_sound(&place.path);
}

/// One task waits for the lock, and the others of its thread go on; reads need no lock.
#[tokio::test]
async fn a_lock_that_is_held_too_long_is_told() {
    let place = Place::new();
    let store = place.open().await;
    store.enqueue(entry("a")).await.expect("it is stored");
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    assert!(store.get("a").await.expect("it is read").is_some());
    let mut waiting = std::pin::pin!(store.enqueue(entry("b")));
    assert!(waiting.as_mut().now_or_never().is_none());
    tokio::time::sleep(Duration::from_millis(1)).await;
    told(&*waiting.await.expect_err("it is locked"), "locked for 5 s");
    other.execute_batch("COMMIT").expect("it ends");
    assert!(
        matches!(store.enqueue(entry("b")).await.expect("it is free"), Enqueued::New(_)),
        "nothing was stored"
    );
}

/// More calls than the queue has places, and none of them wanted any more when the lock is free.
#[tokio::test]
async fn calls_that_are_given_up_are_not_carried_out_later() {
    let place = Place::new();
    let store = place.open().await;
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    let add = async |key: String| store.enqueue(entry(&key)).await.map(drop);
    let mut calls: Vec<_> = (0..1000).map(|number| Box::pin(add(format!("{number}")))).collect();
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    drop(calls);
    other.execute_batch("COMMIT").expect("it ends");
    store.enqueue(entry("last")).await.expect("it is stored");
    let all = store.list(Filter::new(OUTBOX, 2000)).await.expect("it is read");
    // Those that the thread had taken when they were given up.
    assert!(all.len() <= 65 && all.last().is_some_and(|entry| entry.key == "last"), "{}", all.len());
}

#[tokio::test]
async fn a_file_that_is_gone_is_told() {
    let place = Place::new();
    let store = place.open().await;
    store.enqueue(entry("a")).await.expect("it is stored");
    let aside = place.folder.path().join("aside.db");
    fs::rename(&place.path, &aside).expect("it can be moved");
    told(&*store.enqueue(entry("b")).await.expect_err("it is gone"), "moved, removed or replaced");
    told(&*store.get("a").await.expect_err("it is gone"), "moved, removed or replaced");
    assert!(place.refusal().await.contains("its -wal is there"), "no new one takes its place");
    fs::write(&place.path, "").expect("it can be written");
    told(&*store.enqueue(entry("b")).await.expect_err("it is another"), "moved, removed or replaced");
    fs::rename(&aside, &place.path).expect("it can be put back");
    assert!(matches!(store.enqueue(entry("b")).await.expect("it is back"), Enqueued::New(_)));
    assert!(store.get("a").await.expect("it is read").is_some());
}

#[tokio::test]
async fn a_damaged_file_is_told() {
    let place = Place::new();
    let store = place.open().await;
    for number in 0..200 {
        store.enqueue(entry(&format!("{number}"))).await.expect("it is stored");
    }
    drop(store);
    place.closed().await;
    let whole = fs::read(&place.path).expect("it can be read");
    let mut file = OpenOptions::new().write(true).open(&place.path).expect("it can be opened");
    file.seek(SeekFrom::Start(4096)).expect("it is longer");
    file.write_all(&vec![0xaa; whole.len() - 4096]).expect("it can be written");
    drop(file);
    match kaiwa::outbox::SqliteOutboxStore::open(&place.path).await {
        Err(error) => told(&error, "it is damaged"),
        Ok(store) => {
            let error = store.enqueue(entry("new")).await.map(drop).expect_err("it is damaged");
            told(&*error, "it is damaged");
        }
    }
    let other = Place::new();
    fs::write(&other.path, &whole).expect("it can be written");
    fs::set_permissions(&other.path, PermissionsExt::from_mode(0o600)).expect("it can be set");
    assert!(other.open().await.get("199").await.expect("it is read").is_some());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_and_left_as_it_is() {
    let place = Place::new();
    let text = "the notes of a person, which are longer than the head of a database".repeat(100);
    fs::write(&place.path, &text).expect("it can be written");
    fs::set_permissions(&place.path, PermissionsExt::from_mode(0o600)).expect("it can be set");
    let refusal = place.refusal().await;
    assert!(refusal.contains("no SQLite database"), "{refusal}");
    assert_eq!(fs::read_to_string(&place.path).expect("it is text"), text);
}

/// A value that a person wrote, which is not quoted either.
#[tokio::test]
async fn an_entry_that_cannot_be_read_is_told_and_others_are() {
    let place = Place::new();
    let store = place.open().await;
    for key in ["a", "b"] {
        store.enqueue(entry(key)).await.expect("it is stored");
    }
    let other = place.connection();
    other
        .execute_batch("UPDATE entries SET phase = 'the request of a' WHERE key = 'a'")
        .expect("it is written");
    let (a, b) = tokio::join!(store.get("a"), store.get("b"));
    told(&*a.expect_err("it is no phase"), "changed by hand");
    assert!(b.expect("it is read").is_some(), "also in one transaction with the other");
    other
        .execute_batch("UPDATE entries SET phase = 'waiting', not_before = 'x' WHERE key = 'a'")
        .expect("it is written");
    told(&*store.get("a").await.expect_err("it is no time"), "changed by hand");
    // It holds up its own room, for some minutes, and no other.
    store.enqueue(NewEntry::new("c", "2", "the request of c")).await.expect("it is stored");
    for time in ["'x'", "NULL"] {
        let change = format!(
            "UPDATE entries SET phase = 'no phase', not_before = {time}, due_at = '2000-01-01' WHERE key = 'a'"
        );
        other.execute_batch(&change).expect("it is written");
        match store.claim(OUTBOX, Duration::from_secs(60)).await.expect("the store works") {
            Next::Entry(entry, claim) => {
                assert_eq!(entry.key, "c");
                let again = Change::new(Phase::Waiting, "");
                assert!(store.change(&claim, again, false).await.expect("it is stored"));
            }
            Next::Wait(time) => panic!("another room waits for {time:?}"),
        }
    }
}
