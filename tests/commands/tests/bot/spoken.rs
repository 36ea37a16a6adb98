//! The shapes of real messages, each with ten commands in it, as [`Context::command`] reads them. `tests/bot/spoken.rs` describes
//! the files.

use crate::world::World;
use kaiwa::chatwork::bot::Context;
use kaiwa::chatwork::bot::commands::Reading;
use kaiwa::chatwork::{AccountId, RoomId};
use serde_json::Value;
use std::cell::RefCell;

const SPOKEN: &str = include_str!("../../../fixtures/notation/spoken.jsonl");
const COMMANDS: &str = include_str!("../../../fixtures/notation/commands.jsonl");

/// Takes whatever is written.
#[derive(clap::Parser, Debug)]
#[command(disable_help_flag = true)]
struct All {
    #[arg(num_args = 1.., allow_hyphen_values = true, trailing_var_arg = true)]
    words: Vec<String>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

/// The characters of a text that words must have: no blanks, no quotes.
fn characters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !"\"'“”".contains(*c)).collect()
}

/// The words that are read in this room, for each message and each command; `None` if it is not for the bot.
async fn read(room: impl Fn(&World) -> RoomId) -> Vec<(Value, Value, Option<Vec<String>>)> {
    let world = World::new().await;
    let room = room(&world);
    let lines = |file: &str| -> Vec<Value> {
        file.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let (spoken, commands) = (lines(SPOKEN), lines(COMMANDS));
    let cases: Vec<(Value, Value)> = spoken
        .iter()
        .flat_map(|message| commands.iter().map(|command| (message.clone(), command.clone())))
        .collect();
    let readings = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        readings.borrow_mut().push(match context.command::<All>().read() {
            Reading::Command(All { words }) => Some(words),
            Reading::Nothing => None,
            other => panic!("{:?}: {other:?}", context.message().body),
        });
        Ok(())
    };
    let bot =
        world.bot().name(AccountId(1), "Hoshi Bot").name(AccountId(1), "星").name(AccountId(2), "Alice");
    let body =
        |(message, command): &(Value, Value)| text(message, "body").replace("{}", text(command, "written"));
    let events: Vec<_> = cases.iter().map(|case| world.wrote(3, room, &body(case))).collect();
    world.talk(bot, events, handler).await;
    let readings = readings.into_inner();
    assert_eq!(readings.len(), 580);
    cases.into_iter().zip(readings).map(|((message, command), words)| (message, command, words)).collect()
}

/// The command's words, and then all others of the message.
fn check(message: &Value, command: &Value, words: &[String]) {
    let case = format!("{message} {command}: {words:?}");
    let expected: Vec<&str> =
        command["words"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
    // The name of a person who is not known stands before the command, and is no part of it.
    let (_, after) = text(message, "own").split_once("{}").expect("a place");
    if message["to"] != "service" && after.starts_with(|c: char| c.is_whitespace()) || after.is_empty() {
        assert_eq!(words[..expected.len()], expected, "{case}");
    }
    assert_eq!(characters(&words.concat()), characters(&(expected.concat() + after)), "{case}");
}

#[tokio::test]
async fn in_a_direct_chat_every_command_is_found_and_no_word_is_lost() {
    for (message, command, words) in read(|world| world.chat).await {
        match words {
            Some(words) if message["to"] != "service" => check(&message, &command, &words),
            words => assert!(message["to"] == "service" && words.is_none(), "{message} {command}: {words:?}"),
        }
    }
}

#[tokio::test]
async fn in_a_room_a_command_needs_a_prefix_or_an_address() {
    for (message, command, words) in read(|_| RoomId(10)).await {
        let has_prefix = text(&command, "written").starts_with(['/', '!', '／', '！']);
        let expected = message["to"] == "bot" || message["to"] == "none" && has_prefix;
        assert_eq!(words.is_some(), expected, "{message} {command}: {words:?}");
        words.iter().for_each(|words| check(&message, &command, words));
    }
}
