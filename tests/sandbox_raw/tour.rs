//! Calls each of the 61 operations once, so a success of each is checked against the specification.

use super::spec::{self, SendTo};
use kaiwa::sandbox::{Provider, Sandbox, chatwork, lancers, tascha};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The body of a request.
enum Body {
    None,
    Form(String),
    Json(Value),
    Parts(Form),
}

struct Tour {
    http: reqwest::Client,
    service: Provider,
    base: String,
    credential: (&'static str, String),
    seen: BTreeSet<&'static str>,
}

impl Tour {
    fn new(service: Provider, base: String, credential: (&'static str, &str)) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let credential = (credential.0, credential.1.to_owned());
        Self { http, service, base, credential, seen: BTreeSet::new() }
    }

    async fn step(&mut self, method: Method, path: &str, body: Body) -> Value {
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        let request = request.header(self.credential.0, &self.credential.1);
        let request = match body {
            Body::None => request,
            Body::Form(form) => {
                request.header("content-type", "application/x-www-form-urlencoded").body(form)
            }
            Body::Json(json) => request.json(&json),
            Body::Parts(form) => request.multipart(form),
        };
        let answer = request.send_to(self.service).await.unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {answer:?}");
        let url = reqwest::Url::parse(&format!("{}{path}", self.base)).unwrap();
        self.seen.extend(spec::name(self.service, method.as_str(), url.path()));
        if answer.status() == 204 { Value::Null } else { answer.json() }
    }

    async fn get(&mut self, path: &str) -> Value {
        self.step(Method::GET, path, Body::None).await
    }

    async fn put(&mut self, path: &str, body: Body) -> Value {
        self.step(Method::PUT, path, body).await
    }

    async fn post(&mut self, path: &str, body: Body) -> Value {
        self.step(Method::POST, path, body).await
    }

    async fn delete(&mut self, path: &str, body: Body) -> Value {
        self.step(Method::DELETE, path, body).await
    }

    fn end(self, operations: usize) {
        let all = spec::names(self.service);
        let missing: Vec<_> = all.difference(&self.seen).collect();
        assert!(missing.is_empty() && all.len() == operations, "not asked for: {missing:?} of {}", all.len());
    }
}

fn file() -> Part {
    Part::bytes(b"abc".as_slice()).file_name("a.txt").mime_str("text/plain").unwrap()
}

#[tokio::test]
async fn chatwork() {
    let sandbox = Sandbox::builder().chatwork(chatwork::Seed::default().unlimited()).start().await.unwrap();
    let declined = sandbox.chatwork().request_contact(3, 1, "x");
    let mut tour =
        Tour::new(Provider::Chatwork, sandbox.chatwork_url(), ("x-chatworktoken", chatwork::Seed::TOKEN));
    for path in ["/me", "/my/status", "/my/tasks", "/contacts", "/rooms", "/incoming_requests"] {
        assert!(!tour.get(path).await.is_null(), "{path}");
    }
    let waiting = sandbox.chatwork().incoming_requests(1)[0].request_id;
    tour.put(&format!("/incoming_requests/{waiting}"), Body::None).await;
    tour.delete(&format!("/incoming_requests/{declined}"), Body::None).await;

    let made = tour.post("/rooms", Body::Form("name=x&members_admin_ids=1".to_owned())).await;
    let room = format!("/rooms/{}", made["room_id"]);
    tour.get(&room).await;
    tour.put(&room, Body::Form("name=y".to_owned())).await;
    tour.put(&format!("{room}/members"), Body::Form("members_admin_ids=1&members_member_ids=2".to_owned()))
        .await;
    tour.get(&format!("{room}/members")).await;

    let sent = tour.post(&format!("{room}/messages"), Body::Form("body=x&self_unread=1".to_owned())).await;
    let message = format!("{room}/messages/{}", sent["message_id"].as_str().unwrap());
    assert!(!tour.get(&format!("{room}/messages")).await.is_null());
    tour.get(&message).await;
    tour.put(&message, Body::Form("body=y".to_owned())).await;
    tour.put(&format!("{room}/messages/read"), Body::None).await;
    let unread = format!("message_id={}", sent["message_id"].as_str().unwrap());
    tour.put(&format!("{room}/messages/unread"), Body::Form(unread)).await;
    tour.delete(&message, Body::None).await;

    let tasks = tour
        .post(&format!("{room}/tasks"), Body::Form("body=x&to_ids=1,2&limit=1798675199".to_owned()))
        .await;
    let task = format!("{room}/tasks/{}", tasks["task_ids"][0]);
    assert!(!tour.get(&format!("{room}/tasks")).await.is_null());
    tour.get(&task).await;
    tour.put(&format!("{task}/status"), Body::Form("body=done".to_owned())).await;

    let parts = Body::Parts(Form::new().part("file", file()).text("message", "x"));
    let uploaded = tour.post(&format!("{room}/files"), parts).await;
    assert!(!tour.get(&format!("{room}/files")).await.is_null());
    tour.get(&format!("{room}/files/{}?create_download_url=1", uploaded["file_id"])).await;

    let link = format!("{room}/link");
    tour.post(&link, Body::Form("code=tour".to_owned())).await;
    tour.get(&link).await;
    tour.put(&link, Body::Form("description=x".to_owned())).await;
    tour.delete(&link, Body::None).await;
    tour.delete(&room, Body::Form("action_type=delete".to_owned())).await;
    tour.end(32);
}

#[tokio::test]
async fn tascha() {
    let sandbox = Sandbox::start().await.unwrap();
    let token = format!("Bearer {}", tascha::Seed::TOKEN);
    let mut tour = Tour::new(Provider::Tascha, sandbox.tascha_url(), ("authorization", &token));
    let room = format!("/rooms/{}", tascha::Seed::ROOM);
    let log = format!("{room}/webhooks/{}/deliveries", tascha::Seed::WEBHOOK);
    for path in ["/me", "/events"] {
        tour.get(path).await;
    }
    let lists = ["members", "messages", "tasks", "records", "files"].map(|list| format!("{room}/{list}"));
    for path in lists.into_iter().chain(["/organizations".into(), "/rooms".into(), log.clone()]) {
        assert_ne!(tour.get(&path).await["data"], json!([]), "{path}");
    }
    tour.post(&format!("{room}/messages"), Body::Json(json!({"body": "x"}))).await;
    let task = tour.post(&format!("{room}/tasks"), Body::Json(json!({"title": "x"}))).await;
    let task = format!("{room}/tasks/{}", task["id"].as_str().unwrap());
    tour.step(Method::PATCH, &task, Body::Json(json!({"status": "COMPLETED"}))).await;
    let record = tour.post(&format!("{room}/records"), Body::Json(json!({"title": "x"}))).await;
    let record = format!("{room}/records/{}", record["id"].as_str().unwrap());
    tour.step(Method::PATCH, &record, Body::Json(json!({"content": "x"}))).await;
    let delivery = tour.get(&log).await["data"][0]["deliveryId"].as_str().unwrap().to_owned();
    tour.post(&format!("{log}/{delivery}/redeliver"), Body::None).await;
    tour.end(16);
}

#[tokio::test]
async fn lancers() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut tour = Tour::new(Provider::Lancers, sandbox.lancers_url(), ("cookie", lancers::Seed::CREDENTIAL));
    for path in ["/boards", "/boards/unread", "/boards/search?q=bob"] {
        assert_ne!(tour.get(path).await, json!([]), "{path}");
    }
    let made = tour.post("/boards", Body::Parts(Form::new().text("users[]", "bob"))).await;
    let board = format!("/boards/{}", made["id"]);
    tour.get(&board).await;
    tour.get(&format!("/boards/{}", sandbox.lancers().boards()[1].id)).await;
    tour.put(&board, Body::Json(json!({"title": "x", "description": "y"}))).await;
    tour.post(&format!("{board}/users"), Body::Json(json!({"users": ["carol"]}))).await;
    tour.get(&format!("{board}/users")).await;
    tour.delete(&format!("{board}/users/carol"), Body::None).await;
    let parts = Form::new().text("description", "x").part("files[]", file());
    tour.post(&format!("{board}/messages"), Body::Parts(parts)).await;
    for list in ["messages", "files"] {
        assert_ne!(tour.get(&format!("{board}/{list}?limit=9")).await, json!([]), "{list}");
    }
    tour.put(&format!("{board}/messages/read"), Body::None).await;
    tour.end(13);
}
