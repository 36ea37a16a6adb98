//! TAS-CHA, from a program that does not use kaiwa's client.

use super::spec::{Checked, SendTo};
use kaiwa::VirtualClock;
use kaiwa::sandbox::tascha::{EndOfList, ErrorShape, Key, RecordStatus, RoomSeed, Seed, User, WebhookSeed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

const HOUR: Duration = Duration::from_secs(60 * 60);

struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    fn new(sandbox: &Sandbox, token: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: sandbox.tascha_url().to_string(), token: token.to_owned() }
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Checked {
        self.call(Method::GET, path).send_to(Provider::Tascha).await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Checked {
        self.call(Method::POST, path).json(&body).send_to(Provider::Tascha).await.unwrap()
    }

    async fn patch(&self, path: &str, body: Value) -> Checked {
        self.call(Method::PATCH, path).json(&body).send_to(Provider::Tascha).await.unwrap()
    }

    async fn post_keyed(&self, path: &str, key: &str, body: Value) -> Checked {
        self.call(Method::POST, path)
            .header("Idempotency-Key", key)
            .json(&body)
            .send_to(Provider::Tascha)
            .await
            .unwrap()
    }
}

async fn start(seed: Seed) -> (Sandbox, VirtualClock, Api) {
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).tascha(seed).start().await.unwrap();
    let api = Api::new(&sandbox, Seed::TOKEN);
    (sandbox, clock, api)
}

fn room(rest: &str) -> String {
    format!("/rooms/{}{rest}", Seed::ROOM)
}

fn of<'a>(response: &'a Checked, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

async fn json(response: Checked) -> Value {
    response.json()
}

