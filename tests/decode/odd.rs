//! Unusual answers: every way of reading gives the intended values, and no invalid item hides another.

use crate::common::{self, json, json_server, server};
use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use kaiwa::chatwork::{Message, RoomId};
use kaiwa::{Error, ErrorKind, Lenient, Outcome};
use std::time::Duration;
use wiremock::ResponseTemplate;

const FIRST: &str =
    r#"{"message_id":"1","account":{"account_id":1},"body":"one","send_time":1,"update_time":0}"#;
const LAST: &str =
    r#"{"message_id":"3","account":{"account_id":1},"body":"three","send_time":3,"update_time":0}"#;

fn second(body: &str) -> String {
    format!(
        r#"{{"message_id":"2","account":{{"account_id":1}},"body":{body},"send_time":2,"update_time":0}}"#
    )
}

fn list(second: &[u8]) -> Vec<u8> {
    [b"[", FIRST.as_bytes(), b",", second, b",", LAST.as_bytes(), b"]"].concat()
}

/// Reads a list of messages in three ways.
async fn read(body: &[u8]) -> (Result<Vec<Message>, Error>, Lenient<Message>) {
    let server = server(ResponseTemplate::new(200).set_body_raw(body, "application/json")).await;
    let room = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
    let strict = room.messages().await.map(kaiwa::Response::into_inner);
    let lenient = room.messages().lenient().await.expect("a list");
    let again: Lenient<Message> = lenient.json().expect("a list");
    assert_eq!(again, *lenient);
    let shown = String::from_utf8_lossy(body);
    match &strict {
        Ok(strict) => assert!(lenient.undecodable.is_empty() && lenient.items == *strict, "{shown}"),
        Err(_) => assert_eq!((lenient.undecodable.len(), lenient.items.len()), (1, 2), "{shown}"),
    }
    (strict, lenient.into_inner())
}

