//! Lancers' answers.

use crate::common::{self, json_server};
use crate::fixtures::{assert_survives_rewriting, fixture};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kaiwa::lancers::{
    BoardHandle, BoardId, Client, Direction, FileId, MessageId, MessageStatus, ProposalId, User, WorkId,
    WorkStatus, WorkType,
};
use kaiwa::{Endpoint, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Decodes the operation's fixture with the client.
async fn decoded<E: Endpoint>(name: &str, call: impl FnOnce(&Client) -> Request<E>) -> E::Output
where
    E::Output: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let value = answered(&fixture("lancers", name), |client| {
        let request = call(client);
        assert!(name.starts_with(request.endpoint().operation().id), "{name} belongs to another operation");
        request
    })
    .await;
    assert_survives_rewriting(&value);
    value
}

/// Decodes this answer with the client.
async fn answered<E: Endpoint>(body: &str, call: impl FnOnce(&Client) -> Request<E>) -> E::Output {
    let server = json_server(body).await;
    let request = call(&common::lancers(&server.uri()).build().expect("a client"));
    request.await.unwrap_or_else(|error| panic!("{body}: {error}")).into_inner()
}

fn board(client: &Client) -> BoardHandle {
    client.board(BoardId(7101))
}

/// A wall-clock time of Japan.
fn japan(text: &str) -> Option<Timestamp> {
    Some(format!("{text}+09:00").parse().expect("a time"))
}

fn names(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.name.as_str()).collect()
}

#[tokio::test]
async fn list_boards() {
    let boards = decoded("list_boards", |client| client.boards()).await;
    let [full, sparse, bare] = &boards[..] else { panic!("three boards: {boards:?}") };
    assert_eq!((full.id, full.title.as_str()), (BoardId(7101), "ロゴ制作"));
    assert_eq!(full.created, japan("2026-01-02 03:04:05"));
    assert_eq!(full.modified, japan("2026-02-03 23:59:59"));
    assert_eq!((names(&full.users), full.message.as_str()), (vec!["hanako", "太郎 2"], "確認しました😊"));
    assert_eq!((full.unread_count, full.unread_mention_count), (3, 1));
    for board in [sparse, bare] {
        assert_eq!((board.title.as_str(), board.message.as_str()), ("", ""));
        assert_eq!((board.created, board.modified), (None, None), "null, empty or missing");
        assert_eq!((board.users.len(), board.unread_count), (0, 0));
    }
}

#[tokio::test]
async fn search_boards() {
    let boards = decoded("search_boards", |client| client.search("x")).await;
    assert_eq!((boards[0].id, boards[0].title.as_str(), boards[0].users.len()), (BoardId(7201), "年賀状", 0));
}

#[tokio::test]
async fn list_unread() {
    let messages = decoded("list_unread", |client| client.unread()).await;
    let [text, file] = &messages[..] else { panic!("two messages: {messages:?}") };
    assert_eq!((text.board_id, text.description.as_str()), (BoardId(7101), "来週はどうですか"));
    assert_eq!((text.status.as_ref(), text.files.len()), (Some(&MessageStatus::Ok), 0));
    assert_eq!((file.board_id, file.description.as_str()), (BoardId(7109), ""));
    assert_eq!(file.read_users, ["jiro", "hanako"]);
    assert_eq!((file.files[0].size, file.files[0].type_.as_str()), (Some(20480), "image/png"));
}

#[tokio::test]
async fn list_messages() {
    let list = |client: &Client| board(client).messages().direction(Direction::Next);
    let messages = decoded("list_messages", list).await;
    let [known, odd, sparse] = &messages[..] else { panic!("three messages: {messages:?}") };
    assert_eq!((known.id, known.board_id), (MessageId(33001), BoardId(7101)));
    assert_eq!(known.created, japan("2026-02-03 04:05:01"));
    assert_eq!(known.modified, japan("2026-02-03 04:06:02"));
    assert_eq!(known.send_user.as_ref().map(|user| user.name.as_str()), Some("hanako"));
    assert_eq!(known.read_users, ["hanako"]);
    let file = &known.files[0];
    assert_eq!((file.id, file.name.as_str(), file.comment.as_deref()), (FileId(9901), "図 1.png", None));
    // The size is text in all examples, and a number in the schema.
    assert_eq!((file.size, odd.files[0].size), (Some(34_567_890_123), Some(1024)));
    assert_eq!(odd.status, Some(MessageStatus::Other("hidden".into())));
    assert_eq!(serde_json::to_value(odd).expect("JSON")["status"], "hidden");
    assert_eq!(odd.description, "🎍");
    assert_eq!((sparse.description.as_str(), sparse.files.len(), sparse.read_users.len()), ("", 0, 0));
    assert_eq!((&sparse.status, &sparse.send_user, sparse.created), (&None, &None, None));
}

#[tokio::test]
async fn post_message() {
    let posted = decoded("post_message", |client| board(client).post("x")).await;
    assert_eq!((posted.id, posted.description.as_str()), (MessageId(33005), "承知しました"));
    assert_eq!((posted.files.len(), posted.read_users.len()), (0, 0));
}

#[tokio::test]
async fn create_board() {
    let made = decoded("create_board", |client| client.create_board(["hanako"])).await;
    assert_eq!((made.id, made.title.as_str()), (BoardId(7301), "hanakoさんとのメッセージ"));
    assert_eq!(made.owner.as_ref().map(|user| user.name.as_str()), Some("jiro"));
    assert_eq!((made.description, made.with), (None, None), "an empty list is not an object");
}

