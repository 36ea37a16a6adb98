//! Statuses without a row in the table of verdicts.

use crate::server::{Server, Step, clients};
use kaiwa::chatwork::RoomId;
use kaiwa::{Error, Outcome, Safety, VirtualClock};

/// The failure of one call of each class of safety, and how often it was sent.
async fn failures(step: &Step) -> Vec<(Safety, Error, usize)> {
    let clock = VirtualClock::new();
    let mut failures = Vec::new();
    for safety in [Safety::Safe, Safety::Idempotent, Safety::Keyed, Safety::Unsafe] {
        let server = Server::play([step.clone()]).await;
        let room = clients::chatwork(&server, &clock).build().expect("a client").room(RoomId(1));
        let tascha = clients::tascha(&server, &clock).build().expect("a client");
        let result = match safety {
            Safety::Safe => clock.drive(room.members()).await.map(drop),
            Safety::Idempotent => clock.drive(room.message("1").update("x")).await.map(drop),
            Safety::Keyed => clock.drive(tascha.room("r").post("x")).await.map(drop),
            Safety::Unsafe => clock.drive(room.post("x")).await.map(drop),
        };
        let error = result.expect_err("it is not a success");
        failures.push((safety, error, server.seen().len()));
    }
    failures
}

#[tokio::test]
async fn other_statuses_are_not_rejections() {
    for status in [101, 501, 505, 511, 520, 530, 599, 600, 700, 799, 999] {
        for (safety, error, sent) in failures(&Step::status(status)).await {
            assert_eq!(error.outcome(), Outcome::Unknown, "{status} {safety:?}: {error}");
            assert_eq!(sent, 1, "{status} {safety:?}: {error}");
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{error}");
            assert!(!error.to_string().contains("not done"), "{error}");
        }
    }
}

#[tokio::test]
async fn refusing_statuses_are_rejections() {
    for status in [300, 304, 305, 307, 399, 402, 405, 406, 410, 418, 421, 422, 425, 431, 451, 499] {
        for (safety, error, sent) in failures(&Step::status(status)).await {
            assert_eq!((error.outcome(), sent), (Outcome::Rejected, 1), "{status} {safety:?}: {error}");
        }
    }
    // Web sites answer a completed post with "see other".
    for status in [301, 302, 303] {
        for (safety, error, sent) in failures(&Step::status(status)).await {
            let outcome = if safety == Safety::Safe { Outcome::Rejected } else { Outcome::Unknown };
            assert_eq!((error.outcome(), sent), (outcome, 1), "{status} {safety:?}: {error}");
        }
    }
}

#[tokio::test]
async fn an_interim_answer_is_not_the_answer() {
    for status in [100, 102, 103, 150] {
        let interim = format!("HTTP/1.1 {status} x\r\nlink: </a>\r\n\r\n");
        let answer = Step::ok(r#"{"message_id":"7"}"#).bytes();
        let server = Server::play([Step::Raw(format!("{interim}{interim}{answer}"))]).await;
        let clock = VirtualClock::new();
        let client = clients::chatwork(&server, &clock).build().expect("a client");
        let sent = client.room(RoomId(1)).post("x").await.expect("the answer comes after it");
        assert_eq!((&*sent.message_id.to_string(), server.seen().len()), ("7", 1), "{status}");

        let server = Server::play([Step::Raw(interim)]).await;
        let client = clients::chatwork(&server, &clock).build().expect("a client");
        let error =
            clock.drive(client.room(RoomId(1)).post("x")).await.expect_err("no answer comes after it");
        assert_eq!(
            (error.outcome(), error.status(), server.seen().len()),
            (Outcome::Unknown, None, 1),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_invalid_status_line_is_not_an_answer() {
    for line in
        ["HTTP/1.1 000 x", "HTTP/1.1 099 x", "HTTP/1.1 1000 x", "HTTP/1.1 20 x", "HTTP/1.1 OK", "<html>"]
    {
        let server = Server::play([Step::Raw(format!("{line}\r\n\r\n"))]).await;
        let clock = VirtualClock::new();
        let client = clients::chatwork(&server, &clock).build().expect("a client");
        let error = clock.drive(client.room(RoomId(1)).post("x")).await.expect_err("it is not an answer");
        assert_eq!((error.outcome(), server.seen().len()), (Outcome::Unknown, 1), "{line}: {error}");
        let error = clock.drive(client.room(RoomId(1)).members()).await.expect_err("it is not an answer");
        assert_eq!(server.seen().len(), 1 + 4, "{line}: {error}");
    }
}
