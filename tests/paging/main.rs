//! Lists in pages: every page size, changes between pages, and failures in the middle.

mod ahead;
mod cursors;
mod extremes;
mod fake;
mod faults;
mod lancers;
mod lenient;
mod maximum;
mod model;
mod patience;
mod resume;
mod resume_lancers;
#[path = "../common/server.rs"]
mod server;

use kaiwa::sandbox::Sandbox;

/// Settings of a client that does not read the system's certificates, since reading them takes longer than most tests
/// here.
fn light() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_certs_only([])
}

fn tascha(sandbox: &Sandbox) -> kaiwa::tascha::Client {
    let token = kaiwa::sandbox::tascha::Seed::TOKEN;
    sandbox.tascha_client(token).http_client(light()).build().expect("a client")
}

/// Waits until a condition holds. Taking long on a busy machine is not a failure; the bound only reports where a test
/// hangs.
async fn until(what: &str, reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

fn lancers(sandbox: &Sandbox) -> kaiwa::lancers::Client {
    let credential = kaiwa::sandbox::lancers::Seed::CREDENTIAL;
    sandbox.lancers_client(credential).http_client(light()).build().expect("a client")
}
