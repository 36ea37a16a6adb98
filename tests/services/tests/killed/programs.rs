//! The services and the programs of a test, in processes of their own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// In seconds of the clock that they all share.
pub const SETTLE: u64 = 20;

/// How many times as fast as the true time that clock is.
pub const SPEED: u32 = 10;

/// The size of a test.
pub fn messages(fewer: usize) -> usize {
    std::env::var("KAIWA_KILL_MESSAGES").map_or(fewer, |number| number.parse().expect("a number"))
}

pub struct Services {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub town: String,
}

impl Services {
    pub fn start(faults: f64, latest: f64, seed: u64) -> Self {
        let latest = (latest * SETTLE as f64) as u64;
        let mut child = Command::new(env!("CARGO_BIN_EXE_town"))
            .args([SPEED.to_string(), faults.to_string(), latest.to_string(), seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built with the tests");
        let asked = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut services = Self { child, asked, answers, town: String::new() };
        services.town = services.line();
        services
    }

    /// What it answers to a command.
    pub fn command(&mut self, command: &str) -> String {
        writeln!(self.asked, "{command}").expect("it runs");
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it prints text");
        line.trim().to_owned()
    }

    /// The texts of each room.
    pub fn rooms(&mut self) -> Vec<Vec<String>> {
        serde_json::from_str(&self.command("rooms")).expect("it prints its rooms")
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that can be killed.
pub struct Process {
    child: Child,
    lines: Option<JoinHandle<Vec<String>>>,
}

impl Process {
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built with the tests");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let lines = std::thread::spawn(move || output.lines().map_while(Result::ok).collect());
        Self { child, lines: Some(lines) }
    }

    /// Kills it after 50 to 500 ms, unless it ends before.
    pub fn kill_soon(&mut self, random: &mut fastrand::Rng) {
        let deadline = Instant::now() + Duration::from_millis(random.u64(50..=500));
        while Instant::now() < deadline && self.child.try_wait().expect("it is a child").is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("it is a child");
    }

    /// Waits for its end, and returns what it has printed. Its input ends at once.
    pub fn end(mut self) -> (ExitStatus, Vec<String>) {
        let ended = self.child.wait().expect("it is a child");
        (ended, self.lines.take().expect("it has not ended before").join().expect("it reads"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
