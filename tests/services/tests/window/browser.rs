//! Chromium, by its driver, and what the tests ask of it.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;
use tokio::time::{sleep, timeout};
use url::Url;

/// Much longer than anything takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page. Dropping it ends the browser and its driver.
pub struct Browser {
    client: Client,
    /// Dropped before the folder, in which the browser would write anew.
    #[allow(dead_code)] // Dropping it ends the browser.
    driver: Driver,
    /// What the browser keeps for this test alone.
    #[allow(dead_code)] // Dropping it removes the folder.
    folder: tempfile::TempDir,
}

/// The driver and all that it starts, in a process group of its own. A shell kills the group once nobody holds the other end of
/// its standard input: when this is dropped, and also when the tests themselves are killed.
struct Driver(Child);

impl Driver {
    fn start() -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "chromedriver --port=0 </dev/null & cat >/dev/null; kill -KILL 0"]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        Self(shell.spawn().expect("there is a shell"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // How it ended does not matter: it has killed itself as well.
        let _ = self.0.wait();
    }
}

impl Deref for Browser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Browser {
    /// A browser whose person reads this language.
    pub async fn start(language: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut driver = Driver::start();
        let output = driver.0.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(ChildStdout::from_std(output).expect("a pipe")).lines();
        let port = async {
            loop {
                let line = lines
                    .next_line()
                    .await
                    .expect("it prints text")
                    .expect("chromedriver is installed: bash .ci/run system");
                let port = line.split_once("started successfully on port ").map(|(_, rest)| rest.to_owned());
                if let Some(port) = port {
                    return port.trim_end_matches('.').to_owned();
                }
            }
        };
        let port = timeout(PATIENCE, port).await.expect("the driver starts");
        // It must not wait for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        // A container has no user namespaces and little shared memory, and no test may leave the machine.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-proxy-server",
            "--no-first-run",
            "--host-resolver-rules=MAP rebound.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", folder.path().display()),
        ];
        let capabilities: Capabilities = serde_json::from_value(json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "prefs": { "intl.accept_languages": language } },
            "goog:loggingPrefs": { "browser": "ALL" },
        }))
        .expect("an object");
        let address = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = timeout(PATIENCE, builder.capabilities(capabilities).connect(&address)).await;
        let client = client.expect("the browser starts in time").expect("the browser starts");
        Self { client, driver, folder }
    }

    pub async fn close(self) {
        let closed = timeout(PATIENCE, self.client.clone().close()).await;
        closed.expect("it ends in time").expect("it ends");
    }

    /// The value of a script of the test.
    pub async fn run(&self, script: &str) -> Value {
        let value = timeout(PATIENCE, self.execute(script, Vec::new())).await;
        value
            .unwrap_or_else(|_| panic!("{script}: no answer"))
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until a script is true.
    pub async fn until(&self, condition: &str) {
        let script = format!("return Boolean({condition});");
        let fulfilled = async {
            while self.run(&script).await != true {
                sleep(Duration::from_millis(30)).await;
            }
        };
        if timeout(PATIENCE, fulfilled).await.is_err() {
            panic!("{condition} is never true: {}", self.run("return document.body.innerText;").await);
        }
    }

    pub async fn click(&self, selector: &str) {
        let element =
            self.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    pub async fn write(&self, selector: &str, text: &str) {
        let element =
            self.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.send_keys(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        // A modifier is held until the last key.
        let held = |key: &char| *key == char::from(Key::Control);
        let (modifiers, others): (Vec<char>, Vec<char>) = keys.chars().partition(held);
        let down = |value| KeyAction::Down { value };
        let up = |value| KeyAction::Up { value };
        let mut actions = KeyActions::new("keyboard".to_owned());
        for key in &modifiers {
            actions = actions.then(down(*key));
        }
        for key in others {
            actions = actions.then(down(key)).then(up(key));
        }
        for key in modifiers {
            actions = actions.then(up(key));
        }
        self.perform_actions(actions).await.expect("it takes keys");
    }

    pub async fn choose(&self, selector: &str, value: &str) {
        let element =
            self.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.select_by_value(value).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Opens the window, and waits until it shows a room.
    pub async fn open(&self, url: &str) {
        self.goto(url).await.expect("it opens");
        self.until("document.querySelector('#messages article')").await;
    }

    /// A command of the browser's own protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        let body = Extension { path: "goog/cdp/execute", body };
        self.issue_cmd(body).await.unwrap_or_else(|error| panic!("{command}: {error}"));
    }

    /// Shows the page as wide as this, and as dark.
    pub async fn show(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// What the page and the browser have said about it since the last time.
    pub async fn console(&self) -> Vec<String> {
        let log = Extension { path: "se/log", body: json!({ "type": "browser" }) };
        let log = self.issue_cmd(log).await.expect("it has a log");
        let entries = log.as_array().expect("a list");
        entries.iter().map(|entry| format!("{} {}", entry["level"], entry["message"])).collect()
    }
}

/// A command that WebDriver itself does not have.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
