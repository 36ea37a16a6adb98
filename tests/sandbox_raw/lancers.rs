//! Lancers, from a program that does not use kaiwa's client.

use super::spec::{Checked, SendTo};
use jiff::Timestamp;
use kaiwa::VirtualClock;
use kaiwa::lancers::BoardId;
use kaiwa::sandbox::lancers::{BoardSeed, Seed};
use kaiwa::sandbox::{Provider, Sandbox};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;

struct Api {
    http: reqwest::Client,
    base: String,
    credential: (String, String),
}

impl Api {
    fn new(sandbox: &Sandbox, name: &str, value: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            http,
            base: sandbox.lancers_url().to_string(),
            credential: (name.to_owned(), value.to_owned()),
        }
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .header(&self.credential.0, &self.credential.1)
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.call(Method::GET, path).send_to(Provider::Lancers).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        response.json()
    }

    async fn put(&self, path: &str, body: Value) -> Checked {
        self.call(Method::PUT, path).json(&body).send_to(Provider::Lancers).await.unwrap()
    }

    async fn post(&self, path: &str, form: Form) -> Checked {
        self.call(Method::POST, path).multipart(form).send_to(Provider::Lancers).await.unwrap()
    }

    /// The request is refused in the service's only way.
    async fn refuses(&self, request: RequestBuilder) {
        let response = request.send_to(Provider::Lancers).await.unwrap();
        assert_eq!(response.status(), 400);
        let body: Value = response.json();
        assert_eq!(body["type"], "bad_request");
        assert!(body["message"].is_string());
    }
}

async fn start(seed: Seed) -> (Sandbox, VirtualClock, Api) {
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).lancers(seed).start().await.unwrap();
    let api = Api::new(&sandbox, "Cookie", Seed::CREDENTIAL);
    (sandbox, clock, api)
}

async fn json(response: Checked) -> Value {
    assert_eq!(response.status(), 200);
    response.json()
}

fn ids(rows: &Value) -> Vec<u64> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

fn first(sandbox: &Sandbox) -> BoardId {
    sandbox.lancers().boards()[0].id
}

#[tokio::test]
async fn the_credential_is_checked() {
    let seed = Seed::default().credential_header("X-Session").account("dave", "s3cret");
    let (sandbox, _, cookie) = start(seed).await;
    cookie.refuses(cookie.call(Method::GET, "/boards")).await;
    let dave = Api::new(&sandbox, "X-Session", "s3cret");
    assert_eq!(dave.get("/boards").await, json!([]));
    assert!(!format!("{:?}", sandbox.requests()).contains("s3cret"));

    let (sandbox, _, api) = start(Seed::default()).await;
    api.refuses(api.http.get(format!("{}/boards", api.base))).await;
    let wrong = Api::new(&sandbox, "Cookie", "session=other");
    wrong.refuses(wrong.call(Method::GET, "/boards")).await;
    let browser = Api::new(&sandbox, "Cookie", "theme=dark; session=sandbox");
    assert_eq!(browser.get("/boards").await.as_array().unwrap().len(), 1);
    api.refuses(api.call(Method::GET, "/nothing")).await;
    api.refuses(api.call(Method::PATCH, "/boards")).await;
}

#[tokio::test]
async fn boards_are_listed_one_at_a_time_by_default() {
    let (_sandbox, _, api) = start(Seed::default()).await;
    let boards = api.get("/boards").await;
    assert_eq!(boards.as_array().unwrap().len(), 1);
    let board = &boards[0];
    assert_eq!(board["title"], "プロジェクトについて");
    assert_eq!(board["modified"], "2025-12-31 23:59:59");
    assert_eq!(board["users"], json!([{"name": "alice"}, {"name": "bob"}, {"name": "carol"}]));
    assert_eq!((&board["message"], &board["unread_count"]), (&json!("Message 3"), &json!(0)));
    let second = &api.get("/boards?modified=2025-12-31%2023:59:59").await[0];
    assert_eq!(second["title"], "aliceさん,bobさんとのメッセージ");
    assert_eq!((&second["unread_count"], &second["unread_mention_count"]), (&json!(2), &json!(1)));
    assert_eq!(ids(&api.get("/boards?limit=20").await).len(), 2);
    assert_eq!(api.get("/boards?modified=2025-12-31+23:59:58").await, json!([]));
    for query in ["limit=0", "limit=x", "modified=yesterday", "modified=2025-12-31"] {
        api.refuses(api.call(Method::GET, &format!("/boards?{query}"))).await;
    }
}

