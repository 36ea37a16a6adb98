//! A body of 16 MB takes little more memory than itself while it is read.

use crate::{ALONE, LIVE, PEAK};
use kaiwa::chatwork::{self, RoomId};
use kaiwa::{Pace, RetryPolicy, tascha};
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SIZE: usize = 16_000_000;

/// The memory that reading may take in addition to the body.
const SMALL: usize = 12 << 20;

/// A body of [`SIZE`] bytes: `piece` repeated between the two ends.
fn body(front: &str, piece: &str, back: &str) -> String {
    let count = (SIZE - front.len() - back.len()) / (piece.len() + 1);
    format!("{front}{}{back}", vec![piece; count].join(","))
}

/// The base URL of a server that answers everything with this.
async fn serve(status: u16, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    drop(body);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n")
                && connection.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {}
            if connection.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    base
}

/// The peak of memory in use while the future ran, less the memory in use before.
async fn peak<T>(what: &str, future: impl Future<Output = T>) -> (usize, T) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let output = future.await;
    let most = PEAK.load(Relaxed) - before;
    println!("{what}: {:.1} MB at most", most as f64 / 1e6);
    (most, output)
}

#[tokio::test]
async fn an_error_body_of_16_mb_is_not_decoded_into_a_tree() {
    let _alone = ALONE.lock().await;
    let nested = format!("{}{}", "[".repeat(50), "]".repeat(50));
    for (name, body) in [
        ("texts", body(r#"{"errors":["#, r#""no""#, "]}")),
        ("objects", body(r#"{"errors":["#, r#"{"a":1}"#, "]}")),
        ("an unknown field", body(r#"{"new":["#, &nested, r#"],"errors":["no"]}"#)),
        ("members", body("{", r#""errors":["no"]"#, "}")),
    ] {
        let base = serve(400, body).await;
        let builder = chatwork::Client::builder().api_token("x").base_url(base).retry(RetryPolicy::none());
        let client = builder.pace(Pace::off()).build().expect("a client");
        let (most, error) = peak(&format!("error body, {name}"), async {
            let error = client.me().await.expect_err("400");
            assert!(error.to_string().len() < 1_500);
            error
        })
        .await;
        assert!(!error.messages().is_empty() && error.body().len() > SIZE - 200, "{name}");
        assert!(most < SIZE + SMALL, "{name}: {most} bytes");
    }
}

#[tokio::test]
async fn a_lenient_list_of_16_mb_is_read_item_by_item() {
    let _alone = ALONE.lock().await;
    let message = |extra: &str| {
        format!(
            r#"{{"message_id":"1","account":{{"account_id":1}},"send_time":1,"update_time":0,"new":{extra}}}"#
        )
    };
    let junk = format!("[{}]", vec![r#"{"a":[]}"#; 1_000].join(","));
    let sound = message(&junk);
    let bad = sound.replace("\"send_time\":1", "\"send_time\":\"soon\"");
    for (name, body, items) in [
        ("sound items", body("[", &sound, "]"), true),
        ("bad items", body("[", &bad, "]"), false),
        ("texts", body("[", &format!("\"{}\"", "x".repeat(60)), "]"), false),
        ("one item", body(&format!("[{}", message("[").trim_end_matches('}')), "[]", "]}]"), true),
    ] {
        let base = serve(200, body).await;
        let builder = chatwork::Client::builder().api_token("x").base_url(base).retry(RetryPolicy::none());
        let room = builder.pace(Pace::off()).build().expect("a client").room(RoomId(1));
        let (most, list) = peak(&format!("lenient list, {name}"), async {
            room.messages().lenient().await.expect("a list")
        })
        .await;
        assert_eq!(
            (list.items.is_empty(), list.undecodable.is_empty()),
            (!items, items),
            "{name}: {:?}",
            list.undecodable.first().map(ToString::to_string)
        );
        // An item as large as the body is held a second time while it is read.
        let copy = if name == "one item" { SIZE } else { 0 };
        assert!(most < SIZE + copy + SMALL, "{name}: {most} bytes");
    }
    let page =
        body(r#"{"nextCursor":null,"data":["#, &format!(r#"{{"id":[{{"a":"{}"}}]}}"#, "x".repeat(60)), "]}");
    let count = page.matches("\"id\"").count();
    let client = tascha::Client::builder().api_key("x").base_url(serve(200, page).await).pace(Pace::off());
    let client = client.retry(RetryPolicy::none()).build().expect("a client");
    let lenient = async { client.rooms().lenient().await.expect("a page") };
    let (most, list) = peak("lenient page, bad items", lenient).await;
    assert_eq!(list.undecodable.iter().map(|rejected| 1 + rejected.more).sum::<usize>(), count);
    assert!(most < SIZE + SMALL, "{most} bytes");
}

/// A room of such messages would make a bot deaf.
#[tokio::test]
async fn the_longest_list_of_messages_is_read_by_default() {
    let _alone = ALONE.lock().await;
    let text = r"\ud83d\ude00".repeat(65_535);
    let message = |id: u32| {
        format!(
            r#"{{"message_id":"{id}","account":{{"account_id":1,"name":"A","avatar_image_url":""}},"body":"{text}","send_time":1,"update_time":0}}"#
        )
    };
    let list = format!("[{}]", (1..=100).map(message).collect::<Vec<_>>().join(","));
    let builder = chatwork::Client::builder().api_token("x").base_url(serve(200, list).await);
    let room = builder.pace(Pace::off()).build().expect("a client").room(RoomId(1));
    let messages = room.messages().force(true).await.expect("the whole list");
    assert_eq!(messages.len(), 100);
    assert!(messages.iter().all(|message| message.body.chars().count() == 65_535));
}
