//! The work: calls of kaiwa, and the same by hand.

use crate::server::PAGE;
use futures::TryStreamExt;
use kaiwa::chatwork::{self, RoomId};
use kaiwa::tascha;
use reqwest::header::{HeaderMap, HeaderValue};
use serde::Deserialize;
use std::hint::black_box;
use std::time::Duration;

pub fn run(name: &str, address: &str, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work(name, &format!("http://{address}"), count));
}

async fn work(name: &str, base: &str, count: usize) {
    match name {
        "get" => {
            let client = chatwork(base);
            for _ in 0..count {
                black_box(client.me().await.expect("an answer"));
            }
        }
        "get-64" => {
            let client = chatwork(base);
            tasks(count, || {
                let client = client.clone();
                async move { drop(black_box(client.me().await.expect("an answer"))) }
            })
            .await;
        }
        "bare-get-64" => {
            let client = reqwest(None);
            let url = format!("{base}/me");
            tasks(count, || {
                let request = client.get(&url).header("x-chatworktoken", "token");
                async move {
                    let answer =
                        request.send().await.expect("an answer").error_for_status().expect("a success");
                    drop(black_box(answer.json::<chatwork::Me>().await.expect("JSON")));
                }
            })
            .await;
        }
        "post" => {
            let room = chatwork(base).room(RoomId(322));
            for _ in 0..count {
                black_box(room.post("ビルドが通りました").await.expect("an answer"));
            }
        }
        "stream" => {
            let rooms = tascha(base).rooms().limit(PAGE as i64).with_read_ahead(0).stream();
            let mut rooms = std::pin::pin!(rooms);
            for _ in 0..count {
                black_box(rooms.try_next().await.expect("an answer").expect("an item"));
            }
        }
        "lenient" => {
            let rooms = tascha(base).rooms().limit(PAGE as i64).lenient().with_read_ahead(0).stream();
            let mut rooms = std::pin::pin!(rooms);
            for _ in 0..count {
                black_box(rooms.try_next().await.expect("an answer").expect("an item")).expect("it decodes");
            }
        }
        "bare-get" => {
            let client = reqwest(None);
            let url = format!("{base}/me");
            for _ in 0..count {
                let answer =
                    client.get(&url).header("x-chatworktoken", "token").send().await.expect("an answer");
                black_box(
                    answer.error_for_status().expect("a success").json::<chatwork::Me>().await.expect("JSON"),
                );
            }
        }
        "same-get" => {
            let client = reqwest(Some(Duration::from_secs(30)));
            let url = format!("{base}/me");
            for _ in 0..count {
                let answer =
                    client.get(&url).header("x-chatworktoken", "token").send().await.expect("an answer");
                let mut answer = answer.error_for_status().expect("a success");
                let headers = std::mem::take(answer.headers_mut());
                let body = answer.bytes().await.expect("a body");
                let me: chatwork::Me = serde_json::from_slice(&body).expect("JSON");
                black_box((me, headers, body));
            }
        }
        "bare-post" => {
            let client = reqwest(None);
            let url = format!("{base}/rooms/322/messages");
            for _ in 0..count {
                let request = client
                    .post(&url)
                    .header("x-chatworktoken", "token")
                    .form(&[("body", "ビルドが通りました")]);
                let answer = request.send().await.expect("an answer").error_for_status().expect("a success");
                black_box(answer.json::<chatwork::MessageRef>().await.expect("JSON"));
            }
        }
        #[cfg(feature = "others")]
        "bare-user" | "octocrab" | "twilight" => crate::others::work(name, base, count).await,
        "loop" => by_hand(base, count).await,
        _ => panic!("no work of the name {name}"),
    }
}

/// The calls, by 64 tasks at a time.
async fn tasks<C: Future<Output = ()>>(count: usize, call: impl Fn() -> C) {
    let each = |_| async {
        for _ in 0..count / 64 {
            call().await;
        }
    };
    futures::future::join_all((0..64).map(each)).await;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    data: Vec<tascha::Room>,
    next_cursor: Option<String>,
}

/// The loop over pages that a program writes without streams, with the same type.
async fn by_hand(base: &str, count: usize) {
    let client = reqwest(Some(Duration::from_secs(30)));
    let (mut cursor, mut seen): (Option<String>, usize) = (None, 0);
    while seen < count {
        let url = format!("{base}/rooms");
        let request = client.get(&url).header("authorization", "Bearer token").query(&[("limit", PAGE)]);
        let request = cursor.iter().fold(request, |request, cursor| request.query(&[("cursor", cursor)]));
        let answer = request.send().await.expect("an answer").error_for_status().expect("a success");
        let page: Page = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
        cursor = page.next_cursor;
        for room in page.data.into_iter().take(count - seen) {
            seen += 1;
            black_box(room);
        }
    }
}

fn chatwork(base: &str) -> chatwork::Client {
    // The budgets are switched off as far as waits go: the server always has calls left.
    chatwork::Client::builder()
        .api_token("token")
        .base_url(base)
        .pace(kaiwa::Pace::new().room_limit(u32::MAX, Duration::from_secs(1)))
        .build()
        .expect("a client")
}

fn tascha(base: &str) -> tascha::Client {
    tascha::Client::builder().api_key("token").base_url(base).build().expect("a client")
}

pub fn reqwest(timeout: Option<Duration>) -> reqwest::Client {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("bench"));
    let builder = reqwest::Client::builder().default_headers(headers);
    match timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder,
    }
    .build()
    .expect("a client")
}