#[tokio::test]
async fn boards_of_the_same_second_are_lost_at_a_page_boundary() {
    let at: Timestamp = "2025-12-01T00:00:00.9Z".parse().unwrap();
    let seed = Seed::new()
        .account("alice", Seed::CREDENTIAL)
        .boards(3, BoardSeed::new("alice", ["bob"]).modified(at))
        .boards(2, BoardSeed::new("alice", ["bob"]));
    let (sandbox, _, api) = start(seed).await;
    let mut expected: Vec<u64> = sandbox.lancers().boards().iter().map(|board| board.id.0).collect();
    expected.reverse();
    assert_eq!(ids(&api.get("/boards?limit=9").await), expected);
    let page = api.get("/boards?limit=3").await;
    assert_eq!(ids(&page), &expected[..3]);
    let last = page[2]["modified"].as_str().unwrap().replace(' ', "%20");
    assert_eq!(last, "2025-12-01%2009:00:00");
    assert_eq!(api.get(&format!("/boards?limit=9&modified={last}")).await, json!([]), "two are never seen");
}

#[tokio::test]
async fn unread_counts_boards_and_lists_messages() {
    let unread = |messages| BoardSeed::new("bob", ["alice"]).messages(messages).unread_by(["alice"]);
    let seed = Seed::new()
        .account("alice", Seed::CREDENTIAL)
        .board(unread(2))
        .board(BoardSeed::new("bob", ["alice"]).messages(9))
        .board(unread(3).message("alice", "own"));
    let (sandbox, _, api) = start(seed).await;
    let boards = sandbox.lancers().boards();
    let rows = api.get("/boards/unread").await;
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert!(rows.as_array().unwrap().iter().all(|row| row["board_id"] == boards[2].id.0));
    let rows = api.get("/boards/unread?limit=20").await;
    assert_eq!(rows.as_array().unwrap().len(), 5);
    assert_eq!(rows[3]["board_id"], boards[0].id.0);
    let rows = api.get("/boards/unread?limit=20&modified=2025-12-31%2023:59:59").await;
    assert_eq!(rows.as_array().unwrap().len(), 2);
    api.refuses(api.call(Method::GET, "/boards/unread?limit=-1")).await;
}

