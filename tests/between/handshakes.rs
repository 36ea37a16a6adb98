//! Connections that fail below HTTP: in the TLS handshake, at a proxy, in name resolution.

use crate::connecting::{Port, ROOM, SECOND, SENT, client};
use crate::server::{Server, Step};
use crate::tls::{self, CERTIFICATE, EXPIRED, HANDSHAKE_FAILURE, Handshake, PROTOCOL_VERSION};
use kaiwa::{Error, Outcome, RetryPolicy, VirtualClock};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

async fn post(url: &str, http: reqwest::ClientBuilder, retry: RetryPolicy) -> Result<u32, Error> {
    let clock = VirtualClock::new();
    let builder =
        client(url, &clock).http_client(http).connect_timeout(Duration::from_millis(100)).retry(retry);
    let post = builder.build().expect("a client").room(ROOM).post("x");
    clock.drive(post).await.map(|sent| sent.attempts())
}

#[tokio::test]
async fn every_interrupted_handshake_is_repeated() {
    for broken in [
        Handshake::Reset,
        Handshake::ResetAfterHello,
        Handshake::Close,
        Handshake::CloseAfterHello,
        Handshake::Silence,
    ] {
        let handshakes = std::iter::repeat_n(broken, 6).chain([Handshake::Complete]);
        let server = tls::Server::play(handshakes, SENT).await;
        let attempts = post(&server.url, tls::trusting(CERTIFICATE), RetryPolicy::new()).await;
        let attempts = attempts.unwrap_or_else(|error| panic!("{broken:?}: {error}"));
        assert_eq!((attempts, server.accepted()), (1, 7), "{broken:?}");

        let server = tls::Server::play([broken], SENT).await;
        let error =
            post(&server.url, tls::trusting(CERTIFICATE), RetryPolicy::none()).await.expect_err("once");
        assert_eq!((error.outcome(), server.accepted()), (Outcome::NotSent, 1), "{broken:?}: {error}");
        assert!(error.is_connect(), "{broken:?}: {error}");
    }
}

#[tokio::test]
async fn permanent_connection_failures_are_not_retried() {
    let whole = [Handshake::Complete];
    let elsewhere = |server: &tls::Server| {
        let http = tls::trusting(CERTIFICATE).resolve("other.example", server.address);
        (http, format!("https://other.example:{}", server.address.port()))
    };
    for case in ["unknown issuer", "another name", "expired", "version", "failure", "no TLS"] {
        let server = match case {
            "expired" => tls::Server::with_certificate(EXPIRED, whole, SENT).await,
            "version" => tls::Server::play([Handshake::Alert(PROTOCOL_VERSION)], SENT).await,
            "failure" => tls::Server::play([Handshake::Alert(HANDSHAKE_FAILURE)], SENT).await,
            "no TLS" => tls::Server::play([Handshake::Plain], SENT).await,
            _ => tls::Server::play(whole, SENT).await,
        };
        let (http, url) = match case {
            "unknown issuer" => (reqwest::Client::builder().no_proxy(), server.url.clone()),
            "another name" => elsewhere(&server),
            "expired" => (tls::trusting(EXPIRED), server.url.clone()),
            _ => (tls::trusting(CERTIFICATE), server.url.clone()),
        };
        let error = post(&url, http, RetryPolicy::new()).await.expect_err("it cannot connect");
        assert_eq!((error.outcome(), error.is_connect()), (Outcome::NotSent, true), "{case}: {error}");
        assert_eq!((server.accepted(), error.attempts()), (1, 0), "{case}: {error}");
        assert!(!error.to_string().contains("connections tried"), "{case}: {error}");
    }
}

/// A proxy that answers each CONNECT with the next of these, and repeats the last one.
async fn proxy(answers: &[&str]) -> (Server, reqwest::ClientBuilder) {
    let steps: Vec<Step> = answers.iter().map(|answer| Step::Raw((*answer).to_owned())).collect();
    let server = Server::play(steps).await;
    let http = reqwest::Client::builder().proxy(reqwest::Proxy::all(&server.url).expect("a URL"));
    (server, http)
}

