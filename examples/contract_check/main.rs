//! Compares the responses of a service with the specifications of this library, and changes nothing.
//!
//! ```text
//! cargo run --example contract_check [chatwork|tascha|lancers] [NAME=VALUE]...
//! ```
//!
//! Much of `specs/` is inferred, and nothing of it was tried against the services. With a token this program reads every `GET`
//! of its service once and lists the differences: paths that do not exist, and fields and values that are unknown, missing,
//! or of another type. Please send us the report: it helps to correct the specifications. It holds paths, names of fields,
//! types, and unknown enum values, but nothing that people wrote, no ids and no tokens. Check it nevertheless before you share
//! it.
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

mod check;
mod ids;
mod report;
mod schema;

pub use check::{Client, Unauthorized, check};
pub use report::Report;

use ids::Binding;
use kaiwa::sandbox::{Provider, Sandbox, tascha as tascha_sandbox};
use kaiwa::{RetryPolicy, chatwork, lancers, tascha};
use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// A service's name, and the variables with its credential and its base URL.
const SERVICES: [(&str, Provider, &str, &str); 3] = [
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
/// If the arguments or the variables contradict each other, or a client cannot be built.
pub async fn run(
    arguments: impl Iterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<u8, Box<dyn Error>> {
    let (mut chosen, mut given) = (Vec::new(), Binding::new());
    for argument in arguments {
        match argument.split_once('=') {
            Some((name, value)) => drop(given.insert(name.to_owned(), value.to_owned())),
            None => chosen.push(argument),
        }
    }
    if let Some(unknown) = chosen.iter().find(|name| !SERVICES.iter().any(|(service, ..)| service == name)) {
        return Err(format!("{unknown} is not one of chatwork, tascha, lancers").into());
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    let services: Vec<_> = SERVICES.into_iter().filter(|(name, ..)| is_chosen(name)).collect();
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

    let mut status = 0;
    for (name, service, credential, base) in services {
        let base = variable(base);
        let (client, by) = match (&sandbox, variable(credential), &base) {
            (Some(sandbox), ..) => (played(service, sandbox), "the sandbox".to_owned()),
            (None, Some(secret), Some(base)) => (client(service, secret, Some(base))?, place(base)),
            (None, Some(secret), None) => (client(service, secret, None)?, "the service itself".to_owned()),
            (None, None, _) => continue,
        };
        println!("── {name} ── kaiwa {}, answered by {by}", env!("CARGO_PKG_VERSION"));
        match check(&client, given.clone()).await {
            Ok(report) => {
                println!("{report}");
                status = status.max(report.status());
            }
            Err(Unauthorized) => {
                println!("the service refuses the credential in {credential}\n");
                status = 2;
            }
        }
    }
    Ok(status)
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
