//! A Lancers that returns fewer rows than the requested `limit`, or more, or any number: every list comes completely.

use crate::fake::{Answers, listen};
use futures::TryStreamExt;
use kaiwa::lancers::{BoardId, Client, Direction};
use kaiwa::{Pace, Paged, Request};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use url::Url;

/// The number of rows that are returned for a `limit`.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// At most this many.
    AtMost(usize),
    /// Always this many.
    Always(usize),
    /// This many more.
    More(usize),
    /// Some of them, at least one.
    Some,
}

impl Size {
    pub fn of(self, limit: usize, random: &mut fastrand::Rng) -> usize {
        match self {
            Self::AtMost(most) => limit.min(most),
            Self::Always(size) => size,
            Self::More(more) => limit + more,
            Self::Some => random.usize(1..=limit),
        }
    }
}

/// A service with `rows` boards, messages, files and users, each with a different second.
struct Service {
    rows: i64,
    size: Size,
    random: fastrand::Rng,
    requests: usize,
}

fn time(board: i64) -> String {
    format!("2026-01-01 {:02}:{:02}:{:02}", board / 3600, board / 60 % 60, board % 60)
}

impl Answers for Service {
    fn answer(&mut self, url: &Url) -> Value {
        self.requests += 1;
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let number = |name: &str| parameter(name).and_then(|value| value.parse::<i64>().ok());
        let limit = usize::try_from(number("limit").unwrap_or(1)).expect("a small number");
        let size = self.size.of(limit, &mut self.random);
        let ids = 1..=self.rows;
        let path: Vec<&str> = url.path().trim_start_matches('/').split('/').collect();
        let board = |id: i64| json!({ "id": id, "title": "", "modified": time(id) });
        let message = |id: i64, board: i64| json!({ "id": id, "board_id": board, "description": "" });
        let older = |id: &i64| parameter("modified").is_none_or(|bound| time(*id) < bound);
        match path[..] {
            ["boards"] => ids.rev().filter(older).take(size).map(board).collect(),
            ["boards", "unread"] => {
                let boards = ids.rev().filter(older).take(size);
                boards.flat_map(|id| [message(id * 2, id), message(id * 2 + 1, id)]).collect()
            }
            ["boards", "search"] => {
                let offset = usize::try_from(number("offset").unwrap_or(0)).expect("a position");
                ids.skip(offset).take(size).map(board).collect()
            }
            ["boards", _, "messages"] if parameter("direction").as_deref() == Some("prev") => {
                let from = number("message_id").unwrap_or(self.rows);
                ids.rev().filter(|id| *id <= from).take(size).map(|id| message(id, 1)).collect()
            }
            ["boards", _, "messages"] => {
                let from = number("message_id").unwrap_or(0);
                ids.filter(|id| *id >= from).take(size).map(|id| message(id, 1)).collect()
            }
            ["boards", _, "files"] => {
                let from = number("file_id").unwrap_or(0);
                ids.filter(|id| *id >= from).take(size).map(|id| json!({ "id": id })).collect()
            }
            ["boards", _, "users"] => {
                let name = |id: i64| format!("user {id:04}");
                let after = |name: &String| parameter("user").is_none_or(|after| *name > after);
                ids.map(name).filter(after).take(size).map(|name| json!({ "name": name })).collect()
            }
            ["boards", id] => board(id.parse().expect("an id")),
            _ => panic!("{url}"),
        }
    }
}

pub fn client(base: &str) -> Client {
    let client = Client::builder().cookie("session").base_url(base).pace(Pace::off());
    client.http_client(crate::light()).build().expect("a client")
}

/// The keys of a list, from one stream, and from streams that are each stopped after some items.
async fn both<E: Paged, K>(request: impl Fn() -> Request<E>, key: fn(&E::Item) -> K) -> [Vec<K>; 2] {
    let whole: Vec<E::Item> = request().stream().try_collect().await.expect("items");
    let mut stopped = Vec::new();
    let mut checkpoint = request().stream().checkpoint();
    for most in (1..).map(|stop| 1 + stop * 7 % 5) {
        let mut items = request().with_read_ahead(0).stream_from(&checkpoint).expect("the same list");
        let some = items.next_batch(most).await.expect("items");
        stopped.extend(some.items.iter().map(key));
        checkpoint = items.checkpoint();
        if !some.more {
            break;
        }
    }
    [whole.iter().map(key).collect(), stopped]
}

async fn every_list(rows: i64, limit: i64, size: Size) {
    let service = Service { rows, size, random: fastrand::Rng::with_seed(7), requests: 0 };
    let service = Arc::new(Mutex::new(service));
    let server = listen(Arc::clone(&service)).await;
    let client = client(&server.url);
    let board = client.board(BoardId(1));
    let upwards: Vec<u64> = (1..=rows.unsigned_abs()).collect();
    let downwards: Vec<u64> = upwards.iter().rev().copied().collect();
    fn check<K: PartialEq + Debug>(got: [Vec<K>; 2], there: &[K], which: &str) {
        let [whole, stopped] = got;
        assert_eq!(whole, there, "{which}");
        assert_eq!(stopped, there, "{which}, stopped and resumed");
    }
    let which = |list: &str| format!("{list}: {rows} rows, limit {limit}, {size:?}");
    let boards = || client.boards().limit(limit);
    check(both(boards, |board| board.id.0).await, &downwards, &which("boards"));
    let unread = || client.unread().limit(limit);
    let there: Vec<u64> = downwards.iter().flat_map(|id| [id * 2, id * 2 + 1]).collect();
    check(both(unread, |message| message.id.0).await, &there, &which("unread"));
    let search = || client.search("x").limit(limit);
    check(both(search, |board| board.id.0).await, &upwards, &which("search"));
    let messages = || board.messages().limit(limit);
    check(both(messages, |message| message.id.0).await, &upwards, &which("messages"));
    let prev = || board.messages().direction(Direction::Prev).limit(limit);
    check(both(prev, |message| message.id.0).await, &downwards, &which("messages downwards"));
    let files = || board.files().limit(limit);
    check(both(files, |file| file.id.0).await, &upwards, &which("files"));
    let users = || board.users().limit(limit);
    let there: Vec<String> = upwards.iter().map(|id| format!("user {id:04}")).collect();
    check(both(users, |user| user.name.clone()).await, &there, &which("users"));
}

#[tokio::test]
async fn every_list_is_complete_however_the_service_treats_the_limit() {
    let sizes =
        [Size::AtMost(1), Size::AtMost(2), Size::AtMost(5), Size::Always(3), Size::More(3), Size::Some];
    for size in sizes {
        for (rows, limit) in [(0, 5), (1, 1), (2, 100), (7, 1), (7, 2), (12, 100)] {
            every_list(rows, limit, size).await;
        }
    }
}

/// If `limit` is above a service's maximum of five rows, the list costs few requests more than with pages of five.
#[tokio::test]
async fn a_low_maximum_costs_few_requests() {
    let requests = async |limit: i64, size: Size| {
        let random = fastrand::Rng::with_seed(7);
        let service = Arc::new(Mutex::new(Service { rows: 100, size, random, requests: 0 }));
        let server = listen(Arc::clone(&service)).await;
        let found: Vec<_> =
            client(&server.url).search("x").limit(limit).stream().try_collect().await.expect("boards");
        assert_eq!(found.len(), 100);
        service.lock().expect("no panic held it").requests
    };
    assert_eq!(requests(5, Size::More(0)).await, requests(100, Size::AtMost(5)).await);
    assert_eq!(requests(100, Size::More(0)).await, 3);
}
