//! Input that is refused before anything is sent, and input just within the bounds.

use crate::common::{self, json_server, received, server};
use futures::future::BoxFuture;
use kaiwa::chatwork::{AccountId, FileId, MessageId, RequestId, RoomId, TaskId, TaskStatus};
use kaiwa::lancers::BoardId;
use kaiwa::{Endpoint, Error, ErrorKind, Operation, Outcome, Request, Upload, tascha};
use reqwest::Method;
use wiremock::{MockServer, ResponseTemplate};

/// Ids that would lead to another endpoint, or that are malformed.
const BAD_IDS: [&str; 19] = [
    "", ".", "..", "a/b", "/", "../x", "a\\b", "..\\x", "%2e", "%2e%2e", "%2E%2e", "a%", "a?b", "?", "a#b",
    "a\nb", "a\tb", "a\0", "\u{7f}",
];

/// A call that must be refused because of this parameter.
struct Refused {
    parameter: &'static str,
    operation: &'static Operation,
    send: BoxFuture<'static, Result<(), Error>>,
}

fn refused<E: Endpoint>(parameter: &'static str, request: Request<E>) -> Refused {
    let operation = request.endpoint().operation();
    Refused { parameter, operation, send: Box::pin(async { request.send().await.map(drop) }) }
}

async fn assert_refused(server: &MockServer, cases: Vec<Refused>) {
    for (number, Refused { parameter, operation, send }) in cases.into_iter().enumerate() {
        let place = format!("case {number}, {operation}, {parameter}");
        let error = send.await.expect_err(&place);
        let ErrorKind::InvalidInput(invalid) = error.kind() else { panic!("{place}: {error}") };
        assert_eq!(invalid.parameter, parameter, "{place}: {error}");
        assert!(error.is_invalid_input() && error.attempts() == 0, "{place}: {error:?}");
        assert_eq!((error.outcome(), error.status()), (Outcome::NotSent, None), "{place}");
        assert_eq!(error.operation().map(|operation| operation.id), Some(operation.id), "{place}");
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("{operation}: `{parameter}` ")), "{place}: {shown}");
        assert!(shown.ends_with("Nothing was sent; correct it and call again."), "{place}: {shown}");
        assert!(shown.len() < 300, "{place}: {shown}");
    }
    assert_eq!(received(server).await.len(), 0, "something was sent");
}

#[tokio::test]
async fn chatwork_ids_in_paths() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let (zero, room) = (client.room(RoomId(0)), client.room(RoomId(5)));
    let (task, file, request) =
        (room.task(TaskId(0)), room.file(FileId(0)), client.incoming_request(RequestId(0)));
    let mut cases = vec![
        refused("room_id", zero.get()),
        refused("room_id", zero.update()),
        refused("room_id", zero.leave()),
        refused("room_id", zero.delete()),
        refused("room_id", zero.members()),
        refused("room_id", zero.replace_members([AccountId(1)])),
        refused("room_id", zero.messages()),
        refused("room_id", zero.post("x")),
        refused("room_id", zero.mark_read()),
        refused("room_id", zero.mark_unread("1")),
        refused("room_id", zero.message("1").get()),
        refused("room_id", zero.message("1").update("x")),
        refused("room_id", zero.message("1").delete()),
        refused("room_id", zero.tasks()),
        refused("room_id", zero.create_tasks("x", [AccountId(1)])),
        refused("room_id", zero.task(TaskId(1)).get()),
        refused("room_id", zero.task(TaskId(1)).set_status(TaskStatus::Done)),
        refused("room_id", zero.files()),
        refused("room_id", zero.upload(Upload::bytes("a", "A"))),
        refused("room_id", zero.file(FileId(1)).get()),
        refused("room_id", zero.link()),
        refused("room_id", zero.create_link()),
        refused("room_id", zero.update_link()),
        refused("room_id", zero.delete_link()),
        refused("task_id", task.get()),
        refused("task_id", task.set_status(TaskStatus::Open)),
        refused("file_id", file.get()),
        refused("request_id", request.accept()),
        refused("request_id", request.decline()),
    ];
    for id in BAD_IDS {
        cases.push(refused("message_id", room.message(id).get()));
        cases.push(refused("message_id", room.message(id).update("x")));
        cases.push(refused("message_id", room.message(id).delete()));
    }
    assert_refused(&server, cases).await;
}

