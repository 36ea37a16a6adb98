//! The examples `sandbox` and `echo_bot`, as a person starts them.

use crate::browser::PATIENCE;
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The programs of the examples, built once.
fn programs() -> &'static [PathBuf; 2] {
    static PROGRAMS: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let mut cargo =
            std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root()).args(["build", "--locked", "--quiet", "--message-format=json"]);
        let built =
            cargo.args(["--example", "sandbox", "--example", "echo_bot"]).output().expect("cargo runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8(built.stdout).expect("it is text");
        let messages: Vec<Value> =
            messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        ["sandbox", "echo_bot"].map(|name| {
            let message = messages.iter().find(|message| message["target"]["name"] == name);
            message.and_then(|message| message["executable"].as_str()).expect("it was built").into()
        })
    })
}

/// The sandbox, with the address of its window and the variables that it has printed.
pub struct Sandbox {
    #[allow(dead_code)] // Dropping it kills the program.
    child: Child,
    pub window: String,
    variables: Vec<(String, String)>,
    hook: String,
}

impl Sandbox {
    pub async fn start() -> Self {
        // Where a bot will listen.
        let hook =
            TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port").to_string();
        let url = format!("http://{hook}/");
        let (child, mut lines) = spawn(&programs()[0], &["--ports", "0", "--webhook", &url], &[]);
        let (mut window, mut variables) = (String::new(), Vec::new());
        let read = async {
            while let Some(line) = lines.next_line().await.expect("it prints text") {
                if let Some((_, url)) = line.split_once("Window    ") {
                    url.clone_into(&mut window);
                }
                if let Some((name, value)) =
                    line.strip_prefix("export ").and_then(|line| line.split_once('='))
                {
                    variables.push((name.to_owned(), value.trim_matches('\'').to_owned()));
                }
                if line.contains("Ctrl-C ends it") {
                    return;
                }
            }
            panic!("the sandbox has ended");
        };
        timeout(PATIENCE, read).await.expect("the sandbox starts");
        drain(lines);
        Self { child, window, variables, hook }
    }

    /// A bot that repeats what is written to it. Dropping it kills it.
    pub async fn echo_bot(&self) -> Child {
        let mut variables = self.variables.clone();
        variables.push(("ADDRESS".to_owned(), self.hook.clone()));
        let (child, mut lines) = spawn(&programs()[1], &[], &variables);
        let listens = async {
            let line = lines.next_line().await.expect("it prints text").expect("it starts");
            assert!(line.starts_with("Listening"), "{line}");
        };
        timeout(PATIENCE, listens).await.expect("the bot starts");
        drain(lines);
        child
    }

    fn variable(&self, name: &str) -> &str {
        let variable = self.variables.iter().find(|(known, _)| known == name);
        &variable.expect("the sandbox has printed it").1
    }

    /// Host and port of Chatwork.
    pub fn chatwork(&self) -> &str {
        self.variable("CHATWORK_BASE_URL").split('/').nth(2).expect("a host")
    }

    /// The answer of Chatwork to the program under test.
    pub async fn call(&self, method: &str, path: &str, form: &str) -> String {
        let (host, token) = (self.chatwork(), self.variable("CHATWORK_API_TOKEN"));
        let head = format!(
            "{method} /v2{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-chatworktoken: {token}\r\n"
        );
        let body = format!(
            "content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        let mut stream = TcpStream::connect(host).await.expect("it listens");
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }
}

fn spawn(
    program: &Path,
    arguments: &[&str],
    variables: &[(String, String)],
) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    (child, lines)
}

/// A program must not wait for a reader.
fn drain(mut lines: Lines<BufReader<ChildStdout>>) {
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
}
