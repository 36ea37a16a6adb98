//! Runs the examples as programs, each against the sandbox that it starts, and the tests that some examples contain.

mod program;

// `cargo test` does not build an example as a program if it also tests it, so the tests of the examples are included
// here.
#[allow(dead_code, reason = "the example's own `main` is not run")]
#[path = "../../examples/digest.rs"]
mod digest_tests;
#[allow(dead_code, reason = "the example's own `main` is not run")]
#[path = "../../examples/doctor/main.rs"]
mod doctor_tests;
#[allow(dead_code, reason = "the example's own `main` is not run")]
#[path = "../../examples/export_history.rs"]
mod export_history_tests;
#[cfg(feature = "sqlite")]
#[allow(dead_code, reason = "the example's own `main` is not run")]
#[path = "../../examples/relay.rs"]
mod relay_tests;
#[allow(dead_code, reason = "the example's own `main` is not run")]
#[path = "../../examples/task_board.rs"]
mod task_board_tests;

use program::{Program, ended, in_order, prints, unread};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

#[test]
fn each_example_is_checked() {
    let examples = program::all();
    assert!(examples.len() > 9, "{examples:?}");
    let checks = include_str!("main.rs");
    for name in examples {
        assert!(checks.contains(&format!("#[test]\nfn {name}()")), "nothing checks the example {name}");
    }
}

#[test]
fn quickstart() {
    let texts = ["── Chatwork ──", "limits", "── TAS-CHA ──", "limits", "── Lancers ──", "limits"];
    prints("quickstart", &[], &texts);
}

#[test]
fn digest() {
    let terminal = [
        "│ 2026-01-16 15:00   稟議の承認                Alice   経理|請求 │",
        "7 unread, 3 of them to me, and 3 open tasks in 5 rooms.",
    ];
    prints("digest", &[], &terminal);
    let markdown = r"| 2026-01-30       | 請求書を 送る           | Bot   | 経理\|請求 |";
    prints("digest", &["--markdown"], &[markdown]);
}

/// With Redis it is run by `.ci/run`.
#[test]
fn fleet() {
    let texts = ["No Redis", "40 of 40 posted, 0 twice", "1 refresh"];
    prints("fleet", &["--posts", "10"], &texts);
}

#[test]
fn task_board() {
    let mine = [
        "It is 2026-01-07 Wed 09:00 in Japan.",
        "Overdue (2)",
        "Today (2)",
        "│ 2026-01-07 Wed 18:00   稟議の承認   花子   営業部 │",
        "This week (1)",
        "Later (1)",
        "No due date (0)",
    ];
    prints("task_board", &[], &mine);
    prints("task_board", &["--all"], &["Today (3)", "No due date (1)"]);
}

#[test]
fn upload() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts =
        ["3145728 bytes, application/octet-stream, in 2 attempt(s)", "the copy is the same, byte for byte"];
    prints("upload", &[], &texts);
    let file = folder.path().join("日報.txt");
    fs::write(&file, "終わりました").expect("a file");
    let texts = ["日報.txt: 18 bytes, text/plain", "the copy is the same, byte for byte"];
    prints("upload", &[file.to_str().expect("a plain name")], &texts);
    let copy = folder.path().join("日報.txt.downloaded");
    assert_eq!(fs::read_to_string(copy).expect("a copy"), "終わりました");
}

#[test]
fn echo_bot() {
    let texts =
        ["［toall］", "handled: 4, failed: 0, own: 2, repeated: 3", "Every mention was answered once."];
    let output = prints("echo_bot", &[], &texts);
    assert_eq!(output.matches("  Bot: ").count(), 2, "{output}");
}

/// It needs SQLite, so it is run by `.ci/run`.
#[cfg(feature = "sqlite")]
#[test]
fn relay() {
    let texts = [
        "Killed while it was posting into both rooms.",
        "Posts to TAS-CHA: 5, of them 2 again under the same key.",
        "Posts to Chatwork: 3, of them 0 again.",
        "Every message is on the other side exactly once.",
    ];
    let output = prints("relay", &[], &texts);
    assert_eq!(output.matches("1 × into ").count(), 6, "{output}");
}

#[test]
fn notifier() {
    let texts = [
        "Killed before the request had an effect.",
        "run again: Answered, in 1 post(s) of this run",
        "run again: An earlier run posted it",
        "Killed before the result was stored.",
        "run again: Found, in 0 post(s) of this run",
        "run again: An earlier run posted it",
        "Each notice is there once.",
    ];
    let output = prints("notifier", &[], &texts);
    assert_eq!(output.matches("in the room 1 time(s)").count(), 2, "{output}");
}

