//! A sandbox, and streams that are read for a span of its time.

use futures::StreamExt;
use kaiwa::chatwork::watch::{Event, Watch};
use kaiwa::chatwork::{Client, MessageId, RoomId};
use kaiwa::sandbox::chatwork::{Account, Room, RoomView, Seed};
use kaiwa::sandbox::{Provider, Sandbox};
use kaiwa::{Error, VirtualClock};
use std::task::Poll;
use std::time::Duration;

pub const ROOM: RoomId = RoomId(10);

pub struct World {
    pub clock: VirtualClock,
    pub sandbox: Sandbox,
    pub client: Client,
}

pub type Item = Result<Event, Error>;

/// Room 10, empty, and as many more as requested.
pub fn seed(rooms: u64) -> Seed {
    let seed = Seed::new()
        .account(Account::new(1, "Bot").token("bot"))
        .account(Account::new(2, "Alice").token("alice"))
        .room_limit(u64::MAX, Duration::from_secs(1));
    (0..rooms).fold(seed, |seed, number| seed.room(room(10 + number)))
}

pub fn room(id: u64) -> Room {
    Room::group(id, format!("Room {id}")).admin(1).member(2)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl World {
    pub async fn new(seed: Seed) -> Self {
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
        let client = client(&sandbox, "bot");
        Self { clock, sandbox, client }
    }

    pub fn room(&self, id: RoomId) -> RoomView {
        self.sandbox.chatwork().room(id)
    }

    pub fn post(&self, text: &str) -> MessageId {
        self.room(ROOM).post_as(2, text)
    }

    /// The number of requests of an operation.
    pub fn calls(&self, operation: &str) -> usize {
        self.sandbox.requests().iter().filter(|request| request.operation == Some(operation)).count()
    }

    /// The times of the requests, since the start of the clock.
    pub fn times(&self) -> Vec<Duration> {
        let requests = self.sandbox.requests();
        let start = jiff::Timestamp::constant(1_767_193_200, 0);
        let at = requests.iter().filter(|request| request.provider == Provider::Chatwork);
        at.map(|request| request.at.duration_since(start).unsigned_abs()).collect()
    }

    /// Reads a stream for this long.
    pub async fn read(&self, watch: &mut Watch, time: Duration) -> Vec<Item> {
        self.read_all(std::slice::from_mut(watch), time).await.remove(0)
    }

    /// Reads all streams for this long. Unlike `VirtualClock::drive`, it lets no time pass while a call is in flight.
    pub async fn read_all(&self, watches: &mut [Watch], time: Duration) -> Vec<Vec<Item>> {
        let end = self.clock.elapsed() + time;
        let mut read: Vec<Vec<Item>> = watches.iter().map(|_| Vec::new()).collect();
        loop {
            let mut idle = true;
            for (watch, read) in watches.iter_mut().zip(&mut read) {
                if let Poll::Ready(item) = futures::poll!(watch.next()) {
                    read.push(item.expect("a watch never ends"));
                    idle = false;
                }
            }
            match self.clock.next_wake() {
                _ if !idle => {}
                Some(wait) if self.clock.elapsed() + wait > end => {
                    self.clock.advance(end - self.clock.elapsed());
                    return read;
                }
                Some(wait) => self.clock.advance(wait),
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Reads the next item.
    pub async fn next(&self, watch: &mut Watch) -> Item {
        self.next_within(watch, secs(3600)).await.expect("an item within an hour")
    }

    /// Reads the next item, if there is one within this time.
    pub async fn next_within(&self, watch: &mut Watch, time: Duration) -> Option<Item> {
        let end = self.clock.elapsed() + time;
        loop {
            if let Poll::Ready(item) = futures::poll!(watch.next()) {
                return item;
            }
            match self.clock.next_wake() {
                Some(wait) if self.clock.elapsed() + wait > end => return None,
                Some(wait) => self.clock.advance(wait),
                None => tokio::task::yield_now().await,
            }
        }
    }
}

/// A client without timeouts: time stands still while it waits for a socket.
pub fn client(sandbox: &Sandbox, token: &str) -> Client {
    sandbox.chatwork_client(token).timeout(None).attempt_timeout(None).build().expect("a client")
}

/// The events alone; there must be no failures.
pub fn events(items: Vec<Item>) -> Vec<Event> {
    items.into_iter().map(|item| item.expect("no failure")).collect()
}

/// The events, abbreviated: `+text`, `~text`, `-`, `gap`, `hidden`.
pub fn short(items: &[Item]) -> Vec<String> {
    let short = |item: &Item| match item {
        Ok(Event::Message { message, .. }) => format!("+{}", message.body),
        Ok(Event::Edited { message, .. }) => format!("~{}", message.body),
        Ok(Event::Deleted { .. }) => "-".to_owned(),
        Ok(Event::Gap { .. }) => "gap".to_owned(),
        Ok(Event::Undecodable { item, .. }) => format!("?{}", item.path),
        Ok(Event::Limited { hidden, .. }) => format!("hidden {hidden:?}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => {
            error.status().map_or("error".to_owned(), |status| format!("error {}", status.as_u16()))
        }
    };
    items.iter().map(short).collect()
}
