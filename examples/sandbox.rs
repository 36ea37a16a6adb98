//! Serves the three services on fixed ports, for programs in any language, and prints each request.
//!
//! ```text
//! cargo run --example sandbox                                   # on the ports 4010, 4011 and 4012
//! cargo run --example sandbox -- --ports 8080                   # on 8080, 8081 and 8082
//! cargo run --example sandbox -- --ports 8080,9000,9001         # Chatwork, TAS-CHA, Lancers
//! cargo run --example sandbox -- --ports 0                      # on any that are free
//! ```
//!
//! It listens on this machine only, forgets everything when it ends, and ends with Ctrl-C.

use kaiwa::sandbox::{Provider, Recorded, Sandbox, lancers, tascha};
use std::env;
use std::error::Error;
use tokio::sync::broadcast::error::RecvError;

const FIRST_PORT: u16 = 4010;

const USAGE: &str =
    "Usage: cargo run --example sandbox -- [--ports FIRST | --ports CHATWORK,TASCHA,LANCERS | --ports 0]";

/// How much of a body is shown, in characters.
const SHOWN: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ports = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => ports(&FIRST_PORT.to_string())?,
        ["--help" | "-h"] => {
            println!("{USAGE}");
            return Ok(());
        }
        ["--ports" | "--port", ports] | [ports] => self::ports(ports)?,
        _ => return Err(USAGE.into()),
    };
    let services = [Provider::Chatwork, Provider::Tascha, Provider::Lancers];
    let builder = services
        .into_iter()
        .zip(ports)
        .fold(Sandbox::builder(), |builder, (service, port)| builder.port(service, port));
    let sandbox = builder.start().await.map_err(|error| {
        let [chatwork, tascha, lancers] = ports;
        format!(
            "the ports {chatwork}, {tascha} and {lancers} cannot be had: {error}. \
             For others: cargo run --example sandbox -- --ports 8080, or --ports 0 for any that are free"
        )
    })?;
    let mut requests = sandbox.subscribe_requests();
    explain(&sandbox);
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

Requests, as they come; Ctrl-C ends it:
",
        sandbox.oauth_token_url()
    );
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
