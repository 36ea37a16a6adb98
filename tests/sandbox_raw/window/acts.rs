//! What a person does on the page.

use super::{Browser, PATIENCE, message, sandbox};
use kaiwa::sandbox::chatwork::Webhook;
use kaiwa::sandbox::tascha;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn people_write_where_they_may() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    let room = sandbox.chatwork().room(100);
    browser.does("post", message("100", "2", "[To:1] 緑ですか？")).await;
    let last = room.messages().pop().expect("a message");
    assert_eq!((last.account.account_id.0, &*last.body), (2, "[To:1] 緑ですか？"));
    assert_eq!(room.member(1).map(|bot| bot.mention_num), Some(2));
    let shown = browser.get("room?service=chatwork&room=100").await.json();
    let text = &shown["messages"].as_array().and_then(|all| all.last()).expect("a message")["text"];
    assert_eq!(*text, json!([["to", "1"], ["text", " 緑ですか？"]]));

    browser.is_refused("post", message("200", "3", "x"), "read_only").await;
    browser.is_refused("post", message("100", "4", "x"), "not_member").await;
    browser.is_refused("post", message("1", "2", "x"), "no_room").await;
    browser.is_refused("post", message("100", "2", ""), "empty").await;
    browser.is_refused("post", message("100", "2", &"あ".repeat(65_536)), "too_long").await;
    browser.does("post", message("100", "2", &"あ".repeat(65_535))).await;
    let mut unknown = message("100", "2", "x");
    unknown["more"] = json!(1);
    browser.is_refused("post", unknown, "not_read").await;
    browser
        .is_refused("post", json!({ "service": "slack", "room": "1", "by": "2", "body": "x" }), "no_service")
        .await;

    let tascha =
        json!({ "service": "tascha", "room": tascha::Seed::ROOM, "by": tascha::Seed::USER, "body": "やあ" });
    browser.does("post", tascha).await;
    assert_eq!(sandbox.tascha().room(tascha::Seed::ROOM).messages().pop().expect("a message").body, "やあ");
    let board = sandbox.lancers().boards()[0].id;
    let id = board.0.to_string();
    browser.does("post", json!({ "service": "lancers", "room": id, "by": "alice", "body": "やあ" })).await;
    let last = sandbox.lancers().board(board).messages().pop().expect("a message");
    assert_eq!(last.description, "やあ");
    for service in ["tascha", "lancers"] {
        let room = if service == "tascha" { tascha::Seed::ROOM } else { &id };
        browser
            .is_refused(
                "post",
                json!({ "service": service, "room": room, "by": "mallory", "body": "x" }),
                "not_member",
            )
            .await;
        let shown = browser.get(&format!("room?service={service}&room={room}")).await.json();
        let last = shown["messages"].as_array().and_then(|all| all.last().cloned()).expect("a message");
        assert_eq!(last["text"], json!([["text", "やあ"]]));
    }
}

#[tokio::test]
async fn tasks_are_finished_and_files_come_as_attachments() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    let room = sandbox.chatwork().room(100);
    let task = room.tasks()[0].task_id.0.to_string();
    browser.does("finish", json!({ "service": "chatwork", "room": "100", "task": task })).await;
    assert_eq!(room.tasks()[0].status.as_str(), "done");
    browser
        .is_refused("finish", json!({ "service": "chatwork", "room": "100", "task": "7" }), "no_task")
        .await;

    let upload = |name: &str, content: &str| {
        json!({
            "service": "chatwork", "room": "100", "by": "3", "name": name, "content_type": "text/html", "content": content,
            "message": "",
        })
    };
    // <script>alert(1)</script>
    browser.does("upload", upload("日報\".html", "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==")).await;
    browser.is_refused("upload", upload("a", "no Base64!"), "not_read").await;
    browser.is_refused("upload", upload("", "YQ=="), "empty").await;
    let file = &room.files()[0];
    let shown = browser.get("room?service=chatwork&room=100").await.json();
    assert_eq!(shown["files"][0]["name"], "日報\".html");
    let answer = browser.get(&format!("file?service=chatwork&room=100&id={}", file.file_id.0)).await;
    assert_eq!(answer.body, "<script>alert(1)</script>");
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let disposition = "attachment; filename*=UTF-8''%E6%97%A5%E5%A0%B1%22%2Ehtml";
    assert_eq!(answer.header("content-disposition"), Some(disposition));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
    assert_eq!(browser.get("file?service=chatwork&room=200&id=1").await.status, 404);
}

