use crate::{ProgressLog, content, world};
use bytes::Bytes;
use futures::stream;
use kaiwa::sandbox::{Fault, Provider, Script};
use kaiwa::{ErrorKind, Outcome, RetryPolicy, Upload};
use std::fs;
use std::io::Cursor;
use std::time::Duration;
use tempfile::tempdir;

/// The content of the `file` part.
fn part(body: &[u8]) -> &[u8] {
    let find = |needle: &[u8], hay: &[u8]| hay.windows(needle.len()).position(|window| window == needle);
    let line = find(b"\r\n", body).expect("a delimiter");
    let start = find(b"\r\n\r\n", body).expect("an end of the part's head") + 4;
    let delimiter = [b"\r\n", &body[..line]].concat();
    let end = find(&delimiter, &body[start..]).expect("an end of the part");
    &body[start..start + end]
}

#[tokio::test]
async fn a_file_uploaded_by_path_is_sent_completely_on_each_attempt() {
    let (directory, world) = (tempdir().expect("a directory"), world(b"x").await);
    let (path, bytes) = (directory.path().join("報告.csv"), content(200_000));
    fs::write(&path, &bytes).expect("it can be written");
    let script = Script::on("upload_file")
        .then(Fault::too_many_requests(Some(Duration::from_secs(3))))
        .then(Fault::status(503).header("retry-after", "1"));
    world.sandbox.faults().script(Provider::Chatwork, script);

    let log = ProgressLog::default();
    let upload = Upload::path(&path).await.expect("it is there").on_progress(log.listen());
    assert_eq!((upload.name(), upload.len(), upload.media_type()), ("報告.csv", 200_000, Some("text/csv")));
    let sent = world.clock.drive(world.room.upload(upload)).await.expect("the third attempt succeeds");
    assert_eq!(sent.attempts(), 3);

    let requests = world.requests("upload_file");
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| part(&request.body) == bytes));
    let room = world.sandbox.chatwork().room(1);
    let files = room.files();
    let file = files.iter().find(|file| file.file_id == sent.file_id).expect("it is in the room");
    let stored = (room.content_type(file.file_id), room.content(file.file_id));
    assert_eq!((&*file.filename, &*stored.0, &*stored.1), ("報告.csv", "text/csv", &*bytes));

    // Progress of each attempt runs from 0 to the end, in pieces.
    let bytes = log.bytes();
    let attempts: Vec<&[u64]> = bytes.split_inclusive(|bytes| *bytes == 200_000).collect();
    assert_eq!(attempts.len(), 3, "{bytes:?}");
    for attempt in attempts {
        assert_eq!(attempt, [0, 65_536, 131_072, 196_608, 200_000]);
    }
    assert_eq!(log.totals(), [200_000]);
}

#[tokio::test]
async fn progress_of_an_upload_from_memory_is_reported_in_pieces() {
    let (world, log) = (world(b"x").await, ProgressLog::default());
    let upload = Upload::bytes("a.bin", content(70_000)).on_progress(log.listen());
    world.room.upload(upload).await.expect("it is posted");
    assert_eq!(log.bytes(), [0, 65_536, 70_000]);
    let log = ProgressLog::default();
    world.room.upload(Upload::bytes("empty", "").on_progress(log.listen())).await.expect("it is posted");
    assert_eq!((log.bytes(), log.totals()), (vec![0], vec![0]));
}

