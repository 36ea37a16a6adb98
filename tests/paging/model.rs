//! Lists that change at random, from a seed, while their streams are stopped and resumed.
//!
//! Each run ends when a stream has come to the end of the list. Then every item that was in the list all the time must
//! have been yielded once, none twice, and items inserted meanwhile at most once.

use crate::fake::{Answers, listen};
use crate::maximum::{Size, client};
use futures::StreamExt;
use kaiwa::{Checkpoint, Error, ErrorKind, Pace, Paged, Request, tascha};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// A list of numbers, with cursors by position or after an item, and the ids that were not in the list all the time.
struct List {
    items: Vec<u32>,
    /// Whether cursors are positions.
    positions: bool,
    /// Whether the list also changes between two pages.
    restless: bool,
    touched: HashSet<u32>,
    next: u32,
    size: Size,
    random: fastrand::Rng,
}

impl List {
    fn new(seed: u64, positions: bool, restless: bool, size: Size) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let length = random.u32(1..200);
        let items = (0..length).collect();
        Self { items, positions, restless, touched: HashSet::new(), next: length, size, random }
    }

    fn insert(&mut self, at: usize) {
        self.items.insert(at, self.next);
        self.touched.insert(self.next);
        self.next += 1;
    }

    /// Removes up to `most` of the items before `end`, and inserts as many anywhere.
    fn change(&mut self, most: usize, end: usize) {
        for _ in 0..self.random.usize(0..=most) {
            let end = end.min(self.items.len());
            if end > 0 {
                let at = self.random.usize(..end);
                self.touched.insert(self.items.remove(at));
            }
        }
        for _ in 0..self.random.usize(0..=most) {
            let at = match self.random.u8(..3) {
                0 => 0,
                1 => self.items.len(),
                _ => self.random.usize(..=self.items.len()),
            };
            self.insert(at);
        }
    }

    /// Moves some of the items to the front, as in a list with the newest first.
    fn stir(&mut self) {
        for _ in 0..self.random.usize(0..4) {
            if let Some(last) = self.items.len().checked_sub(1) {
                let moved = self.items.remove(self.random.usize(..=last));
                self.touched.insert(moved);
                self.items.insert(0, moved);
            }
        }
    }
}

impl Answers for List {
    fn answer(&mut self, url: &Url) -> Value {
        if self.restless {
            self.change(3, usize::MAX);
        }
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let number = |name: &str| parameter(name).and_then(|value| value.parse::<usize>().ok());
        let limit = self.size.of(number("limit").expect("it is sent"), &mut self.random);
        let page = |start: usize| self.items.iter().skip(start).take(limit);
        if url.path().ends_with("/search") {
            let boards = page(number("offset").unwrap_or(0));
            return boards.map(|id| json!({ "id": id, "title": "" })).collect();
        }
        // Items are inserted anywhere, so an anchor is remembered by the items behind it.
        let start = match (number("cursor"), self.positions) {
            (None, _) => 0,
            (Some(cursor), true) => cursor,
            (Some(cursor), false) => {
                let anchor = self.items.iter().position(|item| *item as usize == cursor);
                anchor.map_or(0, |anchor| anchor + 1)
            }
        };
        let data: Vec<Value> = page(start).map(|id| json!({ "id": format!("r{id}"), "name": "" })).collect();
        let end = start + data.len();
        let next = (end < self.items.len()).then(|| match self.positions {
            true => end.to_string(),
            false => self.items[end - 1].to_string(),
        });
        json!({ "data": data, "nextCursor": next })
    }
}

/// The number of runs, or `MODEL_RUNS` if it is set.
fn runs(usual: u64) -> u64 {
    std::env::var("MODEL_RUNS").map_or(usual, |runs| runs.parse().expect("a number"))
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().expect("no panic held it")
}

fn through_json(checkpoint: &Checkpoint) -> (Checkpoint, Value) {
    let kept = serde_json::to_value(checkpoint).expect("it serialises");
    (serde_json::from_value(kept.clone()).expect("it was just written"), kept)
}

