//! Errors about a proxy: they name the proxy and its variable, and say what to do.
//!
//! Variables belong to a whole process, and the HTTP client reads them when it is built. So each case runs this test
//! again in a separate process.

use crate::connecting::{Port, ROOM, SENT};
use crate::server::{Server, Step};
use crate::tls::{self, Handshake};
use kaiwa::chatwork;
use kaiwa::oauth::{ExposeSecret, OAuth};
use kaiwa::{Error, RetryPolicy, VirtualClock};
use std::env;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// The action of the process, and the address of the service.
const ROLE: &str = "KAIWA_TEST_ROLE";
const URL: &str = "KAIWA_TEST_URL";
const MARK: &str = "report: ";
const PROXY_VARIABLES: [&str; 9] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
];
const SERVICE: &str = "https://service.example/v2";

/// The result of a call in a process with these variables.
async fn report(role: &str, url: &str, variables: &[(&str, &str)]) -> String {
    let mut process = Command::new(env::current_exe().expect("this test"));
    process.args(["--exact", "proxies::separate_process", "--nocapture"]);
    for name in PROXY_VARIABLES {
        process.env_remove(name);
    }
    // The system's certificates are not needed.
    process.env("SSL_CERT_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/cert.pem"));
    process.env_remove("SSL_CERT_DIR");
    process.envs(variables.iter().copied()).env(ROLE, role).env(URL, url);
    let output = tokio::task::spawn_blocking(move || process.output()).await.expect("no panic");
    let output = output.expect("the process runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once(MARK));
    let errors = String::from_utf8_lossy(&output.stderr);
    line.unwrap_or_else(|| panic!("{role} {variables:?}: {text} {errors}")).1.to_owned()
}

#[tokio::test]
async fn separate_process() {
    let Ok(role) = env::var(ROLE) else {
        // This is the test itself, not a process started by another one.
        let server = Server::play([Step::ok(SENT)]).await;
        assert_eq!(report("post", &server.url, &[]).await, "posted");
        assert_eq!(server.seen().len(), 1);
        return;
    };
    let url = env::var(URL).expect("a URL");
    println!("{MARK}{}", act(&role, &url).await.unwrap_or_else(|error| error.to_string()));
}

async fn act(role: &str, url: &str) -> Result<String, Error> {
    let builder = chatwork::Client::builder()
        .api_token("token")
        .base_url(url)
        .retry(RetryPolicy::none())
        .connect_timeout(Duration::from_secs(5));
    match role {
        "post" => builder.build()?.room(ROOM).post("x").await.map(|_| "posted".to_owned()),
        "own" => {
            let http = reqwest::Client::builder().user_agent("own");
            builder.http_client(http).build()?.room(ROOM).post("x").await.map(|_| "posted".to_owned())
        }
        "slow" => {
            let builder = builder.attempt_timeout(Duration::from_millis(300));
            builder.build()?.room(ROOM).post("x").await.map(|_| "posted".to_owned())
        }
        "download" => {
            let file = builder.build()?.room(ROOM).file(chatwork::FileId(1));
            file.download().bytes(1000).await.map(|bytes| format!("{} bytes", bytes.len()))
        }
        "oauth" => {
            let oauth = OAuth::builder("client-id")
                .auth_url(format!("{url}/login"))
                .token_url(format!("{url}/token"))
                .redirect_url("https://bot.example/back")
                .build()?;
            let login = oauth.login();
            let state = login.state().expose_secret().to_owned();
            login.finish("code", &state).await.map(|_| "logged in".to_owned())
        }
        "proxy" => Ok(match kaiwa::Proxy::from_env(url)? {
            Some(proxy) => format!("{proxy}, {}, user: {}", proxy.scheme(), proxy.has_user()),
            None => "no proxy".to_owned(),
        }),
        other => panic!("{other} is not a role"),
    }
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}

/// A proxy's address, with a password in it.
fn with_user(address: &str) -> String {
    format!("http://user:canary@{address}")
}

#[tokio::test]
async fn a_dead_proxy_is_named_with_its_variable() {
    let port = Port::shut();
    let address = port.url().replace("http://", "");
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        for (role, to) in [("post", "the request to service.example:443"), ("oauth", "the request")] {
            let text = report(role, SERVICE, &[(variable, &with_user(&address))]).await;
            assert_says(
                &text,
                &[
                    &format!(
                        "could not connect to the proxy {address} (from the environment variable {variable})"
                    ),
                    to,
                    "refused",
                    &format!("Start the proxy or correct {variable}; hosts in NO_PROXY"),
                    "Nothing was sent",
                ],
            );
            assert!(!text.contains("canary") && !text.contains("could not connect to service"), "{text}");
        }
    }
    // Calls to loopback use the proxy, too. If the proxy's host name does not exist, the error names the proxy.
    let text = report("post", "https://127.0.0.1:1/v2", &[("HTTPS_PROXY", &port.url())]).await;
    assert_says(&text, &[&format!("could not connect to the proxy {address}"), "to 127.0.0.1:1"]);
    let text = report("post", SERVICE, &[("HTTPS_PROXY", "proxy.invalid:3128")]).await;
    assert_says(&text, &["could not connect to the proxy proxy.invalid:3128 (from"]);
}