#[test]
fn approval() {
    let texts = [
        "Bot: [rp aid=2",
        "起案した人は承認できません。",
        "投稿します。",
        "さんが先に決めました。",
        "── お知らせ ──",
        "Bot: 明日は休業です",
        "── 監査 ──",
        "起案: 2",
    ];
    let output = prints("approval", &[], &texts);
    assert_eq!(output.matches("Bot: 明日は休業です").count(), 1, "{output}");
}

#[test]
fn contract_check() {
    let texts = [
        "14 of 15 GETs checked, 0 of them inferred; 0 differ",
        "10 of 10 GETs checked",
        "0 differ",
        "7 of 7 GETs checked",
        "0 differ",
    ];
    prints("contract_check", &[], &texts);
    let nowhere = [("TASCHA_API_KEY", "canary-key"), ("TASCHA_BASE_URL", "http://127.0.0.1:1")];
    let nothing = ended("contract_check", &["tascha"], &nowhere);
    assert_eq!(nothing.status.code(), Some(2), "{}", nothing.output);
    assert!(!nothing.output.contains("canary"), "{}", nothing.output);
}

#[test]
fn a_recording_becomes_a_sandbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("answers.jsonl");
    let file = path.to_str().expect("a plain path");
    let unread_path = folder.path().join("unread.jsonl");
    assert!(unread("contract_check", &["--record", unread_path.to_str().expect("a plain path")]).success());
    prints("contract_check", &["--record", file], &["0 differ", "Read it before you send it."]);
    let lines = |path| std::fs::read_to_string(path).expect("it was written").lines().count();
    assert_eq!(lines(&unread_path), lines(&path), "also behind `| head`");
    prints("contract_check", &["--read", file], &["chatwork ── recorded by kaiwa", "0 differ", "lancers ──"]);
    let webhook = ["--ports", "0", "--recording", file, "--webhook", "http://127.0.0.1:1/"];
    let mut sandbox = Program::start("sandbox", &webhook, &[]);
    sandbox.until(|output| output.contains("Ctrl-C ends it"));
    let output = sandbox.output();
    let exports = exports(&output);
    assert!(exports.iter().any(|(name, _)| *name == "CHATWORK_WEBHOOK_TOKEN"), "{output}");
    let ended = ended("contract_check", &[], &exports);
    assert!(ended.status.success() && ended.output.contains("0 differ"), "{}", ended.output);
}

#[test]
fn a_sandbox_with_the_recording_of_an_empty_account_names_no_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("answers.jsonl");
    let recording = r#"{"recording":1,"service":"chatwork","kaiwa":"0.1.0","answered_by":"the sandbox","given":{}}
{"service":"chatwork","operation":"list_rooms","path":"/rooms","parameters":{},"status":200,"headers":{},"body":[]}"#;
    std::fs::write(&path, recording).expect("it can be written");
    let file = path.to_str().expect("a plain path");
    let arguments = ["--ports", "0", "--recording", file, "--webhook", "http://127.0.0.1:1/"];
    let mut sandbox = Program::start("sandbox", &arguments, &[]);
    sandbox.until(|output| output.contains("Ctrl-C ends it"));
    let output = sandbox.output();
    let exports = exports(&output);
    let names: Vec<&str> = exports.iter().map(|(name, _)| *name).collect();
    assert!(names.contains(&"CHATWORK_WEBHOOK_TOKEN") && names.contains(&"LANCERS_BOARD"), "{output}");
    assert!(!names.contains(&"CHATWORK_ROOM"), "there is none: {output}");
    assert!(output.contains("has nothing of Lancers") && !output.contains("nothing of Chatwork"), "{output}");
}

#[test]
fn doctor() {
    let texts = [
        "Chatwork",
        "ok token",
        "ok base URL",
        "ok proxy",
        "ok certificates",
        "ok connection",
        "ok clock",
        "ok limits",
        "ok scopes",
        "TAS-CHA",
        "ok units",
        "Lancers",
        "All is well.",
    ];
    prints("doctor", &["sandbox"], &texts);
    let nothing = ended("doctor", &[], &[]);
    assert_eq!(nothing.status.code(), Some(1), "{}", nothing.output);
    in_order(&nothing.output, &["CHATWORK_API_TOKEN", "TASCHA_API_KEY", "LANCERS_COOKIE"]);
}

