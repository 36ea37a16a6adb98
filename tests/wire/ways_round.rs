//! Every way round that `specs/README.md` names, for what may turn out to be different at a service, taken once.

use crate::common::{self, LANCERS_COOKIE, TASCHA_KEY, json, plain, received, server};
use crate::multipart::parts;
use crate::support::header;
use jiff::tz::TimeZone;
use kaiwa::chatwork::{AccountId, FileId, RequestId, RoomId};
use kaiwa::lancers::{BoardId, MessageId};
use kaiwa::oauth::OAuth;
use kaiwa::{Method, Pace, RetryPolicy, Safety, Upload, chatwork, lancers, tascha};
use serde_json::{Value, json};
use std::time::Duration;
use wiremock::{MockServer, Request, ResponseTemplate};

struct World {
    server: MockServer,
    chatwork: chatwork::Client,
    tascha: tascha::Client,
    lancers: lancers::Client,
}

async fn world(answer: ResponseTemplate) -> World {
    let server = server(answer).await;
    World {
        chatwork: common::chatwork(&format!("{}/v2", server.uri())).build().expect("a client"),
        tascha: common::tascha(&format!("{}/v1", server.uri())).build().expect("a client"),
        lancers: common::lancers(&server.uri()).build().expect("a client"),
        server,
    }
}

impl World {
    async fn last(&self) -> Request {
        received(&self.server).await.pop().expect("a request")
    }

    /// Method, path and query of the last request.
    async fn line(&self) -> String {
        let request = self.last().await;
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{} {}{query}", request.method, request.url.path())
    }

    async fn body(&self) -> String {
        String::from_utf8(self.last().await.body).expect("text")
    }
}

fn empty() -> ResponseTemplate {
    ResponseTemplate::new(204)
}

#[tokio::test]
async fn chatwork_another_path_for_contact_requests() {
    let world = world(empty()).await;
    let request = |method, path: &str| world.chatwork.request(method, path).safety(Safety::Idempotent);
    request(Method::PUT, "/incoming_requests/9/accept").await.expect("an empty answer");
    assert_eq!(world.line().await, "PUT /v2/incoming_requests/9/accept");
    request(Method::DELETE, "/incoming_requests/9/reject").await.expect("an empty answer");
    assert_eq!(world.line().await, "DELETE /v2/incoming_requests/9/reject");
    // The documented paths are those of the typed calls.
    world.chatwork.incoming_request(RequestId(9)).decline().await.expect("an empty answer");
    assert_eq!(world.line().await, "DELETE /v2/incoming_requests/9");
}

