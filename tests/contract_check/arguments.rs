//! What the program understands, and what it refuses before anything is sent or written.

use super::contract_check::Recording;
use super::status;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::test]
async fn both_forms_of_an_option_mean_the_same() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(500).insert_header("ratelimit-policy", "100;w=60");
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    let base = server.uri();
    let variables = [("LANCERS_COOKIE", "hunter"), ("LANCERS_BASE_URL", base.as_str())];
    let sent = async || server.received_requests().await.expect("the server records requests").len();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let (first, second) = (path("first.jsonl"), path("second.jsonl"));
    assert_eq!(status(&["lancers", "--record", &first], &variables).await, Ok(2));
    assert_eq!(status(&[&format!("--record={second}"), "lancers"], &variables).await, Ok(2));
    let read = |path: &str| std::fs::read_to_string(path).expect("it was written");
    assert_eq!(read(&first).lines().count(), read(&second).lines().count());
    let before = sent().await;
    for arguments in [vec!["--read", &first], vec![&*format!("--read={first}"), "lancers"]] {
        assert_eq!(status(&arguments, &variables).await, Ok(2));
    }
    assert_eq!(sent().await, before, "a recording is read, and no service is called");
    // As an editor on Windows saves it.
    let text = format!("\u{feff}{}", read(&first).replace('\n', "\r\n"));
    assert_eq!(Recording::all(&text).map(|all| all.len()), Ok(1));
    let pasted = read(&second).split_once('\n').expect("lines").1.to_owned();
    std::fs::write(&second, pasted).expect("it can be written");
    let part = status(&["--read", &second], &[]).await.expect_err("it has no first line");
    assert!(part.contains("line 1 has no start of a recording before it: take the whole file"), "{part}");
    std::fs::write(&first, read(&first).replace("\"recording\":1", "\"recording\":2")).expect("it can be");
    let version = status(&["--read", &first], &[]).await.expect_err("of another version");
    assert!(version.contains("line 1 starts a recording of another version"), "{version}");
}

#[tokio::test]
async fn who_has_answered_is_in_the_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("answers.jsonl");
    let file = path.to_str().expect("a plain path");
    assert_eq!(status(&["lancers", "--record", file], &[]).await, Ok(0));
    let recording = Recording::all(&std::fs::read_to_string(&path).expect("it was written"));
    assert_eq!(recording.expect("a recording")[0].answered_by.to_string(), "the sandbox");
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("answers.jsonl");
    let file = path.to_str().expect("a plain path");
    for (arguments, expected) in [
        (vec!["--verbose"], "--verbose is not an option\nUsage: "),
        (vec!["--recording=a"], "--recording is not an option\nUsage: "),
        (vec!["chatwerk"], "chatwerk is not one of chatwork, tascha, lancers\nUsage: "),
        (vec!["--record"], "--record needs the name of a file"),
        (vec!["--read="], "--read needs the name of a file"),
        (
            vec!["--record", "lancers"],
            "--record needs the name of a file, and lancers follows it; for a file ",
        ),
        (vec!["--record", "--read", file], "--record needs the name of a file, and --read follows it"),
        (vec!["--record", file, "--record", file], "--record is there twice"),
        (vec!["--read", file, "--record", file], "--read calls no service: leave out --record"),
        (vec!["--read", file, "room_id=5"], "--read calls no service: "),
        (vec!["--record", file, "roomid=5"], "no call has the parameter roomid; there are account_id, "),
        (vec!["lancers", "room_id=5"], "no call has the parameter room_id; there are board_id, "),
        (vec!["tascha", "X-Request-Id=5"], "no call has the parameter X-Request-Id; there are cursor, "),
    ] {
        let error = status(&arguments, &[]).await.expect_err("it is refused");
        assert!(error.starts_with(expected), "{arguments:?}: {error}");
    }
    // A client that cannot be built leaves no file, which would be refused the next time.
    let variables = [("CHATWORK_API_TOKEN", "hunter"), ("CHATWORK_BASE_URL", "hunter")];
    let error = status(&["--record", file], &variables).await.expect_err("it is no URL");
    assert!(error.starts_with("the base URL") && !error.contains("hunter"), "{error}");
    assert!(!path.exists());
    assert_eq!(status(&["--help"], &[]).await, Ok(0));
    assert_eq!(status(&["-h", "lancers"], &[]).await, Ok(0));
}