#[test]
fn oauth_login() {
    let texts = [
        "The browser shows: Logged in.",
        "Logged in as Bot (account 1).",
        "Requests: oauth_consent, oauth_token, get_me",
        "── Second run ──",
        "Still logged in as Bot (account 1).",
        "Requests: get_me",
        "── An hour later ──",
        "Requests: oauth_token, get_me",
    ];
    let output = prints("oauth_login", &[], &texts);
    assert!(!output.contains("eyJ"), "an access token was printed: {output}");
}

/// The lines of a whole export: a line for each message of each room, and for each room.
const MESSAGES: usize = 20_005;
const ROOMS: usize = 12;
const LINES: usize = MESSAGES + ROOMS;

#[test]
fn export_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, complete) =
        (folder.path().join("history.jsonl"), format!("{MESSAGES} messages of {ROOMS} rooms are in "));
    prints("export_history", &[output.to_str().expect("a plain name")], &[&complete]);
    assert_whole(&output);
    // A complete export is not repeated.
    let again = ended("export_history", &[output.to_str().expect("a plain name")], &[]);
    assert_eq!(again.status.code(), Some(1), "{}", again.output);
    assert_whole(&output);
}

#[test]
fn export_history_killed_half_way_can_be_resumed() {
    resumed("half-way", |mut export, output| {
        export.until(|_| lines(output) >= LINES / 2);
        export.kill();
        let checkpoint = fs::metadata(output.with_extension("jsonl.checkpoint")).expect("a checkpoint");
        assert!(checkpoint.len() > 0);
    });
}

#[test]
fn export_history_killed_at_its_beginning_can_be_resumed() {
    resumed("beginning", |mut export, output| {
        export.until(|_| output.exists() || output.with_extension("jsonl.checkpoint").exists());
        export.kill();
    });
}

#[cfg(unix)]
#[test]
fn export_history_stopped_by_ctrl_c_can_be_resumed() {
    resumed("stopped", |mut export, output| {
        export.until(|_| lines(output) >= LINES / 4);
        let stopped = export.interrupt();
        assert!(stopped.status.success(), "{}", stopped.output);
        in_order(&stopped.output, &["Stopped; the same command resumes from here."]);
        assert!(lines(output) < LINES, "it was over");
    });
}

