//! Serves the three services on fixed ports, for programs in any language, with a window for the browser, and prints each
//! request.
//!
//! ```text
//! cargo run --example sandbox                                   # on the ports 4010, 4011 and 4012
//! cargo run --example sandbox -- --ports 8080                   # on 8080, 8081 and 8082
//! cargo run --example sandbox -- --ports 8080,9000,9001         # Chatwork, TAS-CHA, Lancers
//! cargo run --example sandbox -- --ports 0                      # on any that are free
//! cargo run --example sandbox -- --webhook http://127.0.0.1:3000/
//! cargo run --example sandbox -- --recording answers.jsonl      # with what a recording has
//! ```
//!
//! It prints the address of the window, and the lines that let the examples and the first program of the README run against it:
//! copy the lines that begin with `export` into another terminal. With `--webhook` it posts Chatwork's webhooks for the account of
//! the program there: its mentions, and all messages of the first group chat. This is where `echo_bot` listens. Only an address of this
//! machine is posted to. With `--recording` it has the rooms, people and messages of a recording by `contract_check`, with made-up
//! ids and without their texts. The examples `oauth_login` and `fleet` start a sandbox of their own.
//!
//! It listens on this machine only, forgets everything when it ends, and ends with Ctrl-C.

use kaiwa::chatwork::RoomType;
use kaiwa::sandbox::chatwork::Webhook;
use kaiwa::sandbox::{Builder, Provider, Recorded, Sandbox, chatwork, lancers, tascha};
use serde_json::Value;
use std::env;
use std::error::Error;
use std::fs;
use tokio::sync::broadcast::error::RecvError;

const FIRST_PORT: u16 = 4010;

const USAGE: &str = "Usage: cargo run --example sandbox -- [--ports FIRST | --ports CHATWORK,TASCHA,LANCERS | --ports 0] [--webhook URL] [--recording FILE]";