#[tokio::test]
async fn a_proxy_that_is_not_used_is_not_mentioned() {
    let server = Server::play([Step::ok(SENT)]).await;
    let (dead, shut) = (Port::shut().url(), Port::shut().url());
    // Plain http is used for loopback only, which needs no proxy.
    let all = [("HTTP_PROXY", dead.as_str()), ("HTTPS_PROXY", &dead), ("ALL_PROXY", &dead)];
    assert_eq!(report("post", &server.url, &all).await, "posted");
    assert_eq!(report("own", &server.url, &all).await, "posted");
    assert_eq!(report("post", &server.url, &[("HTTPS_PROXY", "no proxy")]).await, "posted");
    let service = shut.replace("http://", "https://");
    for variables in [
        &[("HTTPS_PROXY", dead.as_str()), ("NO_PROXY", "127.0.0.1")][..],
        &[("all_proxy", &dead), ("no_proxy", "x, 127.0.0.0/8")],
        &[("HTTP_PROXY", &dead), ("http_proxy", &dead)],
        &[("HTTPS_PROXY", ""), ("https_proxy", &dead)],
        &[("HTTPS_PROXY", &dead), ("REQUEST_METHOD", "GET")],
        &[("HTTPS_PROXY", "no proxy"), ("NO_PROXY", "127.0.0.1")],
    ] {
        for role in ["post", "own", "oauth"] {
            let text = report(role, &service, variables).await;
            assert_says(&text, &["refused"]);
            assert!(!text.contains("proxy") && !text.contains("PROXY"), "{variables:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_says_what_to_do() {
    let user = "`http://user:password@host:port`";
    for (answer, says) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            &["requires a user name and a password", user][..],
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            &["refused to connect the request to service.example:443", "403 says"],
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", &["502, 503 and 504 say that it cannot reach it"]),
        ("HTTP/1.1 405 Method Not Allowed\r\n\r\n", &["a server that is not a proxy: check HTTPS_PROXY"]),
        ("<html>no proxy</html>\r\n\r\n", &["a server that is not a proxy: check HTTPS_PROXY"]),
        (
            "",
            &[
                "closed the connection before it connected",
                "Check that HTTPS_PROXY names a proxy that allows",
            ],
        ),
    ] {
        let server = Server::play([Step::Raw(answer.to_owned())]).await;
        let name = format!("the proxy {} (from the environment", server.url.replace("http://", ""));
        let text = report("post", SERVICE, &[("HTTPS_PROXY", &server.url)]).await;
        assert_says(&text, says);
        assert_says(&text, &[&name, "Nothing was sent, so it can be sent again."]);
        assert!(server.seen()[0].head.starts_with("CONNECT service.example:443 "), "{answer}");
        assert!(!text.contains("tunnel error: unsuccessful"), "{text}");
    }
    let server = Server::play([Step::Raw("HTTP/1.1 407 x\r\n\r\n".to_owned())]).await;
    let proxy = with_user(&server.url.replace("http://", ""));
    let text = report("post", SERVICE, &[("ALL_PROXY", &proxy)]).await;
    assert_says(&text, &["does not accept the user name and password", "Set them in ALL_PROXY", user]);
    assert!(!text.contains("canary"), "{text}");
}

/// A proxy that connects each CONNECT to this address, whatever address it names.
async fn tunnel(to: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    tokio::io::AsyncReadExt::read_buf(&mut stream, &mut head).await?;
                }
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await?;
                let mut service = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut stream, &mut service).await
            });
        }
    });
    url
}

