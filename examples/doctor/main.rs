//! Checks everything that a program needs to reach each service, and says how to fix what is wrong. Run it first when something
//! does not work, and send its output along with a report.
//!
//! ```text
//! cargo run --example doctor               # each service whose credential is set
//! cargo run --example doctor -- sandbox    # all three, played by the sandbox in this process
//! ```
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_API_TOKEN`, `TASCHA_API_KEY`, `LANCERS_COOKIE` | the credentials; it prints none of them |
//! | `CHATWORK_BASE_URL`, `TASCHA_BASE_URL`, `LANCERS_BASE_URL` | other addresses of the services |
//! | `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` | the proxy, and the hosts that are reached without it |
//! | `SSL_CERT_FILE`, `SSL_CERT_DIR` | certificates, instead of the system's |
//!
//! It does not check OAuth2 tokens: each program has its own store for them, and the errors of `kaiwa::oauth` say what
//! to do. All other checks apply to such a program as well.
//!
//! It only reads: a call to Chatwork, one to Lancers, and up to four to TAS-CHA, of one unit each. The exit status is 0
//! if all is well, and 1 if something is not, or if there is nothing to check.

mod check;
mod report;
mod services;
#[cfg(test)]
mod tests;
mod tunnel;

use kaiwa::sandbox::Sandbox;
use kaiwa::{chatwork, lancers, tascha};
use report::Report;
use services::Service;
use std::env;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (text, well) = run(&arguments).await;
    print!("{text}");
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The output, and whether all is well.
async fn run(arguments: &[String]) -> (String, bool) {
    let about = format!(
        "kaiwa {}, {} {}, {:.0}\n",
        env!("CARGO_PKG_VERSION"),
        env::consts::OS,
        env::consts::ARCH,
        kaiwa::jiff::Timestamp::now()
    );
    let reports = match arguments {
        [] => of_environment().await,
        [word] if word == "sandbox" => match Sandbox::start().await {
            Ok(sandbox) => of_sandbox(&sandbox).await,
            Err(error) => return (format!("{about}\nThe sandbox cannot be started: {error}\n"), false),
        },
        _ => return (format!("{about}\nusage: doctor [sandbox]\n"), false),
    };
    if reports.is_empty() {
        return (format!("{about}\n{NOTHING_SET}"), false);
    }
    let well = reports.iter().all(Report::is_well);
    let last = if well { "All is well." } else { "Something is wrong: see the lines with `->`." };
    let shown: Vec<String> = reports.iter().map(Report::to_string).collect();
    (format!("{about}\n{}\n{last}\n", shown.join("\n")), well)
}

const NOTHING_SET: &str = "\
No credential is set, so that there is nothing to check. Set at least one of
  CHATWORK_API_TOKEN   an API token, from Chatwork's settings: Service Integration, API Token
  TASCHA_API_KEY       an API key, from TAS-CHA's settings: Developer
  LANCERS_COOKIE       the Cookie header of a session that is logged in to Lancers
or see what a healthy one looks like, without an account:
  cargo run --example doctor -- sandbox
";

async fn of_environment() -> Vec<Report> {
    let mut reports = Vec::new();
    if let Some(service) = Service::of_environment("Chatwork", "CHATWORK", "API_TOKEN", chatwork::BASE_URL) {
        reports.push(check::examine(&service, chatwork::Client::from_env()).await);
    }
    if let Some(service) = Service::of_environment("TAS-CHA", "TASCHA", "API_KEY", tascha::BASE_URL) {
        reports.push(check::examine(&service, tascha::Client::from_env()).await);
    }
    if let Some(service) = Service::of_environment("Lancers", "LANCERS", "COOKIE", lancers::BASE_URL) {
        reports.push(check::examine(&service, lancers::Client::from_env()).await);
    }
    reports
}

async fn of_sandbox(sandbox: &Sandbox) -> Vec<Report> {
    let clients = sandbox.clients();
    let played = Service::of_sandbox;
    vec![
        check::examine(&played("Chatwork", sandbox.chatwork_url()), Ok(clients.chatwork)).await,
        check::examine(&played("TAS-CHA", sandbox.tascha_url()), Ok(clients.tascha)).await,
        check::examine(&played("Lancers", sandbox.lancers_url()), Ok(clients.lancers)).await,
    ]
}