/// Yields the list in parts of up to `most` items, with `change` after each, until its end or an error.
async fn in_parts<E: Paged, K: Debug>(
    request: impl Fn() -> Request<E>,
    key: impl Fn(&E::Item) -> K,
    name: impl Fn(&K) -> String,
    mut most: impl FnMut() -> usize,
    mut change: impl FnMut(&[K]),
) -> (Vec<K>, Result<(), (Error, Value)>) {
    let mut yielded = Vec::new();
    let mut checkpoint = request().stream().checkpoint();
    loop {
        let (resumed, kept) = through_json(&checkpoint);
        let mut items = request().with_read_ahead(0).stream_from(&resumed).expect("the same list");
        match items.next_batch(most()).await {
            Ok(some) => {
                let some_keys: Vec<K> = some.items.iter().map(&key).collect();
                let remembered = kept["recent"].as_array().expect("a list");
                let again = some_keys.iter().find(|key| remembered.iter().any(|known| *known == name(key)));
                assert!(again.is_none(), "{again:?} is remembered: {kept}");
                yielded.extend(some_keys);
                if !some.more {
                    return (yielded, Ok(()));
                }
            }
            Err(error) => return (yielded, Err((error, kept))),
        }
        checkpoint = items.checkpoint();
        change(&yielded);
    }
}

/// Items that were in the list all the time were yielded once and in order, and no item twice.
fn check(list: &List, length: u32, mut yielded: Vec<u32>, upheaval: Upheaval, which: &str) {
    let mut once = HashSet::new();
    let first_time: Vec<u32> = yielded.iter().copied().filter(|id| once.insert(*id)).collect();
    // If many items are inserted at once, more than the remembered ones can be seen; items that have moved can be
    // mistaken for the position.
    if matches!(upheaval, Upheaval::Some) && !list.restless {
        assert_eq!(yielded, first_time, "repeated, {which}");
    }
    yielded = first_time;
    let there: Vec<u32> = (0..length).filter(|id| !list.touched.contains(id)).collect();
    let came: Vec<u32> = yielded.iter().copied().filter(|id| there.contains(id)).collect();
    assert_eq!(came, there, "lost, {which}");
}

/// The items that are removed, inserted and moved while a stream is stopped.
#[derive(Clone, Copy, Debug)]
enum Upheaval {
    /// Some, anywhere.
    Some,
    /// Many, and most of them among those that were yielded.
    Much,
    /// Some, and some are moved to the front.
    Stirred,
}

fn upset(list: &mut List, upheaval: Upheaval, yielded: usize) {
    match upheaval {
        Upheaval::Some => list.change(5, usize::MAX),
        Upheaval::Much => list.change(90, yielded.max(1)),
        Upheaval::Stirred => {
            list.change(3, usize::MAX);
            list.stir();
        }
    }
}

#[tokio::test]
async fn tascha_lists_are_exact_across_stops_or_end_with_an_error() {
    let (mut lost, mut whole) = (0, 0);
    for seed in 0..runs(48) {
        let upheaval = [Upheaval::Some, Upheaval::Much][seed as usize % 2];
        let list = Arc::new(Mutex::new(List::new(seed, true, false, Size::More(0))));
        let server = listen(Arc::clone(&list)).await;
        let client = tascha::Client::builder().api_key("key").base_url(&server.url).pace(Pace::off());
        let client = client.http_client(crate::light()).build().expect("a client");
        let mut random = fastrand::Rng::with_seed(seed);
        let limit = random.i64(1..40);
        let length = lock(&list).next;
        let (yielded, end) = in_parts(
            || client.rooms().limit(limit),
            |room| room.id.as_str()[1..].parse::<u32>().expect("an id of the model"),
            |id| format!("r{id}"),
            || random.usize(1..90),
            |yielded| upset(&mut lock(&list), upheaval, yielded.len()),
        )
        .await;
        let list = lock(&list);
        let which = format!("seed {seed}, {limit} a page, {upheaval:?}");
        match end {
            Ok(()) => check(&list, length, yielded, upheaval, &which),
            Err((error, kept)) => {
                assert!(matches!(error.kind(), ErrorKind::PlaceLost), "{error}, {which}");
                assert!(error.to_string().contains("begin the list again"), "{error}");
                // The error is reported only if it is true.
                let remembered = kept["recent"].as_array().expect("a list").iter();
                let ids = remembered.map(|key| key.as_str().expect("a key")[1..].parse().expect("an id"));
                assert!(ids.into_iter().all(|id: u32| !list.items.contains(&id)), "{which}");
                lost += 1;
                continue;
            }
        }
        whole += 1;
    }
    assert!(whole > 5 * lost, "{whole} whole, {lost} lost");
}

