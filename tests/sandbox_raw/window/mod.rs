//! The window on the sandbox, over plain HTTP: who is let in, what is sent, and how much of it.

mod acts;
mod bounds;

use crate::wire::{self, authority, exchange};
use kaiwa::sandbox::chatwork::{Seed, Webhook};
use kaiwa::sandbox::{Sandbox, lancers, tascha};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

type Headers<'a> = Vec<(&'a str, &'a str)>;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A browser on the page of a window, as far as the server can tell.
struct Browser {
    url: String,
    host: String,
}

impl Browser {
    fn on(sandbox: &Sandbox) -> Self {
        let url = sandbox.window_url().expect("it has a window");
        let host = authority(&url);
        Self { url, host }
    }

    /// What all paths begin with.
    fn base(&self) -> &str {
        &self.url["http://".len() + self.host.len()..]
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if method != "GET" {
            request += &format!("content-length: {}\r\n", body.len());
        }
        let answer = timeout(PATIENCE, exchange(&self.url, &format!("{request}\r\n{body}"))).await;
        let text = answer.expect("an answer").text();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        // The heads of chunks are of no interest here: nothing but the stream of events is sent in chunks.
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("{}{path}", self.base()), &[("host", &self.host)], "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let origin = format!("http://{}", self.host);
        let headers = [("host", &*self.host), ("origin", &origin), ("content-type", "application/json")];
        self.send("POST", &format!("{}{path}", self.base()), &headers, &body.to_string()).await
    }

    async fn does(&self, path: &str, body: Value) {
        let answer = self.post(path, &body).await;
        assert_eq!((answer.status, &*answer.body), (200, "{}"), "{path} {body}");
    }

