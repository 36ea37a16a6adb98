//! A model of Chatwork's rooms and messages with clocks that disagree, written from the documentation and independent
//! of the sandbox.
//!
//! It has one clock for all stored times, and another one for `Date`. It posts and edits in the middle of calls, hides
//! rooms and shows them again, fails, and spoils single items of its answers.

use crate::server::{self, Seen, Step};
use kaiwa::VirtualClock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
/// The newest messages of a room, which the service shows.
const NEWEST: usize = 100;
/// Its clock begins here.
const EPOCH: i64 = 1_767_193_200;

/// One server for all models: it answers `/{model}/…`.
pub struct Server {
    pub address: String,
    models: Models,
    _server: server::Server,
}

type Models = Arc<Mutex<HashMap<u64, Arc<Mutex<Model>>>>>;

impl Server {
    pub async fn start() -> Self {
        let models = Models::default();
        let server = server::Server::respond({
            let models = Arc::clone(&models);
            move |request| respond(&models, request)
        });
        let server = server.await;
        Self { address: server.url.clone(), models, _server: server }
    }

    pub fn add(&self, number: u64, model: Model) -> Arc<Mutex<Model>> {
        let model = Arc::new(Mutex::new(model));
        self.models.lock().expect("no panic held it").insert(number, Arc::clone(&model));
        model
    }

    pub fn remove(&self, number: u64) {
        self.models.lock().expect("no panic held it").remove(&number);
    }
}

/// Answers from the model; without an answer, or without a model, the connection ends.
fn respond(models: &Models, request: &Seen) -> Step {
    let (number, target) = request.target()[1..].split_once('/').expect("a model, and a path");
    let number = number.parse().expect("the number of a model");
    let model = models.lock().expect("no panic held it").get(&number).cloned();
    let answer = model.and_then(|model| lock(&model).answer(target));
    answer.unwrap_or(Step::Bytes { bytes: Vec::new(), close: true })
}

pub fn lock(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    model.lock().expect("no panic held it")
}

/// Which messages of a room a stream must yield.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    /// It has not started there.
    NotYet,
    /// Messages posted from now on, if they are of a later second than this.
    After(i64),
}

pub struct Message {
    pub id: u64,
    sent: i64,
    updated: i64,
    pub body: String,
    /// It never decodes, or has no time.
    broken: Option<u8>,
    /// The same in at least one of the answers.
    spoiled: bool,
    /// It was posted while the room was watched, so it is yielded or is in a gap.
    pub owed: bool,
    /// It was posted before, so it is not yielded as new.
    pub old: bool,
}

pub struct Room {
    /// Whether the account is a member.
    pub member: bool,
    /// Whether it answers 403 nevertheless.
    pub refused: bool,
    pub messages: Vec<Message>,
    updated: i64,
    start: Start,
    /// Whether an answer has shown the stream that the account is a member.
    known: bool,
    /// How many lists in a row lacked it.
    missing: u32,
    /// Whether so many lists lacked it that the stream has forgotten it.
    pub ended: bool,
}

/// The probability of each kind of failure.
#[derive(Clone, Copy, Default)]
pub struct Rates {
    pub fault: f64,
    pub spoil: f64,
    pub broken: f64,
    /// Of an event before or after an answer is made.
    pub between: f64,
}

pub struct Model {
    pub random: fastrand::Rng,
    clock: VirtualClock,
    /// How far `Date` is ahead of the service's own clock, in seconds; `None` for answers without `Date`.
    pub skew: Option<i64>,
    pub rooms: BTreeMap<u64, Room>,
    pub rates: Rates,
    /// Whether the stream begins with the existing messages, and whether it watches all rooms.
    from_window: bool,
    all: bool,
    /// Whether an edit changes the room's entry in the list.
    edits_listed: bool,
    next_id: u64,
    pub calls: Vec<Duration>,
    pub faults: u64,
}

impl Model {
    pub fn new(seed: u64, clock: VirtualClock, from_window: bool, all: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // "My Chat", which every account has, and in which nothing happens here; in rare cases with an invalid time.
        let quiet = if random.f64() < 0.9 { random.i64(0..100_000) } else { i64::MIN / 2 };
        let edits_listed = random.bool();
        let mine = Room { updated: EPOCH.saturating_sub(quiet), ..Room::new(true) };
        Self {
            random,
            clock,
            skew: Some(0),
            rooms: BTreeMap::from([(1, mine)]),
            rates: Rates::default(),
            from_window,
            all,
            edits_listed,
            next_id: 1_000_000,
            calls: Vec::new(),
            faults: 0,
        }
    }

    fn now(&self) -> i64 {
        EPOCH + i64::try_from(self.clock.elapsed().as_secs()).expect("it fits")
    }

