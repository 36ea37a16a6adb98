//! The first bot of the READMEs is run as it is shown, in the window, and with their change against a service.

use super::program::Program;
use super::{README, README_JA, uncommented};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::Seed;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const FIRST: &str = include_str!("first_bot.rs");
const LIVE: &str = include_str!("live_bot.rs");

mod first {
    include!("first_bot.rs");

    pub fn run() {
        main().expect("it ends without an error");
    }
}

mod live {
    include!("live_bot.rs");

    pub fn run() {
        main().expect("it ends without an error");
    }
}

/// The lines that the change in a README removes, and those that it adds in place of the last one.
fn change(readme: &str) -> [Vec<&str>; 2] {
    let (_, rest) = readme.split_once("```diff\n").expect("the change");
    let (shown, _) = rest.split_once("```").expect("its end");
    ['-', '+'].map(|sign| shown.lines().filter_map(|line| line.strip_prefix(sign)).collect())
}

#[test]
fn the_readmes_show_the_first_bot_and_what_changes_with_the_service() {
    assert!(README.contains(FIRST));
    assert!(uncommented(README_JA).contains(&uncommented(FIRST)));
    assert_eq!(change(README), change(README_JA));
    let [removed, added] = change(README);
    let changed: Vec<&str> = FIRST
        .lines()
        .flat_map(|line| match removed.iter().position(|other| *other == line) {
            Some(place) if place + 1 == removed.len() => added.clone(),
            Some(_) => Vec::new(),
            None => vec![line],
        })
        .collect();
    assert_eq!(changed.len() + removed.len(), FIRST.lines().count() + added.len());
    assert_eq!(changed, LIVE.lines().collect::<Vec<_>>());
}

/// The poll that follows the first list of rooms: a watch does not pass on what was posted before that list.
const POLL: &str = "list_messages";

/// Much longer than the bot takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

async fn until<E: Error + 'static>(
    mut done: impl AsyncFnMut() -> Result<bool, E>,
) -> Result<(), Box<dyn Error>> {
    let done = async {
        while !done().await? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, E>(())
    };
    Ok(timeout(PATIENCE, done).await??)
}

fn ends_well(bot: Program, handled: &str) {
    #[cfg(unix)]
    {
        let ended = bot.interrupt();
        assert!(ended.status.success() && ended.output.contains(handled), "{}", ended.output);
    }
    #[cfg(not(unix))]
    drop((bot, handled));
}

/// In a process with this variable it is the bot.
#[test]
fn the_first_bot_answers_in_the_window() -> Result<(), Box<dyn Error>> {
    const VARIABLE: &str = "KAIWA_FIRST_BOT";
    if env::var_os(VARIABLE).is_some() {
        first::run();
        return Ok(());
    }
    let mut bot = Program::of_this_test("bot::the_first_bot_answers_in_the_window", &[(VARIABLE, "1")]);
    bot.until(|output| output.contains("Open http") && output.ends_with("/\n"));
    let output = bot.output();
    let url = output.split_once("Open ").expect("an address").1.trim();
    talk(url)?;
    ends_well(bot, "handled: 2");
    Ok(())
}

/// Writes as Alice, in a group to the bot, and in her direct chat with it, where people write no tag.
#[tokio::main]
async fn talk(url: &str) -> Result<(), Box<dyn Error>> {
    let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
    let http = reqwest::Client::builder().no_proxy().build()?;
    let view: Value = http.get(format!("{url}view")).send().await?.json().await?;
    let rooms = view["services"][0]["rooms"].as_array().expect("a list");
    let direct = rooms.iter().find(|room| room["kind"] == "direct").expect("a direct chat");
    let direct = direct["id"].as_str().expect("a text");
    until(async || {
        http.get(format!("{url}requests")).send().await?.text().await.map(|text| text.contains(POLL))
    })
    .await?;
    for (room, body, answer) in
        [("100", "[To:1] 元気？", "「元気？」ですね"), (direct, "おはよう", "「おはよう」ですね")]
    {
        let posted = json!({ "service": "chatwork", "room": room, "by": "2", "body": body });
        let post = http.post(format!("{url}post")).header("origin", &origin).json(&posted);
        post.send().await?.error_for_status()?;
        until(async || {
            let shown = http.get(format!("{url}room?service=chatwork&room={room}")).send().await?;
            shown.text().await.map(|text| text.contains(answer))
        })
        .await?;
    }
    Ok(())
}

/// In a process with the variables of the service it is the bot.
#[test]
fn the_bot_of_the_readmes_answers_on_a_service() -> Result<(), Box<dyn Error>> {
    if env::var_os("CHATWORK_BASE_URL").is_some_and(|url| url.to_string_lossy().contains("127.0.0.1")) {
        live::run();
        return Ok(());
    }
    play()
}

#[tokio::main]
async fn play() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start().await?;
    let url = sandbox.chatwork_url();
    let variables = [("CHATWORK_BASE_URL", &*url), ("CHATWORK_API_TOKEN", Seed::TOKEN)];
    let bot = Program::of_this_test("bot::the_bot_of_the_readmes_answers_on_a_service", &variables);
    until(async || {
        let requests = sandbox.requests();
        Ok::<_, Infallible>(requests.iter().any(|request| request.operation == Some(POLL)))
    })
    .await?;
    let room = sandbox.chatwork().room(Seed::ROOM);
    room.post_as(2, "[To:1] 元気？");
    let answered = |message: &kaiwa::chatwork::Message| message.body.ends_with("「元気？」ですね");
    until(async || Ok::<_, Infallible>(room.messages().iter().any(answered))).await?;
    ends_well(bot, "handled: 1");
    Ok(())
}
