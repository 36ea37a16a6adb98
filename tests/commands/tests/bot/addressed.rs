//! When a bot runs a command, when it explains, and when it is silent.

use crate::world::{Cli, World, run};
use kaiwa::chatwork::bot::Context;
use kaiwa::chatwork::bot::commands::{Language, Reading};
use kaiwa::chatwork::{AccountId, RoomId};

const ROOM: RoomId = RoomId(10);

#[tokio::test]
async fn commands_run_by_prefix_and_by_address() {
    let world = World::new().await;
    let prod = r#"Deploy { target: "prod", note: None }"#;
    for body in [
        "/deploy prod",
        "!deploy prod",
        "！deploy　prod",
        "／deploy prod",
        "/ deploy\nprod",
        "[toall]\n/deploy prod",
        "[To:1]Bot\ndeploy prod",
        "[To:1]Botさん\n/deploy prod",
        "[rp aid=1 to=10-5]Botさん\ndeploy prod",
        "[To:1][To:2]\ndeploy prod",
        "/deploy prod\n[qt][qtmeta aid=2]deploy staging[/qt]",
        // Bob's name is not known. What his line says is for him.
        "[To:3]Bobさん\n[To:1]Botさん\n/deploy prod",
        "[To:3]Bob\n[To:1]Bot\ndeploy prod",
        "[To:1]Bot\n[To:3]Bobさん\ndeploy prod",
        "[To:1]Bot [To:3]Bob\n！deploy prod",
        "[To:3]Bob お疲れさま\n[To:1]Bot\ndeploy prod",
        "[To:1]Bot/deploy prod",
        "[To:1]Bot 、deploy prod",
        "[To:1]Bot\n[code]/deploy prod[/code]",
        "[To:1]Bot\ndeploy prod\n[qt][qtmeta aid=2][info][title][dtext:file_uploaded][/title]x[/info][/qt]",
    ] {
        assert_eq!(world.says(2, ROOM, body).await, [prod], "{body}");
    }
    assert_eq!(world.says(2, world.chat, "deploy prod").await, [prod]);
    assert_eq!(
        world.says(2, ROOM, "/deploy prod —note “一行目　です\n二行目 '引用' です ”").await,
        ["Deploy { target: \"prod\", note: Some(\"一行目\u{3000}です\\n二行目 '引用' です \") }"
            .replace('\u{3000}', "\\u{3000}")]
    );
}

/// Notes who does what.
#[derive(clap::Parser, Debug)]
enum Notes {
    Assign { words: Vec<String> },
}

#[tokio::test]
async fn people_in_a_command_are_arguments_and_no_word_of_it_is_lost() {
    let world = World::new().await;
    let handler = async |context: Context| match context.command::<Notes>().await? {
        Some(Notes::Assign { words }) => context.reply(words.join("|")).await.map(drop),
        None => Ok(()),
    };
    for (body, words) in [
        ("/assign [To:2]Aliceさん 掃除", "Aliceさん|掃除"),
        ("/assign 掃除\n[To:2]Aliceさん", "掃除|Aliceさん"),
        ("[toall]\n/assign [To:2]Alice", "Alice"),
        ("[To:1]Bot\nassign [To:2]Aliceさん[To:3]Bobさん 明日", "AliceさんBobさん|明日"),
        ("[To:2]Aliceさん[To:1]Bot\nassign [To:2]Aliceさん", "Aliceさん"),
        ("/assign [To:1]Bot x", "x"),
    ] {
        let bot = world.bot().name(AccountId(2), "Alice");
        assert_eq!(world.talk(bot, [world.wrote(3, ROOM, body)], handler).await, [words], "{body}");
    }
    // The addresses at the front say whom it is for, whoever comes later.
    for body in ["[To:2]Alice\n/assign [To:1]Bot", "[rp aid=2 to=10-5]Alice\n/assign [To:3]Bob"] {
        let bot = world.bot().name(AccountId(2), "Alice");
        assert!(world.talk(bot, [world.wrote(3, ROOM, body)], handler).await.is_empty(), "{body}");
    }
    // A webhook of another account reports the mention. One of a direct chat of that account has no tag.
    for (body, expected) in [("/assign [To:3]Bob", &["Bob"][..]), ("/assign x", &[])] {
        let bot = world.bot();
        assert_eq!(world.talk(bot, [world.mentioned(3, ROOM, body)], handler).await, expected, "{body}");
    }
}

#[tokio::test]
async fn a_prefix_alone_can_be_left_to_others() {
    let world = World::new().await;
    let handler = async |context: Context| match context.command::<Cli>().addressed_only().await? {
        Some(command) => context.reply(format!("{command:?}")).await.map(drop),
        None => Ok(()),
    };
    let bodies =
        ["/status", "[toall]\n/status", "/status [To:2]Alice", "[To:1]Bot\n/status", "[To:1]Bot status"];
    let said = world.talk(world.bot(), bodies.map(|body| world.wrote(2, ROOM, body)), handler).await;
    assert_eq!(said, ["Status", "Status"]);
}