    /// A room with this many older messages.
    pub fn room(&mut self, id: u64, member: bool, messages: usize) {
        let ago = self.random.choice([0, 1, 3, 30, 5000]).unwrap_or_default();
        let now = self.now() - ago;
        self.rooms.insert(id, Room { updated: now, ..Room::new(member) });
        for before in (0..messages).rev() {
            let sent = now - i64::try_from(before).expect("it fits") / 3;
            self.add(id, sent);
        }
    }

    /// A user posts.
    pub fn post(&mut self, room: u64) {
        self.add(room, self.now());
    }

    fn add(&mut self, id: u64, sent: i64) {
        self.next_id += self.random.u64(1..4);
        let broken = (self.random.f64() < self.rates.broken).then(|| self.random.u8(..6));
        let room = self.rooms.get_mut(&id).expect("a room");
        let owed = room.member && matches!(room.start, Start::After(second) if sent > second);
        let body = format!("{}", self.next_id);
        room.messages.push(Message {
            id: self.next_id,
            sent,
            updated: 0,
            body,
            broken,
            spoiled: false,
            owed,
            old: false,
        });
        room.updated = room.updated.max(sent);
    }

    /// A user edits or deletes one of the newest messages.
    pub fn edit(&mut self, id: u64) {
        let (now, delete, text) = (self.now(), self.random.f64() < 0.3, self.random.u32(..));
        let room = self.rooms.get_mut(&id).expect("a room");
        let newest = room.messages.len().saturating_sub(20)..room.messages.len();
        if newest.is_empty() {
            return;
        }
        let message = &mut room.messages[self.random.usize(newest)];
        if message.body != "[deleted]" {
            message.body = if delete { "[deleted]".to_owned() } else { format!("edited {text}") };
            message.updated = now;
            room.updated = if self.edits_listed { room.updated.max(now) } else { room.updated };
        }
    }

    /// An event between two calls, or during one.
    pub fn happen(&mut self) {
        let ids: Vec<u64> = self.rooms.keys().copied().filter(|id| *id > 1).collect();
        let Some(&id) = self.random.choice(&ids) else { return };
        match self.random.u32(..100) {
            ..55 => self.post(id),
            55..75 => self.edit(id),
            75..85 => (0..self.random.usize(2..12)).for_each(|_| self.post(id)),
            85..87 => (0..self.random.usize(90..260)).for_each(|_| self.post(id)),
            87..93 => self.set_member(id, false),
            93..98 => self.set_member(id, true),
            _ => {
                let room = self.rooms.get_mut(&id).expect("a room");
                room.refused = !room.refused;
            }
        }
    }

    pub fn set_member(&mut self, id: u64, member: bool) {
        self.rooms.get_mut(&id).expect("a room").member = member;
    }

    /// A stream resumes from a checkpoint in which these rooms have not started, and these are known.
    pub fn begin_again(&mut self, not_begun: impl Fn(u64) -> bool, known: impl Fn(u64) -> bool) {
        for (id, room) in &mut self.rooms {
            room.known &= known(*id);
            if not_begun(*id) {
                room.start = Start::NotYet;
                room.messages.iter_mut().for_each(|message| (message.owed, message.old) = (false, false));
            }
        }
    }

    /// Ends all failures, and puts the account into all rooms.
    pub fn heal(&mut self) {
        self.rates = Rates::default();
        self.rooms.values_mut().for_each(|room| (room.member, room.refused) = (true, false));
    }

    fn between(&mut self) {
        while self.random.f64() < self.rates.between {
            self.happen();
        }
    }

    fn answer(&mut self, target: &str) -> Option<Step> {
        self.calls.push(self.clock.elapsed());
        self.between();
        let answer =
            if self.random.f64() < self.rates.fault { self.fault(target) } else { self.success(target) };
        self.between();
        answer
    }