#[tokio::test]
async fn chatwork_a_larger_file() {
    let world = world(json(200, r#"{"file_id":7}"#)).await;
    let file = Upload::bytes("a.txt", "x".repeat((5 << 20) + 1));
    let typed = world.chatwork.room(RoomId(1)).upload(file.clone()).await.expect_err("larger than 5 MiB");
    assert!(typed.is_invalid_input(), "{typed}");
    let post = world.chatwork.request(Method::POST, "/rooms/1/files").form("message", "m").file("file", file);
    let answer = post.await.expect("any JSON");
    assert_eq!(answer.json::<Value>().expect("JSON")["file_id"], 7);
    assert_eq!(FileId(answer["file_id"].as_u64().expect("a number")), FileId(7));
    assert_eq!((world.line().await, parts(&world.last().await).len()), ("POST /v2/rooms/1/files".into(), 2));
}

#[tokio::test]
async fn chatwork_a_long_text_in_two_parts() {
    let world = world(json(200, r#"{"message_id":"1"}"#)).await;
    let room = world.chatwork.room(RoomId(1));
    let text = "あ".repeat(65_535);
    room.post(&text).await.expect("it is posted");
    let (first, second) = text.split_at(text.len() / 2 / 3 * 3);
    for part in [first, second] {
        room.post(part).await.expect("it is posted");
    }
    let sent = received(&world.server).await.iter().map(|request| request.body.len()).collect::<Vec<_>>();
    assert_eq!(sent[0], sent[1] + sent[2] - "body=".len());
}

#[test]
fn chatwork_any_scope_can_be_asked_for() {
    let builder = OAuth::builder("id").client_secret("secret").redirect_url("https://bot.example/callback");
    let builder = builder.auth_url("https://a.example/login").token_url("https://a.example/token");
    let oauth = builder.scopes(["rooms:write", "rooms.info:write", "of.the:future"]).build().expect("good");
    let url = oauth.login().url().to_string();
    assert!(url.contains("scope=rooms%3Awrite%20rooms.info%3Awrite%20of.the%3Afuture"), "{url}");
}

#[tokio::test]
async fn chatwork_all_fields_of_a_link_and_an_empty_description() {
    let world = world(json(200, r#"{"public":true,"room_id":1}"#)).await;
    let room = world.chatwork.room(RoomId(1));
    let link = room.update_link().code("abc").need_acceptance(false).description("d");
    link.await.expect("a link");
    assert_eq!(world.body().await, "code=abc&description=d&need_acceptance=0");
    room.update().description("").await.expect("a room");
    assert_eq!(world.body().await, "description=");
    room.create_tasks("x", [AccountId(1)]).limit_type(chatwork::LimitType::Time).await.expect_err("another");
    assert!(world.body().await.contains("limit_type=time"));
}

#[tokio::test]
async fn retries_can_be_switched_off_and_the_pace_made_slower() {
    let server = server(ResponseTemplate::new(502)).await;
    let client = plain(chatwork::Client::builder().api_token("canary-1234").base_url(server.uri()))
        .retry(RetryPolicy::new().backoff(Duration::from_millis(1), Duration::from_millis(1)))
        .pace(Pace::new().room_limit(2, Duration::from_secs(60)))
        .build()
        .expect("a client");
    let room = client.room(RoomId(1));
    assert!(room.mark_read().await.expect_err("502").attempts() > 1);
    let error = room.mark_read().with_retry(RetryPolicy::none()).await.expect_err("502");
    assert_eq!(error.attempts(), 1);
    room.post("1").await.expect_err("502");
    room.post("2").await.expect_err("502");
    let sent = received(&server).await.len();
    let wait = room.post("3").with_timeout(Duration::from_secs(9)).await.expect_err("the room is full");
    assert!(wait.outcome() == kaiwa::Outcome::NotSent && received(&server).await.len() == sent, "{wait}");
}

#[tokio::test]
async fn chatwork_messages_by_force_and_in_an_order_of_ones_own() {
    let message =
        |id: &str, time: u64| json!({"message_id": id, "account": {"account_id": 1}, "send_time": time});
    let list = json!([message("20", 5), message("9", 5), message("100", 4)]).to_string();
    let world = world(json(200, &list)).await;
    let request = world.chatwork.room(RoomId(1)).messages().force(true);
    let mut messages = request.await.expect("messages").into_inner();
    assert_eq!(world.line().await, "GET /v2/rooms/1/messages?force=1");
    messages.sort_by_key(|message| (message.send_time, message.message_id.as_str().parse::<u64>().ok()));
    let ids: Vec<_> = messages.iter().map(|message| message.message_id.as_str()).collect();
    assert_eq!(ids, ["100", "9", "20"]);
}

#[tokio::test]
async fn chatwork_a_missing_room_by_either_status() {
    for status in [403, 404] {
        let world = world(json(status, r#"{"errors":["no"]}"#)).await;
        let error = world.chatwork.room(RoomId(1)).get().await.expect_err("no room");
        assert_eq!(error.outcome(), kaiwa::Outcome::Rejected);
        assert!(error.status().is_some_and(|status| [403, 404].contains(&status.as_u16())));
    }
}

#[tokio::test]
async fn a_new_field_a_new_operation_and_another_host() {
    let me = r#"{"account_id":1,"room_id":2,"new_field":{"a":1},"name":"n"}"#;
    let world = world(json(200, me)).await;
    let me = world.chatwork.me().await.expect("an account");
    assert_eq!(me.json::<Value>().expect("JSON")["new_field"]["a"], 1);
    let answer =
        world.chatwork.request(Method::PATCH, "/new/operation").form("a", 1).await.expect("any JSON");
    assert_eq!((world.line().await.as_str(), &answer["name"]), ("PATCH /v2/new/operation", &json!("n")));
    let other = common::chatwork(&format!("{}/kddi/v3", world.server.uri())).build().expect("a client");
    other.me().await.expect("an account");
    assert_eq!(world.line().await, "GET /kddi/v3/me");
}

#[tokio::test]
async fn tascha_other_paths_methods_and_prefixes_with_the_key_of_the_call() {
    let world = world(json(200, r#"{"id":"t","version":4,"delivery":{"id":"d"}}"#)).await;
    let put = world.tascha.request(Method::PUT, "/rooms/r/tasks/t").json_body(&json!({ "dueDate": null }));
    put.safety(Safety::Keyed).with_idempotency_key("order-42").await.expect("any JSON");
    let request = world.last().await;
    assert_eq!(world.line().await, "PUT /v1/rooms/r/tasks/t");
    assert_eq!(world.body().await, r#"{"dueDate":null}"#);
    assert_eq!(header(&request, "idempotency-key"), ["order-42"]);
    assert_eq!(header(&request, "authorization"), [format!("Bearer {TASCHA_KEY}")]);
    let path = "/rooms/r/webhooks/w/deliveries/d/retry";
    world.tascha.request(Method::POST, path).await.expect("any JSON");
    assert_eq!(world.line().await, format!("POST /v1{path}"));
    world.tascha.room("r").webhook("w").redeliver("the-other-id").await.expect("an answer");
    assert!(world.line().await.ends_with("/deliveries/the-other-id/redeliver"));
    world.tascha.request(Method::GET, "/events/catalog").query("limit", 3).await.expect("any JSON");
    assert_eq!(world.line().await, "GET /v1/events/catalog?limit=3");
    let beta = common::tascha(&format!("{}/beta/v2", world.server.uri())).build().expect("a client");
    beta.request(Method::GET, "/me").await.expect("any JSON");
    assert_eq!(world.line().await, "GET /beta/v2/me");
}

#[tokio::test]
async fn tascha_pages_by_cursor_and_what_the_answer_and_its_headers_say() {
    let page = r#"{"data":[],"nextCursor":"c2","roomType":9}"#;
    let world = world(json(200, page).insert_header("RateLimit-Reset", "17")).await;
    let page = world.tascha.rooms().cursor("c1").await.expect("a page");
    assert_eq!(world.line().await, "GET /v1/rooms?cursor=c1");
    assert_eq!(page.next_cursor.as_deref(), Some("c2"));
    assert_eq!(page.headers()["ratelimit-reset"], "17");
    assert_eq!(page.json::<Value>().expect("JSON")["roomType"], 9);
}

#[tokio::test]
async fn tascha_an_error_of_another_shape_keeps_status_and_body() {
    let world = world(json(418, r#"{"problem":"of another shape"}"#)).await;
    let error = world.tascha.rooms().await.expect_err("418");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(418));
    assert_eq!(error.body(), br#"{"problem":"of another shape"}"#);
}

#[tokio::test]
async fn the_credential_in_any_header_and_headers_besides_it() {
    let server = server(json(200, "{}")).await;
    let tascha = plain(tascha::Client::builder().base_url(server.uri()))
        .credential_header("X-Tascha-Key", "k-12345678")
        .header("X-Tenant", "acme")
        .build()
        .expect("a client");
    let lancers = plain(lancers::Client::builder().base_url(server.uri()))
        .credential_header("Authorization", "Bearer s-12345678")
        .header("X-Tenant", "acme")
        .build()
        .expect("a client");
    tascha.request(Method::GET, "/x").await.expect("any JSON");
    lancers.request(Method::GET, "/x").await.expect("any JSON");
    let requests = received(&server).await;
    assert_eq!(header(&requests[0], "x-tascha-key"), ["k-12345678"]);
    assert_eq!(header(&requests[0], "authorization"), [""; 0]);
    assert_eq!(header(&requests[1], "authorization"), ["Bearer s-12345678"]);
    assert!(requests.iter().all(|request| header(request, "x-tenant") == ["acme"]));
    // Lancers' client needs none at all.
    plain(lancers::Client::builder().base_url(server.uri())).build().expect("a client without a credential");
}

/// What the update of a task based on a version that is no longer the present one is answered with.
#[tokio::test]
async fn tascha_a_stale_version_is_left_out() {
    let conflict = json(409, r#"{"code":"version_conflict","message":"The task has changed."}"#);
    let world = world(conflict).await;
    let task = world.tascha.room("r").task("t");
    let error = task.update().title("x").version(3).await.expect_err("409").to_string();
    assert!(error.contains("no operation reads") && error.contains("without `version`"), "{error}");
    world.tascha.room("r").tasks().await.expect_err("409, as everything here");
    assert_eq!(world.line().await, "GET /v1/rooms/r/tasks");
    task.update().title("x").await.expect_err("409, as everything here");
    assert_eq!(world.body().await, r#"{"title":"x"}"#);
}

#[tokio::test]
async fn lancers_parameters_and_bodies_of_ones_own() {
    let world = world(json(200, "[]")).await;
    let request = |method, path| world.lancers.request(method, path);
    request(Method::GET, "/boards").query("boards[limit]", 3).await.expect("any JSON");
    assert_eq!(world.line().await, "GET /boards?boards%5Blimit%5D=3");
    request(Method::PUT, "/boards/1").form("title", "件名").await.expect("any JSON");
    assert_eq!(world.body().await, "title=%E4%BB%B6%E5%90%8D");
    request(Method::POST, "/boards/1/users").json_body(&json!({ "users": ["a"] })).await.expect("any JSON");
    assert_eq!(world.body().await, r#"{"users":["a"]}"#);
    let post =
        request(Method::POST, "/boards").form("users", r#"["a","b"]"#).form("message['description']", "d");
    post.file("message['files']", Upload::bytes("a", "A")).await.expect("any JSON");
    assert_eq!(
        parts(&world.last().await),
        [
            "Content-Disposition: form-data; name=\"users\": [\"a\",\"b\"]",
            "Content-Disposition: form-data; name=\"message['description']\": d",
            "Content-Disposition: form-data; name=\"message['files']\"; filename=\"a\": A",
        ]
    );
    let form = request(Method::POST, "/boards").form("users[]", "a").form("users[]", "b").multipart();
    form.await.expect("any JSON");
    assert_eq!(parts(&world.last().await).len(), 2);
    let _ = world.lancers.create_board(["a"]).with_part_names(lancers::PartNames::Printed).await;
    assert_eq!(parts(&world.last().await), ["Content-Disposition: form-data; name=\"users\": a"]);
    request(Method::GET, "/boards/1/users").query("user", 5).await.expect("any JSON");
    assert_eq!(world.line().await, "GET /boards/1/users?user=5");
    assert_eq!(header(&world.last().await, "cookie"), [LANCERS_COOKIE]);
}

#[tokio::test]
async fn lancers_fields_and_pages_one_by_one() {
    let world = world(empty()).await;
    let board = world.lancers.board(BoardId(1));
    let _ = board.update().title("t").description("d").await;
    let sent: Value = serde_json::from_str(&world.body().await).expect("JSON");
    assert_eq!(sent, json!({ "title": "t", "description": "d" }));
    let _ = board.mark_read().message_id(MessageId(9)).await;
    let sent: Value = serde_json::from_str(&world.body().await).expect("JSON");
    assert_eq!(sent, json!({ "message_id": 9 }));
    world.lancers.unread().limit(500).await.expect("an empty list");
    assert_eq!(world.line().await, "GET /boards/unread?limit=500");
    board.files().file_id(lancers::FileId(4)).limit(20).await.expect("an empty list");
    assert_eq!(world.line().await, "GET /boards/1/files?file_id=4&limit=20");
    board.users().user("花子").limit(20).await.expect("an empty list");
    assert_eq!(world.line().await, "GET /boards/1/users?limit=20&user=%E8%8A%B1%E5%AD%90");
}

#[tokio::test]
async fn lancers_times_in_another_zone_and_as_they_were_sent() {
    let board = r#"[{"id":1,"modified":"2027-01-01 09:00:00"}]"#;
    let server = server(json(200, board)).await;
    let utc = common::lancers(&server.uri()).time_zone(TimeZone::UTC).build().expect("a client");
    let boards = utc.boards().await.expect("a board");
    let time = boards[0].modified.expect("a time");
    assert_eq!(time.to_string(), "2027-01-01T09:00:00Z");
    assert_eq!(boards.json::<Value>().expect("JSON")[0]["modified"], "2027-01-01 09:00:00");
}

/// Chatwork and Lancers do a request again that comes with the same key: a repetition would post twice.
#[tokio::test]
async fn a_keyed_request_is_refused_where_keys_are_ignored() {
    let world = world(empty()).await;
    let chatwork = world.chatwork.request(Method::POST, "/rooms/1/messages").safety(Safety::Keyed);
    let lancers = world.lancers.request(Method::POST, "/messages").safety(Safety::Keyed);
    let errors = [
        (chatwork.clone().await.expect_err("no keys"), "`with_reconcile`"),
        (chatwork.with_idempotency_key("mine").await.expect_err("no keys"), "`with_reconcile`"),
        (lancers.await.expect_err("no keys"), "look whether it is there"),
    ];
    for (error, advice) in errors {
        let text = error.to_string();
        assert!(error.is_invalid_input() && text.contains("ignores idempotency keys"), "{text}");
        assert!(text.contains(advice), "{text}");
    }
    assert!(received(&world.server).await.is_empty());
    world.tascha.request(Method::POST, "/x").safety(Safety::Keyed).await.expect("TAS-CHA keeps them");
    assert!(!header(&world.last().await, "idempotency-key").is_empty());
}

/// A type without the boundary would make the parts unreadable.
#[tokio::test]
async fn the_content_type_of_a_multipart_body_stays() {
    let world = world(json(200, r#"{"file_id":7}"#)).await;
    let file = || Upload::bytes("a.txt", "A");
    let room = world.chatwork.room(RoomId(1));
    let raw = || world.chatwork.request(Method::POST, "/rooms/1/files");
    for value in ["multipart/form-data", "application/json"] {
        let typed = room.upload(file()).with_header("Content-Type", value).await.expect_err(value);
        let raw = raw().file("file", file()).with_header("content-type", value).await.expect_err(value);
        for error in [typed, raw] {
            assert!(error.is_invalid_input() && error.to_string().contains("boundary"), "{error}");
        }
    }
    assert!(received(&world.server).await.is_empty());
    // A body without parts takes any type.
    raw().json_body(&json!({})).with_header("content-type", "application/x.test+json").await.expect("JSON");
    assert_eq!(header(&world.last().await, "content-type"), ["application/x.test+json"]);
}