#[tokio::test]
async fn a_board_is_created_with_its_first_message() {
    let (sandbox, _, api) = start(Seed::default()).await;
    let png = Part::bytes(vec![0; 3]).file_name("図.png").mime_str("image/png").unwrap();
    let form = Form::new()
        .text("users[]", "bob")
        .text("users[]", "carol")
        .text("message[description]", "はじめまして")
        .part("message[files][]", png);
    let board = json(api.post("/boards", form).await).await;
    assert_eq!(board["title"], "aliceさん,bobさん,carolさんとのメッセージ");
    assert_eq!((&board["owner"], &board["with"]), (&json!({"name": "alice"}), &json!([])));
    assert_eq!(board["description"], Value::Null);
    assert_eq!(board["created"], "2026-01-01 00:00:00");
    let id = board["id"].as_u64().unwrap();
    let messages = api.get(&format!("/boards/{id}/messages?limit=9")).await;
    assert_eq!(messages[0]["description"], "はじめまして");
    let file = &messages[0]["files"][0];
    assert_eq!(
        (&file["name"], &file["type"], &file["size"]),
        (&json!("図.png"), &json!("image/png"), &json!("3"))
    );
    let view = sandbox.lancers().board(id);
    assert_eq!(view.content_of(view.files()[0].id).len(), 3);

    let listed = Form::new().text("users", r#"["bob"]"#).text("title", "題");
    let board = json(api.post("/boards", listed).await).await;
    assert_eq!(board["title"], "題");
    assert_eq!(api.get(&format!("/boards/{}/messages", board["id"])).await, json!([]));

    for form in [Form::new().text("title", "nobody"), Form::new().text("users[]", "nobody")] {
        api.refuses(api.call(Method::POST, "/boards").multipart(form)).await;
    }
    api.refuses(api.call(Method::POST, "/boards").json(&json!({"users": ["bob"]}))).await;
    assert_eq!(sandbox.lancers().boards().len(), 4);
}

/// The blog post prints the names with quotation marks, and shows no request.
#[tokio::test]
async fn parts_are_accepted_under_every_plausible_name() {
    let (sandbox, _, api) = start(Seed::default()).await;
    let file = || Part::bytes(vec![0; 3]).file_name("図.png").mime_str("image/png").unwrap();
    for [user, text, files] in [
        ["users[]", "message[description]", "message[files][]"],
        ["users[0]", "message[description]", "message[files][0]"],
        ["users", "message['description']", "message['files']"],
        ["users", "message[‘description’]", "message[‘files’][]"],
        ["users[0]", "message[\"description\"]", "files[0]"],
    ] {
        let second = user.replace('0', "1");
        let form = Form::new().text(user, "bob").text(second, "carol").text(text, "はじめまして");
        let board = json(api.post("/boards", form.part(files, file())).await).await;
        let view = sandbox.lancers().board(board["id"].as_u64().unwrap());
        let users: Vec<String> = view.users().into_iter().map(|user| user.name).collect();
        assert_eq!(users, ["alice", "bob", "carol"], "{user}");
        let message = view.messages().pop().unwrap();
        assert_eq!((&message.description[..], message.files.len()), ("はじめまして", 1), "{text} {files}");
    }
    let boards = sandbox.lancers().boards().len();
    let unnamed = || Part::bytes(vec![0; 3]).file_name("");
    for form in [
        Form::new().text("users[]", "bob").text("message[text]", "lost"),
        Form::new().text("users[]", "bob").text("message", "lost"),
        Form::new().text("users[]", "bob").part("attachment", file()),
        Form::new().text("users[]", "bob").part("files[]", unnamed()),
    ] {
        api.refuses(api.call(Method::POST, "/boards").multipart(form)).await;
    }
    assert_eq!(sandbox.lancers().boards().len(), boards);
    let unchosen =
        Form::new().text("description", "x").part("files[]", Part::bytes(Vec::new()).file_name(""));
    let sent = json(api.post(&format!("/boards/{}/messages", first(&sandbox)), unchosen).await).await;
    assert_eq!(sent["files"], json!([]));
}

#[tokio::test]
async fn a_body_that_is_not_read_marks_nothing_as_read() {
    let (sandbox, _, alice) = start(Seed::default()).await;
    let board = first(&sandbox);
    let unread = || sandbox.lancers().board(board).unread_count("alice");
    let before = unread();
    let read = || alice.call(Method::PUT, &format!("/boards/{board}/messages/read"));
    for content_type in ["application/x-www-form-urlencoded", "text/plain", ""] {
        alice.refuses(read().header("Content-Type", content_type).body("message_id=1")).await;
    }
    alice.refuses(read().json(&json!([1]))).await;
    assert_eq!((unread(), before), (before, 2));
    let empty = read().header("Content-Type", "application/x-www-form-urlencoded").body("");
    assert_eq!(json(empty.send_to(Provider::Lancers).await.unwrap()).await["unread_count"], 0);
}

#[tokio::test]
async fn an_empty_parameter_counts_as_absent() {
    let (sandbox, _, api) = start(Seed::default()).await;
    assert_eq!(ids(&api.get("/boards?limit=&modified=").await).len(), 1);
    assert_eq!(ids(&api.get("/boards/unread?limit&modified").await).len(), 2);
    let board = first(&sandbox);
    assert_eq!(
        ids(&api.get(&format!("/boards/{board}/messages?message_id=&direction=&limit=9")).await).len(),
        4
    );
    assert_eq!(ids(&api.get(&format!("/boards/{board}/files?file_id=&limit=")).await).len(), 1);
}

#[tokio::test]
async fn a_board_is_read_and_changed() {
    let (sandbox, clock, api) = start(Seed::default()).await;
    let boards = sandbox.lancers().boards();
    let with = api.get(&format!("/boards/{}", boards[1].id)).await["with"].clone();
    assert_eq!(with["proposal"]["work"]["type"], "competition");
    let path = format!("/boards/{}", boards[0].id);
    assert_eq!(api.get(&path).await["with"], json!([]));

    clock.advance(Duration::from_millis(2700));
    assert_eq!(json(api.put(&path, json!({"title": "新"})).await).await, json!({"title": "新"}));
    let changed = json(api.put(&path, json!({"title": "新", "description": "説明"})).await).await;
    assert_eq!(changed, json!({"title": "新", "description": "説明"}));
    let board = api.get(&path).await;
    assert_eq!((&board["description"], &board["modified"]), (&json!("説明"), &json!("2026-01-01 00:00:02")));
    api.refuses(api.call(Method::PUT, &path).json(&json!({"title": 1}))).await;
    let form = api.call(Method::PUT, &path).header("Content-Type", "application/x-www-form-urlencoded");
    api.refuses(form.body("title=x")).await;
    api.refuses(api.call(Method::GET, "/boards/1")).await;
    api.refuses(api.call(Method::GET, "/boards/x")).await;
}

#[tokio::test]
async fn users_are_listed_added_and_removed() {
    let (sandbox, _, api) = start(Seed::default().users(["佐藤 花子"])).await;
    let path = format!("/boards/{}/users", first(&sandbox));
    let names = |rows: Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let add = |users: Value| api.call(Method::POST, &path).json(&json!({ "users": users }));
    let added = json(add(json!(["carol", "佐藤 花子"])).send_to(Provider::Lancers).await.unwrap()).await;
    assert_eq!(added, json!([{"name": "carol"}, {"name": "佐藤 花子"}]));
    assert_eq!(names(api.get(&path).await), ["alice", "bob", "carol", "佐藤 花子"]);
    assert_eq!(names(api.get(&format!("{path}?limit=1")).await), ["alice"]);
    assert_eq!(names(api.get(&format!("{path}?user=alice&limit=2")).await), ["bob", "carol"]);
    for users in [json!([]), json!(["nobody"]), json!("bob"), json!([1])] {
        api.refuses(add(users)).await;
    }
    let hanako = format!("{path}/%E4%BD%90%E8%97%A4%20%E8%8A%B1%E5%AD%90");
    let removed = json(api.call(Method::DELETE, &hanako).send_to(Provider::Lancers).await.unwrap()).await;
    assert_eq!(removed, json!({"name": "佐藤 花子"}));
    api.refuses(api.call(Method::DELETE, &hanako)).await;

    let bob = Api::new(&sandbox, "Cookie", Seed::COLLEAGUE_CREDENTIAL);
    json(api.call(Method::DELETE, &format!("{path}/bob")).send_to(Provider::Lancers).await.unwrap()).await;
    bob.refuses(bob.call(Method::GET, &path)).await;
}

#[tokio::test]
async fn messages_are_listed_in_both_directions_from_an_included_id() {
    let seed =
        Seed::new().account("alice", Seed::CREDENTIAL).board(BoardSeed::new("alice", ["bob"]).messages(50));
    let (sandbox, _, api) = start(seed).await;
    let board = first(&sandbox);
    let all: Vec<u64> =
        sandbox.lancers().board(board).messages().iter().map(|message| message.id.0).collect();
    let list = |query: String| {
        let path = format!("/boards/{board}/messages{query}");
        let api = &api;
        async move { ids(&api.get(&path).await) }
    };
    assert_eq!(list(String::new()).await, all[..1], "the default limit is 1");
    assert_eq!(list("?limit=100".into()).await, all);
    assert_eq!(list(format!("?message_id={}&limit=3", all[10])).await, all[10..13]);
    assert_eq!(list(format!("?message_id={}&limit=3&direction=next", all[10] + 1)).await, all[11..14]);
    assert_eq!(
        list(format!("?message_id={}&limit=3&direction=prev", all[10])).await,
        [all[10], all[9], all[8]]
    );
    assert_eq!(list("?direction=prev&limit=2".into()).await, [all[49], all[48]]);
    assert!(list(format!("?message_id={}&limit=3", all[49] + 1)).await.is_empty());
    for query in ["message_id=false", "message_id=0", "direction=up", "limit=0"] {
        api.refuses(api.call(Method::GET, &format!("/boards/{board}/messages?{query}"))).await;
    }
}

#[tokio::test]
async fn messages_are_posted_listed_and_read() {
    let (sandbox, clock, alice) = start(Seed::default()).await;
    let bob = Api::new(&sandbox, "Cookie", Seed::COLLEAGUE_CREDENTIAL);
    let board = first(&sandbox);
    let path = format!("/boards/{board}/messages");
    clock.advance(Duration::from_secs(61));
    let text = Part::text("x").file_name("a.txt").mime_str("text/plain").unwrap();
    let form = Form::new().text("description", "@bob 見てください").part("files[]", text);
    let sent = json(alice.post(&path, form).await).await;
    assert_eq!((&sent["status"], &sent["read_users"]), (&json!("ok"), &json!([])));
    assert_eq!((&sent["board_id"], &sent["created"]), (&json!(board), &json!("2026-01-01 00:01:01")));
    assert_eq!(sent["send_user"], json!({"name": "alice"}));
    json(alice.post(&path, Form::new().text("description", "@bobby")).await).await;

    let summary = &bob.get("/boards").await[0];
    assert_eq!((&summary["id"], &summary["message"]), (&json!(board), &json!("@bobby")));
    assert_eq!((&summary["unread_count"], &summary["unread_mention_count"]), (&json!(2), &json!(1)));
    assert_eq!(alice.get("/boards").await[0]["unread_count"], 2, "her own message does not count");

    let read = json(bob.put(&format!("{path}/read"), json!({"message_id": sent["id"]})).await).await;
    assert_eq!(read, json!({"board_id": board.to_string(), "unread_count": 1}));
    let listed = bob.get(&format!("{path}?message_id={}", sent["id"])).await;
    assert_eq!(listed[0]["read_users"], json!(["bob"]));
    let all =
        json(bob.call(Method::PUT, &format!("{path}/read")).send_to(Provider::Lancers).await.unwrap()).await;
    assert_eq!(all["unread_count"], 0);
    let back = json(bob.put(&format!("{path}/read"), json!({"message_id": sent["id"]})).await).await;
    assert_eq!(back["unread_count"], 0, "read stays read");
    json(alice.put(&format!("{path}/read"), json!({"message_id": null})).await).await;
    let messages = sandbox.lancers().board(board).messages();
    let read = messages.iter().find(|message| sent["id"] == message.id.0).expect("it is there");
    assert_eq!(read.read_users, ["alice", "bob"]);
    bob.refuses(bob.call(Method::PUT, &format!("{path}/read")).json(&json!({"message_id": 1}))).await;

    for form in [Form::new(), Form::new().text("description", ""), Form::new().text("files[]", "no file")] {
        alice.refuses(alice.call(Method::POST, &path).multipart(form)).await;
    }
    alice.refuses(alice.call(Method::POST, &path).json(&json!({"description": "x"}))).await;
    assert_eq!(sandbox.lancers().board(board).messages().len(), 6);

    assert!(sandbox.lancers().board(board).post("bob", "@alice 了解です").is_some());
    assert_eq!(alice.get("/boards").await[0]["unread_mention_count"], 1);
}

#[tokio::test]
async fn files_reach_upwards_and_are_sorted_downwards() {
    let file =
        |board: BoardSeed, number: u64| board.file("bob", format!("{number}.txt"), "text/plain", number);
    let board = (1..=5).fold(BoardSeed::new("alice", ["bob"]), file);
    let seed = Seed::new().account("alice", Seed::CREDENTIAL).board(board);
    let (sandbox, _, api) = start(seed.clone()).await;
    let path = format!("/boards/{}/files", first(&sandbox));
    let all: Vec<u64> =
        sandbox.lancers().board(first(&sandbox)).files().iter().map(|file| file.id.0).collect();
    let files = api.get(&path).await;
    assert_eq!(ids(&files), all[..1]);
    assert_eq!((&files[0]["user"], &files[0]["size"]), (&json!({"name": "bob"}), &json!("1")));
    assert_eq!(files[0]["comment"], Value::Null);
    assert_eq!(ids(&api.get(&format!("{path}?limit=3")).await), [all[2], all[1], all[0]]);
    let page = api.get(&format!("{path}?limit=3&file_id={}", all[2])).await;
    assert_eq!(ids(&page), [all[4], all[3], all[2]]);
    api.refuses(api.call(Method::GET, &format!("{path}?file_id=false"))).await;

    let (_sandbox, _, api) = start(seed.files_upwards()).await;
    assert_eq!(ids(&api.get(&format!("{path}?limit=3")).await), all[..3]);
}

#[tokio::test]
async fn the_search_has_an_offset() {
    let seed = Seed::new()
        .account("alice", Seed::CREDENTIAL)
        .account("eve", "session=eve")
        .boards(30, BoardSeed::new("alice", ["bob"]).title("Project").message("bob", "年賀状"))
        .board(BoardSeed::new("alice", ["carol"]).description("Urgent"));
    let (sandbox, _, api) = start(seed).await;
    let count = |rows: Value| rows.as_array().unwrap().len();
    assert_eq!(count(api.get("/boards/search?q=project").await), 20);
    assert_eq!(count(api.get("/boards/search?q=project&offset=20").await), 10);
    let page = ids(&api.get("/boards/search?q=BOB&offset=5&limit=2").await);
    assert_eq!(page, ids(&api.get("/boards/search?q=%E5%B9%B4%E8%B3%80&limit=7").await)[5..]);
    assert_eq!(count(api.get("/boards/search?q=urgent").await), 1);
    assert_eq!(api.get("/boards/search?q=nothing").await, json!([]));
    for query in ["", "q=", "q=a&offset=-1", "q=a&limit=0"] {
        api.refuses(api.call(Method::GET, &format!("/boards/search?{query}"))).await;
    }
    let eve = Api::new(&sandbox, "Cookie", "session=eve");
    assert_eq!(eve.get("/boards/search?q=project").await, json!([]));
}

#[tokio::test]
async fn the_same_seed_makes_the_same_ids() {
    let mut ids = Vec::new();
    for seed in [7, 7, 8] {
        let sandbox = Sandbox::builder().clock(VirtualClock::new()).seed(seed).start().await.unwrap();
        ids.push(sandbox.lancers().boards().iter().map(|board| board.id.0).collect::<Vec<_>>());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}