    fn fault(&mut self, target: &str) -> Option<Step> {
        self.faults += 1;
        Some(match self.random.u32(..8) {
            0 => self.reply(500, "text/html", "<h1>Internal Server Error</h1>"),
            1 => self.reply(200, "text/html", "<html>Please log in</html>"),
            2 => self.reply(200, "application/json", r#"{"errors":["?"]}"#),
            3 => self.reply(429, "application/json", r#"{"errors":["Rate limit exceeded"]}"#),
            4 => self.reply(503, "application/json", ""),
            5 => return None,
            // The answer is made, and lost in transit.
            6 => {
                let Step::Bytes { mut bytes, .. } = self.reply(200, "application/json", &"[".repeat(100))
                else {
                    unreachable!("a reply is made of bytes")
                };
                bytes.truncate(bytes.len() - 50);
                Step::Bytes { bytes, close: true }
            }
            _ if target.starts_with("v2/rooms/") => {
                self.reply(404, "application/json", r#"{"errors":["?"]}"#)
            }
            _ => self.reply(200, "application/json", "[]"),
        })
    }

    fn success(&mut self, target: &str) -> Option<Step> {
        let path = target.split('?').next().unwrap_or_default();
        let mut path = path.trim_start_matches("v2/rooms").trim_start_matches('/').split('/');
        match path.next().and_then(|id| id.parse().ok()) {
            None => Some(self.list()),
            Some(id) => Some(self.look(id)),
        }
    }

    fn list(&mut self) -> Step {
        let mut rows = Vec::new();
        for (id, room) in &mut self.rooms {
            if !room.member {
                room.missing += 1;
                // If the account joins and leaves a room between two lists, the stream does not notice.
                let passed_by = !room.known;
                let ended = room.missing >= 3 && self.all;
                if ended || passed_by {
                    (room.ended, room.known) = (room.ended || ended, false);
                    room.messages.iter_mut().for_each(|message| (message.owed, message.old) = (false, false));
                }
                if room.start == Start::NotYet && (self.all || !self.from_window) {
                    room.start = Start::After(i64::MIN);
                }
                continue;
            }
            (room.missing, room.known) = (0, true);
            let spoiled = *id > 1 && self.random.f64() < self.rates.spoil;
            let kind = if spoiled { self.random.u8(..3) } else { u8::MAX };
            let updated = match kind {
                0 => json!(null),
                1 => json!(99_999_999_999_i64),
                _ => json!(room.updated),
            };
            let role = if kind == 2 { json!(["admin"]) } else { json!("admin") };
            rows.push(json!({
                "room_id": id, "name": "a room", "type": "group", "role": role, "sticky": false, "unread_num": 0,
                "mention_num": 0, "mytask_num": 0, "message_num": room.messages.len(), "file_num": 0, "task_num": 0,
                "icon_path": "", "last_update_time": updated,
            }));
            if room.start == Start::NotYet && !self.from_window && (kind == 2 || !spoiled) {
                room.start = Start::After(room.updated);
                room.messages.iter_mut().for_each(|message| message.old = message.sent <= room.updated);
            }
        }
        let body = Value::from(rows).to_string();
        self.reply(200, "application/json", &body)
    }

    fn look(&mut self, id: u64) -> Step {
        let room = self.rooms.get_mut(&id).expect("a room of the model");
        if !room.member || room.refused {
            return self.reply(403, "application/json", r#"{"errors":["You don't have permission"]}"#);
        }
        let newest = room.messages.len().saturating_sub(NEWEST);
        room.known = true;
        if room.start == Start::NotYet {
            room.start = Start::After(i64::MIN);
            let from_window = self.from_window;
            room.messages[newest..].iter_mut().for_each(|message| message.owed = from_window);
            room.messages.iter_mut().for_each(|message| message.old = !from_window);
        }
        let mut rows = Vec::new();
        for message in &mut room.messages[newest..] {
            let spoiled = (self.random.f64() < self.rates.spoil / 20.0).then(|| self.random.u8(..6));
            message.spoiled |= spoiled.is_some();
            rows.push(message.row(message.broken.or(spoiled)));
        }
        if self.random.f64() < 0.1 {
            self.random.shuffle(&mut rows);
        }
        if rows.is_empty() && self.random.bool() {
            return self.reply(204, "application/json", "");
        }
        let body = Value::from(rows).to_string();
        self.reply(200, "application/json", &body)
    }

    fn reply(&self, status: u16, media_type: &str, body: &str) -> Step {
        let date = self.skew.and_then(|skew| jiff::Timestamp::from_second(self.now() + skew).ok());
        let date = date.map(|date| format!("date: {}\r\n", date.strftime("%a, %d %b %Y %H:%M:%S GMT")));
        let date = date.unwrap_or_default();
        let length =
            if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\n{date}{length}\r\n");
        Step::Bytes { bytes: [head.as_bytes(), body.as_bytes()].concat(), close: false }
    }
}

impl Room {
    fn new(member: bool) -> Self {
        Self {
            member,
            refused: false,
            messages: Vec::new(),
            updated: 0,
            start: Start::NotYet,
            known: false,
            missing: 0,
            ended: false,
        }
    }

    pub fn newest(&self) -> &[Message] {
        &self.messages[self.messages.len().saturating_sub(NEWEST)..]
    }
}

impl Message {
    pub fn is_broken(&self) -> bool {
        self.broken.is_some() || self.spoiled
    }

    /// The JSON of the message, with one of these defects.
    fn row(&self, broken: Option<u8>) -> Value {
        let mut row = json!({
            "message_id": self.id.to_string(), "body": self.body, "send_time": self.sent, "update_time": self.updated,
            "account": { "account_id": 2, "name": "Alice", "avatar_image_url": "" },
        });
        match broken {
            Some(0) => row["body"] = json!(["a text"]),
            Some(1) => row["send_time"] = json!("soon"),
            Some(2) => row["send_time"] = json!(0),
            Some(3) => row["send_time"] = json!(99_999_999_999_i64),
            Some(4) => row["account"] = json!(null),
            Some(_) => row["update_time"] = json!(99_999_999_999_i64),
            None => {}
        }
        row
    }
}
