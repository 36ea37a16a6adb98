//! The shapes of real messages, each with ten commands in it: what a bot takes for a person's own words.
//!
//! A line of `spoken.jsonl` is a message and its own text; `{}` is the place of the command. `to` says for whom the message is:
//! the `bot`, `none` in particular, or that it is of the `service`. A line of `commands.jsonl` is a command as it is written,
//! its own text, and its words.

use crate::world::{ME, World, lonely_bot};
use futures::stream;
use kaiwa::VirtualClock;
use kaiwa::chatwork::bot::{Bot, Context};
use kaiwa::chatwork::webhook::Event;
use kaiwa::chatwork::{AccountId, RoomId};
use serde_json::{Value, json};
use std::cell::RefCell;

const SPOKEN: &str = include_str!("../fixtures/notation/spoken.jsonl");
const COMMANDS: &str = include_str!("../fixtures/notation/commands.jsonl");

fn lines(file: &str) -> Vec<Value> {
    file.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// All messages with all commands: the body, and the own text that is expected.
fn cases() -> Vec<(String, String)> {
    let text = |value: &Value, key: &str| value[key].as_str().expect("a text").to_owned();
    let (spoken, commands) = (lines(SPOKEN), lines(COMMANDS));
    assert_eq!((spoken.len(), commands.len()), (58, 10));
    let case = |message: &Value, command: &Value| {
        let body = text(message, "body").replace("{}", &text(command, "written"));
        (body, text(message, "own").replace("{}", &text(command, "own")))
    };
    spoken.iter().flat_map(|message| commands.iter().map(move |command| case(message, command))).collect()
}

async fn own_texts(bot: Bot, bodies: impl Iterator<Item = &str>) -> Vec<String> {
    let event = |(id, body): (usize, &str)| {
        let message = json!({
            "message_id": id.to_string(), "room_id": 10, "account_id": 2, "body": body, "send_time": 1_767_193_200,
            "update_time": 0,
        });
        Event::MessageCreated(serde_json::from_value(message).expect("an event"))
    };
    let texts = RefCell::new(Vec::new());
    let handler = async |context: Context| {
        texts.borrow_mut().push(context.own_text());
        Ok::<_, kaiwa::Error>(())
    };
    let events: Vec<Event> = bodies.enumerate().map(event).collect();
    bot.run(stream::iter(events), handler).await.expect("it runs");
    texts.into_inner()
}

#[tokio::test]
async fn every_command_is_found_and_no_word_of_a_person_is_lost() {
    let cases = cases();
    let bot = lonely_bot(&VirtualClock::new()).direct_chat(RoomId(10));
    let bot = bot.name(ME, "Hoshi Bot").name(ME, "星").name(AccountId(2), "Alice");
    let texts = own_texts(bot, cases.iter().map(|(body, _)| &**body)).await;
    assert_eq!(texts.len(), 580);
    for ((body, expected), text) in cases.iter().zip(texts) {
        assert_eq!(text, *expected, "{body:?}");
    }
}

/// Where no name is known, there are more words, and never fewer.
#[tokio::test]
async fn without_any_name_no_word_is_lost_either() {
    let world = World::new().await;
    let cases = cases();
    let bot = Bot::new(world.client.clone()).me(ME).direct_chat(RoomId(10));
    let texts = own_texts(bot, cases.iter().map(|(body, _)| &**body)).await;
    for ((body, expected), text) in cases.iter().zip(texts) {
        let mut rest = text.split_whitespace();
        let lost: Vec<&str> =
            expected.split_whitespace().filter(|word| !rest.any(|found| found.ends_with(word))).collect();
        assert!(lost.is_empty(), "{body:?}: {lost:?} in {text:?}");
    }
}
