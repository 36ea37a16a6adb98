//! Runs the doctor in healthy and faulty environments. Proxies and certificates are set by the environment of a
//! process, so each case runs this test again in a separate process.

use kaiwa::jiff::SignedDuration;
use kaiwa::sandbox::tascha::{Key, Seed, User};
use kaiwa::sandbox::{self, Fault, Sandbox, Script};
use std::env;
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ROLE: &str = "KAIWA_TEST_ROLE";
const TOKEN: (&str, &str) = ("CHATWORK_API_TOKEN", "canary-0123456789");
/// Variables of the machine that runs the tests, which would change the findings.
const OTHERS: [&str; 17] = [
    "CHATWORK_API_TOKEN",
    "TASCHA_API_KEY",
    "LANCERS_COOKIE",
    "CHATWORK_BASE_URL",
    "TASCHA_BASE_URL",
    "LANCERS_BASE_URL",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// The output of the doctor with these variables, and whether all is well.
async fn doctor(argument: &str, variables: &[(&str, &str)]) -> (String, bool) {
    let mut process = Command::new(env::current_exe().expect("this test"));
    let (_, module) = module_path!().split_once("::").expect("it is in a crate");
    process.args(["--exact", &format!("{module}::separate_process"), "--nocapture"]);
    for name in OTHERS {
        process.env_remove(name);
    }
    // The system's certificates are not needed.
    process.env("SSL_CERT_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/cert.pem"));
    process.envs(variables.iter().copied()).env(ROLE, argument);
    let output = tokio::task::spawn_blocking(move || process.output()).await.expect("no panic");
    let text = String::from_utf8_lossy(&output.expect("the process runs").stdout).into_owned();
    assert!(!text.contains("canary"), "{text}");
    let (_, text) = text.split_once("BEGIN\n").unwrap_or_else(|| panic!("it fails: {text}"));
    let (text, well) = text.split_once("END ").unwrap_or_else(|| panic!("it fails: {text}"));
    (text.to_owned(), well.starts_with("true"))
}

#[tokio::test]
async fn separate_process() {
    match env::var(ROLE) {
        Ok(argument) => {
            let arguments: Vec<String> = argument.split_whitespace().map(str::to_owned).collect();
            let (text, well) = super::run(&arguments).await;
            println!("BEGIN\n{text}END {well}");
        }
        // This is the test itself, not a process started by another one.
        Err(_) => assert!(!doctor("", &[]).await.1, "nothing is set"),
    }
}

/// The line with this label, and the advice that follows it, if any.
fn line<'a>(text: &'a str, label: &str) -> (&'a str, Option<&'a str>) {
    let mut lines = text.lines();
    let found = lines.find(|line| line.get(5..).is_some_and(|line| line.starts_with(label)));
    let found = found.unwrap_or_else(|| panic!("no {label}: {text}"));
    (found, lines.next().filter(|line| line.trim_start().starts_with("->")))
}

fn assert_line(text: &str, label: &str, mark: &str, says: &[&str]) {
    let (line, todo) = line(text, label);
    assert!(line.starts_with(&format!("  {mark} ")), "{label} is not {mark}: {text}");
    assert_eq!(todo.is_some(), mark == "!!", "a problem has advice, and nothing else has: {text}");
    for word in says {
        let found = line.contains(word) || todo.is_some_and(|todo| todo.contains(word));
        assert!(found, "{word:?} is missing for {label}: {text}");
    }
}

#[tokio::test]
async fn the_sandbox_is_well() {
    let (text, well) = doctor("sandbox", &[]).await;
    assert!(well && text.contains("All is well."), "{text}");
    for service in ["Chatwork\n", "TAS-CHA\n", "Lancers\n"] {
        let (_, part) = text.split_once(service).expect(service);
        for label in ["token", "base URL", "proxy", "certificates", "connection", "clock", "scopes"] {
            assert_line(part, label, "ok", &[]);
        }
    }
    assert_line(&text, "limits", "ok", &["299 of 300 calls left"]);
    assert_line(&text, "units", "ok", &["of 20000 API units left"]);
}

#[tokio::test]
async fn without_a_credential_it_names_the_variables_and_checks_nothing() {
    let (text, well) = doctor("", &[]).await;
    assert!(!well);
    for name in ["CHATWORK_API_TOKEN", "TASCHA_API_KEY", "LANCERS_COOKIE", "-- sandbox"] {
        assert!(text.contains(name), "{text}");
    }
    let (text, well) = doctor("sandbox please", &[TOKEN]).await;
    assert!(!well && text.contains("usage: doctor [sandbox]"), "{text}");
}

