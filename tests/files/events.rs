//! The events of downloads.

use crate::content;
use crate::server::{Reply, Server, part};
use futures::FutureExt;
use kaiwa::chatwork::{FileHandle, FileId, RoomId};
use kaiwa::{CallEvent, CallEventKind, Error, RetryPolicy};
use std::path::Path;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<CallEvent>>>);

impl Log {
    fn file(&self, server: &Server) -> FileHandle {
        let log = Arc::clone(&self.0);
        let push = move |event: &CallEvent| log.lock().expect("not poisoned").push(event.clone());
        server.builder().on_event(push).build().expect("a client").room(RoomId(1)).file(FileId(7))
    }

    /// The events of the download of a file, in short. They all have one number.
    fn of_download(&self) -> Vec<String> {
        let mut events = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        events.retain(|event| event.operation.id == "download_file");
        assert!(events.iter().all(|event| event.call == events[0].call), "{events:?}");
        events.iter().map(|event| line(&event.kind)).collect()
    }
}

fn line(kind: &CallEventKind) -> String {
    let status = |status: &Option<u16>| status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    match kind {
        CallEventKind::Attempt { number, status: came, error, .. } => {
            format!("{number}: {} {}", status(came), error.unwrap_or("ok"))
        }
        CallEventKind::Retry { error, .. } => format!("retry {error}"),
        CallEventKind::Succeeded { attempts, .. } => format!("succeeded {attempts}"),
        CallEventKind::Failed { outcome, error, status: came, attempts, .. } => {
            format!("failed {outcome:?} {error} {} {attempts}", status(came))
        }
        CallEventKind::Dropped { outcome, attempts, .. } => format!("dropped {outcome:?} {attempts}"),
        other => panic!("{other:?}"),
    }
}

const LENGTH: usize = 1000;

fn whole() -> Reply {
    Reply::new(200, &content(LENGTH))
}

fn range(from: usize, to: usize) -> Reply {
    let range = format!("bytes {from}-{}/{LENGTH}", to - 1);
    Reply::new(206, &content(LENGTH)[from..to]).header("content-range", range)
}

fn redirect(to: &str) -> Reply {
    Reply::new(302, b"").header("location", to)
}

#[tokio::test]
async fn each_request_to_the_file_server_is_an_attempt() {
    let log = Log::default();
    for (replies, expected) in [
        (vec![whole()], vec!["1: 200 ok", "succeeded 1"]),
        (vec![redirect("/files/b"), whole()], vec!["1: 302 ok", "2: 200 ok", "succeeded 2"]),
        (
            vec![whole().cut(100), range(100, 300), redirect("/files/b"), range(300, LENGTH)],
            vec!["1: 200 body", "retry body", "2: 206 ok", "3: 302 ok", "4: 206 ok", "succeeded 4"],
        ),
        (
            vec![whole().cut(100), Reply::new(416, b""), whole()],
            vec!["1: 200 body", "retry body", "2: 416 status", "retry status", "3: 200 ok", "succeeded 3"],
        ),
        (
            vec![Reply::new(403, b""), Reply::new(403, b"")],
            vec!["1: 403 status", "retry status", "2: 403 status", "failed Rejected status 403 2"],
        ),
        (
            vec![redirect("/files/b"), redirect("ftp://a.example/")],
            vec!["1: 302 ok", "2: 302 download", "failed Rejected download 302 2"],
        ),
        (vec![Reply::new(200, b"short")], vec!["1: 200 download", "failed Rejected download 200 1"]),
    ] {
        let server = Server::play(LENGTH, replies).await;
        let read = server.clock.drive(log.file(&server).download().bytes(LENGTH)).await;
        assert_eq!(read.is_ok(), expected.last().is_some_and(|last| last.starts_with("succeeded")));
        assert_eq!(log.of_download(), expected);
    }
    let server = Server::play(0, [Reply::new(200, b"")]).await;
    server.clock.drive(log.file(&server).download().bytes(0)).await.expect("an empty file");
    assert_eq!(log.of_download(), ["1: 200 ok", "succeeded 1"]);
    let server = Server::pointing_to("http://127.0.0.1:1/").await;
    let once = log.file(&server).download().with_retry(RetryPolicy::none());
    server.clock.drive(once.bytes(1)).await.expect_err("nothing listens");
    assert_eq!(log.of_download(), ["1: - connect", "failed NotSent connect - 0"]);
    let server = Server::play(LENGTH, []).await;
    server.clock.drive(log.file(&server).download().bytes(1)).await.expect_err("it is larger");
    assert_eq!(log.of_download(), ["failed NotSent body_too_large - 0"]);
}

#[tokio::test]
async fn what_is_dropped_counts_the_attempts_that_have_ended() {
    let log = Log::default();
    let server = Server::play(LENGTH, [redirect("/files/b"), whole()]).await;
    drop(server.clock.drive(log.file(&server).download().stream()).await.expect("a stream"));
    assert_eq!(log.of_download(), ["1: 302 ok", "dropped Rejected 1"]);
    let mut reading = Box::pin(log.file(&server).download().bytes(LENGTH));
    while server.content_requests().len() < 3 {
        assert!((&mut reading).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(reading);
    assert_eq!(log.of_download(), ["dropped Rejected 0"]);
}

async fn save(log: &Log, server: &Server, path: &Path) -> Result<(), Error> {
    let download = log.file(server).download().with_retry(RetryPolicy::none());
    server.clock.drive(download.to_file(path)).await.map(drop)
}

#[tokio::test]
async fn a_file_that_cannot_be_saved_is_a_failure() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let server = Server::play(LENGTH, [whole().cut(100), part(&content(LENGTH), 100), whole()]).await;
    save(&log, &server, &folder.path().join("none/a.bin")).await.expect_err("there is no such folder");
    assert_eq!(log.of_download(), ["failed NotSent file - 0"]);
    save(&log, &server, folder.path()).await.expect_err("it is a folder");
    assert_eq!(log.of_download(), ["failed NotSent file - 0"]);

    let path = folder.path().join("a.bin");
    save(&log, &server, &path).await.expect_err("the connection ends");
    assert_eq!(log.of_download(), ["1: 200 body", "failed Rejected body 200 1"]);
    save(&log, &server, &path).await.expect("the rest");
    assert_eq!(log.of_download(), ["1: 206 ok", "succeeded 1"]);
    // A file with the name of a folder cannot be replaced, which is noticed at the end.
    std::fs::remove_file(&path).expect("it was saved");
    let path_meanwhile = path.clone();
    let make = move |_| drop(std::fs::create_dir(&path_meanwhile));
    let download = log.file(&server).download().on_progress(make);
    server.clock.drive(download.to_file(&path)).await.expect_err("a folder has its name");
    assert_eq!(log.of_download(), ["1: 200 ok", "failed NotSent file - 1"]);
}