    async fn is_refused(&self, path: &str, body: Value, word: &str) {
        let answer = self.post(path, &body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "refused": word })), "{path} {body}");
    }

    /// The requests, once the last one has ended.
    async fn requests(&self, count: usize) -> Vec<Value> {
        let ended = async {
            loop {
                let Value::Array(requests) = self.get("requests").await.json() else { panic!("a list") };
                if requests.len() == count && requests.iter().all(|request| request["ended"] == true) {
                    return requests;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("they end")
    }

    /// A stream of events that has begun.
    async fn events(&self) -> Events {
        let mut stream = wire::connect(&self.url).await.expect("it listens");
        let request = format!("GET {}events HTTP/1.1\r\nhost: {}\r\n\r\n", self.base(), self.host);
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut events = Events { stream, text: String::new() };
        events.until("event: hello").await;
        events
    }
}

struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    /// Reads until this has come; what was before it is forgotten, and returned.
    async fn until(&mut self, text: &str) -> String {
        let read = async {
            loop {
                if let Some(place) = self.text.find(text) {
                    let rest = self.text.split_off(place + text.len());
                    return std::mem::replace(&mut self.text, rest);
                }
                let mut chunk = [0; 8192];
                let read =
                    tokio::io::AsyncReadExt::read(&mut self.stream, &mut chunk).await.expect("it is open");
                assert!(read > 0, "the stream ended: {}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{text} does not come"))
    }
}

async fn sandbox() -> Sandbox {
    Sandbox::builder().window(true).start().await.expect("there are ports")
}

fn message(room: &str, by: &str, body: &str) -> Value {
    json!({ "service": "chatwork", "room": room, "by": by, "body": body })
}

#[tokio::test]
async fn there_is_no_window_unless_it_is_asked_for() {
    let sandbox = Sandbox::start().await.expect("there are ports");
    assert_eq!(sandbox.window_url(), None);
}

#[tokio::test]
async fn the_port_is_closed_with_the_sandbox() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    assert!(browser.url.starts_with("http://127.0.0.1:"), "{}", browser.url);
    let mut events = browser.events().await;
    drop(sandbox);
    let ended = async {
        while !matches!(tokio::io::AsyncReadExt::read(&mut events.stream, &mut [0; 64]).await, Ok(0) | Err(_))
        {
        }
    };
    timeout(PATIENCE, ended).await.expect("the stream ends");
    assert!(wire::connect(&browser.url).await.is_err());
}

#[tokio::test]
async fn the_page_has_nothing_of_other_hosts_and_may_do_nothing_else() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    let page = browser.get("").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("it has a policy");
    let url = &browser.url;
    for part in [
        "default-src 'none'".to_owned(),
        format!("script-src {url}script.js"),
        format!("style-src {url}style.css"),
        format!("connect-src {url}"),
        "base-uri 'none'".to_owned(),
        "form-action 'none'".to_owned(),
        "frame-ancestors 'none'".to_owned(),
        "require-trusted-types-for 'script'".to_owned(),
    ] {
        assert!(policy.split("; ").any(|own| own == part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("'self'"), "{policy}");
    let script = browser.get("script.js").await;
    let style = browser.get("style.css").await;
    for (answer, kind) in [(&page, "text/html"), (&script, "text/javascript"), (&style, "text/css")] {
        assert!(answer.header("content-type").is_some_and(|own| own.starts_with(kind)));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert!(!answer.body.contains("//") || kind == "text/javascript", "no address of another host");
    }
    for word in [
        "http://",
        "https://",
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ] {
        let code = script.body.lines().filter(|line| !line.trim_start().starts_with("//"));
        assert!(!code.collect::<String>().contains(word), "{word}");
    }
    // No script but the one, and no handler or style in an attribute.
    assert_eq!(page.body.matches("<script").count(), 1);
    assert!(page.body.contains("<script src=\"script.js\" defer></script>"));
    assert!(![" on", " style="].iter().any(|attribute| page.body.contains(&format!("{attribute}\""))));
}

#[tokio::test]
async fn others_are_kept_out_and_learn_nothing() {
    let sandbox = sandbox().await;
    let browser = Browser::on(&sandbox);
    let (base, host) = (browser.base().to_owned(), browser.host.clone());
    let origin = format!("http://{host}");
    let before = sandbox.chatwork().room(100).messages().len();
    let post = format!("{base}post");
    let body = message("100", "2", "from elsewhere").to_string();
    let json = ("content-type", "application/json");
    let evil = ("origin", "http://evil.example");
    let get: [(u16, &str, Headers); 9] = [
        (403, &base, vec![("host", "evil.example")]),
        (403, &base, vec![("host", "127.0.0.1")]),
        (403, &base, vec![]),
        (403, &base, vec![("host", &host), evil]),
        (403, &base, vec![("host", &host), ("origin", "null")]),
        (403, &base, vec![("host", &host), ("sec-fetch-site", "cross-site")]),
        (403, &base, vec![("host", &host), ("sec-fetch-site", "same-site")]),
        (404, "/", vec![("host", &host)]),
        (404, "/0123456789abcdef/view", vec![("host", &host)]),
    ];
    for (status, target, headers) in get {
        let answer = browser.send("GET", target, &headers, "").await;
        // Without a Host hyper itself answers.
        assert!(
            answer.status == status || headers.is_empty() && answer.status == 400,
            "{headers:?}: {}",
            answer.head
        );
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert!(!format!("{}{}", answer.head, answer.body).contains(base.trim_matches('/')), "the token");
        assert!(!answer.body.contains("Alice"));
    }
    let posts: [(u16, Headers); 8] = [
        (403, vec![("host", "evil.example"), ("origin", "http://evil.example"), json]),
        (403, vec![("host", &host), evil, json]),
        (403, vec![("host", &host), json]),
        (403, vec![("host", &host), json, ("sec-fetch-site", "cross-site")]),
        (403, vec![("host", &host), ("origin", &origin), json, ("sec-fetch-site", "same-site")]),
        (415, vec![("host", &host), ("origin", &origin), ("content-type", "text/plain")]),
        (
            415,
            vec![("host", &host), ("origin", &origin), ("content-type", "application/x-www-form-urlencoded")],
        ),
        (415, vec![("host", &host), ("origin", &origin)]),
    ];
    for (status, headers) in posts {
        let answer = browser.send("POST", &post, &headers, &body).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    // What a browser asks before it sends JSON to another origin.
    let asks = [
        ("host", &*host),
        evil,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = browser.send("OPTIONS", &post, &asks, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
    // A GET changes nothing.
    let own = [("host", &*host), ("origin", &*origin)];
    assert_eq!(browser.send("GET", &post, &own, "").await.status, 404);
    assert_eq!(sandbox.chatwork().room(100).messages().len(), before);
    let own = [("host", &*host), ("origin", &*origin), json];
    assert_eq!(browser.send("POST", &post, &own, &body).await.status, 200);
    assert_eq!(sandbox.chatwork().room(100).messages().len(), before + 1);
}

/// All credentials that there are, in all places of a request, and everything that the window sends.
#[tokio::test]
async fn no_credential_is_sent_to_the_page() {
    let sandbox = sandbox().await;
    let webhook =
        sandbox.chatwork().add_webhook(Webhook::account(1, "http://127.0.0.1:9/?canary=webhook-query"));
    let access = sandbox.chatwork().access_token(1, "rooms.all:read_write", Duration::from_secs(600));
    let browser = Browser::on(&sandbox);
    let mut events = browser.events().await;
    let secrets = [
        Seed::TOKEN,
        Seed::COLLEAGUE_TOKEN,
        tascha::Seed::TOKEN,
        tascha::Seed::ORGANIZATION_TOKEN,
        lancers::Seed::CREDENTIAL,
        "sandbox-secret",
        &webhook.token,
        &access,
    ];
    let mut sent = 0;
    for url in [sandbox.chatwork_url(), sandbox.tascha_url(), sandbox.lancers_url()] {
        let (host, path) = url["http://".len()..].split_once('/').expect("a path");
        for secret in secrets {
            let escaped = secret.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F");
            let header = format!(
                "x-chatworktoken: {secret}\r\nauthorization: Bearer {secret}\r\ncookie: {secret}\r\nx-api-key: {secret}\r\nuser-agent: {secret}"
            );
            for (kind, body) in [
                ("application/x-www-form-urlencoded", format!("body={escaped}&token={escaped}&{escaped}=x")),
                ("application/json", json!({ "body": secret }).to_string()),
            ] {
                let request = format!(
                    "POST /{path}/rooms/{escaped}/messages?token={escaped}&q={escaped} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}\r\n\
                     idempotency-key: {secret}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                exchange(&url, &request).await;
                sent += 1;
            }
        }
    }
    // Names are texts, too: of a room and of a file, and the path of a webhook.
    let room = sandbox.chatwork().room(100);
    sandbox.chatwork().add_webhook(Webhook::account(1, format!("http://127.0.0.1:9/{}/hook", Seed::TOKEN)));
    let content = json!({
        "service": "chatwork", "room": "100", "by": "2", "name": format!("{}.txt", Seed::TOKEN), "content_type": "text/plain",
        "content": "YQ==", "message": "",
    });
    browser.does("upload", content).await;
    let file = format!("file?service=chatwork&room=100&id={}", room.files()[0].file_id.0);
    let (token, cookie) = (Seed::COLLEAGUE_TOKEN, lancers::Seed::CREDENTIAL.replace('=', "%253D"));
    let renamed = format!("name=a%3D{token}%26b%3D{cookie}");
    let request = format!(
        "PUT /v2/rooms/100 HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-chatworktoken: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{renamed}",
        Seed::TOKEN,
        renamed.len()
    );
    let answer = exchange(&sandbox.chatwork_url(), &request).await.text();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    sent += 1;
    // A webhook that is posted, an address to download from, and a login, with what they carry.
    sandbox.chatwork().room(100).post_as(2, "[To:1] x");
    let token = "grant_type=refresh_token&refresh_token=sandbox-chatwork-token&client_secret=sandbox-secret";
    let request = format!(
        "POST /token HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ=\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{token}",
        token.len()
    );
    exchange(&sandbox.chatwork_url(), &request).await;
    browser.requests(sent + 1).await;
    let mut seen = String::new();
    for path in ["", "script.js", "style.css", "view", "requests", "room?service=chatwork&room=100", &file] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        seen += &answer.head;
        seen += &answer.body;
    }
    seen += &events.until(&format!("\"number\":{sent},")).await;
    seen += &events.until("\n\n").await;
    for name in ["a=***&b=***", "\"***.txt\"", "http://127.0.0.1:9/***/hook", "%2A%2A%2A%2Etxt"] {
        assert!(seen.contains(name), "{name}: {seen}");
    }
    assert!(seen.contains("***") && seen.contains("create_message"), "{seen}");
    let encoded = secrets.map(|secret| secret.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F"));
    for secret in secrets
        .iter()
        .copied()
        .chain(encoded.iter().map(String::as_str))
        .chain(["canary", "c2FuZGJveC1jbGllbnQ6"])
    {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}
