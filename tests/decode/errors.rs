//! Answers that are not a success or lack the expected shape, and the errors for them.

use crate::common::{self, CHATWORK_TOKEN, TASCHA_KEY, json, json_server, server};
use jiff::Timestamp;
use kaiwa::chatwork::{RoomId, TaskId, TaskStatus};
use kaiwa::lancers::BoardId;
use kaiwa::{Error, ErrorKind, Outcome};
use std::time::Duration;
use wiremock::ResponseTemplate;

/// The error of each service's simplest call for an answer.
async fn chatwork_error(answer: ResponseTemplate) -> Error {
    let server = server(answer).await;
    common::chatwork(&server.uri()).build().expect("a client").me().await.expect_err("an error")
}

async fn tascha_error(answer: ResponseTemplate) -> Error {
    let server = server(answer).await;
    let client = common::tascha(&server.uri()).build().expect("a client");
    client.me().with_request_id("req_sent").await.expect_err("an error")
}

async fn lancers_error(answer: ResponseTemplate) -> Error {
    let server = server(answer).await;
    common::lancers(&server.uri()).build().expect("a client").boards().await.expect_err("an error")
}

fn status(error: &Error) -> Option<u16> {
    error.status().map(|status| status.as_u16())
}

fn text(error: &Error) -> &str {
    std::str::from_utf8(error.body()).expect("the tests answer with UTF-8")
}

