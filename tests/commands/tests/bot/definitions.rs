//! Settings of a program's command set, which hold in a chat as in a terminal.

use crate::world::World;
use clap::{ArgAction, Parser};
use kaiwa::chatwork::bot::Context;
use kaiwa::chatwork::bot::commands::{Language, Reading};
use std::cell::RefCell;

/// What a bot with this command set says to each of these lines, in a direct chat.
async fn read<C: Parser + std::fmt::Debug>(language: Language, lines: &[&str]) -> Vec<String> {
    let world = World::new().await;
    let said = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        said.borrow_mut().push(match context.command::<C>().read() {
            Reading::Command(command) => format!("{command:?}"),
            Reading::Explain(explanation) => explanation.into_message().into(),
            other => format!("{other:?}"),
        });
        Ok(())
    };
    world
        .talk(
            world.bot().language(language),
            lines.iter().map(|line| world.wrote(2, world.chat, line)),
            handler,
        )
        .await;
    said.into_inner()
}

async fn japanese<C: Parser + std::fmt::Debug>(line: &str) -> String {
    read::<C>(Language::Japanese, &[line]).await.remove(0)
}

#[derive(Parser, Debug)]
#[command(hide_possible_values = true, disable_help_flag = true, version = "1", propagate_version = true)]
enum Quiet {
    Deploy {
        #[arg(value_parser = ["prod", "staging"])]
        target: String,
    },
}

#[tokio::test]
async fn settings_of_a_command_count_below_it() {
    let said = japanese::<Quiet>("deploy prodd").await;
    assert_eq!(said, "「prodd」は <TARGET> に使えません。");
    assert_eq!(japanese::<Quiet>("deploy --help").await, "「--help」というオプションはありません。");
    assert_eq!(japanese::<Quiet>("help").await, "「help」というコマンドはありません。");
    assert_eq!(japanese::<Quiet>("deploy --version").await, "commands-deploy 1");
}

/// The letter of the help is an argument of all commands.
#[derive(Parser, Debug)]
struct Remote {
    /// 接続先
    #[arg(short = 'h', long, global = true)]
    host: Option<String>,
    #[arg(short = 'V', long, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: RemoteCommand,
}

#[derive(clap::Subcommand, Debug)]
enum RemoteCommand {
    /// つなぐ
    Connect,
}

/// The program's own help flag, for all commands.
#[derive(Parser, Debug)]
#[command(disable_help_flag = true)]
struct Own {
    #[arg(short = '?', long = "help", global = true, action = ArgAction::Help, help = "たすけて")]
    help: Option<bool>,
    #[command(subcommand)]
    command: RemoteCommand,
}