#[tokio::test]
async fn a_refusal_by_the_proxy_is_final() {
    for answer in [
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "<html>no</html>\r\n\r\n",
    ] {
        let (server, http) = proxy(&[answer]).await;
        let error =
            post("https://service.example", http, RetryPolicy::new()).await.expect_err("it is refused");
        assert_eq!((error.outcome(), error.is_connect()), (Outcome::NotSent, true), "{answer:?}: {error}");
        assert_eq!((server.seen().len(), error.attempts()), (1, 0), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_is_retried() {
    // Its port is closed at first; then it closes the connection; then it refuses, so the test ends.
    let (port, clock) = (Port::shut(), VirtualClock::new());
    let proxy = reqwest::Proxy::all(port.url()).expect("a URL");
    let server = tokio::spawn({
        let clock = clock.clone();
        async move {
            while clock.elapsed() < SECOND * 15 {
                tokio::task::yield_now().await;
            }
            let mut answers = ["", "", "HTTP/1.1 403 Forbidden\r\n\r\n"].into_iter();
            let respond = move |_: &_| Step::Raw(answers.next().expect("the third one ends it").to_owned());
            Server::serve(port.socket.listen(64).expect("it is bound"), respond)
        }
    });
    let builder =
        client("https://service.example", &clock).http_client(reqwest::Client::builder().proxy(proxy));
    let room = builder.build().expect("a client").room(ROOM);
    let error = clock.drive(room.post("x")).await.expect_err("it refuses in the end");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
    assert_eq!(server.await.expect("it opens").seen().len(), 3, "{error}");
}

/// A resolver that fails this many times, then resolves to loopback.
struct Names {
    failures: usize,
    problem: &'static str,
    asked: Arc<AtomicUsize>,
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let found = if asked < self.failures {
            Err(io::Error::other(self.problem).into())
        } else {
            Ok(Box::new(["127.0.0.1:0".parse().expect("an address")].into_iter()) as Addrs)
        };
        Box::pin(async move { found })
    }
}

async fn post_by_name(
    server: &tls::Server,
    failures: usize,
    problem: &'static str,
) -> (Result<u32, Error>, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let names = Names { failures, problem, asked: Arc::clone(&asked) };
    let url = format!("https://service.example:{}", server.address.port());
    let result =
        post(&url, tls::trusting(CERTIFICATE).dns_resolver(Arc::new(names)), RetryPolicy::new()).await;
    (result, asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn an_unknown_name_is_looked_up_once_more() {
    for problem in [
        "failed to lookup address information: Name or service not known",
        "failed to lookup address information: nodename nor servname provided, or not known",
        "No such host is known. (os error 11001)",
    ] {
        let server = tls::Server::play([Handshake::Complete], SENT).await;
        let (result, asked) = post_by_name(&server, usize::MAX, problem).await;
        let error = result.expect_err("the name does not exist");
        assert_eq!((error.outcome(), error.attempts(), asked), (Outcome::NotSent, 0, 2), "{error}");
        let (result, asked) = post_by_name(&server, 1, problem).await;
        assert_eq!((result.expect("the second lookup finds it"), asked, server.accepted()), (1, 2, 1));
    }
}

#[tokio::test]
async fn a_temporary_lookup_failure_is_retried() {
    for problem in [
        "failed to lookup address information: Temporary failure in name resolution",
        "failed to lookup address information: Try again",
    ] {
        let server = tls::Server::play([Handshake::Complete], SENT).await;
        let (result, asked) = post_by_name(&server, 7, problem).await;
        let attempts = result.unwrap_or_else(|error| panic!("{problem}: {error}"));
        assert_eq!((attempts, asked, server.accepted()), (1, 8, 1), "{problem}");
    }
}

#[tokio::test]
async fn failed_connections_are_counted_separately() {
    let server = tls::Server::play([Handshake::Reset], SENT).await;
    let policy = RetryPolicy::new().connect_for(SECOND * 20);
    let error = post(&server.url, tls::trusting(CERTIFICATE), policy).await.expect_err("it is reset");
    assert_eq!((error.connections() as usize, error.attempts()), (server.accepted(), 0), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("{} connections tried in ", error.connections())), "{text}");
    assert!(!text.contains("attempts"), "{text}");
}