#[tokio::test]
async fn a_search_is_exact_across_stops_and_between_pages() {
    let sizes = [Size::More(0), Size::AtMost(5), Size::AtMost(1), Size::Some];
    for seed in 0..runs(48) {
        let upheaval = [Upheaval::Some, Upheaval::Much, Upheaval::Stirred][seed as usize % 3];
        let size = sizes[seed as usize % sizes.len()];
        let restless = seed % 5 == 0 && matches!(size, Size::More(0) | Size::AtMost(5));
        let list = Arc::new(Mutex::new(List::new(seed, true, restless, size)));
        let server = listen(Arc::clone(&list)).await;
        let client = client(&server.url);
        let mut random = fastrand::Rng::with_seed(seed);
        let limit = random.i64(1..40);
        let length = lock(&list).next;
        let (yielded, end) = in_parts(
            || client.search("x").limit(limit),
            |board| u32::try_from(board.id.0).expect("an id of the model"),
            |id| id.to_string(),
            || random.usize(1..90),
            |yielded| upset(&mut lock(&list), upheaval, yielded.len()),
        )
        .await;
        let list = lock(&list);
        let which = format!("seed {seed}, {limit} a page, {size:?}, {upheaval:?}, restless: {restless}");
        match end {
            Ok(()) => check(&list, length, yielded, upheaval, &which),
            Err((error, _)) => assert!(matches!(error.kind(), ErrorKind::PlaceLost), "{error}, {which}"),
        }
    }
}

/// A reported case: 140 items were yielded on pages of 100, and 60 of them were removed before the next start.
#[tokio::test]
async fn sixty_removals_in_front_of_a_page_of_a_hundred_hide_nothing() {
    for (stops, removed) in [(1, 60), (1, 100), (1, 139), (3, 60)] {
        let list = Arc::new(Mutex::new(List::new(1, true, false, Size::More(0))));
        lock(&list).items = (0..1000).collect();
        let server = listen(Arc::clone(&list)).await;
        let client = tascha::Client::builder().api_key("key").base_url(&server.url).pace(Pace::off());
        let client = client.http_client(crate::light()).build().expect("a client");
        let mut stop = 0;
        let (yielded, end) = in_parts(
            || client.rooms().limit(100),
            |room| room.id.as_str()[1..].parse::<u32>().expect("an id of the model"),
            |id| format!("r{id}"),
            || 140,
            |_| {
                stop += 1;
                if stop <= stops {
                    lock(&list).items.drain(..removed);
                }
            },
        )
        .await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(yielded, (0..1000).collect::<Vec<_>>(), "{removed} removed at each of {stops} stops");
    }
}

/// Boards with unread messages, by the second of the last change.
struct Boards {
    /// The id of each, its second, and its unread messages, the newest first.
    boards: Vec<(u64, i64, Vec<u64>)>,
    now: i64,
    next: u64,
    /// Messages of boards that were changed or read since the beginning.
    touched: HashSet<u64>,
    random: fastrand::Rng,
}