#[tokio::test]
async fn half_an_emoji_is_read_as_a_replacement_character() {
    for (text, expected) in [
        (&br#""\ud83d""#[..], "\u{fffd}"),
        (br#""a\ude00""#, "a\u{fffd}"),
        (br#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (br#""\ud83d\ud83d\ude00 \\ud83d \"""#, "\u{fffd}😀 \\ud83d \""),
        (br#""\ud83d\n""#, "\u{fffd}\n"),
        (b"\"\xe3\x81\"", "\u{fffd}"),
        (b"\"\xc0\xaf\xff\"", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\"\xed\xa0\xbd\"", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\"a\tb\nc\0\"", "a\tb\nc\0"),
        (br#""\q""#, "\\q"),
        (br#""first","body":"second""#, "second"),
        (br#""\ud83d","new\udead":{"\ud83d":"\ud83d"}"#, "\u{fffd}"),
    ] {
        let frame = second("\u{1}");
        let (front, back) = frame.split_once('\u{1}').expect("one place");
        let body = list(&[front.as_bytes(), text, back.as_bytes()].concat());
        let (strict, _) = read(&body).await;
        let strict = strict.unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(text)));
        assert_eq!(strict[1].body, expected, "{}", String::from_utf8_lossy(text));
        assert_eq!((&*strict[0].body, &*strict[2].body), ("one", "three"));
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_at_any_depth() {
    let nested = |depth: usize| {
        format!("\"x\",\"new\":{}{}", "[{\"a\":".repeat(depth), "}]".repeat(depth).replacen('}', "1}", 1))
    };
    for extra in [nested(250), nested(50_000), "\"x\",\"new\":1,\"new\":[2],\"new\":{}".to_owned()] {
        let (strict, _) = read(&list(second(&extra).as_bytes())).await;
        assert_eq!(strict.expect("messages").len(), 3);
    }
}

#[tokio::test]
async fn an_invalid_item_hides_no_other() {
    for bad in [
        "null",
        "7",
        "[]",
        "{}",
        "\"\\ud83d\"",
        "NaN",
        "nonsense",
        "[NaN,]",
        r#"{"message_id":"2","message_id":[]}"#,
        r#"{"message_id":NaN,"account":{"account_id":1}}"#,
        r#"{"message_id":"2","account":{"account_id":1,},}"#,
    ] {
        let (strict, lenient) = read(&list(bad.as_bytes())).await;
        assert_eq!(
            (&*lenient.items[0].body, &*lenient.items.last().expect("one").body),
            ("one", "three"),
            "{bad}"
        );
        let Err(error) = strict else { continue };
        let ErrorKind::Decode { path, .. } = error.kind() else { panic!("{error}") };
        assert!(path.starts_with("[1]"), "{bad}: {path}");
        assert!(lenient.undecodable[0].path.starts_with("[1]"), "{bad}: {}", lenient.undecodable[0].path);
        assert!(error.to_string().len() < 500 && lenient.undecodable[0].to_string().len() < 300);
    }
    let (_, lenient) = read(&list(format!("[{}]", "[".repeat(9_000) + &"]".repeat(9_000)).as_bytes())).await;
    assert_eq!(lenient.undecodable[0].index, 1);
}

#[tokio::test]
async fn only_ids_are_required() {
    let rooms = json_server(r#"[{"room_id":1},{"room_id":2,"last_update_time":null,"role":null,"type":null,"unread_num":"3","sticky":1}]"#).await;
    let rooms = common::chatwork(&rooms.uri()).build().expect("a client").rooms().await.expect("two rooms");
    assert_eq!((rooms[0].last_update_time, rooms[0].role.as_str()), (Timestamp::UNIX_EPOCH, ""));
    assert_eq!((rooms[1].unread_num, rooms[1].sticky, rooms[1].type_.as_str()), (3, true, ""));
    for (body, count) in [
        (r#"[{"message_id":1,"account":{"account_id":1}}]"#, 1),
        (
            r#"[{"message_id":1,"account":{"account_id":1},"body":null,"send_time":null,"update_time":null}]"#,
            1,
        ),
    ] {
        let server = json_server(body).await;
        let room = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
        assert_eq!(room.messages().await.expect("a message").len(), count);
    }
    let server = json_server(r#"[{"file_id":1,"account":{"account_id":1},"message_id":5.0}]"#).await;
    let room = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
    let files = room.files().await.expect("a file");
    assert_eq!((files[0].message_id.as_str(), &*files[0].filename, files[0].filesize), ("5", "", 0));
    let server = json_server(
        r#"[{"task_id":1,"account":{"account_id":1},"assigned_by_account":{"account_id":1},"message_id":1}]"#,
    )
    .await;
    let room = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
    let tasks = room.tasks().await.expect("a task");
    assert_eq!((tasks[0].status.as_str(), tasks[0].limit_time), ("", None));
    let server = json_server(r#"[{"account_id":"7"}]"#).await;
    let room = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
    assert_eq!(room.members().await.expect("a member")[0].role.as_str(), "");
}

#[tokio::test]
async fn an_invalid_time_does_not_make_a_list_fail() {
    let at = |second| Timestamp::from_second(second).expect("a time");
    let last = Some(at(253_402_207_200));
    for (time, expected) in [
        (r#""2023-11-14T22:13:20Z""#, Some(at(1_700_000_000))),
        (r#""2023-11-15T07:13:20+09:00""#, Some(at(1_700_000_000))),
        (r#""2023-11-14T22:13:20.0000000000Z""#, Some(at(1_700_000_000))),
        ("1700000000", Some(at(1_700_000_000))),
        ("1700000000.0", Some(at(1_700_000_000))),
        (r#""1700000000""#, Some(at(1_700_000_000))),
        ("1.7e9", Some(at(1_700_000_000))),
        ("1700000000000", Some(at(1_700_000_000))),
        (r#""9999-12-31T23:59:59Z""#, last),
        (r#""+010000-01-01T00:00:00Z""#, last),
        ("253402300799", last),
        (r#""2023-11-14T22:13:20""#, None),
        (r#""2023-11-14""#, None),
        (r#""""#, None),
        ("0", None),
        ("null", None),
    ] {
        let server = json_server(&format!(
            r#"{{"data":[{{"id":"a","dueDate":{time}}},{{"id":"b"}}],"nextCursor":7}}"#
        ))
        .await;
        let room = common::tascha(&server.uri()).build().expect("a client").room("r");
        let tasks = room.tasks().await.unwrap_or_else(|error| panic!("{time}: {error}"));
        assert_eq!((tasks.data[0].due_date, tasks.data.len()), (expected, 2), "{time}");
        assert_eq!(tasks.next_cursor.as_deref(), Some("7"));
        let lenient = room.tasks().lenient().await.expect("a list");
        assert_eq!(lenient.items, tasks.data, "{time}");

        let server =
            json_server(&format!(r#"[{{"account_id":1,"room_id":1,"last_update_time":{time}}}]"#)).await;
        let rooms = common::chatwork(&server.uri()).build().expect("a client").rooms().await.expect("a room");
        assert_eq!(rooms[0].last_update_time, expected.unwrap_or_default(), "{time}");
    }
}

/// A client's zone applies to its own answers, wherever they are decoded, and to no others.
#[tokio::test]
async fn wall_clock_times_are_in_the_clients_zone() {
    let body = r#"[{"id":1,"title":"2019-05-17 15:27:53","modified":"2019-05-17 15:27:53","created":"2019-05-17T15:27:53Z"},{"id":[],"modified":"2019-05-17 15:27:53"}]"#;
    let server = json_server(body).await;
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let zoned =
        common::lancers(&server.uri()).time_zone(TimeZone::fixed(offset(-5))).build().expect("a client");
    let japan = common::lancers(&server.uri()).build().expect("a client");
    let (zoned, japan) = tokio::join!(zoned.boards().lenient(), japan.boards().lenient());
    let (zoned, japan) = (zoned.expect("boards"), japan.expect("boards"));
    assert_eq!(zoned.items[0].modified, Some(at("2019-05-17T20:27:53Z")));
    assert_eq!(japan.items[0].modified, Some(at("2019-05-17T06:27:53Z")));
    for boards in [&zoned, &japan] {
        assert_eq!((&*boards.items[0].title, boards.undecodable.len()), ("2019-05-17 15:27:53", 1));
        assert_eq!(boards.items[0].created, Some(at("2019-05-17T15:27:53Z")));
        assert_eq!(boards.body(), body.as_bytes());
    }
}

#[tokio::test]
async fn an_unrequested_content_coding_is_named() {
    for (name, body) in
        [("gzip", &b"\x1f\x8b\x08\0\0"[..]), ("br", b"\x0b\x02\x80"), ("", b"\x1f\x8b\x08\0\0")]
    {
        for status in [200, 429] {
            let answer = ResponseTemplate::new(status).set_body_raw(body, "application/json");
            let answer =
                if name.is_empty() { answer } else { answer.insert_header("content-encoding", name) };
            let server = server(answer).await;
            let error =
                common::chatwork(&server.uri()).build().expect("a client").me().await.expect_err("coded");
            let named = if name.is_empty() { "gzip" } else { name };
            assert!(error.to_string().contains(&format!("is coded as `{named}`")), "{error}");
            let asked = &common::received(&server).await[0];
            assert_eq!(asked.headers["accept-encoding"], "identity");
        }
    }
    // The header alone does not matter, since the body is not coded.
    let answer = json(200, r#"{"account_id":1,"room_id":1}"#).insert_header("content-encoding", "gzip");
    let server = server(answer).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    client.me().with_header("accept-encoding", "br").await.expect("it is not coded");
    assert_eq!(common::received(&server).await[0].headers["accept-encoding"], "br");
}

/// For all services an error body is read like an answer.
#[tokio::test]
async fn error_bodies_are_read_like_answers() {
    let limit = "Rate limit exceeded per room";
    for body in [
        format!("\u{feff}{{\"errors\":[\"{limit}\"]}}"),
        format!(r#"{{"errors":["{limit}","\ud83d"]}}"#),
        format!(r#"{{"new":{}{},"errors":["{limit}"]}}"#, "[".repeat(500), "]".repeat(500)),
        format!(r#"{{"errors":[],"errors":["{limit}"]}}"#),
        format!(r#"{{"new":NaN,"errors":["{limit}"],}}"#),
        format!(r#"{{"errors":["{limit}","cut"#),
    ] {
        let server = server(json(429, &body)).await;
        let room = common::chatwork(&server.uri()).build().expect("a client").room(RoomId(5));
        let error = room.post("x").await.expect_err("too many");
        assert_eq!(error.messages()[0], limit, "{body}");
        assert_eq!(
            (error.retry_after(), error.outcome()),
            (Some(Duration::from_secs(10)), Outcome::Rejected)
        );
    }
    let server = server(json(
        403,
        "\u{feff}{\"error\":{\"code\":\"no\",\"message\":\"\\ud83d\",\"details\":{\"a\":[1]}}}",
    ))
    .await;
    let error = common::tascha(&server.uri()).build().expect("a client").me().await.expect_err("403");
    assert_eq!((error.code(), error.messages()), (Some("no"), &["\u{fffd}".to_owned()][..]));
    assert_eq!(error.details().expect("details")["a"][0], 1);
    let server =
        crate::common::server(json(400, r#"{"type":"bad","message":"\ude00","message":"b\ud83d"}"#)).await;
    let error = common::lancers(&server.uri()).build().expect("a client").boards().await.expect_err("400");
    assert_eq!((error.code(), error.messages()), (Some("bad"), &["b\u{fffd}".to_owned()][..]));
}

#[tokio::test]
async fn the_text_of_an_error_is_bounded() {
    let long = "長".repeat(100_000);
    let texts = serde_json::json!({ "errors": vec![&long; 20] }).to_string();
    let many = serde_json::json!({ "errors": vec!["no"; 100_000] }).to_string();
    let named = serde_json::json!({ "error": long, "error_description": long }).to_string();
    for body in [texts, many, named] {
        let answer = json(400, &body);
        let server = server(answer).await;
        let error = common::chatwork(&server.uri()).build().expect("a client").me().await.expect_err("400");
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(shown.chars().count() < 2_000 && debug.chars().count() < 2_500, "{}", shown.len());
        assert!(shown.contains('…'), "{shown}");
        assert_eq!(error.body().len(), body.len(), "the complete body is available");
    }
    let body = serde_json::json!({ "code": long, "message": long, "requestId": long }).to_string();
    let server = server(json(400, &body)).await;
    let error = common::tascha(&server.uri()).build().expect("a client").me().await.expect_err("400");
    assert!(error.to_string().chars().count() < 1_200, "{}", error.to_string().len());
    let page = format!(r#"{{"data":[{{"id":"1","dueDate":"{long}","{long}":1}}]}}"#);
    let server = crate::common::server(json(200, &page)).await;
    let room = common::tascha(&server.uri()).build().expect("a client").room("r");
    let error = room.tasks().await.expect_err("no time");
    assert!(error.to_string().len() < 500, "{error}");
    let lenient = room.tasks().lenient().await.expect("a list");
    assert!(lenient.undecodable[0].to_string().len() < 500);
}