/// How much of a body is shown, in characters.
const SHOWN: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut chosen, mut webhook, mut recording) = (FIRST_PORT.to_string(), None, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(());
            }
            "--ports" | "--port" => chosen = arguments.next().ok_or(USAGE)?,
            "--webhook" => webhook = Some(arguments.next().ok_or(USAGE)?),
            "--recording" => recording = Some(arguments.next().ok_or(USAGE)?),
            ports if !ports.starts_with('-') => ports.clone_into(&mut chosen),
            _ => return Err(USAGE.into()),
        }
    }
    let ports = ports(&chosen)?;
    let services = [Provider::Chatwork, Provider::Tascha, Provider::Lancers];
    let builder = services
        .into_iter()
        .zip(ports)
        .fold(seeded(recording.as_deref())?.window(true), |builder, (service, port)| {
            builder.port(service, port)
        });
    let sandbox = builder.start().await.map_err(|error| {
        let [chatwork, tascha, lancers] = ports;
        format!(
            "the ports {chatwork}, {tascha} and {lancers} cannot be had: {error}. \
             For others: cargo run --example sandbox -- --ports 8080, or --ports 0 for any that are free"
        )
    })?;
    explain(&sandbox);
    // Without a recording no request is sent: the window would show it.
    let account = match &recording {
        Some(_) => sandbox.clients().chatwork.me().await?.account_id.0,
        None => chatwork::Seed::ACCOUNT,
    };
    export(&sandbox, webhook.as_deref(), account);
    let mut requests = sandbox.subscribe_requests();
    println!("\nRequests, as they come; Ctrl-C ends it:\n");
    loop {
        match requests.recv().await {
            Ok(request) => show(&request),
            Err(RecvError::Lagged(missed)) => println!("… {missed} requests are not shown"),
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

/// A sandbox with its default data, or with that of a recording.
fn seeded(recording: Option<&str>) -> Result<Builder, Box<dyn Error>> {
    let Some(path) = recording else { return Ok(Sandbox::builder()) };
    let text = fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let unreadable = |error| format!("{path}: {error}");
    for (name, service) in [("Chatwork", "chatwork"), ("TAS-CHA", "tascha"), ("Lancers", "lancers")] {
        let is_answer = |line: &Value| line["service"] == service && line.get("body").is_some();
        let is_success = |line: &Value| matches!(line["status"].as_u64(), Some(200..300));
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if !lines.into_iter().any(|line| is_answer(&line) && is_success(&line)) {
            println!("{path} has nothing of {name}, which has its default data");
        }
    }
    Ok(Sandbox::builder()
        .chatwork(chatwork::Seed::from_recording(&text).map_err(unreadable)?)
        .tascha(tascha::Seed::from_recording(&text).map_err(unreadable)?)
        .lancers(lancers::Seed::from_recording(&text).map_err(unreadable)?))
}

/// The ports of the three services: as they are given, the first of three in a row, or 0 for any.
fn ports(text: &str) -> Result<[u16; 3], Box<dyn Error>> {
    let port = |text: &str| text.trim().parse().map_err(|_| format!("`{text}` is not a port. {USAGE}"));
    match text.split(',').collect::<Vec<_>>()[..] {
        [first] => match port(first)? {
            0 => Ok([0; 3]),
            first @ ..=65533 => Ok([first, first + 1, first + 2]),
            _ => Err("three ports are needed, and 65535 is the last one".into()),
        },
        [chatwork, tascha, lancers] => Ok([port(chatwork)?, port(tascha)?, port(lancers)?]),
        _ => Err(format!("expected one port, or three separated by commas. {USAGE}").into()),
    }
}

/// The rooms and the board that the examples use: the first group chat, room and board. A recording may have none.
struct Places {
    chatwork_room: Option<u64>,
    tascha_room: Option<String>,
    board: Option<u64>,
}

impl Places {
    fn of(sandbox: &Sandbox) -> Self {
        let chatwork = sandbox.chatwork();
        let rooms = chatwork.rooms();
        let group = rooms.iter().find(|room| chatwork.room(**room).kind() == Some(RoomType::Group));
        let rooms = sandbox.tascha().rooms();
        let boards = sandbox.lancers().boards();
        Self {
            chatwork_room: group.map(|room| room.0),
            tascha_room: rooms.first().map(|room| room.id.to_string()),
            board: boards.first().map(|board| board.id.0),
        }
    }
}

fn explain(sandbox: &Sandbox) {
    let (chatwork, tascha, lancers) = (sandbox.chatwork_url(), sandbox.tascha_url(), sandbox.lancers_url());
    let (key, cookie) = (tascha::Seed::TOKEN, lancers::Seed::CREDENTIAL);
    let Places { chatwork_room, tascha_room, board } = Places::of(sandbox);
    let [chatwork_room, room, board] =
        [chatwork_room.map(|id| id.to_string()), tascha_room, board.map(|id| id.to_string())]
            .map(|id| id.unwrap_or_else(|| "ID".to_owned()));
    println!(
        "\
Chatwork  {chatwork}
  curl -H 'x-chatworktoken: sandbox-chatwork-token' {chatwork}/rooms
  curl -H 'x-chatworktoken: sandbox-chatwork-token' -d 'body=hello' {chatwork}/rooms/{chatwork_room}/messages
  OAuth token endpoint: {}

TAS-CHA   {tascha}
  curl -H 'Authorization: Bearer {key}' {tascha}/rooms
  curl -H 'Authorization: Bearer {key}' -H 'Idempotency-Key: order-42' --json '{{\"body\":\"hello\"}}' \\
       {tascha}/rooms/{room}/messages

Lancers   {lancers}
  curl -H 'Cookie: {cookie}' '{lancers}/boards?limit=20'
  curl -H 'Cookie: {cookie}' -F 'description=hello' {lancers}/boards/{board}/messages

Window    {}
",
        sandbox.oauth_token_url(),
        sandbox.window_url().unwrap_or_default()
    );
}

/// The variables that the examples read, for a shell.
fn export(sandbox: &Sandbox, webhook: Option<&str>, account: u64) {
    let Places { chatwork_room, tascha_room, board } = Places::of(sandbox);
    println!("For programs in another terminal:\n");
    for (name, value) in [
        ("CHATWORK_BASE_URL", Some(sandbox.chatwork_url())),
        ("CHATWORK_API_TOKEN", Some(chatwork::Seed::TOKEN.to_owned())),
        ("CHATWORK_ROOM", chatwork_room.map(|id| id.to_string())),
        ("TASCHA_BASE_URL", Some(sandbox.tascha_url())),
        ("TASCHA_API_KEY", Some(tascha::Seed::TOKEN.to_owned())),
        ("TASCHA_ROOM", tascha_room),
        ("LANCERS_BASE_URL", Some(sandbox.lancers_url())),
        ("LANCERS_COOKIE", Some(lancers::Seed::CREDENTIAL.to_owned())),
        ("LANCERS_BOARD", board.map(|id| id.to_string())),
    ] {
        if let Some(value) = value {
            println!("export {name}='{value}'");
        }
    }
    if let Some(url) = webhook {
        let service = sandbox.chatwork();
        let mentions = service.add_webhook(Webhook::account(account, url)).token;
        let room = chatwork_room.map(|room| service.add_webhook(Webhook::room(account, room, url)).token);
        let tokens: Vec<String> = std::iter::once(mentions).chain(room).collect();
        println!("export CHATWORK_WEBHOOK_TOKEN='{}'", tokens.join(" "));
    }
}

fn show(request: &Recorded) {
    let Recorded { number, provider, method, path, .. } = request;
    let status = request.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let operation = request.operation.unwrap_or("unknown");
    let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    println!("{number:>4} {provider:?} {method} {path}{query} ({operation}): {status}");
    let body: String = String::from_utf8_lossy(&request.body).chars().take(SHOWN).collect();
    for line in body.lines() {
        println!("     {line}");
    }
}
