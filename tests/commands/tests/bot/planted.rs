//! Tokens in environment variables and defaults, which are said nowhere.

use crate::world::World;
use kaiwa::chatwork::bot::Context;
use kaiwa::chatwork::bot::commands::Reading;
use std::process::Command;

const CANARY: &str = "canary-5b1e";
const VARIABLE: &str = "COMMANDS_PLANTED";

#[derive(clap::Parser, Debug)]
#[command(version = "1.2")]
struct Cli {
    /// 鍵
    #[arg(long, env = "COMMANDS_PLANTED", global = true)]
    token: Option<String>,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(clap::Subcommand, Debug)]
enum Sub {
    /// 送る
    Send {
        #[arg(long, default_value = "canary-5b1e-default")]
        key: String,
        #[arg(long, env = "COMMANDS_PLANTED")]
        port: Option<u16>,
    },
    /// 近いもの
    Near {
        #[arg(long, env = "COMMANDS_PLANTED", value_parser = ["kanary-5b1e", "b"])]
        bird: Option<String>,
        words: Vec<String>,
    },
    Idle,
    /// 深いところ
    Deep {
        #[command(subcommand)]
        command: Deeper,
    },
}

#[derive(clap::Subcommand, Debug)]
enum Deeper {
    Down {
        #[arg(env = "COMMANDS_PLANTED", value_parser = reject, default_value = "x")]
        word: String,
        #[arg(long, default_value = "canary-5b1e-deep", value_parser = ["canary-5b1e-deep", "b"], hide_possible_values = true)]
        level: String,
    },
}

fn reject(text: &str) -> Result<String, String> {
    Err(format!("{text} is rejected"))
}

/// The test runs itself with the variable, since a process cannot change its own safely.
#[test]
fn no_value_of_a_variable_or_a_default_is_in_help_an_error_or_a_log() {
    if std::env::var_os(VARIABLE).is_some() {
        return said();
    }
    let name = "planted::no_value_of_a_variable_or_a_default_is_in_help_an_error_or_a_log";
    let this = std::env::current_exe().expect("the test");
    let mut child = Command::new(this);
    let output =
        child.args([name, "--exact", "--nocapture"]).env(VARIABLE, CANARY).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let end: String = text.chars().skip(text.chars().count().saturating_sub(500)).collect();
    assert!(output.status.success(), "{end}");
    // The search does find things.
    for expected in [
        "使い方",
        "--port <PORT> の値が正しくありません",
        "--level <LEVEL>",
        "DEBUG",
        "a handler was run with it",
    ] {
        assert!(text.contains(expected), "{expected}");
    }
    let line = text.lines().find(|line| line.contains(CANARY) || line.contains(VARIABLE));
    assert_eq!(line, None);
}

/// Prints all that a bot says and logs.
fn said() {
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    subscriber.with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let world = World::new().await;
        let handler = async |context: Context| {
            let command = context.command::<Cli>();
            println!("{command:?}");
            match command.read() {
                Reading::Command(Cli { token, .. }) => {
                    assert_eq!(token.as_deref(), Some(CANARY), "the program has it");
                    println!("a handler was run with it");
                }
                other => println!("{other:?}"),
            }
            command.await.map(drop)
        };
        for body in [
            "--help",
            "-h",
            "help",
            "help send",
            "send --help",
            "send -h",
            "help deep",
            "help deep down",
            "deep down --help",
            "send",
            "send --port x",
            "send --kay",
            "deep down",
            "deep down --level=c",
            "sent",
            "near",
            "near --help",
            "near --bird=d",
            "idle",
            "--version",
            "x",
            "\"",
        ] {
            let bot = world.bot();
            let said = world.talk(bot, [world.wrote(2, world.chat, body)], &handler).await;
            println!("{body}: {said:?}");
        }
        let said = world.talk(world.bot(), [world.wrote(2, world.chat, "/ ")], &handler).await;
        println!("{said:?}");
        // What is near to the value is not said, and a guess is not confirmed: with it the bot says what it says without it.
        let quietly = async |context: Context| context.command::<Cli>().await.map(drop);
        let said = async |body: &str| {
            world.talk(world.bot(), [world.wrote(2, world.chat, body)], &quietly).await.concat()
        };
        let near = said("near").await;
        assert!(
            near.starts_with("--bird <BIRD> の値が正しくありません。\n使えるもの: kanary-5b1e、b\n"),
            "{near}"
        );
        assert_eq!(said(&format!("near {CANARY}")).await, near);
        assert_eq!(said(&format!("send --key {CANARY}")).await, said("send").await);
        // The person's own value is said, with what is near to it.
        assert!(said("near --bird=kanari-5b1e").await.contains("もしかして: kanary-5b1e"));
    });
}