/// A `main` that returns it prints it with `{:?}`.
#[tokio::test]
async fn an_error_that_ends_a_program_is_printed_as_a_sentence() {
    let error = chatwork_error(json(400, r#"{"errors":["長すぎます"]}"#)).await;
    assert_eq!(format!("{error:?}"), error.to_string());
    let fields = format!("{error:#?}");
    assert!(fields.starts_with("Error {") && fields.contains("outcome: Rejected"), "{fields}");
}

#[tokio::test]
async fn chatwork_errors_are_a_list() {
    for (body, messages) in [
        (r#"{"errors":["Parameter 'name' is too long"]}"#, &["Parameter 'name' is too long"][..]),
        (r#"{"errors":["一つ目","two"]}"#, &["一つ目", "two"]),
        (r#"{"errors":[]}"#, &[]),
        (r#"{}"#, &[]),
        (r#"{"errors":[{"field":"name"},7]}"#, &[r#"{"field":"name"}"#, "7"]),
        (r#"{"message":"no list"}"#, &[]),
        ("[]", &[]),
        ("null", &[]),
        ("", &[]),
    ] {
        let error = chatwork_error(json(400, body)).await;
        assert_eq!(error.messages(), messages, "{body}");
        assert_eq!((status(&error), error.code()), (Some(400), None), "{body}");
        assert_eq!(text(&error), body);
        assert_eq!(error.operation().map(|operation| operation.id), Some("get_me"));
        assert!(matches!(error.kind(), ErrorKind::Status(status) if *status == 400), "{error}");
        assert_eq!((error.outcome(), error.attempts()), (Outcome::Rejected, 1), "{body}");
        for message in messages {
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}

#[tokio::test]
async fn an_oauth_error_has_a_code() {
    let body = r#"{"error":"invalid_client","error_description":"No client bot-7.","error_uri":null}"#;
    let error = chatwork_error(json(401, body)).await;
    assert_eq!(
        (error.code(), error.messages()),
        (Some("invalid_client"), &["No client bot-7.".to_owned()][..])
    );
    let error = chatwork_error(json(401, r#"{"error":"invalid_grant"}"#)).await;
    assert_eq!((error.code(), error.messages().len()), (Some("invalid_grant"), 0));
}

#[tokio::test]
async fn lancers_errors_have_a_type_and_a_message() {
    for (body, code, messages) in [
        (r#"{"type":"not_found","message":"見つかりません"}"#, Some("not_found"), &["見つかりません"][..]),
        (r#"{"type":"conflict"}"#, Some("conflict"), &[]),
        (r#"{"message":"だめです"}"#, None, &["だめです"]),
        (r#"{"type":null,"message":null}"#, None, &[]),
        ("<html>", None, &[]),
        ("", None, &[]),
    ] {
        let error = lancers_error(json(400, body)).await;
        assert_eq!((error.code(), status(&error)), (code, Some(400)), "{body}");
        assert_eq!(error.messages(), messages, "{body}");
    }
}

/// It is not published whether the envelope is nested or flat. A bare text is the code, or the message if it is alone.
#[tokio::test]
async fn tascha_errors_have_an_envelope() {
    let nested = r#"{"error":{"code":"insufficient_scope","message":"Scope missing","requestId":"req_b",
        "details":{"granted":["rooms:read"]}}}"#;
    let flat = r#"{"code":"insufficient_scope","message":"Scope missing","requestId":"req_b",
        "details":{"granted":["rooms:read"]}}"#;
    let beside = r#"{"error":"insufficient_scope","message":"Scope missing","requestId":"req_b",
        "details":{"granted":["rooms:read"]}}"#;
    for body in [nested, flat, beside] {
        let error = tascha_error(json(403, body)).await;
        assert_eq!((status(&error), error.code()), (Some(403), Some("insufficient_scope")), "{body}");
        assert_eq!(error.messages(), ["Scope missing"], "{body}");
        assert_eq!(error.request_id(), Some("req_b"), "{body}");
        assert_eq!(error.details().expect("details")["granted"][0], "rooms:read", "{body}");
    }
    for (body, code, messages) in [
        (r#"{"error":"Something broke"}"#, None, &["Something broke"][..]),
        (r#"{"error":{"code":"locked"}}"#, Some("locked"), &[]),
        (r#"{"error":{"message":"Locked"},"code":"locked"}"#, Some("locked"), &["Locked"]),
        (r#"{"error":null,"message":"Locked"}"#, None, &["Locked"]),
        (r#"{"error":["odd"],"code":"locked"}"#, Some("locked"), &[]),
        ("{}", None, &[]),
        ("<html>", None, &[]),
        ("", None, &[]),
    ] {
        let error = tascha_error(json(400, body)).await;
        assert_eq!(error.code(), code, "{body}");
        assert_eq!(error.messages(), messages, "{body}");
        assert_eq!((error.details(), error.request_id()), (None, Some("req_sent")), "{body}");
    }
}

/// The answer's header takes precedence, then its body, then the id that was sent.
#[tokio::test]
async fn the_request_id_of_the_service_takes_precedence() {
    let body = r#"{"error":{"requestId":"req_body"}}"#;
    let answer = json(409, body).insert_header("X-Request-Id", "req_header");
    assert_eq!(tascha_error(answer).await.request_id(), Some("req_header"));
    let error = tascha_error(json(409, body)).await;
    assert_eq!(error.request_id(), Some("req_body"));
    assert!(error.to_string().ends_with("(request id req_body)"), "{error}");
    assert_eq!(tascha_error(json(409, "{}")).await.request_id(), Some("req_sent"));
    assert_eq!(chatwork_error(json(409, "{}")).await.request_id(), None);
}

#[tokio::test]
async fn bodies_of_proxies_are_kept_and_not_shown() {
    let html = "<html><head><title>502 Bad Gateway</title></head><body>upstream-17</body></html>";
    let error = chatwork_error(ResponseTemplate::new(502).set_body_raw(html, "text/html")).await;
    assert_eq!((status(&error), error.code(), error.messages().len()), (Some(502), None, 0));
    assert_eq!(text(&error), html);
    assert_eq!(error.headers()["content-type"], "text/html");
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("502 Bad Gateway") && !shown.contains("upstream-17") && !shown.contains('<'),
        "{shown}"
    );
}

#[tokio::test]
async fn an_expired_token_is_recognized_by_a_header_alone() {
    let challenge = r#"Bearer error="invalid_token", error_description="expired""#;
    let error = chatwork_error(ResponseTemplate::new(401).insert_header("www-authenticate", challenge)).await;
    assert_eq!((status(&error), text(&error)), (Some(401), ""));
    assert_eq!(error.headers()["www-authenticate"], challenge);
    assert_eq!(error.rate_limit(), None);
    assert!(error.to_string().contains("check the credential"), "{error}");
}

#[tokio::test]
async fn limits_are_reported_with_errors_too() {
    let answer = json(429, r#"{"errors":["Too many"]}"#)
        .insert_header("x-ratelimit-limit", "300")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", "1806505199")
        .insert_header("date", "Wed, 31 Mar 2027 14:59:17 GMT");
    let error = chatwork_error(answer).await;
    let limit = error.rate_limit().expect("a limit");
    assert_eq!((limit.limit, limit.remaining), (Some(300), Some(0)));
    assert_eq!(limit.reset, Timestamp::from_second(1806505199).ok());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(42)));
    assert!(error.is_rate_limited() && error.outcome() == Outcome::Rejected, "{error}");
    assert!(error.to_string().contains("the service asks to wait 42s"), "{error}");

    let answer = json(429, r#"{"error":{"code":"rate_limited"}}"#)
        .insert_header("RateLimit-Limit", "300")
        .insert_header("RateLimit-Remaining", "0")
        .insert_header("RateLimit-Reset", "42")
        .insert_header("RateLimit-Policy", "300;w=60")
        .insert_header("Tascha-Api-Units-Remaining", "12")
        .insert_header("Tascha-RateLimit-Scope", "app")
        .insert_header("Retry-After", "9");
    let error = tascha_error(answer).await;
    let limit = error.rate_limit().expect("a limit");
    assert_eq!((limit.remaining, limit.window), (Some(0), Some(Duration::from_secs(60))));
    assert_eq!((limit.scope.as_deref(), limit.retry_after), (Some("app"), Some(Duration::from_secs(9))));
    assert_eq!(limit.units.as_ref().and_then(|units| units.remaining), Some(12));
    assert_eq!((error.retry_after(), error.code()), (Some(Duration::from_secs(9)), Some("rate_limited")));
}

/// Only its text identifies Chatwork's limit per room, whatever the account's window is.
#[tokio::test]
async fn the_limit_per_room_asks_for_ten_seconds() {
    let answer = json(429, r#"{"errors":["Rate limit for message posting per room exceeded."]}"#)
        .insert_header("x-ratelimit-remaining", "250")
        .insert_header("x-ratelimit-reset", "1806505199");
    let error = chatwork_error(answer).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(10)));
    assert!(error.to_string().contains("exceeded; wait 10s. It was not done"), "{error}");
}

#[tokio::test]
async fn a_page_instead_of_an_answer_is_recognized() {
    let page = ResponseTemplate::new(200).set_body_raw("<html>Sign in</html>", "text/html; charset=utf-8");
    let error = chatwork_error(page).await;
    let shown = error.to_string();
    assert!(
        shown.contains("the answer is text/html, not JSON: a proxy or a login page in between?"),
        "{error}"
    );
    assert!(shown.contains("check the base URL, the proxy settings and the credential"), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Foreign { .. }) && error.is_decode(), "{error}");
}

/// The outcome of a post that cannot be repeated, by status, and the advice.
#[tokio::test]
async fn the_status_decides_the_outcome_of_a_post() {
    use Outcome::{Rejected, Unknown};
    for (code, outcome, advice) in [
        (302, Unknown, "it may be the login page of a proxy"),
        (307, Rejected, "it may be the login page of a proxy"),
        (400, Rejected, "correct what the service names"),
        (401, Rejected, "check the credential"),
        (403, Rejected, "lacks the permission or the scope"),
        (404, Rejected, "check the ids"),
        (409, Rejected, "It was not done."),
        (413, Rejected, "It was not done."),
        (422, Rejected, "It was not done."),
        (429, Rejected, "it can be sent again later"),
        (500, Unknown, "look before sending it again"),
        (501, Unknown, "look before sending it again"),
        (502, Unknown, "look before sending it again"),
        (503, Unknown, "look before sending it again"),
        (504, Unknown, "look before sending it again"),
    ] {
        let server = server(ResponseTemplate::new(code)).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let error = client.room(RoomId(5)).post("secret text").await.expect_err("an error");
        assert_eq!((status(&error), error.outcome()), (Some(code), outcome), "{error}");
        let shown = error.to_string();
        assert!(shown.starts_with("POST /rooms/{room_id}/messages: ") && shown.contains(advice), "{shown}");
        assert!(!shown.contains("secret text"), "{shown}");
    }
    let error = {
        let server = server(ResponseTemplate::new(503).insert_header("retry-after", "3")).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        client.room(RoomId(5)).post("x").await.expect_err("an error")
    };
    assert_eq!((error.outcome(), error.retry_after()), (Rejected, Some(Duration::from_secs(3))));
}

/// For another kind of call the same failure has other advice.
#[tokio::test]
async fn the_advice_follows_the_operation() {
    let server = server(ResponseTemplate::new(500)).await;
    let error =
        common::chatwork(&server.uri()).build().expect("a client").rooms().await.expect_err("an error");
    assert!(error.to_string().contains("It only reads, so it can be repeated."), "{error}");
    let room = common::tascha(&server.uri()).build().expect("a client").room("ckroomA");
    let error = room.post("x").with_idempotency_key("order-42").await.expect_err("an error");
    assert_eq!((error.outcome(), error.idempotency_key()), (Outcome::Unknown, Some("order-42")));
    assert!(error.to_string().contains("only with the same idempotency key"), "{error}");
}

/// Neither the credential nor a header nor the body is shown, except the service's message.
#[tokio::test]
async fn an_error_shows_no_secret() {
    let body = r#"{"errors":["No such room"],"code":"x","message":"Not there","debug":"canary-body"}"#;
    let answer = || json(404, body).insert_header("set-cookie", "canary-cookie");
    let (chatwork, tascha) = (chatwork_error(answer()).await, tascha_error(answer()).await);
    assert!(chatwork.to_string().contains("No such room") && tascha.to_string().contains("Not there"));
    for error in [chatwork, tascha] {
        let shown = format!("{error} {error:?} {error:#?}");
        for secret in ["canary", CHATWORK_TOKEN, TASCHA_KEY] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

/// Debug pages, firewalls and gateways repeat the request; the credential is removed from it.
#[tokio::test]
async fn a_credential_that_an_answer_repeats_is_not_shown() {
    let half = CHATWORK_TOKEN.len() / 2;
    let (first, second) = CHATWORK_TOKEN.split_at(half);
    for (status, body) in [
        (400, serde_json::json!({ "errors": [format!("bad token {CHATWORK_TOKEN}"), CHATWORK_TOKEN] })),
        (400, serde_json::json!({ "errors": [format!("split {first}\u{0}{second}")] })),
        (
            401,
            serde_json::json!({ "error": CHATWORK_TOKEN.to_uppercase(), "error_description": CHATWORK_TOKEN }),
        ),
        (200, serde_json::json!({ "errors": [{ "sent": CHATWORK_TOKEN }] })),
    ] {
        let answer = json(status, &body.to_string()).insert_header("x-request-id", CHATWORK_TOKEN);
        let error = chatwork_error(answer).await;
        let shown = format!("{error} {error:?} {:?} {:?}", error.messages(), error.code());
        let shown = format!("{shown} {:?}", error.request_id()).to_lowercase();
        assert!(!shown.contains(CHATWORK_TOKEN) && shown.contains("[redacted]"), "{shown}");
    }
    for form in [format!("Bearer {TASCHA_KEY}"), TASCHA_KEY.to_owned()] {
        let body = serde_json::json!({ "error": { "code": form, "message": form, "requestId": form, "details": { "a": [form] } } });
        let error = tascha_error(json(403, &body.to_string())).await;
        let shown = format!("{error} {error:?} {:?} {:?}", error.details(), error.request_id());
        assert!(!shown.contains(TASCHA_KEY) && shown.contains("[redacted]"), "{shown}");
    }
}

/// A client, a builder or an answer does not show it either.
#[tokio::test]
async fn nothing_else_shows_a_secret() {
    let server = server(json(200, "[]").insert_header("set-cookie", "canary-cookie")).await;
    let builder = common::chatwork(&server.uri());
    let mut shown = format!("{builder:?}");
    let client = builder.build().expect("a client");
    let room = client.room(RoomId(5));
    shown += &format!("{client:?} {room:?} {:?} {:?}", room.messages(), room.messages().await);
    let raw = client.request(reqwest::Method::GET, "/rooms?q=canary-query").query("a", "canary-query");
    shown += &format!("{raw:?}");
    assert!(!shown.contains("canary") && !shown.contains(CHATWORK_TOKEN), "{shown}");
}

/// The error names the place that does not decode, and its outcome is that the operation was applied.
#[tokio::test]
async fn a_decode_error_names_the_place() {
    let good = r#"{"message_id":"1","account":{"account_id":1},"body":"","send_time":1,"update_time":0}"#;
    for (second, path) in [
        (
            r#"{"message_id":"2","account":{"account_id":true},"body":"","send_time":1,"update_time":0}"#,
            "[1].account.account_id",
        ),
        (
            r#"{"message_id":"2","account":{"account_id":-1},"body":"","send_time":1,"update_time":0}"#,
            "[1].account.account_id",
        ),
        (r#"{"message_id":"2","account":{},"body":"","send_time":1,"update_time":0}"#, "[1].account"),
        (
            r#"{"message_id":[],"account":{"account_id":1},"body":"","send_time":1,"update_time":0}"#,
            "[1].message_id",
        ),
        (
            r#"{"message_id":"2","account":{"account_id":1},"body":"","send_time":"soon","update_time":0}"#,
            "[1].send_time",
        ),
        (
            r#"{"message_id":"2","account":{"account_id":1},"body":"","send_time":1,"update_time":[]}"#,
            "[1].update_time",
        ),
        (r#"{"message_id":"2","body":"","send_time":1,"update_time":0}"#, "[1]"),
        ("7", "[1]"),
    ] {
        let body = format!("[{good},{second}]");
        let answer = json(200, &body)
            .insert_header("x-request-id", "req_42")
            .insert_header("x-ratelimit-remaining", "17");
        let server = server(answer).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let error = client.room(RoomId(5)).messages().await.expect_err("no message");
        let ErrorKind::Decode { path: found, .. } = error.kind() else { panic!("{error}") };
        assert_eq!(found, path, "{second}");
        assert!(error.is_decode() && error.to_string().contains(&format!("`{path}`")), "{error}");
        assert_eq!((status(&error), error.request_id()), (Some(200), Some("req_42")), "{error}");
        assert_eq!(error.outcome(), Outcome::Applied, "{error}");
        assert_eq!(text(&error), body, "{error}");
        assert_eq!(error.rate_limit().and_then(|limit| limit.remaining), Some(17), "{error}");
        assert_eq!((error.code(), error.messages().len(), error.attempts()), (None, 0, 1), "{error}");
    }
}

/// The same inside objects, pages and lenient fields.
#[tokio::test]
async fn the_path_of_a_decode_error_includes_pages_and_lenient_fields() {
    let path = |error: Error| match error.kind() {
        ErrorKind::Decode { path, .. } => path.clone(),
        _ => panic!("{error}"),
    };
    let tascha = async |body| {
        let server = json_server(body).await;
        path(common::tascha(&server.uri()).build().expect("a client").rooms().await.expect_err("no page"))
    };
    assert_eq!(tascha(r#"{"data":[{"id":"a"},{"id":"b","createdAt":"soon"}]}"#).await, "data[1].createdAt");
    assert_eq!(tascha(r#"{"data":[{"name":"a"}]}"#).await, "data[0]");
    assert_eq!(tascha(r#"{"data":{}}"#).await, "data");
    let lancers = async |body| {
        let server = json_server(body).await;
        let client = common::lancers(&server.uri()).build().expect("a client");
        path(client.board(BoardId(5)).get().await.expect_err("no board"))
    };
    assert_eq!(lancers(r#"{"id":1,"with":{"proposal":{"id":[]}}}"#).await, "with.proposal.id");
    assert_eq!(lancers(r#"{"id":1,"with":[1]}"#).await, "with");
    assert_eq!(lancers(r#"{"id":1,"owner":{"name":1}}"#).await, "owner.name");
    assert_eq!(lancers(r#"{"id":1,"created":"yesterday"}"#).await, "created");
    let server = json_server(r#"[{"id":1,"files":[{"id":2,"size":"12kB"}],"board_id":1}]"#).await;
    let client = common::lancers(&server.uri()).build().expect("a client");
    assert_eq!(path(client.unread().await.expect_err("no message")), "[0].files[0].size");
}

/// After a proxy's page with status 200 the outcome of the post is unknown; a truncated answer of the service shows
/// that it was applied.
#[tokio::test]
async fn a_body_that_does_not_begin_as_json_is_not_from_the_service() {
    for body in ["<html>upstream-17</html>", "upstream-17 is down", "OK", ""] {
        let server = json_server(body).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let error = client.room(RoomId(5)).post("x").await.expect_err("no message");
        assert!(error.is_decode() && error.outcome() == Outcome::Unknown, "{error}");
        assert_eq!((status(&error), text(&error)), (Some(200), body), "{error}");
        let shown = error.to_string();
        assert!(shown.contains("look before sending it again") && !shown.contains("upstream-17"), "{shown}");
    }
    for body in ["{", r#"{"message_id":"12"#] {
        let server = json_server(body).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let error = client.room(RoomId(5)).post("x").await.expect_err("no message");
        assert!(error.is_decode() && error.outcome() == Outcome::Applied, "{error}");
        assert_eq!((status(&error), text(&error)), (Some(200), body), "{error}");
        let shown = error.to_string();
        assert!(shown.contains("do not send it again") && !shown.contains("upstream-17"), "{shown}");
    }
}

#[tokio::test]
async fn an_answer_can_be_decoded_as_another_type() {
    let server = json_server(r#"{"task_id":7,"extra":{"items":[1,"x"]}}"#).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let answer = client.room(RoomId(5)).task(TaskId(7)).set_status(TaskStatus::Done).await.expect("a task");
    let whole: serde_json::Value = answer.json().expect("any JSON");
    assert_eq!(whole["extra"]["items"][1], "x");
    type Extra = std::collections::BTreeMap<String, serde_json::Value>;
    assert_eq!(answer.json::<Extra>().expect("a map").len(), 2);
    let error = answer.json::<std::collections::BTreeMap<String, u64>>().expect_err("no map of numbers");
    let ErrorKind::Decode { path, .. } = error.kind() else { panic!("{error}") };
    assert_eq!((path.as_str(), error.outcome()), ("extra", Outcome::Applied));
}

/// A success that is too large to be read is still a success.
#[tokio::test]
async fn an_answer_that_is_too_large_is_truncated() {
    let server = json_server(&format!(r#"{{"message_id":"{}"}}"#, "9".repeat(100))).await;
    let client = common::chatwork(&server.uri()).max_body(20).build().expect("a client");
    let error = client.room(RoomId(5)).post("x").await.expect_err("too large");
    assert!(matches!(error.kind(), ErrorKind::BodyTooLarge { limit: 20 }), "{error}");
    assert_eq!((status(&error), error.outcome(), error.body().len()), (Some(200), Outcome::Applied, 20));
}

/// An error of the service is recognized even if it is badly formed, for every call.
#[tokio::test]
async fn an_error_in_a_success_is_a_failure_however_it_is_formatted() {
    for body in [
        "{\"errors\":[\"You don't\thave permission\"]}",
        r#"{"errors":["no",]}"#,
        r#"{"errors":["no"],"x":NaN}"#,
        r#"{"errors":{"body":["no"]}}"#,
        r#"{"errors":"no"}"#,
    ] {
        let server = json_server(body).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let room = client.room(RoomId(5));
        for error in [
            room.post("x").await.expect_err("an error"),
            room.message("1").delete().await.expect_err("an error"),
            client.request(reqwest::Method::POST, "/x").await.expect_err("an error"),
        ] {
            assert_eq!(error.outcome(), Outcome::Unknown, "{body}: {error}");
        }
    }
}

/// An empty body is an empty list only if it can be from the service.
#[tokio::test]
async fn a_foreign_empty_body_is_not_an_empty_list() {
    let server = server(ResponseTemplate::new(200).set_body_raw("", "text/html")).await;
    let chatwork = common::chatwork(&server.uri()).build().expect("a client");
    let lancers = common::lancers(&server.uri()).build().expect("a client");
    for error in [chatwork.rooms().await.expect_err("a page"), lancers.boards().await.expect_err("a page")] {
        assert!(error.to_string().contains("text/html, not JSON"), "{error}");
    }
}

/// The path of an undecodable value comes from the answer. It is bounded and cleaned like the answer's texts.
#[tokio::test]
async fn a_path_is_shown_in_one_line_of_bounded_length() {
    let name = format!("\\u001b[31m{}", "x".repeat(500));
    let body = format!(r#"[{{"account":{{"{name}":{{"{name}":{{"{name}":[1,}}}}}}}}]"#);
    let server = json_server(&body).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let shown = client.room(RoomId(5)).messages().await.expect_err("no messages").to_string();
    assert!(!shown.contains('\u{1b}') && shown.chars().count() < 700, "{shown}");
}
