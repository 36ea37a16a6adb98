//! An example, run as a program.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// Far longer than an example takes, also on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a program needs of the environment. All else is kept from it: no example may find a credential and call a live
/// service, nor a proxy on its way to the sandbox.
const KEPT: [&str; 7] = ["PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SystemRoot", "LLVM_PROFILE_FILE"];

/// A program that runs. Dropping it kills it.
pub struct Program {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// What a program ended with.
pub struct Ended {
    pub status: ExitStatus,
    /// What it printed, on both outputs.
    pub output: String,
}

impl Program {
    pub fn start(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(built(name));
        command.args(arguments).env_clear();
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

    /// Waits until `done` holds, and fails if the program ends before.
    pub fn until(&mut self, mut done: impl FnMut(&str) -> bool) {
        let began = Instant::now();
        while !done(&self.output()) {
            let ended = self.child.try_wait().expect("its state can be read");
            // What it printed last may arrive after its end.
            if let Some(status) = ended
                && self.readers.iter().all(JoinHandle::is_finished)
                && !done(&self.output())
            {
                panic!("{} ended with {status}: {}", self.name, self.output());
            }
            assert!(began.elapsed() < PATIENCE, "{} does not get there: {}", self.name, self.output());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it without any warning, as a power cut would.
    pub fn kill(mut self) -> Ended {
        let running = self.child.try_wait().expect("its state can be read").is_none();
        assert!(running, "{} was over before it could be killed: {}", self.name, self.output());
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

/// Runs an example, which has to succeed and to print these texts in this order.
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
            panic!("the output lacks, in its place, `{text}`: {output}")
        };
        rest = after;
    }
}

/// Adds to `output` what comes, as far as it is text.
fn collect(mut from: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..length]);
            // A character that is cut in two waits for its other half.
            let whole = match std::str::from_utf8(&bytes) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let text: Vec<u8> = bytes.drain(..whole).collect();
            output.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&text));
        }
        output.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&bytes));
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

/// The files that a program was made from, as Cargo lists them beside it.
fn sources(list: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    let (_, files) = text.split_once(": ").expect("a rule of a Makefile");
    let files = files.replace("\\ ", "\0");
    files.split_whitespace().map(|file| PathBuf::from(file.replace('\0', " "))).collect()
}

/// The examples there are.
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