#[tokio::test]
async fn each_service_with_a_credential_is_checked_at_its_base_url() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let (chatwork, tascha, lancers) = (sandbox.chatwork_url(), sandbox.tascha_url(), sandbox.lancers_url());
    let variables = [
        ("CHATWORK_API_TOKEN", sandbox::chatwork::Seed::TOKEN),
        ("CHATWORK_BASE_URL", &chatwork),
        ("TASCHA_API_KEY", Seed::TOKEN),
        ("TASCHA_BASE_URL", &tascha),
        ("LANCERS_COOKIE", sandbox::lancers::Seed::CREDENTIAL),
        ("LANCERS_BASE_URL", &lancers),
        // Has no effect on calls to loopback.
        ("HTTPS_PROXY", "127.0.0.1:1"),
    ];
    let (text, well) = doctor("", &variables).await;
    assert!(well, "{text}");
    assert_line(&text, "token", "ok", &["in CHATWORK_API_TOKEN", "accepted: account 1"]);
    assert_line(&text, "base URL", "ok", &[&chatwork, "from CHATWORK_BASE_URL"]);
    for (_, secret) in [variables[0], variables[2], variables[4]] {
        assert!(!text.contains(secret), "{text}");
    }
    let (text, well) = doctor("", &variables[..2]).await;
    assert!(well && !text.contains("TAS-CHA") && !text.contains("Lancers"), "{text}");
}

#[tokio::test]
async fn refused_and_malformed_credentials() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let (chatwork, tascha) = (sandbox.chatwork_url(), sandbox.tascha_url());
    let (text, well) = doctor("", &[TOKEN, ("CHATWORK_BASE_URL", &chatwork)]).await;
    assert!(!well, "{text}");
    assert_line(&text, "token", "!!", &["17 characters", "refused", "Issue another one"]);
    assert_line(&text, "connection", "!!", &["401", "See the token above."]);
    let variables = [("TASCHA_API_KEY", "canary"), ("TASCHA_BASE_URL", tascha.as_str())];
    assert_line(&doctor("", &variables).await.0, "token", "!!", &["does not begin with `tcha_live_`"]);
    for (variable, token) in [
        ("CHATWORK_API_TOKEN", "\"canary\""),
        ("CHATWORK_API_TOKEN", "canary canary"),
        ("CHATWORK_API_TOKEN", "Bearer canary"),
        ("TASCHA_API_KEY", "tcha_live_canary "),
        ("LANCERS_COOKIE", "canary"),
    ] {
        let base_url = variable.split('_').next().map(|name| format!("{name}_BASE_URL")).expect("a name");
        let (text, _) = doctor("", &[(variable, token), (&base_url, "https://127.0.0.1:1")]).await;
        assert_line(&text, "token", "!!", &["; it "]);
    }
    for token in ["", "\u{feff}canary", "canary\ncanary"] {
        let (text, well) = doctor("", &[("CHATWORK_API_TOKEN", token)]).await;
        assert!(!well, "{text}");
        assert_line(&text, "token", "!!", &["CHATWORK_API_TOKEN", "Correct CHATWORK_API_TOKEN"]);
        assert_line(&text, "certificates", "ok", &[]);
        assert_line(&text, "connection", "--", &["not tried"]);
    }
    let (text, _) = doctor("", &[TOKEN, ("CHATWORK_BASE_URL", "https://user:canary@host/")]).await;
    assert_line(&text, "base URL", "!!", &["CHATWORK_BASE_URL", "or a user"]);
    let bad = [("CHATWORK_API_TOKEN", ""), ("CHATWORK_BASE_URL", "https://user:canary@host/v2?canary")];
    assert_line(&doctor("", &bad).await.0, "base URL", "ok", &["https://host/v2"]);
}

#[tokio::test]
async fn the_scopes_of_a_key_are_determined() {
    for (scopes, mark, says) in [
        (&["rooms:read"][..], "!!", "rooms:read (all of them)"),
        (
            &["me:read", "rooms:read", "messages:write"],
            "ok",
            "me:read, rooms:read, messages:write (all of them)",
        ),
    ] {
        let key = Key::user("tcha_test_canary", Seed::USER).scopes(scopes.iter().copied());
        let seed = Seed::new().user(User::new(Seed::USER, "Alice")).key(key);
        let sandbox = Sandbox::builder().tascha(seed).start().await.expect("a sandbox");
        let url = sandbox.tascha_url();
        let variables = [("TASCHA_API_KEY", "tcha_test_canary"), ("TASCHA_BASE_URL", url.as_str())];
        let (text, well) = doctor("", &variables).await;
        assert_eq!(well, mark == "ok", "{text}");
        assert_line(&text, "scopes", mark, &[says]);
    }
}