#[tokio::test]
async fn types_are_guessed_from_names_and_charsets_are_not() {
    for (name, expected) in [
        ("a.png", Some("image/png")),
        ("A.JPG", Some("image/jpeg")),
        ("見積 (1).pdf", Some("application/pdf")),
        ("notes.txt", Some("text/plain")),
        ("名簿.xlsx", Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
        ("README", None),
        ("a.no-such-type", None),
    ] {
        let upload = Upload::bytes(name, "A");
        assert_eq!(upload.media_type(), expected, "{name}");
        let set = upload.clone().content_type("application/x-of-my-own");
        assert_eq!(set.media_type(), Some("application/x-of-my-own"));
        let world = world(b"x").await;
        world.room.upload(upload).await.expect("it is posted");
        let request = String::from_utf8(world.requests("upload_file").remove(0).body.into()).expect("text");
        let sent = request.split("Content-Type: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        assert_eq!(sent, expected, "{name}");
    }
    let renamed = Upload::bytes("tmp-123", "A").file_name("図.svg");
    assert_eq!((renamed.name(), renamed.media_type()), ("図.svg", Some("image/svg+xml")));
}

#[tokio::test]
async fn a_changed_or_removed_file_is_not_posted() {
    let (directory, world) = (tempdir().expect("a directory"), world(b"x").await);
    let path = directory.path().join("log.txt");
    fs::write(&path, "three").expect("it can be written");
    let upload = Upload::path(&path).await.expect("it is there");
    for change in [Some("longer than before"), Some("3"), None] {
        match change {
            Some(text) => fs::write(&path, text).expect("it can be written"),
            None => fs::remove_file(&path).expect("it can be removed"),
        }
        let error = world.room.upload(upload.clone()).await.expect_err("it is another file");
        assert!(matches!(error.kind(), ErrorKind::File { path: named, .. } if *named == path), "{error}");
        assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0));
        let shown = error.to_string();
        assert!(shown.contains("log.txt"), "{shown}");
        match change {
            Some(text) => {
                assert!(shown.contains(&format!("it is {} bytes long now, and was 5", text.len())), "{shown}")
            }
            None => assert!(shown.contains("cannot upload"), "{shown}"),
        }
    }
    assert_eq!(world.requests("upload_file").len(), 0);
    // With its old content it can be posted.
    fs::write(&path, "3 + 2").expect("it can be written");
    world.room.upload(upload).await.expect("it is posted");
}

#[tokio::test]
async fn only_regular_files_can_be_uploaded() {
    let directory = tempdir().expect("a directory");
    for path in [directory.path().join("missing"), directory.path().to_owned()] {
        let error = Upload::path(&path).await.expect_err("there is no file");
        assert!(matches!(error.kind(), ErrorKind::File { path: named, .. } if *named == path), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
}

#[tokio::test]
async fn a_reader_is_sent_completely() {
    let (world, bytes, log) = (world(b"x").await, content(150_000), ProgressLog::default());
    let upload = Upload::reader("a.bin", 150_000, Cursor::new(bytes.clone())).on_progress(log.listen());
    world.room.upload(upload).await.expect("it is posted");
    assert_eq!(part(&world.requests("upload_file")[0].body), bytes);
    assert_eq!((log.bytes().last(), log.totals()), (Some(&150_000), vec![150_000]));
    for wrong in [149_999, 150_001] {
        let upload = Upload::reader("a.bin", wrong, Cursor::new(bytes.clone()));
        world.room.upload(upload).await.expect_err("another length");
    }
    assert_eq!(world.sandbox.chatwork().room(1).files().len(), 2);
}

/// A file in a raw request has the same transport and replay rules as a typed upload.
#[tokio::test]
async fn a_file_in_a_raw_request_is_repeated_like_a_typed_upload() {
    let (directory, world, log) =
        (tempdir().expect("a directory"), world(b"x").await, ProgressLog::default());
    let (path, bytes) = (directory.path().join("a.bin"), content(200_000));
    fs::write(&path, &bytes).expect("it can be written");
    let twice = || Fault::too_many_requests(Some(Duration::from_secs(3)));
    let script = Script::on("upload_file").then(twice()).times(2);
    world.sandbox.faults().script(Provider::Chatwork, script);
    let client = world.sandbox.chatwork_client("bot-token").build().expect("a client");
    let post = |upload: Upload| {
        client
            .request(kaiwa::Method::POST, "/rooms/1/files")
            .form("message", "届きました")
            .file("file", upload)
    };
    let upload = Upload::path(&path).await.expect("it is there").on_progress(log.listen());
    let sent = world.clock.drive(post(upload.clone())).await.expect("the third attempt succeeds");
    assert_eq!(sent.attempts(), 3);
    let requests = world.requests("upload_file");
    let ends = |needle: &[u8], body: &[u8]| body.windows(needle.len()).any(|window| window == needle);
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| ends(&bytes, &request.body)));
    assert_eq!((log.bytes().len(), log.totals()), (15, vec![200_000]));
    let file = world.sandbox.chatwork().room(1).files().pop().expect("it is in the room");
    assert_eq!(serde_json::json!(file.file_id), sent["file_id"]);

    // A file that has changed is not posted, and a stream that was read is not sent again.
    fs::write(&path, "short").expect("it can be written");
    let changed = world.clock.drive(post(upload)).await.expect_err("another length");
    assert_eq!((changed.outcome(), changed.attempts()), (Outcome::NotSent, 0), "{changed}");
    world.sandbox.faults().script(Provider::Chatwork, Script::on("upload_file").then(twice()));
    let stream = once("only once");
    let error = world.clock.drive(post(stream.clone())).await.expect_err("refused");
    assert_eq!((error.attempts(), error.outcome()), (1, Outcome::Rejected));
    let spent = post(stream).await.expect_err("it has been read");
    assert!(spent.is_invalid_input() && spent.to_string().contains("already sent"), "{spent}");
    // A request that may have arrived is repeated only if the caller allows it.
    for (safety, attempts) in [(kaiwa::Safety::Unsafe, 1), (kaiwa::Safety::Idempotent, 2)] {
        world
            .sandbox
            .faults()
            .script(Provider::Chatwork, Script::on("upload_file").then(Fault::reset().after()));
        let before = world.requests("upload_file").len();
        let result = world.clock.drive(post(Upload::bytes("b.txt", "B")).safety(safety)).await;
        assert_eq!(result.is_ok(), attempts == 2);
        world.sandbox.faults().clear(Provider::Chatwork);
        assert_eq!(world.requests("upload_file").len() - before, attempts);
    }
}

