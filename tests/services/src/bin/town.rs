//! The services: `town SPEED FAULTS LATEST SEED`. Each request meets a fault with this probability; a sixth of the faults are
//! requests that take effect later, up to LATEST seconds. It prints where it is. Lines of its input are answered with one line each:
//!
//! - `rooms`: what each room has.
//! - `ask NUMBER`: Alice asks so many questions in rooms of Chatwork. The answer has the id of each.
//! - `answers`: what the bot has said in each of these rooms.
//! - `hook URL`: from now on, these rooms have webhooks. A question is asked once the one before was taken, with 200.

use kaiwa::jiff::Timestamp;
use kaiwa::sandbox::{Chaos, Fault, Provider, Sandbox, chatwork, lancers, tascha};
use services::service::exchange;
use services::town::{
    ALICE, BOT, CHATS, FastClock, HOOK, Place, ROOMS, TOKEN, Town, USER, chat, place, question,
};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [speed, faults, latest, seed] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "4 arguments")?;
    let clock = FastClock::new(Timestamp::now(), speed.parse()?);
    let sandbox = start(&clock, seed.parse()?).await?;
    let latest = Duration::from_secs(latest.parse()?);
    for provider in [Provider::Chatwork, Provider::Tascha, Provider::Lancers] {
        sandbox.faults().chaos(provider, chaos(faults.parse()?, latest));
    }
    let (chatwork, tascha, lancers) = (sandbox.chatwork_url(), sandbox.tascha_url(), sandbox.lancers_url());
    let boards: Vec<_> = sandbox.lancers().boards().iter().map(|board| board.id.0).collect();
    println!("{}", Town { chatwork, tascha, lancers, boards: boards.clone(), clock }.write());
    let mut alice = Alice { sandbox: &sandbox, asked: 0, has_hooks: false, posted_again: 0 };
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Some(command) = commands.next_line().await? {
        let answer = match command.split_once(' ') {
            Some(("ask", number)) => serde_json::to_string(&alice.ask(number.parse()?).await)?,
            Some(("hook", url)) => {
                alice.hook(url);
                String::new()
            }
            None if command == "answers" => serde_json::to_string(&alice.answers())?,
            _ => {
                let rooms: Vec<_> = (0..ROOMS).map(|room| texts(&sandbox, &boards, room)).collect();
                serde_json::to_string(&rooms)?
            }
        };
        println!("{answer}");
    }
    Ok(())
}

/// Who asks.
struct Alice<'a> {
    sandbox: &'a Sandbox,
    asked: usize,
    has_hooks: bool,
    /// How many webhooks were posted by her, because nobody had taken them.
    posted_again: usize,
}

impl Alice<'_> {
    fn hook(&mut self, url: &str) {
        for number in 0..CHATS {
            let hook = chatwork::Webhook::room(BOT, chat(number), url).token(HOOK);
            self.sandbox.chatwork().add_webhook(hook);
        }
        self.has_hooks = true;
    }

    /// The ids of the messages, and how many webhooks were posted again so far.
    async fn ask(&mut self, number: usize) -> (Vec<String>, usize) {
        let mut ids = Vec::new();
        for _ in 0..number {
            let (room, text) = question(self.asked);
            let id = self.sandbox.chatwork().room(room).post_as(ALICE, &text).to_string();
            self.asked += 1;
            if self.has_hooks {
                self.deliver(&id).await;
            }
            ids.push(id);
        }
        (ids, self.posted_again)
    }

    fn answers(&self) -> Vec<Vec<String>> {
        let said = |number| {
            let messages = self.sandbox.chatwork().room(chat(number)).messages().into_iter();
            messages
                .filter(|message| message.account.account_id.0 == BOT)
                .map(|message| message.body)
                .collect()
        };
        (0..CHATS).map(said).collect()
    }

    /// Waits until the webhook of a message is taken. The service posts it once.
    async fn deliver(&mut self, message: &str) {
        let posted = || {
            let mut deliveries = self.sandbox.chatwork().deliveries().into_iter();
            deliveries.find(|delivery| delivery.body.contains(message))
        };
        let delivery = loop {
            match posted() {
                Some(delivery) => break delivery,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        if delivery.error.is_none() {
            return;
        }
        let signature = format!("X-ChatWorkWebhookSignature: {}\r\n", delivery.signature);
        for _ in 0..2_000 {
            self.posted_again += 1;
            let answer = exchange("POST", &delivery.url, &signature, &delivery.body).await;
            if answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody takes the webhook");
    }
}

async fn start(clock: &FastClock, seed: u64) -> Result<Sandbox, Box<dyn std::error::Error>> {
    let mut chats = chatwork::Seed::new()
        .account(chatwork::Account::new(BOT, "Bot").token(TOKEN))
        .account(chatwork::Account::new(ALICE, "Alice").token("alice"))
        // A receiver that is killed must not switch its webhook off.
        .webhook_errors(u32::MAX)
        .unlimited();
    let mut boards = lancers::Seed::new().account(USER, TOKEN);
    let mut rooms = tascha::Seed::new()
        .user(tascha::User::new(USER, "Bot"))
        .key(tascha::Key::user(TOKEN, USER))
        .unlimited();
    for number in 0..ROOMS {
        match place(number) {
            Place::Chatwork(id) => {
                chats = chats.room(chatwork::Room::group(id, "Builds").admin(BOT).member(ALICE));
            }
            Place::Tascha(id) => rooms = rooms.room(tascha::RoomSeed::new(id, "Builds").members([USER])),
            Place::Lancers(_) => boards = boards.board(lancers::BoardSeed::new(USER, ["bob"])),
        }
    }
    for number in 0..CHATS {
        chats = chats.room(chatwork::Room::group(chat(number), "Questions").admin(BOT).member(ALICE));
    }
    let sandbox = Sandbox::builder().clock(clock.clone()).seed(seed);
    Ok(sandbox.chatwork(chats).tascha(rooms).lancers(boards).start().await?)
}

/// As many faults before the effect as after it, and a sixth late ones.
fn chaos(probability: f64, latest: Duration) -> Chaos {
    let mut chaos = Chaos::new(probability);
    for part in 1..=3 {
        chaos = chaos.fault(Fault::late(latest * part / 3));
    }
    let wait = Some(Duration::from_secs(1));
    let before = [
        Fault::reset(),
        Fault::bad_gateway(),
        Fault::status(500),
        Fault::close(),
        Fault::silence(),
        Fault::too_many_requests(wait),
    ];
    let after =
        [Fault::reset(), Fault::bad_gateway(), Fault::status(500), Fault::silence()].map(Fault::after);
    let broken = [Fault::short_body(), Fault::reset_mid_body(), Fault::stall(), Fault::invalid_json()];
    before.into_iter().chain(after).chain(broken).fold(chaos, Chaos::fault)
}

/// What was posted into a room, oldest first.
fn texts(sandbox: &Sandbox, boards: &[u64], room: usize) -> Vec<String> {
    match place(room) {
        Place::Chatwork(id) => {
            sandbox.chatwork().room(id).messages().into_iter().map(|message| message.body).collect()
        }
        Place::Tascha(id) => {
            sandbox.tascha().room(id).messages().into_iter().map(|message| message.body).collect()
        }
        Place::Lancers(board) => {
            let messages = sandbox.lancers().board(boards[board]).messages();
            messages.into_iter().map(|message| message.description).collect()
        }
    }
}