/// Status and error code.
async fn refusal(response: Checked) -> (u16, String) {
    let status = response.status().as_u16();
    (status, json(response).await["error"]["code"].as_str().unwrap().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn profile_and_its_headers() {
    let (_sandbox, clock, api) = start(Seed::default()).await;
    clock.advance(Duration::from_secs(5));
    let response = api.get("/me").await;
    assert_eq!(response.status(), 200);
    assert_eq!(of(&response, "ratelimit-limit"), "300");
    assert_eq!(of(&response, "ratelimit-remaining"), "299");
    assert_eq!(of(&response, "ratelimit-reset"), "60");
    assert_eq!(of(&response, "ratelimit-policy"), "300;w=60");
    assert_eq!(of(&response, "tascha-api-units-limit"), "20000");
    assert_eq!(of(&response, "tascha-api-units-remaining"), "19999");
    assert_eq!(of(&response, "tascha-api-units-used"), "1");
    assert_eq!(of(&response, "tascha-api-units-cost"), "1");
    assert_eq!(of(&response, "tascha-api-units-reset"), "2026-02-01T00:00:00+09:00");
    assert_eq!(of(&response, "tascha-ratelimit-scope"), "user");
    assert_eq!(of(&response, "content-type"), "application/json");
    assert!(of(&response, "x-request-id").starts_with("req_"));
    let me = json(response).await;
    assert_eq!(me["id"], Seed::USER);
    assert_eq!(me["createdAt"], "2025-12-31T15:00:00.000Z");
}

#[tokio::test]
async fn either_header_carries_the_credential() {
    let (_sandbox, _, api) = start(Seed::default()).await;
    let url = format!("{}/me", api.base);
    let with = |name: &str, value: String| api.http.get(&url).header(name, value).send_to(Provider::Tascha);
    assert_eq!(with("X-Api-Key", Seed::TOKEN.to_owned()).await.unwrap().status(), 200);
    assert_eq!(with("Authorization", format!("bearer {}", Seed::TOKEN)).await.unwrap().status(), 200);
    assert_eq!(with("Authorization", Seed::TOKEN.to_owned()).await.unwrap().status(), 401);
    assert_eq!(with("X-Api-Key", "another".to_owned()).await.unwrap().status(), 401);
    assert_eq!(api.http.get(&url).send_to(Provider::Tascha).await.unwrap().status(), 401);
}

#[tokio::test]
async fn the_callers_request_id_is_adopted_in_failures_too() {
    let (_sandbox, _, api) = start(Seed::default()).await;
    let call =
        |path| api.call(Method::GET, path).header("X-Request-Id", "req_mine").send_to(Provider::Tascha);
    assert_eq!(of(&call("/me").await.unwrap(), "x-request-id"), "req_mine");
    let response = call("/rooms/nowhere/messages").await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(of(&response, "x-request-id"), "req_mine");
    assert_eq!(json(response).await["error"]["requestId"], "req_mine");
    let response = api.get("/nothing").await;
    let issued = of(&response, "x-request-id").to_owned();
    assert_eq!(json(response).await["error"]["requestId"], issued);
}

#[tokio::test]
async fn errors_can_be_flat() {
    let (_sandbox, _, api) = start(Seed::default().error_shape(ErrorShape::Flat)).await;
    let body = json(api.get("/rooms/nowhere/messages").await).await;
    assert_eq!(body["code"], "not_found");
    assert!(body["requestId"].is_string() && body["message"].is_string() && body["details"].is_object());
    assert!(body.get("error").is_none());
}

#[tokio::test]
async fn a_missing_scope_names_the_granted_ones() {
    let seed = Seed::default().key(Key::user("reader", Seed::USER).scopes(["me:read", "rooms:read"]));
    let (sandbox, _, _) = start(seed).await;
    let reader = Api::new(&sandbox, "reader");
    assert_eq!(reader.get("/rooms").await.status(), 200);
    let response = reader.post(&room("/messages"), json!({"body": "hi"})).await;
    assert_eq!(response.status(), 403);
    assert_eq!(of(&response, "tascha-api-units-cost"), "0");
    let error = &json(response).await["error"];
    assert_eq!(error["code"], "insufficient_scope");
    assert_eq!(error["details"]["granted"], json!(["me:read", "rooms:read"]));
    assert_eq!(sandbox.tascha().room(Seed::ROOM).messages().len(), 3);
}

#[tokio::test]
async fn an_organizations_key_cannot_create() {
    let (sandbox, _, _) = start(Seed::default()).await;
    let api = Api::new(&sandbox, Seed::ORGANIZATION_TOKEN);
    let response = api.get(&room("/messages")).await;
    assert_eq!(of(&response, "tascha-ratelimit-scope"), "organization");
    assert_eq!(response.status(), 200);
    for (path, body) in [
        ("/messages", json!({"body": "hi"})),
        ("/tasks", json!({"title": "t"})),
        ("/records", json!({"title": "r"})),
    ] {
        assert_eq!(refusal(api.post(&room(path), body).await).await, refused(403, "user_actor_required"));
    }
    assert_eq!(json(api.get("/me").await).await["organizationId"], Seed::ORGANIZATION);
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let (sandbox, _, api) = start(Seed::default().key(Key::user("old", Seed::USER).revoked())).await;
    assert_eq!(Api::new(&sandbox, "old").get("/me").await.status(), 401);
    assert_eq!(api.get("/me").await.status(), 200);
    sandbox.tascha().revoke(Seed::TOKEN);
    assert_eq!(refusal(api.get("/me").await).await, refused(401, "unauthorized"));
}

#[tokio::test]
async fn rooms_members_files_and_organizations() {
    let seed = Seed::default()
        .user(User::new("stranger", "Eve"))
        .key(Key::user("stranger-token", "stranger"))
        .room(RoomSeed::new("dm", "").direct().members([Seed::USER, Seed::COLLEAGUE]).messages(1));
    let (sandbox, _, api) = start(seed).await;
    let rooms = json(api.get("/rooms").await).await;
    let ids: Vec<&str> =
        rooms["data"].as_array().unwrap().iter().map(|room| room["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [Seed::ROOM, Seed::SECOND_ROOM]);
    assert_eq!(api.get("/rooms/dm/messages").await.status(), 200);
    let members = json(api.get(&room("/members")).await).await;
    assert_eq!(members["data"][1]["displayName"], "Bob");
    assert_eq!(members["data"][0]["role"], 1);
    assert_eq!(json(api.get(&room("/files")).await).await["data"][0]["size"], 1024);
    let organizations = json(api.get("/organizations").await).await;
    assert_eq!(organizations["data"][0]["id"], Seed::ORGANIZATION);

    let stranger = Api::new(&sandbox, "stranger-token");
    assert_eq!(json(stranger.get("/rooms").await).await["data"], json!([]));
    assert_eq!(json(stranger.get("/organizations").await).await["data"], json!([]));
    assert_eq!(json(stranger.get("/me").await).await["organizationId"], Value::Null);
    assert_eq!(stranger.get(&room("/members")).await.status(), 404);
}

#[tokio::test]
async fn pages_follow_the_cursor_and_stay_stable() {
    let seed = Seed::default().room(RoomSeed::new("big", "").members([Seed::USER]).messages(450)).unlimited();
    let (_sandbox, _, api) = start(seed).await;
    let mut bodies = Vec::new();
    let mut path = "/rooms/big/messages?limit=200".to_owned();
    loop {
        let page = json(api.get(&path).await).await;
        bodies.extend(page["data"].as_array().unwrap().iter().map(|message| message["body"].clone()));
        // Messages posted meanwhile come at the end, and do not move others.
        if bodies.len() == 200 {
            api.post("/rooms/big/messages", json!({"body": "Message 451"})).await;
        }
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        assert!(cursor.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        path = format!("/rooms/big/messages?limit=200&cursor={cursor}");
    }
    let expected: Vec<Value> = (1..=451).map(|number| format!("Message {number}").into()).collect();
    assert_eq!(bodies, expected);
    assert_eq!(json(api.get("/rooms/big/messages").await).await["data"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn limits_and_cursors_are_checked() {
    let (_sandbox, _, api) = start(Seed::default()).await;
    for limit in ["0", "201", "-1", "ten"] {
        let response = api.get(&room(&format!("/messages?limit={limit}"))).await;
        assert_eq!(response.status(), 400, "{limit}");
        assert!(json(response).await["error"]["details"]["fields"]["limit"].is_string());
    }
    let cursor =
        json(api.get(&room("/messages?limit=1")).await).await["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(api.get(&room(&format!("/messages?cursor={cursor}"))).await.status(), 200);
    for empty in ["/messages?cursor=&limit=", "/messages?cursor&limit"] {
        assert_eq!(json(api.get(&room(empty)).await).await["data"].as_array().unwrap().len(), 3);
    }
    for path in [room("/messages?cursor=nonsense"), format!("/rooms?cursor={cursor}")] {
        assert_eq!(refusal(api.get(&path).await).await, refused(400, "invalid_cursor"), "{path}");
    }
}

#[tokio::test]
async fn the_end_of_a_list_has_three_forms() {
    for (end, expected) in
        [(EndOfList::Null, Some(Value::Null)), (EndOfList::Absent, None), (EndOfList::Empty, Some(json!("")))]
    {
        let (_sandbox, _, api) = start(Seed::default().end_of_list(end).page_size(1).page_cap(2)).await;
        assert_eq!(json(api.get(&room("/messages")).await).await["data"].as_array().unwrap().len(), 1);
        let page = json(api.get(&room("/messages?limit=200")).await).await;
        assert_eq!(page["data"].as_array().unwrap().len(), 2, "the cap lowers the limit");
        let cursor = page["nextCursor"].as_str().unwrap();
        let last = json(api.get(&room(&format!("/messages?limit=200&cursor={cursor}"))).await).await;
        assert_eq!(last.get("nextCursor"), expected.as_ref());
    }
}

#[tokio::test]
async fn messages_are_posted_and_checked() {
    let (sandbox, clock, api) = start(Seed::default()).await;
    clock.advance(Duration::from_millis(1500));
    let response = api.post(&room("/messages"), json!({"body": "決裁しました"})).await;
    assert_eq!(response.status(), 201);
    assert_eq!(of(&response, "tascha-api-units-cost"), "3");
    let sent = json(response).await;
    assert_eq!(sent["createdAt"], "2025-12-31T15:00:01.500Z");
    assert_eq!(sent["authorId"], Seed::USER);
    let listed = json(api.get(&room("/messages")).await).await;
    assert_eq!(listed["data"][3], sent);

    let id = sent["id"].as_str().unwrap();
    let reply = api.post(&room("/messages"), json!({"body": "re", "replyToMessageId": id})).await;
    assert_eq!(reply.status(), 201);
    assert!(json(reply).await.get("replyToMessageId").is_none());
    let view = sandbox.tascha().room(Seed::ROOM);
    assert_eq!(view.reply_to(&view.messages().last().unwrap().id), Some(id.into()));

    let other_room = format!("/rooms/{}/messages", Seed::SECOND_ROOM);
    let response = api.post(&other_room, json!({"body": "re", "replyToMessageId": id})).await;
    assert_eq!(refusal(response).await, refused(400, "validation_error"));
    assert_eq!(api.post(&room("/messages"), json!({"body": "字".repeat(10_000)})).await.status(), 201);
    for body in
        [json!({}), json!({"body": ""}), json!({"body": 1}), json!({"body": "字".repeat(10_001)}), json!([])]
    {
        let response = api.post(&room("/messages"), body).await;
        assert_eq!(response.status(), 400);
        let error = &json(response).await["error"];
        assert_eq!(error["code"], "validation_error");
        assert_eq!(error["details"]["fields"].as_object().unwrap().len(), 1);
    }
    let form = api
        .call(Method::POST, &room("/messages"))
        .header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(form.body("body=hi").send_to(Provider::Tascha).await.unwrap().status(), 400);
    assert_eq!(sandbox.tascha().room(Seed::ROOM).messages().len(), 6);
}

#[tokio::test]
async fn tasks_have_versions() {
    let (_sandbox, _, api) = start(Seed::default()).await;
    let create = json!({"title": "稟議", "description": "", "boardId": Seed::BOARD, "dueDate": "2026-02-01T09:00:00+09:00"});
    let task = json(api.post(&room("/tasks"), create).await).await;
    assert_eq!((&task["version"], &task["status"]), (&json!(1), &json!("NOT_STARTED")));
    assert_eq!(task["dueDate"], "2026-02-01T00:00:00.000Z");
    let path = room(&format!("/tasks/{}", task["id"].as_str().unwrap()));

    let done = json(api.patch(&path, json!({"status": "COMPLETED", "version": 1})).await).await;
    assert_eq!((&done["version"], &done["status"]), (&json!(2), &json!("COMPLETED")));
    assert_eq!(done["dueDate"], task["dueDate"], "a field left out is kept");
    let stale = api.patch(&path, json!({"status": "IN_PROGRESS", "version": 1})).await;
    assert_eq!(refusal(stale).await, refused(409, "version_conflict"));
    let cleared = json(api.patch(&path, json!({"dueDate": null, "title": "済"})).await).await;
    assert_eq!(
        (&cleared["dueDate"], &cleared["title"], &cleared["version"]),
        (&Value::Null, &json!("済"), &json!(3))
    );

    let listed = json(api.get(&room("/tasks")).await).await;
    assert_eq!(listed["data"][1]["status"], "COMPLETED");
    assert!(listed["data"][1].get("version").is_none());
    assert_eq!(api.patch(&room("/tasks/none"), json!({})).await.status(), 404);
}

#[tokio::test]
async fn tasks_are_checked() {
    let (sandbox, _, api) = start(Seed::default()).await;
    let boardless = format!("/rooms/{}/tasks", Seed::SECOND_ROOM);
    assert_eq!(
        refusal(api.post(&boardless, json!({"title": "t"})).await).await,
        refused(400, "board_not_found")
    );
    let bad = json!({"title": "字".repeat(201), "description": 1, "boardId": "", "dueDate": null});
    let error = json(api.post(&room("/tasks"), bad).await).await;
    let fields = error["error"]["details"]["fields"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["boardId", "description", "dueDate", "title"]);
    let foreign = api.post(&room("/tasks"), json!({"title": "t", "boardId": "elsewhere"})).await;
    assert_eq!(refusal(foreign).await, refused(400, "validation_error"));
    let task = &sandbox.tascha().room(Seed::ROOM).tasks()[0].id;
    for body in
        [json!({"status": "DONE"}), json!({"version": "1"}), json!({"title": ""}), json!({"dueDate": "soon"})]
    {
        assert_eq!(api.patch(&room(&format!("/tasks/{task}")), body).await.status(), 400);
    }
    assert_eq!(sandbox.tascha().room(Seed::ROOM).tasks()[0].version, Some(1));
}

#[tokio::test]
async fn records_belong_to_their_creator() {
    let seed = Seed::default().room(
        RoomSeed::new("archive", "")
            .members([Seed::USER, Seed::COLLEAGUE])
            .record(Seed::USER, "Locked", RecordStatus::Locked)
            .record(Seed::USER, "Archived", RecordStatus::Archived)
            .record(Seed::COLLEAGUE, "Bob's", RecordStatus::Active),
    );
    let (sandbox, _, api) = start(seed).await;
    let create = json!({"title": "議事録", "content": "😀".repeat(200_000)});
    let record = json(api.post(&room("/records"), create).await).await;
    assert!(record.get("content").is_none());
    let id = record["id"].as_str().unwrap();
    let path = room(&format!("/records/{id}"));
    let changed = json(api.patch(&path, json!({"content": "", "title": "新"})).await).await;
    assert_eq!(changed["title"], "新");
    assert_eq!(sandbox.tascha().room(Seed::ROOM).content_of(id), "");
    assert_eq!(api.patch(&path, json!({"title": ""})).await.status(), 400);

    let bob = Api::new(&sandbox, Seed::COLLEAGUE_TOKEN);
    assert_eq!(refusal(bob.patch(&path, json!({"title": "x"})).await).await, refused(403, "forbidden"));
    sandbox.tascha().room(Seed::ROOM).set_record_status(id, RecordStatus::Locked);
    assert_eq!(refusal(api.patch(&path, json!({"title": "x"})).await).await, refused(403, "record_locked"));

    let seeded = json(api.get("/rooms/archive/records").await).await;
    let mut answers = Vec::new();
    for record in seeded["data"].as_array().unwrap() {
        let path = format!("/rooms/archive/records/{}", record["id"].as_str().unwrap());
        answers.push(refusal(api.patch(&path, json!({"title": "x"})).await).await);
    }
    assert_eq!(
        answers,
        [refused(403, "record_locked"), refused(403, "record_archived"), refused(403, "forbidden")]
    );
}

#[tokio::test]
async fn an_idempotency_key_replays_the_answer_for_a_day() {
    let (sandbox, clock, api) = start(Seed::default()).await;
    let path = room("/messages");
    let first = api.post_keyed(&path, "k1", json!({"body": "once"})).await;
    assert_eq!(first.status(), 201);
    let first = json(first).await;
    clock.advance(24 * HOUR - Duration::from_secs(1));
    let again = api.post_keyed(&path, "k1", json!({"body": "once"})).await;
    assert_eq!(again.status(), 201);
    assert_eq!(json(again).await, first);
    let effects = sandbox.requests();
    let effects: Vec<_> = effects.iter().map(|request| (request.applied, request.replayed)).collect();
    assert_eq!(effects, [(true, false), (false, true)], "a replay has no effect");
    assert_eq!(sandbox.tascha().room(Seed::ROOM).messages().len(), 4);

    let other = api.post_keyed(&path, "k1", json!({"body": "twice"})).await;
    assert_eq!(refusal(other).await, refused(409, "idempotency_key_reused"));
    let elsewhere = api.post_keyed(&room("/tasks"), "k1", json!({"title": "t"})).await;
    assert_eq!(refusal(elsewhere).await, refused(409, "idempotency_key_reused"));
    let bob = Api::new(&sandbox, Seed::COLLEAGUE_TOKEN);
    assert_eq!(bob.post_keyed(&path, "k1", json!({"body": "mine"})).await.status(), 201);

    clock.advance(Duration::from_secs(1));
    assert_eq!(api.post_keyed(&path, "k1", json!({"body": "twice"})).await.status(), 201);
    assert_eq!(sandbox.tascha().idempotency_keys(), 2);
}

#[tokio::test]
async fn idempotency_keys_work_on_the_other_writes() {
    let (sandbox, _, api) = start(Seed::default()).await;
    for key in ["", &"k".repeat(256)] {
        assert_eq!(api.post_keyed(&room("/messages"), key, json!({"body": "x"})).await.status(), 400);
    }
    // A failure is not remembered: the same key may be used for the corrected request.
    assert_eq!(api.post_keyed(&room("/records"), "r", json!({"title": ""})).await.status(), 400);
    let record = json(api.post_keyed(&room("/records"), "r", json!({"title": "R"})).await).await;
    let record_path = room(&format!("/records/{}", record["id"].as_str().unwrap()));
    let task = json(api.post_keyed(&room("/tasks"), "t", json!({"title": "T"})).await).await;
    let task_path = room(&format!("/tasks/{}", task["id"].as_str().unwrap()));
    for _ in 0..2 {
        let update = api.call(Method::PATCH, &task_path).header("Idempotency-Key", "tu");
        let updated =
            json(update.json(&json!({"version": 1, "title": "T2"})).send_to(Provider::Tascha).await.unwrap())
                .await;
        assert_eq!(updated["version"], 2, "the replay is not a conflict");
        let update = api.call(Method::PATCH, &record_path).header("Idempotency-Key", "ru");
        // White space and the order of fields do not make it a different payload.
        let update = update.header("Content-Type", "application/json").body(r#"{ "title" : "R2" }"#);
        assert_eq!(update.send_to(Provider::Tascha).await.unwrap().status(), 200);
    }
    assert_eq!(sandbox.tascha().room(Seed::ROOM).tasks().len(), 2);
    assert_eq!(sandbox.tascha().room(Seed::ROOM).records().len(), 2);
    // A key is ignored by an operation that does not take one.
    let list =
        api.call(Method::GET, "/me").header("Idempotency-Key", "r").send_to(Provider::Tascha).await.unwrap();
    assert_eq!(list.status(), 200);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_under_the_same_key() {
    let (sandbox, _, api) = start(Seed::default()).await;
    let script = Script::on("create_message").then(Fault::reset().before()).then(Fault::reset().after());
    sandbox.faults().script(Provider::Tascha, script);
    let post = || {
        let call = api.call(Method::POST, &room("/messages")).header("Idempotency-Key", "k");
        call.json(&json!({"body": "once"})).send_to(Provider::Tascha)
    };
    assert!(post().await.is_err());
    assert_eq!(sandbox.tascha().room(Seed::ROOM).messages().len(), 3);
    assert!(post().await.is_err());
    assert_eq!(sandbox.tascha().room(Seed::ROOM).messages().len(), 4);
    assert_eq!(post().await.unwrap().status(), 201);
    assert_eq!(sandbox.tascha().room(Seed::ROOM).messages().len(), 4);
}

#[tokio::test]
async fn the_burst_window_limits() {
    let (sandbox, clock, api) = start(Seed::default().burst_limit(3, Duration::from_secs(10))).await;
    for remaining in ["2", "1", "0"] {
        assert_eq!(of(&api.get("/me").await, "ratelimit-remaining"), remaining);
    }
    clock.advance(Duration::from_millis(3500));
    let response = api.get("/me").await;
    assert_eq!(response.status(), 429);
    assert_eq!(of(&response, "retry-after"), "7");
    assert_eq!(of(&response, "ratelimit-reset"), "7");
    assert_eq!(of(&response, "ratelimit-policy"), "3;w=10");
    assert_eq!(json(response).await["error"]["code"], "rate_limit_exceeded");
    assert_eq!(Api::new(&sandbox, Seed::COLLEAGUE_TOKEN).get("/me").await.status(), 200);
    clock.advance(Duration::from_secs(7));
    assert_eq!(api.get("/me").await.status(), 200);
}

#[tokio::test]
async fn units_are_monthly_and_japanese() {
    let an_hour_before = "2026-01-31T23:00:00+09:00".parse().unwrap();
    for status in [429, 403] {
        let clock = VirtualClock::starting_at(an_hour_before);
        let seed = Seed::default().units_limit(5).units_exhausted_status(status);
        let sandbox = Sandbox::builder().clock(clock.clone()).tascha(seed).start().await.unwrap();
        let api = Api::new(&sandbox, Seed::TOKEN);
        assert_eq!(api.post(&room("/messages"), json!({"body": "a"})).await.status(), 201);
        let refused_write = api.post(&room("/messages"), json!({"body": "b"})).await;
        assert_eq!(refused_write.status(), status);
        assert_eq!(of(&refused_write, "tascha-api-units-cost"), "0");
        assert_eq!(of(&refused_write, "tascha-api-units-remaining"), "2");
        assert_eq!(of(&refused_write, "tascha-api-units-reset"), "2026-02-01T00:00:00+09:00");
        assert!(of(&refused_write, "retry-after").parse::<u64>().unwrap() >= 3600);
        assert_eq!(refusal(refused_write).await.1, "units_exhausted");
        assert_eq!(api.get("/me").await.status(), 200, "a cheaper call still fits");
        assert_eq!(sandbox.tascha().units_used(Seed::TOKEN), Some(4));
        clock.advance(HOUR);
        let response = api.post(&room("/messages"), json!({"body": "b"})).await;
        assert_eq!(of(&response, "tascha-api-units-used"), "3");
        assert_eq!(of(&response, "tascha-api-units-reset"), "2026-03-01T00:00:00+09:00");
    }
}

#[tokio::test]
async fn webhooks_are_logged_and_redelivered() {
    let (sandbox, _, api) = start(Seed::default()).await;
    let log = room(&format!("/webhooks/{}/deliveries", Seed::WEBHOOK));
    let before = json(api.get(&log).await).await;
    let failed = &before["data"][1];
    assert_eq!((&failed["success"], &failed["statusCode"]), (&json!(false), &json!(500)));
    // The parameter may be the id of the delivery or of the log entry.
    for (id, attempt) in [("deliveryId", 2), ("id", 3)] {
        let path = format!("{log}/{}/redeliver", failed[id].as_str().unwrap());
        let response = api.call(Method::POST, &path).send_to(Provider::Tascha).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(of(&response, "tascha-api-units-cost"), "1");
        let delivery = &json(response).await["delivery"];
        assert_eq!(delivery["eventId"], failed["eventId"]);
        assert_ne!(delivery["deliveryId"], failed["deliveryId"]);
        assert_eq!((&delivery["success"], &delivery["attempt"]), (&json!(true), &json!(attempt)));
    }
    assert_eq!(json(api.get(&log).await).await["data"].as_array().unwrap().len(), 4);
    assert_eq!(sandbox.tascha().room(Seed::ROOM).deliveries(Seed::WEBHOOK).len(), 4);
    assert_eq!(
        api.call(Method::POST, &format!("{log}/none/redeliver"))
            .send_to(Provider::Tascha)
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(api.get(&room("/webhooks/none/deliveries")).await.status(), 404);
}

#[tokio::test]
async fn webhooks_reach_their_receiver() {
    let receiver = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(204))
        .up_to_n_times(1)
        .mount(&receiver)
        .await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(500)).mount(&receiver).await;
    let (sandbox, _, api) = start(Seed::default()).await;
    let view = sandbox.tascha().room(Seed::ROOM);
    view.set_webhook_url(Seed::WEBHOOK, receiver.uri());
    api.post(&room("/messages"), json!({"body": "hello"})).await;
    while view.deliveries(Seed::WEBHOOK)[2].delivered_at.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let delivered = view.deliveries(Seed::WEBHOOK)[2].clone();
    assert_eq!((delivered.success, delivered.status_code), (true, Some(204)));
    let requests = receiver.received_requests().await.unwrap();
    assert_eq!(requests[0].headers["tascha-webhook-id"], delivered.event_id.as_str());
    let body: Value = requests[0].body_json().unwrap();
    assert_eq!((&body["event"], &body["data"]["body"]), (&json!("message.created"), &json!("hello")));

    let path = room(&format!("/webhooks/{}/deliveries/{}/redeliver", Seed::WEBHOOK, delivered.delivery_id));
    let again = json(api.call(Method::POST, &path).send_to(Provider::Tascha).await.unwrap()).await;
    assert_eq!(
        (&again["delivery"]["success"], &again["delivery"]["statusCode"]),
        (&json!(false), &json!(500))
    );
    let requests = receiver.received_requests().await.unwrap();
    assert_eq!(requests[1].headers["tascha-webhook-id"], delivered.event_id.as_str());
    assert!(!requests[1].headers.keys().any(|name| name.as_str().contains("signature")));

    for url in ["http://192.0.2.1/", "http://127.0.0.1:1/"] {
        view.set_webhook_url(Seed::WEBHOOK, url);
        let failed = json(api.call(Method::POST, &path).send_to(Provider::Tascha).await.unwrap()).await;
        assert_eq!(
            (&failed["delivery"]["success"], &failed["delivery"]["statusCode"]),
            (&json!(false), &Value::Null)
        );
        assert!(failed["delivery"]["error"].is_string());
    }
}

#[tokio::test]
async fn deliveries_end_with_the_sandbox() {
    let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sandbox, _, _) = start(Seed::default()).await;
    let view = sandbox.tascha().room(Seed::ROOM);
    view.set_webhook_url(Seed::WEBHOOK, format!("http://{}/", receiver.local_addr().unwrap()));
    view.post(Seed::COLLEAGUE, "x").unwrap();
    // It is accepted and never answered.
    let (mut delivery, _) = receiver.accept().await.unwrap();
    drop(sandbox);
    let mut received = Vec::new();
    // No matter how it ends.
    let _ = delivery.read_to_end(&mut received).await;
    view.post(Seed::COLLEAGUE, "y").unwrap();
    let log = view.deliveries(Seed::WEBHOOK);
    assert_eq!(log.len(), 4);
    assert!(log[2..].iter().all(|delivery| delivery.delivered_at.is_none()), "{log:?}");
}

#[tokio::test]
async fn a_webhook_gets_the_events_it_is_subscribed_to() {
    let seed = Seed::default().room(
        RoomSeed::new("hooked", "")
            .members([Seed::USER])
            .board("board")
            .webhook(WebhookSeed::new("tasks-only").events(["task.created"])),
    );
    let (sandbox, _, api) = start(seed).await;
    api.post("/rooms/hooked/messages", json!({"body": "x"})).await;
    api.post("/rooms/hooked/tasks", json!({"title": "x"})).await;
    let log = sandbox.tascha().room("hooked").deliveries("tasks-only");
    assert_eq!(log.iter().map(|entry| entry.event.as_str()).collect::<Vec<_>>(), ["task.created"]);
    assert!(sandbox.tascha().room("hooked").post(Seed::COLLEAGUE, "@alice").is_some());
    assert_eq!(json(api.get("/rooms/hooked/messages").await).await["data"][1]["authorId"], Seed::COLLEAGUE);
    let catalogue = json(api.get("/events").await).await;
    assert!(catalogue.get("nextCursor").is_none());
    assert!(catalogue["data"].as_array().unwrap().iter().any(|event| event["stable"] == false));
}

#[tokio::test]
async fn the_same_seed_makes_the_same_ids() {
    let mut ids = Vec::new();
    for seed in [1, 1, 2] {
        let sandbox = Sandbox::builder().clock(VirtualClock::new()).seed(seed).start().await.unwrap();
        let api = Api::new(&sandbox, Seed::TOKEN);
        ids.push(json(api.post(&room("/messages"), json!({"body": "x"})).await).await["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}
