//! Compares what a service answers with what this library takes it to answer, and changes nothing.
//!
//! ```text
//! cargo run --example contract_check [chatwork|tascha|lancers] [NAME=VALUE]...
//! ```
//!
//! Much of `specs/` is inferred, and nothing of it was tried against the services. With a token this reads every `GET` of
//! its service once and tells what is different: paths that do not exist, fields and values that are unknown, missing,
//! or of another type. Please send the report: it is how the specifications get right. It holds paths, names of fields,
//! types, and unknown values of enumerations, and nothing of what people wrote, no ids, no tokens. Look through it all
//! the same before others see it.
//!
//! Only `GET`s are sent, and Chatwork's messages are read with `force=1`, so that nothing is marked as read. Ids in paths
//! are taken from the lists before; what no list tells can be given, such as `webhookId=…`, and so can others, such as
//! `room_id=…`. A run is 10 to 40 calls, at TAS-CHA a unit each.
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN` | an API token |
//! | `TASCHA_API_KEY` | an API key, best with all scopes for reading |
//! | `LANCERS_COOKIE` | a session |
//!
//! Services whose variable is set are asked for real. If none is, the sandbox plays all three, in this process.
//!
//! The exit status is 0 if nothing differs, 1 if something does, 2 if a service could not be asked.

mod check;
mod ids;
mod report;
mod schema;

pub use check::{Client, Unauthorized, check};
pub use report::Report;

use ids::Binding;
use kaiwa::sandbox::{Sandbox, Service, tascha as tascha_sandbox};
use kaiwa::{chatwork, lancers, tascha};
use std::env;
use std::error::Error;
use std::process::ExitCode;

const SERVICES: [(&str, Service, &str); 3] = [
    ("chatwork", Service::Chatwork, "CHATWORK_API_TOKEN"),
    ("tascha", Service::Tascha, "TASCHA_API_KEY"),
    ("lancers", Service::Lancers, "LANCERS_COOKIE"),
];

#[tokio::main]
async fn main() -> ExitCode {
    match run(env::args().skip(1)).await {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: impl Iterator<Item = String>) -> Result<u8, Box<dyn Error>> {
    let (mut chosen, mut given) = (Vec::new(), Binding::new());
    for argument in arguments {
        match argument.split_once('=') {
            Some((name, value)) => drop(given.insert(name.to_owned(), value.to_owned())),
            None => chosen.push(argument),
        }
    }
    if let Some(unknown) = chosen.iter().find(|name| !SERVICES.iter().any(|(service, ..)| service == name)) {
        return Err(format!("{unknown} is none of chatwork, tascha, lancers").into());
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    let services: Vec<_> = SERVICES.into_iter().filter(|(name, ..)| is_chosen(name)).collect();
    let live = services.iter().any(|(.., variable)| env::var_os(variable).is_some());
    let sandbox = if live { None } else { Some(Sandbox::start().await?) };
    if sandbox.is_some() {
        given.entry("webhookId".to_owned()).or_insert_with(|| tascha_sandbox::Seed::WEBHOOK.to_owned());
    }

    let mut status = 0;
    for (name, service, variable) in services {
        let by = match &sandbox {
            Some(_) => "the sandbox",
            None if env::var_os(variable).is_some() => "the service itself",
            None => continue,
        };
        println!("── {name} ── kaiwa {}, answered by {by}", env!("CARGO_PKG_VERSION"));
        match check(&client(service, sandbox.as_ref())?, given.clone()).await {
            Ok(report) => {
                println!("{report}");
                status = status.max(u8::from(report.differs()));
            }
            Err(Unauthorized) => {
                println!("the service refuses the credential in {variable}\n");
                status = 2;
            }
        }
    }
    Ok(status)
}

fn client(service: Service, sandbox: Option<&Sandbox>) -> Result<Client, kaiwa::Error> {
    let played = sandbox.map(Sandbox::client);
    Ok(match (service, played) {
        (Service::Chatwork, Some(played)) => Client::Chatwork(played.chatwork),
        (Service::Tascha, Some(played)) => Client::Tascha(played.tascha),
        (Service::Lancers, Some(played)) => Client::Lancers(played.lancers),
        (Service::Chatwork, None) => Client::Chatwork(chatwork::Client::from_env()?),
        (Service::Tascha, None) => Client::Tascha(tascha::Client::from_env()?),
        (Service::Lancers, None) => Client::Lancers(lancers::Client::from_env()?),
    })
}
