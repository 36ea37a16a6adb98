//! Compares the responses of a service with the specifications of this library, and changes nothing.
//!
//! ```text
//! cargo run --example contract_check [chatwork|tascha|lancers] [NAME=VALUE]...
//! cargo run --example contract_check -- --record answers.jsonl   # also keeps what was answered, without what people wrote
//! cargo run --example contract_check -- --read answers.jsonl     # reports on a recording, and calls no service
//! ```
//!
//! Much of `specs/` is inferred, and nothing of it was tried against the services. With a token this program reads every `GET`
//! of its service once and lists the differences: paths that do not exist, and fields and values that are unknown, missing,
//! or of another type. Please send us the report: it helps to correct the specifications. It holds paths, names of fields and
//! headers, types, and unknown enum values and codes of errors if they look like such, but nothing that people wrote, no ids and
//! no tokens. Check it nevertheless before you share it.
//!
//! # Recordings
//!
//! `--record FILE` writes a JSON line for each call into a new file, which on Unix only its owner can read. With it we can find
//! the differences again, and start a sandbox that answers in the same way:
//! `cargo run --example sandbox -- --recording answers.jsonl`. Read it before you send it, and send the whole file: its lines need
//! each other. The calls of a service are written once all are made, so a program that is stopped leaves the services before.
//!
//! These are kept as they were: operations, statuses, JSON types, null, lengths of lists; times, numbers, booleans and enum
//! values in the fields that the specification has for them, but for cursors; codes of errors that the library knows; of a body
//! that is not JSON, or is very deep, the media type and the length; of the headers on limits, of those of the specification and
//! of the date the values that are known words, or numbers and times where the header is one; whether a service, the sandbox or
//! another address has answered. All else is replaced or left out:
//!
//! | what | in its place |
//! |---|---|
//! | ids, and the login names of Lancers | made-up ones: the same for the same id, in the order of the originals |
//! | texts | `x` for each character, `0` for each character of a number, or a fixed time, URL or mail address |
//! | numbers and booleans of unknown fields | a fixed number, `false` |
//! | names of unknown fields | the number of their characters, unless they look like names and stand beside a known field |
//! | other values of headers | `x` for each character |
//! | other headers | nothing; of one that looks like a limit or a notice the name is kept |
//!
//! So no words, names of people, mail addresses, tokens, cookies, cursors or request ids are in the file. `--read` prints what
//! was printed of the service, but for unknown enum values and codes of errors: it prints their lengths.
//!
//! # Calls
//!
//! Only `GET`s are sent, and Chatwork's messages are read with `force=1`, so nothing is marked as read. Ids in paths are taken
//! from the previous lists. Ids that no list has, such as `webhookId=…`, can be passed as arguments, and so can others, such as
//! `room_id=…`. A run makes 10 to 40 calls, at TAS-CHA a unit each.
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN` | an API token |
//! | `TASCHA_API_KEY` | an API key, best with all scopes for reading |
//! | `LANCERS_COOKIE` | a session |
//!
//! Each service whose variable is set is called. If none is set, the sandbox plays all three in this process.
//!
//! `CHATWORK_BASE_URL`, `TASCHA_BASE_URL` and `LANCERS_BASE_URL` send a service's requests, with its credential, to a staging
//! system or a mock.
//!
//! The exit status is 1 if something differs; 2 if a service could not be checked, or if nothing differs but some calls got no
//! response; otherwise 0. Fields that are null or absent in some items, where the specification allows it, are listed as
//! optional and are not a difference.

mod arguments;
mod check;
mod headers;
mod ids;
mod mask;
mod operation;
mod pseudonyms;
mod recording;
mod report;
mod schema;
mod shape;
mod source;

pub use check::{Unauthorized, check, read_all};
pub use recording::{AnsweredBy, Recording, lines};
pub use report::Report;
pub use source::{Client, Source};

use arguments::{Arguments, USAGE};
use kaiwa::sandbox::{Provider, Sandbox, tascha as tascha_sandbox};
use kaiwa::{RetryPolicy, chatwork, lancers, tascha};
use std::env;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// A service's name, and the variables with its credential and its base URL.
const SERVICES: [Service; 3] = [
    ("chatwork", Provider::Chatwork, "CHATWORK_API_TOKEN", "CHATWORK_BASE_URL"),
    ("tascha", Provider::Tascha, "TASCHA_API_KEY", "TASCHA_BASE_URL"),
    ("lancers", Provider::Lancers, "LANCERS_COOKIE", "LANCERS_BASE_URL"),
];

#[tokio::main]
async fn main() -> ExitCode {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    match run(env::args().skip(1), variable).await {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Checks the services that the arguments name, and answers with the exit status.
///
/// # Errors
///
/// If the arguments or the variables contradict each other, a file cannot be read or written, or a client cannot be built.
pub async fn run(
    arguments: impl Iterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<u8, Box<dyn Error>> {
    let Arguments { chosen, mut given, record, read, help } = Arguments::parse(arguments)?;
    if help {
        say(USAGE);
        return Ok(0);
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    let services: Vec<_> = SERVICES.into_iter().filter(|(name, ..)| is_chosen(name)).collect();
    arguments::require_known(&given, &services)?;
    if let Some(path) = read {
        return reported(&path, &services).await;
    }
    for (_, _, credential, base) in &services {
        if variable(base).is_some() && variable(credential).is_none() {
            return Err(format!("{base} is set, but {credential} is not").into());
        }
    }
    let live = services.iter().any(|(_, _, credential, _)| variable(credential).is_some());
    let sandbox = if live { None } else { Some(Sandbox::start().await?) };
    if sandbox.is_some() {
        given.entry("webhookId".to_owned()).or_insert_with(|| tascha_sandbox::Seed::WEBHOOK.to_owned());
    }

    let mut clients = Vec::new();
    for (name, service, credential, base) in services {
        let base = variable(base);
        let (client, by, at) = match (&sandbox, variable(credential), &base) {
            (Some(sandbox), ..) => (played(service, sandbox), AnsweredBy::Sandbox, None),
            (None, Some(secret), Some(base)) => {
                (client(service, secret, Some(base))?, AnsweredBy::Another, Some(place(base)))
            }
            (None, Some(secret), None) => (client(service, secret, None)?, AnsweredBy::Service, None),
            (None, None, _) => continue,
        };
        clients.push((name, credential, client, by, at));
    }
    // Nothing but the calls can fail from here on, so no empty file stays.
    let mut file = record.as_deref().map(|path| recording::create(path.as_ref())).transpose()?;
    let mut status = 0;
    for (name, credential, client, by, at) in clients {
        let at = at.unwrap_or_else(|| by.to_string());
        say(format_args!("── {name} ── kaiwa {}, answered by {at}", env!("CARGO_PKG_VERSION")));
        let (result, exchanges) = read_all(Source::Service(&client), given.clone()).await;
        // Before the report: the standard output may be closed.
        let written = file
            .as_mut()
            .map(|file| recording::write(file, &lines(client.service(), by, &given, &exchanges)))
            .transpose();
        status = status.max(show(result, &format!("the credential in {credential}")));
        written
            .map_err(|error| format!("the recording cannot be written: {error}. Remove it, and try again"))?;
    }
    if let Some(path) = record {
        say(format_args!(
            "What was answered is in {path}, without what people wrote. Read it before you send it."
        ));
        if sandbox.is_some() {
            say(
                "The sandbox has answered. For the answers of a service, set its variable: see the head of the example.",
            );
        }
    }
    Ok(status)
}

type Service = (&'static str, Provider, &'static str, &'static str);

/// Reports on what is in a recording, and answers with the exit status.
async fn reported(path: &str, services: &[Service]) -> Result<u8, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let recordings = Recording::all(&text).map_err(|error| format!("{path}: {error}"))?;
    let mut status = None;
    for recording in recordings {
        let Some((name, ..)) = services.iter().find(|(_, service, ..)| *service == recording.service) else {
            continue;
        };
        let Recording { by, answered_by, .. } = &recording;
        say(format_args!("── {name} ── recorded by kaiwa {by}, answered by {answered_by}"));
        let (result, _) = read_all(Source::Recording(&recording), recording.given.clone()).await;
        status = status.max(Some(show(result, "the credential")));
    }
    status.ok_or_else(|| format!("{path} has no answers of these services").into())
}

/// Prints a line, also if no program reads it, as behind `| head`: what is recorded goes on.
fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn show(result: Result<Report, Unauthorized>, credential: &str) -> u8 {
    match result {
        Ok(report) => {
            say(&report);
            report.status()
        }
        Err(Unauthorized) => {
            say(format_args!("the service refuses {credential}\n"));
            2
        }
    }
}

/// The base URL without its password, so it can be shown.
fn place(base: &str) -> String {
    url::Url::parse(base)
        .map_or_else(|_| "another place".to_owned(), |url| url.origin().ascii_serialization())
}

fn played(service: Provider, sandbox: &Sandbox) -> Client {
    let clients = sandbox.clients();
    match service {
        Provider::Chatwork => Client::Chatwork(clients.chatwork),
        Provider::Tascha => Client::Tascha(clients.tascha),
        Provider::Lancers => Client::Lancers(clients.lancers),
    }
}

fn client(service: Provider, secret: String, base: Option<&String>) -> Result<Client, kaiwa::Error> {
    // A person waits for the report: a short outage counts as one.
    let retry = RetryPolicy::new().connect_for(Duration::from_secs(1));
    Ok(match service {
        Provider::Chatwork => {
            let builder = chatwork::Client::builder().api_token(secret).retry(retry);
            Client::Chatwork(base.into_iter().fold(builder, |builder, base| builder.base_url(base)).build()?)
        }
        Provider::Tascha => {
            let builder = tascha::Client::builder().api_key(secret).retry(retry);
            Client::Tascha(base.into_iter().fold(builder, |builder, base| builder.base_url(base)).build()?)
        }
        Provider::Lancers => {
            let builder = lancers::Client::builder().cookie(secret).retry(retry);
            Client::Lancers(base.into_iter().fold(builder, |builder, base| builder.base_url(base)).build()?)
        }
    })
}
