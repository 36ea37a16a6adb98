//! What a page is sent, and how much of it.

use super::{Browser, PATIENCE, message, sandbox};
use crate::wire::{self, exchange};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::lancers::{self, BoardSeed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// A page that does not read misses events, and has to ask for everything again. What waits for it is bounded.
#[tokio::test]
async fn a_slow_page_costs_a_bounded_amount() {
    const POSTS: usize = 600;
    let seed = Seed::default().unlimited();
    let sandbox = Sandbox::builder().window(true).chatwork(seed).start().await.expect("there are ports");
    let browser = Browser::on(&sandbox);
    let mut slow = browser.events().await;
    // 20 MB of events in all, of which the system itself holds some for a connection.
    let body =
        format!("body=x{}", "&more=%E3%81%82".replace("%E3%81%82", &"%E3%81%82".repeat(300)).repeat(20));
    let request = format!(
        "POST /v2/rooms/100/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-chatworktoken: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        Seed::TOKEN,
        body.len()
    );
    for _ in 0..POSTS {
        let answer = exchange(&sandbox.chatwork_url(), &request).await.text();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let kept = browser.requests(200).await;
    assert_eq!(kept.last().expect("requests")["number"], POSTS - 1);
    let shown = kept[0].to_string();
    assert!(shown.len() < 20_000, "{}", shown.len());
    let skipped = slow.until("event: hello").await;
    assert!(skipped.len() < 15_000_000, "{}", skipped.len());
    slow.until(&format!("\"number\":{},", POSTS - 1)).await;
    let room = browser.get("room?service=chatwork&room=100").await;
    assert_eq!(room.json()["messages"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn pages_connections_and_bodies_are_bounded() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    let mut first = browser.events().await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(browser.events().await);
    }
    first.until("event: replaced").await;

    let long = message("100", "2", &"x".repeat(9 << 20));
    assert_eq!(browser.post("post", &long).await.status, 413);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let origin = format!("http://{}", browser.host);
    let headers = [("host", &*browser.host), ("origin", &*origin), ("content-type", "application/json")];
    let answer = browser.send("POST", &format!("{}post", browser.base()), &headers, &deep).await;
    assert_eq!(answer.json(), json!({ "refused": "not_read" }));

    // More connections than a browser opens are closed at once, and those that are there go on.
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(wire::connect(&browser.url).await.expect("the system accepts it"));
    }
    let closed = async {
        let mut closed = 0;
        for stream in &mut idle[70..] {
            closed += usize::from(matches!(
                tokio::io::AsyncReadExt::read(stream, &mut [0; 1]).await,
                Ok(0) | Err(_)
            ));
        }
        closed
    };
    assert_eq!(timeout(PATIENCE, closed).await.expect("they are closed"), 30);
    drop(idle);
    sandbox.chatwork().room(100).post_as(2, "still here");
    others[3].until("event: changed").await;
}

#[tokio::test]
async fn tasks_and_files_are_bounded_as_messages_are() {
    const LONG: usize = 60_000;
    let room = |room: Room, _| room.task(1, &[2], "x".repeat(LONG));
    let room = (0..40).fold(Room::group(10, "x").admin(1).member(2), room);
    // The limits of two accounts of one name.
    let account = |id, token| Account::new(id, "Alice").token(token);
    let seed = Seed::new().account(account(1, "token-1")).account(account(2, "token-2")).room(room);
    let file = |board: BoardSeed, number| board.file("alice", format!("{number}.txt"), "text/plain", 1);
    let board = (0..120).fold(BoardSeed::new("alice", ["bob"]), file);
    let lancers = lancers::Seed::new().board(board);
    let sandbox = Sandbox::builder()
        .window(true)
        .chatwork(seed)
        .lancers(lancers)
        .start()
        .await
        .expect("there are ports");
    let browser = Browser::on(&sandbox);
    let shown = browser.get("room?service=chatwork&room=10").await.json();
    assert_eq!(shown["tasks"].as_array().map(Vec::len), Some((1 << 20) / LONG));
    let id = sandbox.lancers().boards()[0].id.0;
    let shown = browser.get(&format!("room?service=lancers&room={id}")).await.json();
    let files = shown["files"].as_array().expect("files");
    assert_eq!((files.len(), &files[0]["name"]), (100, &json!("119.txt")));
    let view = browser.get("view").await.json();
    let services = view["services"].as_array().expect("services");
    let chatwork = services.iter().find(|service| service["id"] == "chatwork").expect("Chatwork");
    assert_eq!((&chatwork["limits"][0]["id"], &chatwork["limits"][1]["id"]), (&json!("1"), &json!("2")));
}

#[tokio::test]
async fn hostile_texts_stay_data() {
    let seed = Seed::new()
        .account(Account::new(1, "<b>Bot</b>").token("bot-token"))
        .account(Account::new(2, "Alice"))
        .room(
            Room::group(10, "<img src=x onerror=alert(1)>")
                .admin(1)
                .member(2)
                .message(2, "<script>alert(1)</script>")
                .message(2, "[url]javascript:alert(1)[/url] javascript:alert(2)")
                .message(2, "[info][title]never closed")
                .message(2, "[info]".repeat(8_000))
                .message(2, format!("{}deep{}", "[qt]".repeat(8_000), "[/qt]".repeat(8_000))),
        );
    let sandbox = Sandbox::builder().window(true).chatwork(seed).start().await.expect("there are ports");
    let browser = Browser::on(&sandbox);
    let shown = browser.get("room?service=chatwork&room=10").await;
    assert_eq!(shown.header("content-type"), Some("application/json"));
    let shown = shown.json();
    let text = |index: usize| shown["messages"][index]["text"].clone();
    assert_eq!(text(0), json!([["text", "<script>alert(1)</script>"]]));
    assert_eq!(text(1), json!([["link", "javascript:alert(1)", null], ["text", " javascript:alert(2)"]]));
    assert_eq!(text(2), json!([["text", "[info][title]never closed"]]));
    assert_eq!(text(3), json!([["text", "[info]".repeat(8_000)]]));
    assert!(text(4).as_array().is_some_and(|steps| steps.len() < 100));
}

#[tokio::test]
async fn requests_are_reported_as_they_come() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    let mut events = browser.events().await;
    sandbox.faults().script(Provider::Chatwork, Script::any().then(Fault::silence()));
    let mut silent = wire::connect(&sandbox.chatwork_url()).await.expect("it listens");
    let request = format!("GET /v2/me HTTP/1.1\r\nhost: x\r\nx-chatworktoken: {}\r\n\r\n", Seed::TOKEN);
    silent.write_all(request.as_bytes()).await.expect("it reads");
    events.until("event: request").await;
    let shown = events.until("\n\n").await;
    assert!(shown.contains(r#""operation":"get_me""#) && shown.contains(r#""fault":"silence""#), "{shown}");
    exchange(&sandbox.chatwork_url(), &request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
    events.until(r#""attempt":2"#).await;
    events.until(r#""ended":true"#).await;
    let kept = browser.get("requests").await.json();
    assert_eq!((&kept[1]["status"], &kept[1]["attempt"]), (&json!(200), &json!(2)));
}
