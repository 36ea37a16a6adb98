//! A bot that is killed at random, and answers each question once.
//!
//! `KAIWA_KILL_MESSAGES=2000 cargo test --release --test killed answers -- --nocapture` is the whole size.

use crate::programs::{Process, SETTLE, SPEED, Services, messages};
use crate::{postgres, sqlite};
use kaiwa::outbox::{Filter, OUTBOX, OutboxStore, Phase};
use services::port::free_port;
use services::store::open;
use services::town::{CHATS, Town, question};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The queue of the messages that wait to be handled.
const QUESTIONS: &str = "bot-chatwork";

/// How many questions may wait for their answers. A room shows its newest 100 messages.
const OPEN: usize = 5 * CHATS as usize;

/// How long a test may take, for each question; and besides.
const LONGEST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(240));

/// A bot in several processes that share a store.
struct Bot<'a> {
    store: &'a str,
    source: &'a str,
    services: Services,
    began: Instant,
    /// The ids of the questions.
    asked: Vec<String>,
    kills: u32,
    /// How many webhooks were posted again.
    posted_again: usize,
}

impl<'a> Bot<'a> {
    fn new(store: &'a str, source: &'a str, seed: u64) -> Self {
        let services = Services::start(0.3, 0.9, seed);
        let (asked, began) = (Vec::new(), Instant::now());
        Self { store, source, services, began, asked, kills: 0, posted_again: 0 }
    }

    /// Asks the questions, while these processes are killed all the time or for good after so many kills, until all are answered.
    fn converse(&mut self, processes: &[(&Killed, u32)]) {
        let (questions, is_over) = (messages(150), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _over = Over(&is_over);
            let killed: Vec<_> = processes
                .iter()
                .map(|(process, kills)| scope.spawn(|| process.kill(*kills, &is_over)))
                .collect();
            // A thread that ends before all is over has panicked.
            let has_panicked = || {
                let mut threads = killed.iter().zip(processes);
                threads.any(|(thread, (_, kills))| *kills == u32::MAX && thread.is_finished())
            };
            while (self.asked.len() < questions || self.answered() < questions) && !has_panicked() {
                if self.asked.len() < questions && self.asked.len() < self.answered() + OPEN {
                    self.ask(10.min(questions - self.asked.len()));
                }
                std::thread::sleep(Duration::from_millis(100));
                let (each, besides) = LONGEST;
                let is_in_time = self.began.elapsed() < each * questions as u32 + besides;
                assert!(is_in_time, "{} of {} are answered", self.answered(), self.asked.len());
            }
            is_over.store(true, Ordering::Relaxed);
            self.kills +=
                killed.into_iter().map(|killed| killed.join().expect("it is killed only")).sum::<u32>();
        });
    }

    fn ask(&mut self, number: usize) {
        let answer = self.services.command(&format!("ask {number}"));
        let (asked, posted_again): (Vec<String>, usize) = serde_json::from_str(&answer).expect("its answer");
        self.asked.extend(asked);
        self.posted_again = posted_again;
    }

    /// What each room was answered: the id of the question, and the text.
    fn answers(&mut self) -> Vec<Vec<(String, String)>> {
        let rooms = self.services.command("answers");
        let rooms: Vec<Vec<String>> = serde_json::from_str(&rooms).expect("its answer");
        rooms.iter().map(|room| room.iter().map(|answer| read(answer)).collect()).collect()
    }

    fn answered(&mut self) -> usize {
        self.answers().iter().map(Vec::len).sum()
    }

    /// Lets it do what is left, and compares what is there with what was asked.
    async fn compare(mut self, name: &str) {
        let process = Killed::answerer(&self);
        let last = process.start();
        let store = open(self.store, &Town::read(&self.services.town)).await.expect("it is there");
        let closed = async {
            while is_open(&*store).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LONGEST.1, closed).await.expect("no room is stuck");
        let (ended, lines) = last.end();
        assert!(ended.success() && lines == ["done"], "it shuts down: {ended:?} {lines:?}");
        let seconds = self.began.elapsed().as_secs_f64();
        // Nothing arrives any more.
        tokio::time::sleep(Duration::from_secs(SETTLE) / SPEED).await;
        let rest = store.list(Filter::new(QUESTIONS, 10).phase(Phase::Failed)).await.expect("it is read");
        assert!(rest.is_empty(), "set aside: {rest:?}");
        for entry in store.list(Filter::new(OUTBOX, usize::MAX)).await.expect("it is read") {
            assert_eq!(entry.phase, Phase::Sent, "{entry:?} {}", entry.progress);
        }
        let (mut missed, mut twice, mut is_in_order) = (Vec::new(), Vec::new(), true);
        for (room, answers) in self.answers().iter().enumerate() {
            let asked = || self.asked.iter().enumerate().skip(room).step_by(CHATS as usize);
            for (number, id) in asked() {
                match answers.iter().filter(|(to, _)| to == id).count() {
                    0 => missed.push(number),
                    1 => {}
                    _ => twice.push(number),
                }
            }
            // Each has counted those before it in its room.
            let expected = asked()
                .zip(1..)
                .map(|((number, id), count)| (id.clone(), format!("{count}: {}", question(number).1)));
            is_in_order &= answers.iter().cloned().eq(expected);
        }
        println!(
            "{name}: {} questions, {} kills, {} webhooks posted again, {seconds:.0} s: {} missed, {} twice, in order: {is_in_order}",
            self.asked.len(),
            self.kills,
            self.posted_again,
            missed.len(),
            twice.len(),
        );
        assert!(
            missed.is_empty() && twice.is_empty() && is_in_order,
            "{missed:?} {twice:?} {:?}",
            self.answers()
        );
    }
}