#[tokio::test]
async fn a_fault_is_switched_on_and_the_log_says_what_it_did() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    let arm = |fault: &str| json!({ "service": "tascha", "operation": "create_message", "fault": fault, "always": false });
    browser.does("arm", arm("lost_answer")).await;
    let armed = browser.get("view").await.json();
    let tascha_view =
        armed["services"].as_array().expect("services").iter().find(|service| service["id"] == "tascha");
    assert_eq!(
        tascha_view.expect("TAS-CHA")["armed"]["scripts"],
        json!([{ "operation": "create_message", "switch": "lost_answer", "fault": "reset", "left": 1 }])
    );
    let client = sandbox.clients().tascha;
    client
        .room(tascha::Seed::ROOM)
        .post("一度だけ")
        .with_idempotency_key("order-42")
        .await
        .expect("it is sent again");
    let requests = browser.requests(2).await;
    assert_eq!(requests[0]["fault"], "reset");
    assert_eq!(
        (&requests[0]["status"], &requests[0]["applied"], &requests[0]["attempt"]),
        (&json!(null), &json!(true), &json!(1))
    );
    assert_eq!(
        (&requests[1]["status"], &requests[1]["replayed"], &requests[1]["attempt"]),
        (&json!(201), &json!(true), &json!(2))
    );
    assert_eq!(
        (&requests[1]["key"], &requests[1]["operation"]),
        (&json!("order-42"), &json!("create_message"))
    );
    assert_eq!(requests[1]["body"], json!([["", "{\"body\":\"一度だけ\"}"]]));

    browser.is_refused("arm", arm("earthquake"), "no_fault").await;
    let other =
        json!({ "service": "lancers", "operation": "create_message", "fault": "500", "always": true });
    browser.is_refused("arm", other, "no_operation").await;
    browser
        .does("arm", json!({ "service": "lancers", "operation": null, "fault": "500", "always": true }))
        .await;
    browser.does("calm", json!({ "service": "lancers" })).await;
    let view = browser.get("view").await.json();
    let armed: Vec<&Value> =
        view["services"].as_array().expect("services").iter().map(|one| &one["armed"]["scripts"]).collect();
    assert_eq!(armed, [&json!([]); 3]);
}

#[tokio::test]
async fn webhooks_are_sent_again() {
    let (receiver, mut received) = receiver().await;
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    sandbox.chatwork().add_webhook(Webhook::room(1, 100, format!("http://u:p@{receiver}/hook?secret=1")));
    browser.does("post", message("100", "2", "once")).await;
    received.recv().await.expect("it is posted");
    let delivery = delivered(&browser, "chatwork", 1).await;
    assert_eq!(delivery["url"], format!("http://{receiver}/hook"), "without what may be a credential");
    browser.does("resend", json!({ "service": "chatwork", "delivery": delivery["id"] })).await;
    received.recv().await.expect("it is posted again");
    delivered(&browser, "chatwork", 2).await;
    let all = sandbox.chatwork().deliveries();
    assert_eq!((all.len(), &all[0]), (2, &all[1]));
    browser.is_refused("resend", json!({ "service": "chatwork", "delivery": "2" }), "no_delivery").await;

    // The seed has two deliveries already.
    sandbox
        .tascha()
        .room(tascha::Seed::ROOM)
        .set_webhook_url(tascha::Seed::WEBHOOK, format!("http://{receiver}/"));
    sandbox.tascha().room(tascha::Seed::ROOM).post(tascha::Seed::USER, "once").expect("a room");
    received.recv().await.expect("it is posted");
    let delivery = delivered(&browser, "tascha", 3).await;
    browser.does("resend", json!({ "service": "tascha", "delivery": delivery["id"] })).await;
    received.recv().await.expect("it is posted again");
    delivered(&browser, "tascha", 4).await;
}

/// The newest delivery of so many, once it has been made.
async fn delivered(browser: &Browser, service: &str, count: usize) -> Value {
    let made = async {
        loop {
            let view = browser.get("view").await.json();
            let services = view["services"].as_array().expect("services");
            let shown =
                services.iter().find(|one| one["id"] == service).expect("the service")["deliveries"].clone();
            let all = shown.as_array().expect("a list");
            if all.len() == count && all[0]["status"] == 200 {
                return all[0].clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let Ok(made) = timeout(PATIENCE, made).await else {
        panic!("it is not delivered {count} times: {}", browser.get("view").await.body)
    };
    made
}

/// A receiver that says when it has received something.
async fn receiver() -> (String, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (said, received) = tokio::sync::mpsc::unbounded_channel();
    let hook = move || async move {
        let _ = said.send(());
        "ok"
    };
    let router = axum::Router::new().fallback(axum::routing::post(hook));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, received)
}