#[tokio::test]
async fn wrong_clocks_and_exhausted_limits() {
    for (seconds, mark, says) in [
        (-3600, "!!", " s ahead of the service's"),
        (3600, "!!", " s behind the service's"),
        (20, "--", "use NTP"),
        (1, "ok", "the service's, within the precision of its `Date`"),
    ] {
        let sandbox = Sandbox::start().await.expect("a sandbox");
        let fault = Fault::wrong_clock(SignedDuration::from_secs(seconds));
        sandbox.faults().script(sandbox::Provider::Chatwork, Script::on("get_me").then(fault).forever());
        let url = sandbox.chatwork_url();
        let variables =
            [("CHATWORK_API_TOKEN", sandbox::chatwork::Seed::TOKEN), ("CHATWORK_BASE_URL", url.as_str())];
        let (text, well) = doctor("", &variables).await;
        assert_eq!(well, mark != "!!", "{text}");
        assert_line(&text, "clock", mark, &[says]);
    }
    let seed = sandbox::chatwork::Seed::default().rate_limit(1, std::time::Duration::from_secs(300));
    let sandbox = Sandbox::builder().chatwork(seed).start().await.expect("a sandbox");
    let url = sandbox.chatwork_url();
    let variables =
        [("CHATWORK_API_TOKEN", sandbox::chatwork::Seed::TOKEN), ("CHATWORK_BASE_URL", url.as_str())];
    doctor("", &variables).await;
    let (text, _) = doctor("", &variables).await;
    assert_line(&text, "limits", "!!", &["0 of 1 calls left", "Wait"]);
    assert_line(&text, "connection", "!!", &["429", "which other program uses this credential"]);
}

#[tokio::test]
async fn missing_certificates_are_reported_with_their_source() {
    let nowhere = [TOKEN, ("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let (text, well) = doctor("", &nowhere).await;
    assert!(!well, "{text}");
    assert_line(&text, "certificates", "!!", &["SSL_CERT_FILE (/nonexistent)", "Install `ca-certificates`"]);
    assert_line(&text, "token", "--", &["well formed"]);
    let (text, well) = doctor("sandbox", &nowhere[1..]).await;
    assert!(well, "loopback needs none: {text}");
}

/// A proxy that answers every CONNECT with this.
async fn proxy(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    address
}

#[tokio::test]
async fn a_proxy_that_blocks_the_connection() {
    // The port is reserved, so nothing listens there.
    let (text, well) = doctor("", &[TOKEN, ("https_proxy", "http://canary:canary@127.0.0.1:1")]).await;
    assert!(!well, "{text}");
    assert_line(&text, "proxy", "--", &["http 127.0.0.1:1 from https_proxy, with a user name"]);
    assert_line(
        &text,
        "connection",
        "!!",
        &["could not connect to the proxy 127.0.0.1:1", "Start the proxy, or correct or remove https_proxy"],
    );
    for (answer, todo) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "Ask the operator of the proxy to allow"),
        ("HTTP/1.1 407 canary\r\n\r\n", "Give the proxy's user name and password in ALL_PROXY"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "The proxy cannot reach the service"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "Check that ALL_PROXY names a proxy"),
    ] {
        let address = proxy(answer).await;
        let status = answer.get(..12).expect("a status");
        let variables = [TOKEN, ("ALL_PROXY", &format!("http://canary:canary@{address}"))];
        let (text, well) = doctor("", &variables).await;
        assert!(!well, "{text}");
        assert_line(&text, "proxy", "--", &[&format!("{address} from ALL_PROXY"), status]);
        assert_line(&text, "connection", "!!", &[todo]);
    }
    let (text, _) = doctor("", &[TOKEN, ("HTTPS_PROXY", "http//canary:1")]).await;
    assert_line(
        &text,
        "proxy",
        "!!",
        &["HTTPS_PROXY is not a valid URL", "until then no client can be built"],
    );
    let (text, _) = doctor("", &[TOKEN, ("ALL_PROXY", "socks5://127.0.0.1:1")]).await;
    assert_line(&text, "connection", "!!", &["is a SOCKS proxy", "`socks`"]);
    let direct = [TOKEN, ("HTTP_PROXY", "127.0.0.1:1"), ("CHATWORK_BASE_URL", "https://127.0.0.1:1/v2")];
    let (text, _) = doctor("", &direct).await;
    assert_line(&text, "proxy", "ok", &["none", "HTTP_PROXY is not for https"]);
    assert_line(&text, "connection", "!!", &["refused", "whether a proxy is needed here"]);
    let except = [TOKEN, ("HTTPS_PROXY", "a:1"), ("NO_PROXY", "127.0.0.1"), direct[2]];
    assert_line(&doctor("", &except).await.0, "proxy", "ok", &["none", "NO_PROXY"]);
}
