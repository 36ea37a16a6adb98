//! Earlier bugs: each test is for a failure that a reviewer found.

use crate::common::{self, json, json_server, received, server};
use kaiwa::chatwork::{AccountId, RoomId};
use kaiwa::lancers::BoardId;
use kaiwa::{ErrorKind, Upload};
use reqwest::Method;
use wiremock::ResponseTemplate;

/// The URL parser drops tabs and line breaks, after the check for dot segments has looked at the path.
#[tokio::test]
async fn a_raw_path_with_a_tab_or_a_line_break_is_refused() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::chatwork(&format!("{}/v2", server.uri())).build().expect("a client");
    for path in ["/.\t./me", "/\n../me", "/.\r./me", "/x/.%\t2e/../me", "/rooms/.\n", "/a\tb", "/a\0"] {
        let error = client.request(Method::GET, path).await.expect_err(path);
        assert!(error.is_invalid_input(), "{path:?}: {error}");
    }
    assert_eq!(received(&server).await.len(), 0);
}

/// The second, path-finding decoder does not look at what follows the value, so it turns a failure into a success.
#[tokio::test]
async fn text_after_the_answer_is_not_ignored() {
    for body in [
        "[] x",
        "[][]",
        "[]}",
        "[{\"room_id\":1,\"type\":\"my\",\"role\":\"admin\",\"last_update_time\":1}]<html>",
    ] {
        let server = json_server(body).await;
        let result = common::chatwork(&server.uri()).build().expect("a client").rooms().await;
        let error = result.map(|rooms| format!("{:?}", *rooms)).expect_err(body);
        assert!(error.is_decode(), "{error}");
    }
}

