//! An example, run as a program.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// Much longer than an example takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The variables that a program needs. All others are removed, so no example finds a credential and calls a live
/// service, or a proxy in front of the sandbox.
const KEPT: [&str; 7] = ["PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SystemRoot", "LLVM_PROFILE_FILE"];

/// A running program. Dropping it kills it.
pub struct Program {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// The exit status of a program.
pub struct Ended {
    pub status: ExitStatus,
    /// Everything it printed, on both outputs.
    pub output: String,
}

impl Program {
    pub fn start(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(built(name));
        command.args(arguments);
        Self::spawn(name, command, variables)
    }

    /// Runs one of these tests alone.
    pub fn of_this_test(test: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a test knows where it is"));
        command.args(["--exact", test, "--nocapture"]);
        Self::spawn(test, command, variables)
    }

    fn spawn(name: &str, mut command: Command, variables: &[(&str, &str)]) -> Self {
        command.env_clear();
        command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = Arc::<Mutex<String>>::default();
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let readers = vec![collect(stdout, &output), collect(stderr, &output)];
        Self { name: name.to_owned(), child, output, readers }
    }

    pub fn output(&self) -> String {
        self.output.lock().expect("no reader panics").clone()
    }

    /// Waits until `done` returns true, and fails if the program ends earlier.
    pub fn until(&mut self, mut done: impl FnMut(&str) -> bool) {
        let began = Instant::now();
        while !done(&self.output()) {
            let ended = self.child.try_wait().expect("its state can be read");
            // Its last output may arrive after its end.
            if let Some(status) = ended
                && self.readers.iter().all(JoinHandle::is_finished)
                && !done(&self.output())
            {
                panic!("{} ended with {status}: {}", self.name, self.output());
            }
            assert!(began.elapsed() < PATIENCE, "{} does not get that far: {}", self.name, self.output());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it without warning, like a power failure.
    pub fn kill(mut self) -> Ended {
        let running = self.child.try_wait().expect("its state can be read").is_none();
        assert!(running, "{} ended before it could be killed: {}", self.name, self.output());
        self.child.kill().expect("it runs");
        self.wait()
    }

    /// Presses Ctrl-C.
    #[cfg(unix)]
    pub fn interrupt(self) -> Ended {
        let kill = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(kill.expect("every Unix has `kill`").success(), "{} does not run", self.name);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state can be read") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "{} does not end: {}", self.name, self.output());
            thread::sleep(Duration::from_millis(5));
        };
        self.readers.drain(..).for_each(|reader| reader.join().expect("it does not panic"));
        Ended { status, output: self.output() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an example to its end.
pub fn ended(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    Program::start(name, arguments, variables).wait()
}

/// Runs an example whose output is not read.
pub fn unread(name: &str, arguments: &[&str]) -> ExitStatus {
    let mut command = Command::new(built(name));
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    command.args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    command.status().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs an example. It must succeed and print these texts in this order.
pub fn prints(name: &str, arguments: &[&str], texts: &[&str]) -> String {
    let Ended { status, output } = ended(name, arguments, &[]);
    assert!(status.success(), "{name} ended with {status}: {output}");
    in_order(&output, texts);
    output
}

pub fn in_order(output: &str, texts: &[&str]) {
    let mut rest = output;
    for text in texts {
        let Some((_, after)) = rest.split_once(text) else {
            panic!("the output lacks `{text}` at this point: {output}")
        };
        rest = after;
    }
}

/// Appends the program's output to `output`, as far as it is text.
fn collect(mut from: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..length]);
            // An incomplete character waits for its remaining bytes.
            let whole = match std::str::from_utf8(&bytes) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let text: Vec<u8> = bytes.drain(..whole).collect();
            output.lock().expect("no test panics").push_str(&String::from_utf8_lossy(&text));
        }
        output.lock().expect("no test panics").push_str(&String::from_utf8_lossy(&bytes));
    })
}

/// The program of an example. `cargo test` builds it; `cargo test --test examples` does not.
fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let profile = own.ancestors().nth(2).expect("it is in the folder `deps` of a profile");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = modified(&program).unwrap_or_else(|| {
        panic!("{} is not built: run `cargo build --examples`, or all of `cargo test`", program.display())
    });
    for source in sources(&program.with_extension("d")) {
        let is_older = modified(&source).is_some_and(|changed| changed > built);
        assert!(
            !is_older,
            "{} is older than {}: run `cargo build --examples`, or all of `cargo test`",
            program.display(),
            source.display()
        );
    }
    program
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// The source files of a program, from Cargo's list beside it.
fn sources(list: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    let (_, files) = text.split_once(": ").expect("a rule of a Makefile");
    let files = files.replace("\\ ", "\0");
    files.split_whitespace().map(|file| PathBuf::from(file.replace('\0', " "))).collect()
}

/// The names of all examples.
pub fn all() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("there are examples")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension() == Some(OsStr::new("rs")) || path.join("main.rs").exists())
        .map(|path| path.file_stem().and_then(OsStr::to_str).expect("a plain name").to_owned())
        .collect();
    names.sort_unstable();
    names
}
