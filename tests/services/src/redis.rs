//! A Redis server of a test's own.

use crate::port::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server without persistence, which ends with the test.
pub struct Redis {
    port: u16,
    options: Vec<String>,
    folder: PathBuf,
    child: Child,
}

impl Redis {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with options of the command line.
    pub fn with(options: &[&str]) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("kaiwa-redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let child = spawn(port, &folder, &options);
        let server = Self { port, options, folder, child };
        server.await_start();
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The URL with a user and a password.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}/", self.port)
    }

    /// Runs a command, and returns what the server answers.
    pub fn command(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
        write!(stream, "{command}\r\nQUIT\r\n").expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        answer
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was a child");
    }

    /// Starts it again on the same port, without its data.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.options);
        self.await_start();
    }

    /// Stops it with SIGSTOP: connections stay open, and nothing is answered.
    pub fn suspend(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("`kill` runs").success());
    }

    /// Until it answers: a server that only listens can be slow enough to look like an outage.
    fn await_start(&self) {
        let began = Instant::now();
        while !self.answers() {
            assert!(began.elapsed() < Duration::from_secs(20), "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        // One with a password answers that it wants it.
        let mut first = [0];
        write!(stream, "PING\r\n").is_ok() && stream.read_exact(&mut first).is_ok()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(port: u16, folder: &std::path::Path, options: &[String]) -> Child {
    let port = port.to_string();
    let fixed = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"];
    Command::new("redis-server")
        .args(fixed)
        .arg(folder)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("`redis-server` is installed")
}