/// serde's texts quote the value that does not fit, which is part of the body.
#[tokio::test]
async fn a_decode_error_does_not_quote_the_body() {
    for body in [
        r#""canary""#,
        r#"[{"message_id":"1","account":"canary","body":"","send_time":1,"update_time":0}]"#,
        r#"[{"message_id":"1","account":{"account_id":"canary"},"body":"","send_time":1,"update_time":0}]"#,
        r#"[{"message_id":"1","account":{"account_id":1},"body":"","send_time":"canary","update_time":0}]"#,
    ] {
        let server = json_server(body).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let error = client.room(RoomId(5)).messages().await.expect_err("no messages");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

/// `Upload::stream` promises that a stream of another length fails the call; a longer one is cut, closing boundary
/// and all, and the call succeeds.
#[tokio::test]
async fn a_stream_that_is_too_long_fails_the_call() {
    for length in [0, 3] {
        let server = json_server(r#"{"file_id":1}"#).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let stream = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from("0123456789"))]);
        let result = client.room(RoomId(5)).upload(Upload::stream("a", length, stream)).await;
        result.expect_err("ten bytes");
    }
}

/// The name becomes part of a header: reqwest puts `\` before a line break and sends it.
#[tokio::test]
async fn a_file_name_with_control_characters_is_refused() {
    let server = server(ResponseTemplate::new(204)).await;
    let chatwork = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
    let lancers = common::lancers(&server.uri()).build().expect("a client").board(BoardId(5));
    for name in ["a\r\nX-Evil: 1\r\n\r\nb", "a\nb", "a\rb", "a\0b", "a\u{7f}"] {
        let error = chatwork.upload(Upload::bytes(name, "A")).await.expect_err(name);
        assert!(error.is_invalid_input(), "{name:?}: {error}");
        let error = lancers.post("x").file(Upload::bytes(name, "A")).await.expect_err(name);
        assert!(error.is_invalid_input(), "{name:?}: {error}");
    }
    assert_eq!(received(&server).await.len(), 0);
}

/// Framing is the transport's task: a smaller length splits the message, a larger one hangs until the timeout.
#[tokio::test]
async fn framing_headers_are_refused() {
    let server = json_server(r#"{"message_id":"1"}"#).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    for (name, value) in [("content-length", "3"), ("Transfer-Encoding", "chunked")] {
        let result = client.room(RoomId(5)).post("hello").with_header(name, value).await;
        assert!(result.expect_err(name).is_invalid_input());
    }
}

/// `with_header` replaces a header, or is refused with the name of the call that sets it.
#[tokio::test]
async fn a_header_of_the_call_replaces_the_request_id_and_the_key_or_is_refused() {
    let server = json_server(r#"{"id":"m"}"#).await;
    let room = common::tascha(&server.uri()).build().expect("a client").room("ckroomA");
    for name in ["x-request-id", "idempotency-key", "authorization"] {
        match room.post("x").with_header(name, "mine").await {
            Ok(_) => {
                let requests = received(&server).await;
                assert_eq!(requests.last().expect("one").headers[name], "mine", "{name}");
            }
            Err(error) => assert!(error.is_invalid_input(), "{name}: {error}"),
        }
    }
}

/// If no answer is expected, any body is accepted: the room is deleted.
#[tokio::test]
async fn an_unexpected_body_is_not_an_error() {
    for body in ["{}", "[]", r#"{"room_id":5}"#, "OK", "\n"] {
        let server = json_server(body).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        if let Err(error) = client.room(RoomId(5)).delete().await {
            panic!("{body:?}: {error}");
        }
    }
}

/// One field of another type must not lose the other fields of an error body.
#[tokio::test]
async fn an_error_body_is_read_field_by_field() {
    let error = {
        let server =
            server(json(403, r#"{"error":{"code":403,"message":"Scope missing","requestId":"req_b"}}"#))
                .await;
        common::tascha(&server.uri()).build().expect("a client").me().await.expect_err("403")
    };
    assert_eq!((error.messages(), error.request_id()), (&["Scope missing".to_owned()][..], Some("req_b")));
    let error = {
        let server = server(json(400, r#"{"type":1,"message":"だめです"}"#)).await;
        common::lancers(&server.uri()).build().expect("a client").boards().await.expect_err("400")
    };
    assert_eq!(error.messages(), ["だめです"]);
    let error = {
        let server = server(json(401, r#"{"errors":null,"error":"invalid_client"}"#)).await;
        common::chatwork(&server.uri()).build().expect("a client").me().await.expect_err("401")
    };
    assert_eq!(error.code(), Some("invalid_client"));
}

/// A refused request will be refused again.
#[tokio::test]
async fn a_rejected_read_has_no_advice_to_repeat_it() {
    for status in [400, 404] {
        let server = server(ResponseTemplate::new(status)).await;
        let error =
            common::chatwork(&server.uri()).build().expect("a client").me().await.expect_err("an error");
        assert!(!error.to_string().contains("so it can be repeated"), "{error}");
    }
}

/// In the specification ids start at 1: in queries, bodies and lists as well as in paths.
#[tokio::test]
async fn an_id_of_zero_is_refused_everywhere() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let room = client.room(RoomId(5));
    let lancers = common::lancers(&server.uri()).build().expect("a client");
    let board = lancers.board(BoardId(5));
    let results = [
        room.tasks().account_id(AccountId(0)).await.map(drop),
        room.create_tasks("x", [AccountId(0)]).await.map(drop),
        room.replace_members([AccountId(1), AccountId(0)]).await.map(drop),
        board.messages().message_id(kaiwa::lancers::MessageId(0)).await.map(drop),
        board.mark_read().message_id(kaiwa::lancers::MessageId(0)).await.map(drop),
    ];
    for result in results {
        let error = result.expect_err("an id of 0");
        assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error}");
    }
}

/// The service's text is shown on terminals and in logs, so line breaks and escape sequences are removed.
#[tokio::test]
async fn an_error_is_one_line() {
    let server = server(json(400, r#"{"errors":["one\ntwo \u001b[31mred"]}"#)).await;
    let error = common::chatwork(&server.uri()).build().expect("a client").me().await.expect_err("400");
    assert!(!error.to_string().contains(char::is_control), "{:?}", error.to_string());
}

/// MySQL's notation for "no time" is read as `None`.
#[tokio::test]
async fn a_zero_date_is_read_as_no_time() {
    let server = json_server(r#"[{"id":1,"modified":"0000-00-00 00:00:00"}]"#).await;
    let boards = common::lancers(&server.uri()).build().expect("a client").boards().await.expect("a board");
    assert_eq!(boards[0].modified, None);
}

/// An array is not an object: otherwise `[3,4]` becomes `mention_num: 3, unread_num: 4`, in alphabetical order.
#[tokio::test]
async fn an_array_is_not_an_object() {
    let server = json_server("[3,4]").await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let result = client.room(RoomId(5)).mark_read().await;
    assert!(result.map(|status| format!("{:?}", *status)).expect_err("an array").is_decode());
}

/// RFC 9110, 8.6: a request without a body states a length of 0 if its method usually has one (otherwise some proxies
/// answer 411).
#[tokio::test]
async fn an_empty_body_has_a_length() {
    let server = json_server(r#"{"account_id":1,"room_id":1}"#).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    client.incoming_request(kaiwa::chatwork::RequestId(1)).accept().await.expect("a contact");
    let request = received(&server).await.remove(0);
    assert_eq!(request.headers.get("content-length").map(|value| value.as_bytes()), Some(&b"0"[..]));
}
