//! Serves the three services on fixed ports, for programs in any language, with a window for the browser, and prints each
//! request.
//!
//! ```text
//! cargo run --example sandbox                                   # on the ports 4010, 4011 and 4012
//! cargo run --example sandbox -- --ports 8080                   # on 8080, 8081 and 8082
//! cargo run --example sandbox -- --ports 8080,9000,9001         # Chatwork, TAS-CHA, Lancers
//! cargo run --example sandbox -- --ports 0                      # on any that are free
//! cargo run --example sandbox -- --webhook http://127.0.0.1:3000/
//! ```
//!
//! It prints the address of the window, and the lines that let the examples and the first program of the README run against it:
//! copy the lines that begin with `export` into another terminal. With `--webhook` it posts Chatwork's webhooks for the account of
//! the program there: its mentions, and all messages of room 100. This is where `echo_bot` listens. Only an address of this
//! machine is posted to. The examples `oauth_login` and `fleet` start a sandbox of their own.
//!
//! It listens on this machine only, forgets everything when it ends, and ends with Ctrl-C.

use kaiwa::sandbox::chatwork::Webhook;
use kaiwa::sandbox::{Provider, Recorded, Sandbox, chatwork, lancers, tascha};
use std::env;
use std::error::Error;
use tokio::sync::broadcast::error::RecvError;

const FIRST_PORT: u16 = 4010;

const USAGE: &str = "Usage: cargo run --example sandbox -- [--ports FIRST | --ports CHATWORK,TASCHA,LANCERS | --ports 0] [--webhook URL]";

/// How much of a body is shown, in characters.
const SHOWN: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut chosen, mut webhook) = (FIRST_PORT.to_string(), None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(());
            }
            "--ports" | "--port" => chosen = arguments.next().ok_or(USAGE)?,
            "--webhook" => webhook = Some(arguments.next().ok_or(USAGE)?),
            ports if !ports.starts_with('-') => ports.clone_into(&mut chosen),
            _ => return Err(USAGE.into()),
        }
    }
    let ports = ports(&chosen)?;
    let services = [Provider::Chatwork, Provider::Tascha, Provider::Lancers];
    let builder = services
        .into_iter()
        .zip(ports)
        .fold(Sandbox::builder().window(true), |builder, (service, port)| builder.port(service, port));
    let sandbox = builder.start().await.map_err(|error| {
        let [chatwork, tascha, lancers] = ports;
        format!(
            "the ports {chatwork}, {tascha} and {lancers} cannot be had: {error}. \
             For others: cargo run --example sandbox -- --ports 8080, or --ports 0 for any that are free"
        )
    })?;
    let mut requests = sandbox.subscribe_requests();
    explain(&sandbox);
    export(&sandbox, webhook.as_deref());
    println!("\nRequests, as they come; Ctrl-C ends it:\n");
    loop {
        match requests.recv().await {
            Ok(request) => show(&request),
            Err(RecvError::Lagged(missed)) => println!("… {missed} requests are not shown"),
            Err(RecvError::Closed) => return Ok(()),
        }
    }
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

fn explain(sandbox: &Sandbox) {
    let (chatwork, tascha, lancers) = (sandbox.chatwork_url(), sandbox.tascha_url(), sandbox.lancers_url());
    let (key, room, cookie) = (tascha::Seed::TOKEN, tascha::Seed::ROOM, lancers::Seed::CREDENTIAL);
    let board = sandbox.lancers().boards().first().map_or(0, |board| board.id.0);
    println!(
        "\
Chatwork  {chatwork}
  curl -H 'x-chatworktoken: sandbox-chatwork-token' {chatwork}/rooms
  curl -H 'x-chatworktoken: sandbox-chatwork-token' -d 'body=hello' {chatwork}/rooms/100/messages
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
fn export(sandbox: &Sandbox, webhook: Option<&str>) {
    let board = sandbox.lancers().boards().first().map_or(0, |board| board.id.0);
    println!("For programs in another terminal:\n");
    for (name, value) in [
        ("CHATWORK_BASE_URL", sandbox.chatwork_url()),
        ("CHATWORK_API_TOKEN", chatwork::Seed::TOKEN.to_owned()),
        ("CHATWORK_ROOM", chatwork::Seed::ROOM.to_string()),
        ("TASCHA_BASE_URL", sandbox.tascha_url()),
        ("TASCHA_API_KEY", tascha::Seed::TOKEN.to_owned()),
        ("TASCHA_ROOM", tascha::Seed::ROOM.to_owned()),
        ("LANCERS_BASE_URL", sandbox.lancers_url()),
        ("LANCERS_COOKIE", lancers::Seed::CREDENTIAL.to_owned()),
        ("LANCERS_BOARD", board.to_string()),
    ] {
        println!("export {name}='{value}'");
    }
    if let Some(url) = webhook {
        let account = chatwork::Seed::ACCOUNT;
        let service = sandbox.chatwork();
        let mentions = service.add_webhook(Webhook::account(account, url)).token;
        let room = service.add_webhook(Webhook::room(account, chatwork::Seed::ROOM, url)).token;
        println!("export CHATWORK_WEBHOOK_TOKEN='{mentions} {room}'");
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
