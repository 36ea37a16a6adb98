//! The memory that a stream of a million items takes.

use crate::{ALONE, LIVE};
use futures::StreamExt;
use kaiwa::{Pace, tascha};
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ITEMS: usize = 1_000_000;
const PAGE: usize = 200;

/// A list of rooms whose cursors are positions, which is cheap to serve.
async fn serve(mut connection: TcpStream) {
    let (mut head, mut answer) = (Vec::new(), String::new());
    while connection.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let line = String::from_utf8_lossy(&head);
        let cursor = line.split("cursor=").nth(1).and_then(|rest| rest.split(['&', ' ']).next());
        let start: usize = cursor.map_or(0, |cursor| cursor.parse().expect("a cursor of this list"));
        let mut body = String::from(r#"{"data":["#);
        for number in start..start + PAGE {
            write!(body, r#"{}{{"id":"ck{number:023}"}}"#, if number == start { "" } else { "," })
                .expect("a String");
        }
        match start + PAGE {
            ITEMS => body.push_str(r#"],"nextCursor":null}"#),
            next => write!(body, r#"],"nextCursor":"{next}"}}"#).expect("a String"),
        }
        answer.clear();
        write!(answer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("a String");
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        head.clear();
    }
}

#[tokio::test]
async fn a_stream_of_a_million_items_takes_no_more_memory_than_one_of_a_few_thousand() {
    let _alone = ALONE.lock().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection));
        }
    });
    let client = tascha::Client::builder().api_key("key").base_url(base).pace(Pace::off()).build();
    let mut rooms = client.expect("a client").rooms().limit(PAGE as i64).stream();

    let warm = ITEMS / 50;
    let (mut count, mut early, mut late) = (0, 0, 0);
    while let Some(room) = rooms.next().await {
        assert_eq!(room.expect("a room").id.as_str()[2..].parse(), Ok(count));
        count += 1;
        let peak = if count <= warm { &mut early } else { &mut late };
        *peak = LIVE.load(Relaxed).max(*peak);
    }
    assert_eq!(count, ITEMS);
    let checkpoint = serde_json::to_string(&rooms.checkpoint()).expect("it serialises");
    println!(
        "live bytes: {early} at most in the first {warm} items, {late} in the others; a checkpoint of {} bytes",
        checkpoint.len()
    );
    // Only the list of seen cursors grows, to at most 4096 numbers.
    assert!(late <= early + 96 * 1024, "{early} bytes at first, {late} later");
    // The ids of two pages and 64 more, as long as TAS-CHA's, with quotation marks and a comma.
    let ids = (2 * PAGE + 64) * (25 + 3);
    assert!((ids..ids + 256).contains(&checkpoint.len()), "{} bytes", checkpoint.len());
}