#[tokio::test]
async fn chatwork_texts_and_lists() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let room = client.room(RoomId(5));
    let long = "あ".repeat(65_536);
    let (one, none) = ([AccountId(1)], [AccountId(0); 0]);
    let mut cases = vec![
        refused("body", room.post("")),
        refused("body", room.post(&long)),
        // `PUT …/messages/read` would mark the room as read.
        refused("message_id", room.message("read").update("x")),
        refused("message_id", room.message("unread").update("x")),
        refused("message_id", room.message("1a").delete()),
        refused("message_id", room.message("12345678901234567890").get()),
        refused("body", room.message("1").update("")),
        refused("body", room.message("1").update(&long)),
        refused("body", room.create_tasks(&long, one)),
        refused("to_ids", room.create_tasks("x", none)),
        refused("message_id", room.mark_unread("")),
        refused("message_id", room.mark_read().message_id("")),
        refused("name", client.create_room("", one)),
        refused("name", client.create_room("あ".repeat(256), one)),
        refused("name", room.update().name("")),
        refused("name", room.update().name("x".repeat(256))),
        refused("members_admin_ids", client.create_room("x", none)),
        refused("members_member_ids", client.create_room("x", one).members_member_ids([AccountId(0)])),
        refused("update", room.update()),
        refused("limit", room.create_tasks("x", one).limit(jiff::Timestamp::constant(-1, 0))),
        refused("members_admin_ids", room.replace_members(none)),
    ];
    for code in ["", "a b", "リンク", "a/b", "a.b", "a\n", &"a".repeat(51)] {
        cases.push(refused("link_code", client.create_room("x", one).link_code(code)));
        cases.push(refused("code", room.create_link().code(code)));
        cases.push(refused("code", room.update_link().code(code)));
    }
    assert_refused(&server, cases).await;
}

#[tokio::test]
async fn chatwork_uploads() {
    let server = server(ResponseTemplate::new(204)).await;
    let room = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
    let file = || Upload::bytes("a.txt", "A");
    let stream = || futures::stream::empty::<Result<bytes::Bytes, std::io::Error>>();
    let cases = vec![
        refused("file", room.upload(Upload::bytes("a", vec![0; (5 << 20) + 1]))),
        refused("file", room.upload(Upload::stream("a", (5 << 20) + 1, stream()))),
        refused("file", room.upload(Upload::stream("a", u64::MAX, stream()))),
        refused("file", room.upload(Upload::bytes("", "A"))),
        refused("file", room.upload(file().content_type("text"))),
        refused("file", room.upload(file().content_type("text/plain\r\nx-evil: 1"))),
        refused("message", room.upload(file()).message("x".repeat(65_536))),
    ];
    assert_refused(&server, cases).await;
}

#[tokio::test]
async fn tascha_ids_in_paths() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::tascha(&server.uri()).build().expect("a client");
    let room = client.room("ckroomA");
    let mut cases = Vec::new();
    for id in BAD_IDS {
        let bad = client.room(id);
        cases.extend([
            refused("roomId", bad.members()),
            refused("roomId", bad.files()),
            refused("roomId", bad.messages()),
            refused("roomId", bad.post("x")),
            refused("roomId", bad.tasks()),
            refused("roomId", bad.create_task("x")),
            refused("roomId", bad.task("a").update()),
            refused("roomId", bad.records()),
            refused("roomId", bad.create_record("x")),
            refused("roomId", bad.record("a").update()),
            refused("roomId", bad.webhook("a").deliveries()),
            refused("roomId", bad.webhook("a").redeliver("b")),
            refused("taskId", room.task(id).update().title("x")),
            refused("recordId", room.record(id).update().title("x")),
            refused("webhookId", room.webhook(id).deliveries()),
            refused("webhookId", room.webhook(id).redeliver("b")),
            refused("deliveryId", room.webhook("a").redeliver(id)),
        ]);
    }
    assert_refused(&server, cases).await;
}

