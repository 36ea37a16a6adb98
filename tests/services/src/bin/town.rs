//! The services: `town SPEED FAULTS LATEST SEED`. Each request meets a fault with this probability; a sixth of the faults are
//! requests that take effect later, up to LATEST seconds. It prints where it is, and after each line of its input what each
//! room has.

use kaiwa::jiff::Timestamp;
use kaiwa::sandbox::{Chaos, Fault, Provider, Sandbox, chatwork, lancers, tascha};
use services::town::{FastClock, Place, ROOMS, TOKEN, Town, USER, place};
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
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    while asked.next_line().await?.is_some() {
        let rooms: Vec<_> = (0..ROOMS).map(|room| texts(&sandbox, &boards, room)).collect();
        println!("{}", serde_json::to_string(&rooms)?);
    }
    Ok(())
}

async fn start(clock: &FastClock, seed: u64) -> Result<Sandbox, Box<dyn std::error::Error>> {
    let mut chats = chatwork::Seed::new()
        .account(chatwork::Account::new(1, "Bot").token(TOKEN))
        .account(chatwork::Account::new(2, "Alice").token("alice"))
        .unlimited();
    let mut boards = lancers::Seed::new().account(USER, TOKEN);
    let mut rooms = tascha::Seed::new()
        .user(tascha::User::new(USER, "Bot"))
        .key(tascha::Key::user(TOKEN, USER))
        .unlimited();
    for number in 0..ROOMS {
        match place(number) {
            Place::Chatwork(id) => {
                chats = chats.room(chatwork::Room::group(id, "Builds").admin(1).member(2));
            }
            Place::Tascha(id) => rooms = rooms.room(tascha::RoomSeed::new(id, "Builds").members([USER])),
            Place::Lancers(_) => boards = boards.board(lancers::BoardSeed::new(USER, ["bob"])),
        }
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