/// Starts an export, ends it, and runs it again. Then every line exists once.
fn resumed(name: &str, end: impl FnOnce(Program, &Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join(format!("{name}.jsonl"));
    let arguments = [output.to_str().expect("a plain name")];
    end(Program::start("export_history", &arguments, &[]), &output);
    prints("export_history", &arguments, &[&format!("{MESSAGES} messages of {ROOMS} rooms are in ")]);
    assert_whole(&output);
}

fn lines(output: &Path) -> usize {
    fs::read(output).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}

fn assert_whole(output: &Path) {
    let text = fs::read_to_string(output).expect("an export");
    let different: BTreeSet<&str> = text.lines().collect();
    assert_eq!((text.lines().count(), different.len()), (LINES, LINES), "each line is there once");
    assert!(!output.with_extension("jsonl.checkpoint").exists(), "a complete export has no checkpoint");
}

#[test]
fn sandbox() {
    let mut sandbox = Program::start("sandbox", &["--ports", "0"], &[]);
    sandbox.until(|output| output.contains("Ctrl-C ends it"));
    let output = sandbox.output();
    let ports = ["Chatwork  http://127.0.0.1:", "TAS-CHA   http://127.0.0.1:", "Lancers   http://127.0.0.1:"]
        .map(|title| port_after(&output, title));

    let answer = get(ports[0], "/v2/me", "x-chatworktoken: sandbox-chatwork-token");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(r#""account_id":1,"#), "{answer}");
    for port in &ports[1..] {
        assert!(get(*port, "/", "x: y").starts_with("HTTP/1.1 4"));
    }
    sandbox.until(|output| output.contains("Chatwork GET /v2/me (get_me): 200"));

    // A second one cannot have the same ports, and its error says how to choose others.
    let taken = ports.map(|port| port.to_string()).join(",");
    let second = ended("sandbox", &["--ports", &taken], &[]);
    assert_eq!(second.status.code(), Some(1), "{}", second.output);
    assert!(second.output.contains("--ports 0"), "{}", second.output);
    #[cfg(unix)]
    assert!(!sandbox.interrupt().output.contains("panicked"));
}

#[test]
fn sandbox_takes_three_ports_in_a_row() {
    // Another program may take one of them before the sandbox does.
    let started = (0..20).find_map(|_| {
        let first =
            TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port").port();
        let mut sandbox = Program::start("sandbox", &[&first.to_string()], &[]);
        sandbox.until(|output| output.contains("Ctrl-C ends it") || output.contains("cannot be had"));
        sandbox.output().contains("Ctrl-C ends it").then_some((first, sandbox))
    });
    let (first, sandbox) = started.expect("three free ports");
    let [second, third] = [first + 1, first + 2];
    let texts = [
        format!("Chatwork  http://127.0.0.1:{first}/v2"),
        format!("TAS-CHA   http://127.0.0.1:{second}/"),
        format!("Lancers   http://127.0.0.1:{third}/"),
    ];
    in_order(&sandbox.output(), &texts.each_ref().map(String::as_str));
}

/// The lines that the sandbox prints are all that a program needs: each example is started as it is.
#[test]
fn the_examples_run_against_the_sandbox_unchanged() {
    let hook = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
    let mut sandbox =
        Program::start("sandbox", &["--ports", "0", "--webhook", &format!("http://{hook}/")], &[]);
    sandbox.until(|output| output.contains("Ctrl-C ends it"));
    let output = sandbox.output();
    let exports = exports(&output);
    let names: Vec<&str> = exports.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), 10, "{output}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain name").to_owned();
    let (history, state, address) = (path("history.jsonl"), path(""), hook.to_string());
    let variables = [&exports[..], &[("NOTIFIER_STATE", &*state), ("ADDRESS", &*address)]].concat();
    let runs: [(&str, &[&str], &str); 9] = [
        (FIRST_PROGRAM, &[], "Bot posted message 19"),
        ("quickstart", &[], "posted"),
        ("digest", &[], "in 4 rooms"),
        ("task_board", &[], "Write the release notes"),
        ("upload", &[], "the copy is the same, byte for byte"),
        ("notifier", &["deploy-42", "終わりました"], "Answered"),
        ("export_history", &[&history], "messages of 2 rooms are in"),
        ("contract_check", &[], "0 differ"),
        ("doctor", &[], "All is well."),
    ];
    for (name, arguments, text) in runs {
        let ended = if name == FIRST_PROGRAM {
            Program::of_this_test(FIRST_PROGRAM, &variables).wait()
        } else {
            ended(name, arguments, &variables)
        };
        assert!(ended.status.success() && ended.output.contains(text), "{name}: {}", ended.output);
        assert!(!ended.output.contains("is not set"), "{name} has not used the sandbox: {}", ended.output);
    }
    let mut bot = Program::start("echo_bot", &[], &variables);
    bot.until(|output| output.contains("Listening on"));
    let (_, url) = output.split_once("Window    ").expect("the address of the window");
    let url = url.lines().next().expect("a line");
    let token = url.trim_end_matches('/').rsplit('/').next().expect("a token");
    let port = port_after(&output, "Window    http://127.0.0.1:");
    let body = r#"{"service":"chatwork","room":"100","by":"2","body":"[To:1] 元気？"}"#;
    let host = format!("127.0.0.1:{port}");
    let request = format!(
        "POST /{token}/post HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = sent(port, &request);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    sandbox.until(|output| output.contains("(post_message): 200\n     body=%5Brp+aid%3D2"));
}

/// The first program of the README.
mod first_program {
    include!("../readme/first_program.rs");

    pub fn run() -> Result<(), kaiwa::Error> {
        main()
    }
}

const FIRST_PROGRAM: &str = "the_readmes_show_the_first_program";

/// In a process with the variables of the sandbox it is the program itself.
#[test]
fn the_readmes_show_the_first_program() {
    if std::env::var_os("CHATWORK_BASE_URL").is_some_and(|url| url.to_string_lossy().contains("127.0.0.1")) {
        return first_program::run().expect("it posts");
    }
    let shown = include_str!("../readme/first_program.rs");
    assert!(include_str!("../../README.md").contains(shown));
    let code = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" // ").next().unwrap_or_default().to_owned()).collect()
    };
    assert!(code(include_str!("../../README.ja.md")).join("\n").contains(&code(shown).join("\n")));
}

/// The variables of the lines `export NAME='value'`.
fn exports(output: &str) -> Vec<(&str, &str)> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    lines.map(|(name, value)| (name, value.trim_matches('\''))).collect()
}

fn port_after(output: &str, title: &str) -> u16 {
    let (_, rest) = output.split_once(title).unwrap_or_else(|| panic!("no `{title}`: {output}"));
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().expect("there is a first part");
    digits.parse().expect("a port")
}

/// A GET with one header, written to a socket.
fn get(port: u16, path: &str, header: &str) -> String {
    sent(port, &format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{header}\r\nconnection: close\r\n\r\n"))
}

/// The answer to a request that is written to a socket.
fn sent(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a length of time");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer that ends");
    answer
}