impl Boards {
    fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let mut boards = Self { boards: Vec::new(), now: 100, next: 1, touched: HashSet::new(), random };
        for _ in 0..boards.random.usize(1..40) {
            boards.create();
        }
        boards.touched.clear();
        boards
    }

    fn message(&mut self) -> u64 {
        self.next += 1;
        self.touched.insert(self.next);
        self.next
    }

    fn create(&mut self) {
        // Some share a second.
        self.now += self.random.i64(0..3);
        let messages = (0..self.random.usize(1..20)).map(|_| self.message()).collect();
        let id = self.message();
        self.boards.insert(0, (id, self.now, messages));
    }

    /// Other users post, create boards, and read.
    fn change(&mut self) {
        self.now += 5;
        for _ in 0..self.random.usize(0..12) {
            let at = self.random.usize(..self.boards.len());
            match self.random.u8(..4) {
                0 => self.create(),
                1 if self.boards.len() > 1 => {
                    let (.., messages) = self.boards.remove(at);
                    self.touched.extend(messages);
                }
                _ => {
                    let (id, _, mut messages) = self.boards.remove(at);
                    self.touched.extend(&messages);
                    messages.insert(0, self.message());
                    self.now += self.random.i64(0..3);
                    self.boards.insert(0, (id, self.now, messages));
                }
            }
        }
    }
}

fn second(second: i64) -> String {
    format!("2026-01-01 {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

impl Answers for Boards {
    fn answer(&mut self, url: &Url) -> Value {
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        if let Some(id) = url.path().strip_prefix("/boards/").and_then(|id| id.parse::<u64>().ok()) {
            let board = self.boards.iter().find(|board| board.0 == id);
            let time = board.map(|board| second(board.1));
            return json!({ "id": id, "title": "", "modified": time });
        }
        let limit = parameter("limit").and_then(|limit| limit.parse().ok()).expect("it is sent");
        let older =
            |board: &&(u64, i64, Vec<u64>)| parameter("modified").is_none_or(|bound| second(board.1) < bound);
        let boards = self.boards.iter().filter(older).take(limit);
        let message = |board: u64, id: &u64| json!({ "id": id, "board_id": board, "description": "" });
        boards.flat_map(|(id, _, unread)| unread.iter().map(|message_id| message(*id, message_id))).collect()
    }
}

#[tokio::test]
async fn unread_messages_are_yielded_once_across_many_stops() {
    for seed in 0..runs(24) {
        let boards = Arc::new(Mutex::new(Boards::new(seed)));
        let server = listen(Arc::clone(&boards)).await;
        let client = client(&server.url);
        let mut random = fastrand::Rng::with_seed(seed);
        let limit = random.i64(1..12);
        let there: Vec<u64> = lock(&boards).boards.iter().flat_map(|board| board.2.clone()).collect();
        let mut stops = 0;
        let (yielded, end) = in_parts(
            || client.unread().limit(limit),
            |message| message.id.0,
            |id| id.to_string(),
            || random.usize(1..60),
            |_| {
                stops += 1;
                if stops <= 30 {
                    lock(&boards).change();
                }
            },
        )
        .await;
        assert!(end.is_ok(), "{end:?}");
        let mut once = HashSet::new();
        let repeated = yielded.iter().filter(|id| !once.insert(**id)).count();
        assert_eq!(repeated, 0, "seed {seed}, {limit} a page, {stops} stops");
        let boards = lock(&boards);
        let lost: Vec<u64> =
            there.into_iter().filter(|id| !boards.touched.contains(id) && !once.contains(id)).collect();
        assert!(lost.is_empty(), "seed {seed}, {limit} a page, {stops} stops: {lost:?}");
    }
}

/// A search with a different order each time ends, either with all results that can be found or with an error.
#[tokio::test]
async fn a_list_in_disorder_ends() {
    struct Disorder(List);
    impl Answers for Disorder {
        fn answer(&mut self, url: &Url) -> Value {
            let Self(list) = self;
            list.random.shuffle(&mut list.items);
            list.answer(url)
        }
    }
    for (seed, size) in [Size::More(0), Size::AtMost(1), Size::AtMost(5), Size::Some].into_iter().enumerate()
    {
        let mut list = List::new(seed as u64, true, false, size);
        list.items = (0..30).collect();
        let server = listen(Arc::new(Mutex::new(Disorder(list)))).await;
        let found = client(&server.url).search("x").limit(10).stream().take(100_000);
        let found: Vec<_> = found.collect().await;
        assert!(found.len() < 100_000, "{size:?}");
    }
}
