//! The three services in a process of their own, with 20 rooms, and a clock that runs faster in all processes of a test.

use futures_util::future::BoxFuture;
use kaiwa::jiff::Timestamp;
use kaiwa::outbox::{Outbox, OutboxStore};
use kaiwa::{Clock, Error, Pace, chatwork, lancers, tascha};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const ROOMS: usize = 20;

/// How many rooms of Chatwork there are besides, in which questions are asked.
pub const CHATS: u64 = 16;

/// The accounts in Chatwork: of the programs, and of a person.
pub const BOT: u64 = 1;
pub const ALICE: u64 = 2;

pub const TOKEN: &str = "a-token-of-a-test";
pub const USER: &str = "ckuserbot";

/// The token of the webhooks of Chatwork's rooms.
pub const HOOK: &str = "c2VjcmV0IG9mIGEgdGVzdA==";

/// A time that runs faster, and is the same in all processes.
#[derive(Clone, Debug)]
pub struct FastClock {
    speed: u32,
    began: Timestamp,
    started: Instant,
}

impl FastClock {
    /// A clock that showed the true time when that was `began`, and has been so many times as fast since.
    pub fn new(began: Timestamp, speed: u32) -> Self {
        Self { speed, began, started: Instant::now() }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Instant {
        self.started + self.started.elapsed() * self.speed
    }

    fn wall(&self) -> Timestamp {
        let since = Timestamp::now().duration_since(self.began);
        self.began + since * i32::try_from(self.speed).unwrap_or(1)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / self.speed))
    }
}

/// Where the services are, and what the time is there: in one line, for another process.
#[derive(Clone)]
pub struct Town {
    pub chatwork: String,
    pub tascha: String,
    pub lancers: String,
    /// The ids of its boards.
    pub boards: Vec<u64>,
    pub clock: FastClock,
}

macro_rules! client {
    ($town:ident, $settle:ident, $service:ident, $login:ident) => {
        $service::Client::builder()
            .base_url(&*$town.$service)
            .$login(TOKEN)
            .attempt_timeout($settle / 2)
            .pace(Pace::off())
            .clock($town.clock.clone())
            .build()?
    };
}

impl Town {
    pub fn write(&self) -> String {
        let Self { chatwork, tascha, lancers, boards, clock } = self;
        let boards: Vec<_> = boards.iter().map(u64::to_string).collect();
        format!("{chatwork} {tascha} {lancers} {} {} {}", boards.join(","), clock.began, clock.speed)
    }

    /// # Panics
    /// If another program has written it.
    pub fn read(line: &str) -> Self {
        let parts: Vec<_> = line.split_whitespace().collect();
        let [chatwork, tascha, lancers, boards, began, speed] = parts[..] else { panic!("no town: {line}") };
        let began = began.parse().expect("a time");
        let clock = FastClock::new(began, speed.parse().expect("a number"));
        let boards = boards.split(',').map(|id| id.parse().expect("a number")).collect();
        Self { chatwork: chatwork.into(), tascha: tascha.into(), lancers: lancers.into(), boards, clock }
    }

    /// The clients of a program, which leave all waits to its outbox.
    pub fn program(&self, store: impl OutboxStore, settle: Duration) -> Result<Program, Error> {
        let chatwork = self.chatwork_client(settle)?;
        let tascha = client!(self, settle, tascha, api_key);
        let lancers = client!(self, settle, lancers, cookie);
        let outbox = Outbox::builder(store)
            .chatwork(chatwork.clone())
            .tascha(tascha.clone())
            .lancers(lancers.clone(), USER)
            .settle(settle)
            .clock(self.clock.clone())
            .build();
        Ok(Program { outbox, chatwork, tascha, lancers, boards: self.boards.clone() })
    }

    pub fn chatwork_client(&self, settle: Duration) -> Result<chatwork::Client, Error> {
        Ok(client!(self, settle, chatwork, api_token))
    }

    pub fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }
}

/// What posts messages.
pub struct Program {
    pub outbox: Outbox,
    chatwork: chatwork::Client,
    tascha: tascha::Client,
    lancers: lancers::Client,
    boards: Vec<u64>,
}

impl Program {
    /// Puts a message into the outbox, which goes to one of the rooms by its number.
    pub async fn enqueue(&self, key: &str, number: usize, text: &str) -> Result<(), Error> {
        match place(number) {
            Place::Chatwork(room) => {
                self.outbox.enqueue(key, self.chatwork.room(chatwork::RoomId(room)).post(text)).await?
            }
            Place::Tascha(room) => self.outbox.enqueue(key, self.tascha.room(room).post(text)).await?,
            Place::Lancers(board) => {
                let board = self.lancers.board(lancers::BoardId(self.boards[board]));
                self.outbox.enqueue(key, board.post(text)).await?
            }
        };
        Ok(())
    }
}

/// What a message says. If some are `alike`, they are each third one of a room.
pub fn text(key: &str, number: usize, alike: bool) -> &str {
    if alike && (number / ROOMS).is_multiple_of(3) { "again" } else { key }
}

/// What is asked, and in which of the [`CHATS`]. Each third question of a room is the same.
pub fn question(number: usize) -> (u64, String) {
    let text = text(&format!("question {number}"), number / CHATS as usize * ROOMS, true).to_owned();
    (chat(number as u64 % CHATS), text)
}

/// The id of one of the [`CHATS`].
pub fn chat(number: u64) -> u64 {
    101 + number
}

/// One of the [`ROOMS`].
pub enum Place {
    Chatwork(u64),
    Tascha(String),
    /// The index of its id.
    Lancers(usize),
}

pub fn place(number: usize) -> Place {
    let room = number % ROOMS;
    match room {
        0..8 => Place::Chatwork(room as u64 + 1),
        8..14 => Place::Tascha(format!("ckroom{room}")),
        _ => Place::Lancers(room - 14),
    }
}
