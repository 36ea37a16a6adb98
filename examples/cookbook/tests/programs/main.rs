//! Each program, run as it is built, against a sandbox that it finds by its variables.

mod messages;
mod other_services;
#[path = "../outbox_postgres/server.rs"]
#[expect(dead_code, reason = "the tests of the store do more with it")]
mod postgres;
mod receivers;
mod reports;
mod servers;
mod table;
mod telemetry;

use kaiwa::chatwork::Message;
use kaiwa::sandbox::{Sandbox, chatwork, lancers, tascha};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// A program of the package, by its name.
macro_rules! program {
    ($name:literal) => {
        env!(concat!("CARGO_BIN_EXE_", $name))
    };
}
use program;

const ROOM: u64 = chatwork::Seed::ROOM;
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox, and a folder for the files of programs.
struct Town {
    sandbox: Sandbox,
    folder: TempDir,
}

/// How a program ended.
#[derive(Debug)]
struct Ended {
    success: bool,
    out: String,
    err: String,
}

impl Town {
    async fn new() -> Self {
        Self::with(Sandbox::builder()).await
    }

    async fn with(builder: kaiwa::sandbox::Builder) -> Self {
        let sandbox = builder.start().await.expect("it starts");
        Self { sandbox, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The program with the variables of this sandbox and no others, in the folder.
    fn command(&self, program: &str) -> Command {
        let mut command = bare(program);
        command.current_dir(self.folder.path()).envs([
            ("CHATWORK_API_TOKEN", chatwork::Seed::TOKEN),
            ("CHATWORK_BASE_URL", &self.sandbox.chatwork_url()),
            ("CHATWORK_ROOM", &ROOM.to_string()),
            ("TASCHA_API_KEY", tascha::Seed::TOKEN),
            ("TASCHA_BASE_URL", &self.sandbox.tascha_url()),
            ("TASCHA_ROOM", tascha::Seed::ROOM),
            ("LANCERS_COOKIE", lancers::Seed::CREDENTIAL),
            ("LANCERS_BASE_URL", &self.sandbox.lancers_url()),
            ("LANCERS_USER", lancers::Seed::USER),
        ]);
        command
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> Ended {
        end(self.command(program).args(arguments), "").await
    }

    /// Until it succeeds.
    async fn done(&self, program: &str, arguments: &[&str]) -> String {
        let ended = self.run(program, arguments).await;
        assert!(ended.success, "{ended:?}");
        ended.out
    }

    /// The messages of the room whose text has this part.
    fn messages(&self, part: &str) -> Vec<Message> {
        let mut messages = self.sandbox.chatwork().room(ROOM).messages();
        messages.retain(|message| message.body.contains(part));
        messages
    }

    /// Waits for a message with this part, and returns how many have it.
    async fn arrived(&self, part: &str) -> usize {
        let arrived = async {
            while self.messages(part).is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, arrived).await.unwrap_or_else(|_| panic!("no message with {part:?} arrives"));
        self.messages(part).len()
    }
}

/// The program without any variable but the path of others.
fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", env!("PATH")).kill_on_drop(true);
    command
}

/// Runs a program to its end.
async fn end(command: &mut Command, input: &str) -> Ended {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it is built with the tests");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A program that fails at once reads nothing.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it ran");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { success: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
}

/// Ctrl-C.
async fn interrupt(child: &mut Child) -> bool {
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().await.expect("`kill` runs");
    assert!(sent.success());
    timeout(PATIENCE, child.wait()).await.expect("it ends").expect("it ran").success()
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}
