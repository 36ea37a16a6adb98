//! A message that is posted once, however often its program is killed and run again: `before_post`, `look_for`, `post_once`.

mod chatwork;
mod killed;
mod lancers;
mod search;

use kaiwa::sandbox::Sandbox;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// How long a request may be on its way, in these tests.
const SETTLE: Duration = Duration::from_secs(40);

/// What has been called, oldest first.
fn calls(sandbox: &Sandbox) -> Vec<&'static str> {
    sandbox.requests().iter().filter_map(|request| request.operation).collect()
}

/// Waits for something that happens on the sandbox's tasks.
async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}

/// As a program stores it and its next run reads it.
fn stored<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}