#[tokio::test]
async fn get_board() {
    let found = decoded("get_board", |client| board(client).get()).await;
    assert_eq!(found.description.as_deref(), Some("半折り"));
    assert_eq!(found.created, japan("2024-02-29 00:00:00"));
    let proposal = found.with.and_then(|with| with.proposal).expect("a proposal");
    let work = proposal.work.expect("a work");
    assert_eq!(
        (proposal.id, work.id, work.title.as_str()),
        (ProposalId(501), WorkId(601), "チラシのデザイン")
    );
    assert_eq!((work.type_, work.status), (Some(WorkType::Competition), Some(WorkStatus::Completed)));
}

/// The subject of a board comes as an object, as PHP's empty array, or not at all.
#[tokio::test]
async fn the_subject_of_a_board() {
    let with =
        async |with: &str| answered(&format!(r#"{{"id":1{with}}}"#), |client| board(client).get()).await.with;
    for nothing in [r#","with":[]"#, r#","with":[ ]"#, r#","with":null"#, ""] {
        assert_eq!(with(nothing).await, None, "{nothing}");
    }
    assert_eq!(with(r#","with":{}"#).await.expect("an object").proposal, None);
    assert_eq!(with(r#","with":{"contract":{"id":1}}"#).await.expect("an object").proposal, None);
    assert_eq!(with(r#","with":{"proposal":null}"#).await.expect("an object").proposal, None);
    let odd =
        r#","with":{"proposal":{"id":"7","work":{"id":8,"title":null,"type":"project","status":"open"}}}"#;
    let proposal = with(odd).await.and_then(|with| with.proposal).expect("a proposal");
    let work = proposal.work.expect("a work");
    assert_eq!((proposal.id, work.title.as_str()), (ProposalId(7), ""));
    assert_eq!(work.type_, Some(WorkType::Other("project".into())));
    assert_eq!(work.status, Some(WorkStatus::Other("open".into())));
}

#[tokio::test]
async fn update_board() {
    let changed = decoded("update_board", |client| board(client).update().title("x")).await;
    assert_eq!((changed.title.as_deref(), changed.description), (Some("新しい件名"), None));
}

#[tokio::test]
async fn users() {
    let all = decoded("list_users", |client| board(client).users()).await;
    assert_eq!(names(&all), ["hanako", "太郎 2"]);
    let added = decoded("add_users", |client| board(client).add_users(["saburo"])).await;
    assert_eq!(names(&added), ["saburo"]);
    let removed = decoded("remove_user", |client| board(client).remove_user("saburo")).await;
    assert_eq!(removed.name, "saburo");
}

#[tokio::test]
async fn list_files() {
    let files = decoded("list_files", |client| board(client).files()).await;
    let [commented, plain, sparse] = &files[..] else { panic!("three files: {files:?}") };
    assert_eq!((commented.size, commented.comment.as_deref()), (Some(7_340_032), Some("初稿")));
    assert_eq!(commented.modified, japan("2026-02-05 00:00:02"));
    assert_eq!((plain.size, plain.user.as_ref().map(|user| user.name.as_str())), (Some(12), Some("太郎 2")));
    assert_eq!((sparse.id, sparse.size, &sparse.user), (FileId(9900), None, &None));
}

#[tokio::test]
async fn mark_read() {
    let status = decoded("mark_read", |client| board(client).mark_read()).await;
    assert_eq!((status.board_id, status.unread_count), (BoardId(7101), 2));
    let status = decoded("mark_read_number", |client| board(client).mark_read()).await;
    assert_eq!((status.board_id, status.unread_count), (BoardId(7101), 0));
}

/// The same wall-clock time is a different moment in another zone; a zone on the wire takes precedence over the
/// client's.
#[tokio::test]
async fn times_survive_rewriting_to_the_fraction_and_in_far_years() {
    let boards = r#"[{"id":1,"created":"2019-05-17 15:27:53.25","modified":"-000044-03-15 12:00:00"},
        {"id":2,"created":"2019-05-17T06:27:53.123456789Z","modified":"9999-12-31 06:59:59"}]"#;
    let boards = answered(boards, |client| client.boards()).await;
    assert_eq!(boards[0].created, "2019-05-17T06:27:53.25Z".parse().ok());
    assert_eq!(boards[1].modified, "9999-12-30T21:59:59Z".parse().ok());
    assert_survives_rewriting(&boards);
    let written = serde_json::to_value(&boards).expect("an answer can be written");
    assert_eq!(written[0]["created"], "2019-05-17 15:27:53.25");
    assert_eq!(written[1]["modified"], "9999-12-31 06:59:59");
}

#[tokio::test]
async fn times_are_read_in_the_zone_of_the_service() {
    for (zone, wire, expected) in [
        (None, "2026-02-03 04:05:06", "2026-02-02T19:05:06Z"),
        (Some(TimeZone::UTC), "2026-02-03 04:05:06", "2026-02-03T04:05:06Z"),
        (None, "2026-02-03T04:05:06", "2026-02-02T19:05:06Z"),
        (None, "2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
        (Some(TimeZone::UTC), "2026-02-03T04:05:06+02:00", "2026-02-03T02:05:06Z"),
    ] {
        let server = json_server(&format!(r#"[{{"id":1,"created":"{wire}"}}]"#)).await;
        let builder = common::lancers(&server.uri());
        let builder = match &zone {
            Some(zone) => builder.time_zone(zone.clone()),
            None => builder,
        };
        let boards = builder.build().expect("a client").boards().await.expect("a board");
        assert_eq!(boards[0].created, Some(expected.parse().expect("a time")), "{wire} in {zone:?}");
    }
}
