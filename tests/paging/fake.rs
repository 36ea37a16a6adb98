//! A TAS-CHA whose list of rooms can do what the sandbox's cannot: items are removed or inserted in front, and cursors
//! repeat.

use crate::server::{Server, Step};
use kaiwa::{Pace, tascha};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use url::Url;

/// The meaning of a cursor of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cursors {
    /// The number of items before it: removals in front move the others up.
    Positions,
    /// The last item of the previous page.
    Anchors,
}

/// A list of room ids, in the order of the list.
pub struct Fake {
    server: Server,
    state: Arc<Mutex<State>>,
}

pub struct State {
    pub items: Vec<u32>,
    pub cursors: Cursors,
    /// The change to the items after a page was sent, by the number of the page from 0.
    pub after: Vec<fn(&mut Vec<u32>)>,
    /// Bodies that are sent instead of pages, by the number of the page.
    pub scripted: Vec<Value>,
    /// The queries so far.
    pub asked: Vec<String>,
}

impl Fake {
    pub async fn start(cursors: Cursors, items: impl IntoIterator<Item = u32>) -> Self {
        let items = items.into_iter().collect();
        let state = Arc::new(Mutex::new(State::new(cursors, items)));
        Self { server: listen(Arc::clone(&state)).await, state }
    }

    pub async fn scripted(bodies: impl IntoIterator<Item = Value>) -> Self {
        let fake = Self::start(Cursors::Positions, []).await;
        fake.change(|state| state.scripted = bodies.into_iter().collect());
        fake
    }

    pub fn client(&self) -> tascha::Client {
        tascha::Client::builder()
            .api_key("key")
            .base_url(format!("{}/v1", self.server.url))
            .pace(Pace::off())
            .http_client(crate::light())
            .build()
            .expect("a client")
    }

    /// Another list, from the beginning, at the same address.
    pub fn reset(&self, cursors: Cursors, items: impl IntoIterator<Item = u32>) {
        let items = items.into_iter().collect();
        self.change(|state| *state = State::new(cursors, items));
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().expect("no panic held it"))
    }

    /// Lets pending requests arrive, by waiting for some round trips of another connection.
    pub async fn settle(&self) {
        let client = self.client();
        for _ in 0..8 {
            client.request(reqwest::Method::GET, "/settle").await.expect("an answer");
        }
    }

    pub fn asked(&self) -> Vec<String> {
        self.change(|state| state.asked.clone())
    }
}

pub fn room(id: u32) -> Value {
    json!({ "id": format!("r{id}"), "name": "a room" })
}

pub fn number(room: &tascha::Room) -> u32 {
    room.id.as_str()[1..].parse().expect("an id of the fake")
}

/// The answers of a service.
pub trait Answers: Send + 'static {
    fn answer(&mut self, url: &Url) -> Value;
}

/// Serves it on a separate port, until the server is dropped.
pub async fn listen(service: Arc<Mutex<impl Answers>>) -> Server {
    Server::respond(move |request| {
        let url = Url::parse(&format!("http://fake{}", request.target())).expect("a target");
        let body = service.lock().expect("no panic held it").answer(&url).to_string();
        Step::ok(&body).header("content-type", "application/json")
    })
    .await
}

impl State {
    fn new(cursors: Cursors, items: Vec<u32>) -> Self {
        Self { items, cursors, after: Vec::new(), scripted: Vec::new(), asked: Vec::new() }
    }
}

impl Answers for State {
    fn answer(&mut self, url: &Url) -> Value {
        if url.path().ends_with("/settle") {
            return Value::Null;
        }
        let page = self.asked.len();
        self.asked.push(url.query().unwrap_or_default().to_owned());
        if !self.scripted.is_empty() {
            return self.scripted[page % self.scripted.len()].clone();
        }
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let limit = parameter("limit").map_or(3, |limit| limit.parse().expect("a number"));
        let rising = self.items.windows(2).all(|pair| pair[0] < pair[1]);
        let start = parameter("cursor").map_or(0, |cursor| {
            let value: u32 = cursor.parse().expect("a cursor of the fake");
            match self.cursors {
                Cursors::Positions => value as usize,
                Cursors::Anchors => {
                    let passed = |item: &&u32| if rising { **item <= value } else { **item >= value };
                    self.items.iter().take_while(passed).count()
                }
            }
        });
        let start = start.min(self.items.len());
        let end = (start + limit).min(self.items.len());
        let data: Vec<Value> = self.items[start..end].iter().copied().map(room).collect();
        let next = (end < self.items.len()).then(|| match self.cursors {
            Cursors::Positions => end.to_string(),
            Cursors::Anchors => self.items[end - 1].to_string(),
        });
        if let Some(change) = self.after.get(page).copied() {
            change(&mut self.items);
        }
        json!({ "data": data, "nextCursor": next })
    }
}