/// Whether there is a message to handle or a reply to post.
async fn is_open(store: &dyn OutboxStore) -> bool {
    for queue in [QUESTIONS, OUTBOX] {
        for phase in [Phase::Waiting, Phase::Sending] {
            if !store.list(Filter::new(queue, 1).phase(phase)).await.expect("it is read").is_empty() {
                return true;
            }
        }
    }
    false
}

/// The id and the text of `[rp aid=2 to=ROOM-ID]Alice\nTEXT`.
fn read(answer: &str) -> (String, String) {
    let parts = answer
        .split_once(']')
        .and_then(|(tag, rest)| Some((tag.rsplit_once('-')?.1, rest.split_once('\n')?.1)));
    let (id, text) = parts.unwrap_or_else(|| panic!("no answer: {answer}"));
    (id.to_owned(), text.to_owned())
}

/// Says that it is over, also when a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A program that is started and killed again and again.
struct Killed {
    program: &'static str,
    arguments: Vec<String>,
    seed: u64,
}

impl Killed {
    fn answerer(bot: &Bot<'_>) -> Self {
        Self::new(env!("CARGO_BIN_EXE_answerer"), bot, bot.source)
    }

    fn receiver(bot: &Bot<'_>, port: u16) -> Self {
        Self::new(env!("CARGO_BIN_EXE_receiver"), bot, &port.to_string())
    }

    fn new(program: &'static str, bot: &Bot<'_>, last: &str) -> Self {
        let arguments = [bot.store, &SETTLE.to_string(), &bot.services.town, last];
        Self { program, arguments: arguments.map(str::to_owned).to_vec(), seed: 1 }
    }

    fn start(&self) -> Process {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        Process::start(self.program, &arguments)
    }

    /// Returns how often it was killed.
    fn kill(&self, kills: u32, is_over: &AtomicBool) -> u32 {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut killed = 0;
        while killed < kills && !is_over.load(Ordering::Relaxed) {
            let mut process = self.start();
            process.kill_soon(&mut random);
            let (ended, lines) = process.end();
            assert_eq!(ended.code(), None, "{} ended by itself: {lines:?}", self.program);
            killed += 1;
        }
        killed
    }
}

#[tokio::test]
async fn a_bot_with_a_watch_that_is_killed_all_the_time_answers_each_question_once() {
    let (_folder, store) = sqlite();
    let mut bot = Bot::new(&store, "watch", 11);
    let answerer = Killed::answerer(&bot);
    bot.converse(&[(&answerer, u32::MAX)]);
    bot.compare("a watch").await;
}

/// Two copies share a store, and one of them is killed for good.
fn share<'a>(store: &'a str, seed: u64, kills_receiver: bool) -> Bot<'a> {
    let mut bot = Bot::new(store, "webhooks", seed);
    let port = free_port();
    bot.services.command(&format!("hook http://127.0.0.1:{port}/hook"));
    let receiver = Killed::receiver(&bot, port);
    let answerer = Killed::answerer(&bot);
    let other = Killed { seed: 2, ..Killed::answerer(&bot) };
    if kills_receiver {
        bot.converse(&[(&answerer, u32::MAX), (&other, 10), (&receiver, u32::MAX)]);
        assert!(bot.posted_again > 0, "each webhook was taken at once");
    } else {
        let _receiving = receiver.start();
        bot.converse(&[(&answerer, u32::MAX), (&other, 10)]);
    }
    bot
}

#[tokio::test]
async fn two_copies_with_webhooks_do_too_and_what_takes_the_webhooks_is_killed_as_well() {
    let (_folder, store) = sqlite();
    share(&store, 12, true).compare("webhooks").await;
}

#[tokio::test]
async fn two_copies_with_webhooks_on_one_database_of_postgresql_do_too() {
    let (server, _) = postgres().await;
    let store = server.url();
    share(&store, 13, false).compare("webhooks, PostgreSQL").await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}