fn once(text: &'static str) -> Upload {
    let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
    Upload::stream("a.txt", text.len() as u64, pieces)
}

#[tokio::test]
async fn an_unread_stream_can_be_sent_again() {
    let world = world(b"x").await;
    let (faults, upload) = (world.sandbox.faults(), once("only once"));
    let invalid = world.room.upload(upload.clone()).message("x".repeat(65_536)).await.expect_err("too long");
    assert!(invalid.is_invalid_input());

    // While nothing listens, the transport repeats the connection attempts.
    faults.refuse(Provider::Chatwork, true).await.expect("the port is shut");
    let refused = world.clock.drive(world.room.upload(upload.clone())).await.expect_err("nothing listens");
    assert_eq!((refused.outcome(), refused.attempts()), (Outcome::NotSent, 0));
    assert!(refused.connections() > 4, "{refused}");
    faults.refuse(Provider::Chatwork, false).await.expect("the port is open");

    world.room.upload(upload.clone()).await.expect("it is posted");
    assert_eq!(part(&world.requests("upload_file")[0].body), b"only once");
    let spent = world.room.upload(upload).await.expect_err("it has been read");
    assert!(spent.is_invalid_input() && spent.to_string().contains("already sent"), "{spent}");
}

#[tokio::test]
async fn a_stream_that_was_read_is_not_sent_again() {
    let world = world(b"x").await;
    let script = Script::on("upload_file").then(Fault::too_many_requests(Some(Duration::from_secs(1))));
    world.sandbox.faults().script(Provider::Chatwork, script);
    let call = world.room.upload(once("only once")).with_retry(RetryPolicy::new().attempts(10));
    let error = world.clock.drive(call).await.expect_err("it was refused");
    assert_eq!((error.attempts(), error.outcome()), (1, Outcome::Rejected));
    assert_eq!(world.requests("upload_file").len(), 1);
}
