//! A PostgreSQL server of a test's own.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

/// A server, which ends with the test.
pub struct Server {
    port: u16,
    folder: TempDir,
    options: &'static [&'static str],
    child: Child,
    _template: Arc<TempDir>,
}

impl Server {
    /// A server that forgets what it has if the machine stops: these tests stop only the server.
    pub fn start() -> Self {
        Self::with(&["-c", "fsync=off"])
    }

    pub fn with(options: &'static [&'static str]) -> Self {
        let (template, folder, port) = (template(), folder(), free_port());
        let copy = Command::new("cp").arg("-a").arg(template.path().join("data")).arg(folder.path()).status();
        assert!(copy.is_ok_and(|copied| copied.success()), "`cp` copies a folder");
        let child = spawn(folder.path(), port, options);
        Self { port, folder, options, child, _template: template }
    }

    /// Kills it with all of its processes, which lose what is not on the disk.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was a child");
        // The others see that it is gone, and end.
        let lock = self.folder.path().join("data/postmaster.pid");
        let _ = fs::remove_file(lock);
    }

    /// Starts it again, on what is on the disk.
    pub fn restart(&mut self) {
        // The shared memory is free once the last of the killed server's processes has ended.
        let began = Instant::now();
        loop {
            self.child = spawn(self.folder.path(), self.port, self.options);
            std::thread::sleep(Duration::from_millis(100));
            if self.child.try_wait().expect("it was started").is_none() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{}", self.log());
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://kaiwa@127.0.0.1:{}/postgres", self.port)
    }

    /// How a program connects. It may have to wait until the server has started.
    pub async fn client(&self) -> Arc<Client> {
        let began = Instant::now();
        loop {
            match connect(self.url()).await {
                Ok(client) => return Arc::new(client),
                Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "{error:?}: {}", self.log()),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("it writes one")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends its processes at once. The folder goes only after them.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// A client whose connection a task drives.
pub async fn connect(url: String) -> Result<Client, tokio_postgres::Error> {
    let config: Config = url.parse()?;
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What every server begins with. The tests that run at once share it, because to make it takes seconds.
fn template() -> Arc<TempDir> {
    static SHARED: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(template) = shared.upgrade() {
        return template;
    }
    let template = Arc::new(folder());
    let made = program("initdb")
        .args(["--username=kaiwa", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
        .arg(template.path().join("data"))
        .output()
        .expect("`initdb` is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    *shared = Arc::downgrade(&template);
    template
}

/// One that the server's user may enter.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some((user, group)) = other_user() {
        std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).expect("this is root");
    }
    folder
}

fn spawn(folder: &Path, port: u16, options: &[&str]) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).expect("a file");
    program("postgres")
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
        .args(["-c", "log_statement=none"])
        .args(options)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("`postgres` is installed")
}

/// A program of PostgreSQL, as a user who is not root: it refuses root.
fn program(name: &str) -> Command {
    let mut command = Command::new(binaries().join(name));
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Debian keeps them beside each other, for several versions.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path()).max_by_key(|path| {
        path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok())
    });
    newest.map(|path| path.join("bin")).filter(|path| path.join("initdb").exists()).unwrap_or_default()
}

/// The user `postgres` and its group, if this is root.
fn other_user() -> Option<(u32, u32)> {
    let id = |option: &str, user: &[&str]| {
        let output = Command::new("id").arg(option).args(user).output().expect("`id` runs");
        String::from_utf8(output.stdout).expect("digits").trim().parse::<u32>().expect("a user")
    };
    (id("-u", &[]) == 0).then(|| (id("-u", &["postgres"]), id("-g", &["postgres"])))
}

/// A port that no other server of these tests has, also while it is down, and that the system gives to no connection.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 200) as u16 * 100;
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed)).take(1_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