#[tokio::test]
async fn tascha_texts_and_limits() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::tascha(&server.uri()).build().expect("a client");
    let room = client.room("ckroomA");
    let text = |length| "字".repeat(length);
    let mut cases = vec![
        refused("body", room.post("")),
        refused("body", room.post(text(10_001))),
        refused("replyToMessageId", room.post("x").reply_to_message_id("")),
        refused("title", room.create_task("")),
        refused("title", room.create_task(text(201))),
        refused("description", room.create_task("x").description(text(10_001))),
        refused("boardId", room.create_task("x").board_id("")),
        refused("title", room.task("a").update().title("")),
        refused("title", room.task("a").update().title(text(201))),
        refused("description", room.task("a").update().description(text(10_001))),
        refused("title", room.create_record("")),
        refused("title", room.create_record(text(201))),
        refused("content", room.create_record("x").content(text(200_001))),
        refused("title", room.record("a").update().title("")),
        refused("title", room.record("a").update().title(text(201))),
        refused("content", room.record("a").update().content(text(200_001))),
    ];
    for limit in [0, 201, -1, i64::MIN, i64::MAX] {
        cases.extend([
            refused("limit", client.organizations().limit(limit)),
            refused("limit", client.rooms().limit(limit)),
            refused("limit", room.members().limit(limit)),
            refused("limit", room.messages().limit(limit)),
            refused("limit", room.tasks().limit(limit)),
            refused("limit", room.records().limit(limit)),
            refused("limit", room.files().limit(limit)),
            refused("limit", room.webhook("a").deliveries().limit(limit)),
        ]);
    }
    assert_refused(&server, cases).await;
}

#[tokio::test]
async fn lancers_parameters() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::lancers(&server.uri()).build().expect("a client");
    let (zero, board) = (client.board(BoardId(0)), client.board(BoardId(5)));
    let no_users = || [""; 0];
    let file = || Upload::bytes("a", "A");
    let mut cases = vec![
        refused("board_id", zero.get()),
        refused("board_id", zero.update()),
        refused("board_id", zero.users()),
        refused("board_id", zero.add_users(["a"])),
        refused("board_id", zero.remove_user("a")),
        refused("board_id", zero.messages()),
        refused("board_id", zero.post("x")),
        refused("board_id", zero.mark_read()),
        refused("board_id", zero.files()),
        refused("users", client.create_board(no_users())),
        refused("users", client.create_board(["a", ""])),
        refused("users", board.add_users(no_users())),
        refused("users", board.add_users(["a", ""])),
        refused("files", client.create_board(["a"]).file(file()).file(Upload::bytes("", "A"))),
        refused("description", board.post("")),
        refused("files", board.post("x").file(Upload::bytes("", "A"))),
        refused("files", board.post("x").file(file().content_type("png"))),
        refused("offset", client.search("x").offset(-1)),
    ];
    for name in ["", ".", "..", "a/b", "a\\b", "../x", "%2e%2e", "a%2fb", "a%252fb", "a\nb"] {
        cases.push(refused("name", board.remove_user(name)));
    }
    for limit in [0, -1, i64::MIN] {
        cases.extend([
            refused("limit", client.boards().limit(limit)),
            refused("limit", client.unread().limit(limit)),
            refused("limit", client.search("x").limit(limit)),
            refused("limit", board.users().limit(limit)),
            refused("limit", board.messages().limit(limit)),
            refused("limit", board.files().limit(limit)),
        ]);
    }
    assert_refused(&server, cases).await;
}

#[tokio::test]
async fn headers_of_the_call() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let mut cases = Vec::new();
    for name in ["", "x y", "x\n", "x:", "ヘッダー"] {
        cases.push(refused("with_header", client.rooms().with_header(name, "1")));
    }
    for value in ["a\nb", "a\r\nx-evil: 1", "a\0", "\u{7f}"] {
        cases.push(refused("with_header", client.rooms().with_header("x-trace", value)));
        cases.push(refused("with_header", client.request(Method::GET, "/me").with_header("x-trace", value)));
    }
    // A valid one afterwards does not undo the error.
    cases.push(refused("with_header", client.rooms().with_header("x y", "1").with_header("x-trace", "1")));
    assert_refused(&server, cases).await;

    let error = client.rooms().with_header("authorization", "canary\n").await.expect_err("a line break");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
}