#[tokio::test]
async fn a_failure_behind_a_proxy_names_the_service_and_the_proxy() {
    let server = tls::Server::play([Handshake::Complete], SENT).await;
    let proxy = tunnel(server.address).await;
    let way = format!("through the proxy {} (from", proxy.replace("http://", ""));
    let variables = [("HTTPS_PROXY", proxy.as_str())];
    assert_eq!(report("post", SERVICE, &variables).await, "posted");

    let text = report("post", "https://other.example/v2", &variables).await;
    assert_says(&text, &["could not connect to other.example:443", &way, "certificate"]);

    let silent = tls::Server::play([Handshake::Silence], SENT).await;
    let silent = tunnel(silent.address).await;
    let text = report("slow", SERVICE, &[("HTTPS_PROXY", &silent)]).await;
    assert_says(&text, &["could not connect to service.example:443", "through the proxy", "timed out"]);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_says_why_and_what_to_do() {
    let expired = tls::Server::with_certificate(tls::EXPIRED, [Handshake::Complete], SENT).await;
    let text = report("post", &expired.url, &[("SSL_CERT_FILE", EXPIRED)]).await;
    assert_says(&text, &["Check the clock of this machine"]);
    let unknown = tls::Server::play([Handshake::Complete], SENT).await;
    let text = report("post", &unknown.url, &[("SSL_CERT_FILE", STRANGER)]).await;
    assert_says(&text, &["`ca-certificates`", "add its certificate to the system's"]);
    assert!(!text.contains("the proxy "), "{text}");
}

const EXPIRED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/expired.pem");
const STRANGER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/stranger.pem");

#[tokio::test]
async fn an_invalid_proxy_variable_is_an_error_of_the_builder() {
    for (variable, value) in [
        ("HTTPS_PROXY", "http//canary:3128"),
        ("https_proxy", "http://canary:port"),
        ("ALL_PROXY", "socks://canary:1"),
        ("all_proxy", "http://user:can/ary@host:1"),
        ("HTTPS_PROXY", "http://canary:3128 "),
    ] {
        for role in ["post", "oauth", "proxy"] {
            let text = report(role, SERVICE, &[(variable, value)]).await;
            assert_says(&text, &[&format!("the environment variable {variable} "), "is not a valid proxy"]);
            assert!(!text.contains("canary") && !text.contains("ary@"), "{text}");
        }
    }
}

#[tokio::test]
async fn the_error_for_a_socks_proxy_names_the_missing_feature() {
    for scheme in ["socks4", "socks4a", "socks5", "socks5h"] {
        let text = report("post", SERVICE, &[("ALL_PROXY", &format!("{scheme}://127.0.0.1:1080"))]).await;
        assert_says(
            &text,
            &[
                "the proxy 127.0.0.1:1080 (from the environment variable ALL_PROXY) is a SOCKS proxy",
                "`socks`",
            ],
        );
        assert!(!text.contains("unsupported"), "{text}");
    }
}

#[tokio::test]
async fn the_proxy_of_a_custom_http_client_is_described_as_such() {
    let own = "the client's own `http_client`";
    let post = async |http: reqwest::ClientBuilder| {
        let clock = VirtualClock::new();
        let builder = crate::connecting::client(SERVICE, &clock).http_client(http);
        let post = builder.build().expect("a client").room(ROOM).post("x").with_retry(RetryPolicy::none());
        clock.drive(post).await.expect_err("the proxy cannot be reached").to_string()
    };
    let through = |url: &str| {
        let proxy = reqwest::Proxy::all(url).expect("a URL");
        reqwest::Client::builder().tls_certs_only([]).proxy(proxy)
    };
    let text = post(through(&Port::shut().url())).await;
    assert_says(&text, &["could not connect to the proxy", own, "refused"]);
    for (answer, says) in
        [("HTTP/1.1 407 x\r\n\r\n", "requires a user name"), ("HTTP/1.1 403 x\r\n\r\n", "403 says")]
    {
        let server = Server::play([Step::Raw(answer.to_owned())]).await;
        assert_says(&post(through(&server.url)).await, &["the proxy", own, says]);
    }
    assert_says(&post(through("socks5://127.0.0.1:1")).await, &["SOCKS proxy", own, "`socks`"]);
    // It is not known whether that client uses the environment's proxy.
    let dead = Port::shut().url();
    let text = report("own", SERVICE, &[("HTTPS_PROXY", &dead)]).await;
    assert_says(
        &text,
        &["could not connect to the proxy that the client's own `http_client` names, or else", "HTTPS_PROXY"],
    );
}

#[tokio::test]
async fn a_failed_download_names_the_proxy_to_the_file_server() {
    let file = r#"{"file_id":1,"account":{"account_id":1,"name":"x","avatar_image_url":""},"message_id":"1",
        "filename":"a","filesize":1,"upload_time":1,"download_url":"https://files.example/canary"}"#;
    let service = tls::Server::play([Handshake::Complete], file).await;
    let dead = Port::shut().url();
    let text = report("download", &service.url, &[("HTTPS_PROXY", &dead), ("NO_PROXY", "127.0.0.1")]).await;
    assert_says(
        &text,
        &[&format!("could not connect to the proxy {}", dead.replace("http://", "")), "HTTPS_PROXY"],
    );
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn the_proxy_can_be_queried() {
    let variables = [("https_proxy", "http://user:canary@proxy.example"), ("NO_PROXY", "staging.example")];
    let text = report("proxy", SERVICE, &variables).await;
    assert_eq!(
        text,
        "the proxy proxy.example:80 (from the environment variable https_proxy), http, user: true"
    );
    for direct in ["https://staging.example/v2", "http://127.0.0.1:1"] {
        assert_eq!(report("proxy", direct, &variables).await, "no proxy");
    }
    assert!(kaiwa::Proxy::from_env("http://service.example").is_err(), "it would go in the clear");
}
