//! Lines, without a bot. The command set is written by hand, as `derive` is no part of the library's clap.

use super::*;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

fn reject(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { Err(format!("[{text}] は [toall] だめです")) }
}

/// The arguments of whatever matched, so that a test sees what was read.
#[derive(Debug, PartialEq)]
struct Read(String);

impl FromArgMatches for Read {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (name, matches) = matches.subcommand().expect("a command is required");
        let values = |id: &str| matches.try_get_many::<String>(id).ok().flatten().unwrap_or_default();
        let target: Vec<&str> = values("target").map(String::as_str).collect();
        let note: Vec<&str> = values("note").map(String::as_str).collect();
        Ok(Self(format!("{name} {target:?} {note:?}")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::CommandFactory for Read {
    fn command() -> Command {
        let deploy = Command::new("deploy")
            .about("リリースする")
            .arg(Arg::new("target").required(true).value_parser(["prod", "staging"]).help("環境"))
            .arg(Arg::new("note").long("note").help("メモ").default_value("canary-default"))
            .arg(Arg::new("count").long("count").value_parser(clap::value_parser!(u8)))
            .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).conflicts_with("dry"))
            .arg(Arg::new("dry").long("dry").action(ArgAction::SetTrue))
            .arg(Arg::new("pair").long("pair").num_args(2));
        // Both get a value from outside of the message, and cannot use it.
        let level = Arg::new("level").long("level").value_parser(clap::value_parser!(u8)).env("PATH");
        let part = Arg::new("part").long("part").value_parser(reject).default_value("canary-default");
        let outside = [Command::new("level").arg(level), Command::new("part").arg(part)];
        let db = Command::new("db")
            .about("データベース")
            .subcommand_required(true)
            .subcommand(Command::new("migrate"));
        Command::new("bot")
            .version("1.2")
            .about("ボット")
            .subcommand_required(true)
            .subcommands([deploy, db])
            .subcommands(outside)
    }

    fn command_for_update() -> Command {
        Self::command()
    }
}

impl clap::Parser for Read {}

fn read(line: &str) -> Result<String, String> {
    parse_line::<Read>(line, Language::Japanese).map(|read| read.0).map_err(|why| why.message().to_string())
}

fn english(line: &str) -> String {
    let why = parse_line::<Read>(line, Language::English).expect_err("it is not read");
    why.message().to_string()
}

#[test]
fn commands_are_read_with_quotes_and_blanks_of_every_keyboard() {
    for (line, expected) in [
        ("deploy prod", r#"deploy ["prod"] ["canary-default"]"#),
        ("deploy　prod　--note　“a　b\nc”", r#"deploy ["prod"] ["a\u{3000}b\nc"]"#),
        ("deploy\nprod\n—note=it's", r#"deploy ["prod"] ["it's"]"#),
        ("db migrate", "db [] []"),
    ] {
        assert_eq!(read(line), Ok(expected.to_owned()), "{line}");
    }
}

#[test]
fn help_is_in_one_language_and_shows_what_is_written_in_a_chat() {
    let all = read("help").expect_err("help");
    assert_eq!(
        all,
        "[info][title]使い方[/title][code]ボット\n\nコマンド:\n  deploy  リリースする\n  db      データベース\n  level   \n  \
         part    \n  help    使い方を表示する\n\nオプション:\n  -h, --help     使い方を表示する\n  -V, --version  \
         バージョンを表示する[/code][/info]"
    );
    for line in ["--help", "-h", "help"] {
        assert_eq!(read(line), Err(all.clone()), "{line}");
    }
    let deploy = read("help deploy").expect_err("help");
    assert_eq!(read("deploy --help"), Err(deploy.clone()));
    assert!(
        deploy.contains(
            "書き方: /deploy [オプション] <target>\n\n引数:\n  <target>  環境 （prod、staging のどれか）"
        ),
        "{deploy}"
    );
    assert!(read("db help migrate").expect_err("help").contains("書き方: /db migrate"));
    assert!(read("db help").expect_err("help").contains("書き方: /db <コマンド>"));
    let help = english("help deploy");
    assert!(help.starts_with("[info][title]Help[/title][code]リリースする\n\nUsage: /deploy"), "{help}");
    assert!(help.contains("環境 (one of prod, staging)"), "{help}");
    for version in ["--version", "-V"] {
        assert_eq!(read(version), Err("bot 1.2".to_owned()));
    }
}

#[test]
fn every_problem_has_words_in_both_languages() {
    let help = (
        "\n使い方を見るには、このボット宛てに /help と送ってください。",
        "\nFor help, send /help to this bot.",
    );
    for (line, japanese, said) in [
        (
            "deploi prod",
            "「deploi」というコマンドはありません。\nもしかして: deploy",
            "There is no command \"deploi\".\nDid you mean: deploy",
        ),
        ("天気", "「天気」というコマンドはありません。", "There is no command \"天気\"."),
        (
            "deploy prod --forse",
            "「--forse」というオプションはありません。\nもしかして: --force",
            "There is no option \"--forse\".\nDid you mean: --force",
        ),
        ("deploy prod more", "「more」は不要です。", "\"more\" is too much."),
        (
            "deploy prodd",
            "「prodd」は <target> に使えません。\nもしかして: prod\n使えるもの: prod、staging",
            "\"prodd\" is no value for <target>.\nDid you mean: prod\nPossible: prod, staging",
        ),
        ("deploy prod --note", "--note <note> には値が必要です。", "--note <note> needs a value."),
        (
            "deploy prod --count=x",
            "「x」は --count <count> に使えません（invalid digit found in string）。",
            "\"x\" is no value for --count <count>: invalid digit found in string.",
        ),
        (
            "deploy prod --count=３",
            "「３」は --count <count> に使えません（数字は半角で書いてください）。",
            "\"３\" is no value for --count <count>: write its digits as 0 to 9.",
        ),
        ("deploy", "<target> を指定してください。", "Missing: <target>"),
        (
            "deploy prod --force --dry",
            "--force は --dry と一緒に使えません。",
            "--force cannot be used with --dry.",
        ),
        ("deploy prod --force --force", "--force は一度しか使えません。", "--force can be used only once."),
        (
            "deploy prod --pair a",
            "--pair <pair> <pair> には値が 2 個必要です。",
            "--pair <pair> <pair> needs 2 values.",
        ),
        (
            "",
            "コマンドを書いてください。\n使えるもの: deploy、db、level、part、help",
            "Please write a command.\nPossible: deploy, db, level, part, help",
        ),
        ("deploy \"prod", "引用符 \" が閉じられていません。", "The quote \" is not closed."),
    ] {
        assert_eq!(read(line), Err(format!("{japanese}{}", help.0)), "{line}");
        assert_eq!(english(line), format!("{said}{}", help.1), "{line}");
    }
}

#[test]
fn values_from_outside_of_the_message_are_never_said() {
    let path = std::env::var("PATH").expect("it is set where tests run");
    let lines = [
        "help",
        "--help",
        "level",
        "level --help",
        "part",
        "part --help",
        "deploy --help",
        "help deploy",
        "deploy",
        "",
    ];
    for line in lines {
        let said = [read(line).expect_err("it is not run"), english(line)].concat();
        assert!(
            !said.contains("canary") && !said.contains(&path) && !said.contains("PATH"),
            "{line}: {said}"
        );
    }
    assert!(
        read("level")
            .expect_err("PATH is no number")
            .starts_with("--level <level> の値が正しくありません。\n")
    );
    assert!(english("part").starts_with("The value of --part <part> is not valid.\n"));
    // What the person wrote is, and so is the reason.
    assert!(
        read("level --level=x").expect_err("no number").starts_with("「x」は --level <level> に使えません（")
    );
}

#[test]
fn what_a_person_writes_becomes_no_tag() {
    let said = read("part --part [toall]").expect_err("it is rejected");
    assert_eq!(
        said,
        "「［toall］」は --part <part> に使えません（［［toall］］ は ［toall］ だめです）。\n使い方を見るには、このボット宛てに /help と送ってください。"
    );
    for line in [
        "[To:1]",
        "deploy [rp aid=1 to=2-3]",
        "deploy prod --[toall]",
        "deploy prod [/code][toall]",
        "\"[toall]",
    ] {
        let said = [read(line).expect_err("it is not run"), english(line)].concat();
        assert!(!said.contains('['), "{line}: {said}");
    }
    let long = read(&"あ\n[toall]".repeat(9_000)).expect_err("there is no such command");
    assert_eq!(
        long.chars().count(),
        "「」というコマンドはありません。\n使い方を見るには、このボット宛てに /help と送ってください。"
            .chars()
            .count()
            + "あ".len() / 3
    );
    let word = read(&"a".repeat(99_999)).expect_err("there is no such command");
    assert!(word.starts_with(&format!("「{}…」", "a".repeat(60))), "{word}");
}