#[tokio::test]
async fn request_ids_and_idempotency_keys() {
    let server = server(ResponseTemplate::new(204)).await;
    let tascha = common::tascha(&server.uri()).build().expect("a client");
    let room = tascha.room("ckroomA");
    let mut cases = Vec::new();
    for bad in ["", " ", "a b", "a\n", "鍵", "a\u{7f}", &"k".repeat(256)] {
        cases.push(refused("request_id", tascha.rooms().with_request_id(bad)));
        cases.push(refused("request_id", room.post("x").with_request_id(bad)));
        cases.push(refused("idempotency_key", room.post("x").with_idempotency_key(bad)));
        cases.push(refused("idempotency_key", room.task("a").update().title("x").with_idempotency_key(bad)));
    }
    // An operation that ignores keys refuses one.
    let chatwork = common::chatwork(&server.uri()).build().expect("a client");
    let lancers = common::lancers(&server.uri()).build().expect("a client");
    cases.extend([
        refused("idempotency_key", tascha.rooms().with_idempotency_key("k")),
        refused("idempotency_key", room.webhook("a").redeliver("b").with_idempotency_key("k")),
        refused("idempotency_key", tascha.request(Method::POST, "/x").with_idempotency_key("k")),
        refused("idempotency_key", chatwork.room(RoomId(5)).post("x").with_idempotency_key("k")),
        refused("idempotency_key", lancers.board(BoardId(5)).post("x").with_idempotency_key("k")),
    ]);
    // Keys from the generator are checked as well.
    for bad in ["", "a b", "鍵"] {
        let client =
            common::tascha(&server.uri()).idempotency_keys(move || bad.into()).build().expect("a client");
        cases.push(refused("idempotency_key", client.room("ckroomA").post("x")));
    }
    assert_refused(&server, cases).await;
}

/// An empty update would cost units, and increase the version.
#[tokio::test]
async fn updates_without_a_change() {
    let server = server(ResponseTemplate::new(204)).await;
    let tascha = common::tascha(&server.uri()).build().expect("a client");
    let room = tascha.room("ckroomA");
    let lancers = common::lancers(&server.uri()).build().expect("a client");
    let cases = vec![
        refused("update", room.task("t").update()),
        refused("update", room.task("t").update().version(3)),
        refused("update", room.record("a").update()),
        refused("update", lancers.board(BoardId(5)).update()),
    ];
    assert_refused(&server, cases).await;
}

/// Input just within the bounds is sent.
#[tokio::test]
async fn values_at_the_bounds_are_allowed() {
    async fn sent<E: Endpoint>(request: Request<E>) {
        let operation = request.endpoint().operation();
        if let Err(error) = request.await {
            assert!(error.is_decode(), "{operation}: {error}");
        }
    }
    let server = json_server("{}").await;
    let chatwork = common::chatwork(&server.uri()).build().expect("a client");
    let room = chatwork.room(RoomId(1));
    let admins = [AccountId(1)];
    sent(room.post("あ".repeat(65_535))).await;
    sent(room.post("\n")).await;
    sent(chatwork.create_room("𠮷".repeat(255), admins).link_code("a".repeat(50))).await;
    sent(room.create_link().code("_").description("")).await;
    sent(room.create_tasks("x".repeat(65_535), admins)).await;
    sent(room.upload(Upload::bytes("a", vec![0; 5 << 20])).message("あ".repeat(65_535))).await;
    sent(room.upload(Upload::bytes("a", ""))).await;
    sent(room.message(MessageId::from(i64::MAX as u64)).get()).await;

    let tascha = common::tascha(&server.uri()).build().expect("a client");
    let room: tascha::RoomHandle = tascha.room("ckroomA");
    sent(tascha.rooms().limit(1)).await;
    sent(tascha.rooms().limit(200)).await;
    sent(room.post("👍".repeat(10_000))).await;
    sent(room.create_task("字".repeat(200)).description("字".repeat(10_000))).await;
    sent(room.create_record("x").content("字".repeat(200_000))).await;
    sent(room.record("a").update().content("")).await;
    sent(room.post("x").with_idempotency_key("~".repeat(255)).with_request_id("!".repeat(255))).await;

    let lancers = common::lancers(&server.uri()).build().expect("a client");
    sent(lancers.boards().limit(i64::MAX)).await;
    sent(lancers.search("").offset(0).limit(1)).await;
    sent(lancers.board(BoardId(u64::MAX)).remove_user("...")).await;

    assert_eq!(received(&server).await.len(), 18);
}