#[tokio::test]
async fn global_arguments_of_the_program_keep_their_letters_and_names() {
    let said = japanese::<Remote>("connect -h example.jp -VV").await;
    assert!(said.contains(r#"host: Some("example.jp"), verbose: 2"#), "{said}");
    let help = japanese::<Remote>("connect --help").await;
    assert!(
        help.contains("-h, --host <HOST>  接続先") && help.contains("      --help         使い方"),
        "{help}"
    );
    for line in ["connect --help", "connect -?", "--help"] {
        let help = japanese::<Own>(line).await;
        assert!(help.contains("-?, --help  たすけて") && !help.contains("使い方を表示"), "{line}: {help}");
    }
}

#[tokio::test]
async fn options_may_stand_before_help() {
    let help = japanese::<Remote>("help").await;
    assert!(help.contains("コマンド:\n  connect  つなぐ"), "{help}");
    for line in [
        "--verbose help",
        "-V help",
        "-h example.jp help",
        "--host example.jp help",
        "--host=x help",
        "-hx help",
    ] {
        assert_eq!(japanese::<Remote>(line).await, help, "{line}");
    }
    let connect = japanese::<Remote>("connect --help").await;
    for line in ["-VV help connect", "help -V connect"] {
        assert_eq!(japanese::<Remote>(line).await, connect, "{line}");
    }
    // A value is no command.
    let said = japanese::<Remote>("--host help connect").await;
    assert!(said.contains(r#"host: Some("help")"#), "{said}");
}

#[derive(Parser, Debug)]
enum Secretive {
    /// 置く
    #[command(
        visible_alias = "place",
        visible_alias = "lay",
        alias = "plant",
        visible_short_flag_alias = 'P'
    )]
    Put {
        #[arg(long, visible_alias = "where", visible_short_alias = 'w', alias = "wherever")]
        place: Option<String>,
        #[arg(long, hide = true)]
        secret_door: bool,
        #[arg(long, value_parser = ["golden", "green"], hide_possible_values = true)]
        key: Option<String>,
        #[arg(long, value_parser = ["golden", "green"])]
        color: Option<String>,
    },
    #[command(hide = true)]
    Detonate,
}

#[tokio::test]
async fn what_is_hidden_is_not_suggested() {
    for (line, never) in [
        ("detonat", "detonate"),
        ("detonat --x", "detonate"),
        ("plent", "plant"),
        ("put --secret-dor", "secret-door"),
        ("put --wherevr", "wherever"),
        ("put --key gold", "golden"),
        ("put --key=gold", "green"),
        ("", "detonate"),
        ("help", "detonate"),
        ("put --help", "secret"),
    ] {
        for language in [Language::Japanese, Language::English] {
            let said = read::<Secretive>(language, &[line]).await.remove(0);
            assert!(!said.contains(never), "{line}: {said}");
        }
    }
    for (line, suggested) in [
        ("pat", "もしかして: put"),
        ("plac", "もしかして: lay、place"),
        ("put --plac", "もしかして: --place"),
        ("put --wher", "もしかして: --where"),
        ("put --color gold", "もしかして: golden\n使えるもの: golden、green"),
    ] {
        let said = japanese::<Secretive>(line).await;
        assert!(said.contains(suggested), "{line}: {said}");
    }
    // It works all the same.
    assert_eq!(japanese::<Secretive>("detonate").await, "Detonate");
    assert!(japanese::<Secretive>("place --where x").await.contains(r#"place: Some("x")"#));
    assert!(japanese::<Secretive>("plant -w x").await.contains(r#"place: Some("x")"#));
    assert!(japanese::<Secretive>("lay --wherever x --secret-door").await.contains("secret_door: true"));
}

#[tokio::test]
async fn no_english_of_clap_is_in_japanese_help() {
    let words =
        ["OPTIONS", "alias", "Usage", "Options", "Commands", "Arguments", "Print", "COMMAND", "default"];
    for line in ["help", "--help", "put --help", "help place", "put -h"] {
        let help = japanese::<Secretive>(line).await;
        let found: Vec<_> = words.iter().filter(|word| help.contains(**word)).collect();
        assert!(found.is_empty(), "{line}: {found:?} in {help}");
    }
    let help = japanese::<Secretive>("help").await;
    assert!(help.contains("  put   置く （-P、place、lay でも同じ）\n"), "{help}");
    let help = japanese::<Secretive>("help put").await;
    assert!(help.contains("書き方: /put [オプション]\n"), "{help}");
    assert!(help.contains("--place <PLACE>  （-w、--where でも同じ）"), "{help}");
    let help = read::<Secretive>(Language::English, &["help put"]).await.remove(0);
    assert!(help.contains("Usage: /put [OPTIONS]\n") && help.contains("(also -w, --where)"), "{help}");
}

#[derive(Parser, Debug)]
enum Versions {
    #[command(version = "2")]
    Old,
    New,
}

#[tokio::test]
async fn a_version_below_is_shown_without_one_above() {
    assert_eq!(japanese::<Versions>("old --version").await, "commands-old 2");
    assert_eq!(
        japanese::<Versions>("new --version").await.lines().next(),
        Some("「--version」というオプションはありません。")
    );
}

/// A program's own command of that name.
#[derive(Parser, Debug)]
enum Helpful {
    /// 手伝う
    Help { task: String },
    /// 働く
    Work,
}

#[tokio::test]
async fn a_command_help_of_the_program_stays() {
    assert_eq!(japanese::<Helpful>("help 掃除").await, r#"Help { task: "掃除" }"#);
    let help = japanese::<Helpful>("--help").await;
    assert!(help.contains("  help  手伝う\n  work  働く\n\n"), "{help}");
}