#[tokio::test]
async fn without_prefix_or_address_the_bot_is_silent() {
    let world = World::new().await;
    for body in [
        "deploy prod",
        "おはよう",
        "/deploi prod",
        "/help",
        "/deploy",
        "/deploy \"prod",
        "!!!",
        "/etc/hosts を見て",
        "[toall] deploy prod",
        "[To:2]Alice\n/deploy prod",
        "[rp aid=2 to=10-5]Aliceさん\n/deploy prod",
        "[To:3]Bob お願い\n/deploy prod",
        // Copied, and not said to anybody.
        "[info]/deploy prod[/info]",
        "[code]/deploy prod[/code]",
        "[hr]\n[info][title]/deploy prod[/title]とは[/info]",
        "[toall][code]/deploy prod[/code]",
        "[url]/deploy prod[/url]",
        "[qt][qtmeta aid=1]/deploy prod[/qt]",
        "[qt][qtmeta aid=1][To:1]deploy prod[/qt]\nとは",
        "[deleted]",
    ] {
        assert!(world.says(2, ROOM, body).await.is_empty(), "{body}");
    }
    // A task that is added or done, a file and a room whose names begin like a command.
    for written in [
        "[info][title][dtext:task_added][/title][task aid=1 st=open lt=0]/deploy prod[/task][/info]",
        "[info][title][dtext:task_done][/title][task aid=1 st=done lt=0]/deploy prod[/task][/info]",
        "/deploy prod [dtext:chatroom_chat_edited]",
    ] {
        assert!(world.says(2, ROOM, written).await.is_empty(), "{written}");
        assert!(world.says(2, world.chat, written).await.is_empty(), "{written}");
    }
    // A file in a direct chat is no command.
    let file = "[info][title][dtext:file_uploaded][/title][download:5]deploy (1 B)[/download][/info]";
    assert!(world.says(2, world.chat, file).await.is_empty());
}

#[tokio::test]
async fn whoever_addresses_the_bot_is_helped() {
    let world = World::new().await;
    let help = world.says(2, ROOM, "[To:1]Bot\nhelp").await;
    assert!(
        help[0].starts_with(
            "[info][title]使い方[/title][code]リリースのボット\n\nコマンド:\n  deploy  リリースする"
        ),
        "{help:?}"
    );
    for body in ["[To:1]Bot\n/help", "[To:1]Bot", "[rp aid=1 to=10-5]Bot\n--help"] {
        assert_eq!(world.says(2, ROOM, body).await, help, "{body}");
    }
    assert_eq!(world.says(2, world.chat, "help").await, help);
    assert_eq!(world.says(3, ROOM, "[To:1]Bot\n--version").await.len(), 1);
    let world = World::new().await;
    let hint = "使い方を見るには、このボット宛てに /help と送ってください。";
    for (body, said) in [
        ("deploi prod", "「deploi」というコマンドはありません。\nもしかして: deploy\n"),
        (
            "deploy [code][toall][/code]",
            "「［toall］」は <TARGET> に使えません。\n使えるもの: prod、staging\n",
        ),
        ("deploy “prod", "引用符 “ が閉じられていません。\n"),
    ] {
        assert_eq!(world.says(2, world.chat, body).await, [format!("{said}{hint}")], "{body}");
    }
    let bot = world.bot().language(Language::English);
    let said = world.talk(bot, [world.wrote(2, world.chat, "deploi")], run).await;
    assert_eq!(
        said,
        ["There is no command \"deploi\".\nDid you mean: deploy\nFor help, send /help to this bot."]
    );
}

#[tokio::test]
async fn bots_do_not_explain_to_each_other_forever() {
    let world = World::new().await;
    let events: Vec<_> = (0..40).map(|count| world.wrote(3, ROOM, &format!("[To:1]Bot\n{count}?"))).collect();
    let (first, later) = events.split_at(20);
    let alice = world.wrote(2, ROOM, "[To:1]Bot\n?");
    // One bot, of which the contexts share what they count. Others are still helped, and commands still run.
    let command = world.wrote(3, ROOM, "/status");
    let said = world.talk(world.bot(), first.iter().cloned().chain([alice, command]), run).await;
    assert_eq!(said.len(), 12);
    assert_eq!(said[11], "Status");
    // By the clock, which the posts have moved, and not by the process.
    let told = world.talk(world.bot(), later.iter().cloned(), run).await;
    assert_eq!(told.len(), 10);
}

#[tokio::test]
async fn what_has_no_prefix_can_be_left_to_the_program() {
    let world = World::new().await;
    let handler = async |context: Context| {
        let reading = context.command::<Cli>().prefixed_only();
        let said = match reading.read() {
            Reading::Command(command) => format!("{command:?}"),
            Reading::Explain(explanation) => explanation.into_message().to_string(),
            other => format!("{other:?}: {}", context.own_text()),
        };
        assert!(matches!(reading.await?, None | Some(Cli::Status)));
        context.reply(said).await.map(drop)
    };
    let bodies = ["はい", "/status", "status"];
    let said = world.talk(world.bot(), bodies.map(|body| world.wrote(2, world.chat, body)), handler).await;
    assert_eq!(said, ["Nothing: はい", "Status", "Nothing: status"]);
}

/// A command with a very long description.
#[derive(clap::Parser)]
#[command(about = "説明 ".repeat(30_000))]
struct Long {
    word: String,
}

#[tokio::test]
async fn long_help_comes_in_several_messages_with_closed_boxes() {
    let world = World::new().await;
    let handler = async |context: Context| {
        if let Some(Long { word }) = context.command::<Long>().await? {
            context.reply(word).await?;
        }
        Ok(())
    };
    let events = [
        world.wrote(2, world.chat, "--help"),
        world.wrote(2, world.chat, "x y"),
        world.wrote(2, world.chat, "/ x"),
    ];
    let said = world.talk(world.bot(), events, handler).await;
    assert_eq!(said.len(), 4);
    for part in &said[..2] {
        assert!(part.ends_with("[/code][/info]") && part.chars().count() <= 65_535);
    }
    assert!(said[1].contains("書き方: / <WORD>"), "the rest is in the second one");
    assert_eq!(
        said[2..],
        ["「y」は不要です。\n使い方を見るには、このボット宛てに / --help と送ってください。", "x"]
    );
}
