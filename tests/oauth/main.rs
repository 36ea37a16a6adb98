//! OAuth2: logins, refreshes and stores, against servers on loopback and on a clock that stands still.

#[macro_use]
#[path = "../common/traits.rs"]
mod traits;
mod lease;
mod locks;
mod login;
mod odd;
mod refresh;
mod refused;
mod sandbox;
mod secrets;
mod shared;
mod stores;

use futures::future::BoxFuture;
use jiff::Timestamp;
use kaiwa::oauth::{
    Authorization, Builder, Login, MemoryTokenStore, OAuth, RefreshLease, TokenSet, TokenStore,
};
use kaiwa::{Pace, RetryPolicy, StoreError, VirtualClock, chatwork};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

assert_impl_all!(OAuth: Send, Sync, Clone, std::fmt::Debug);
assert_impl_all!(Builder: Send, Sync, std::fmt::Debug);
assert_impl_all!(Login: Send, Sync, Clone, std::fmt::Debug);
assert_impl_all!(Authorization: Send, Sync, Clone, std::fmt::Debug);
assert_impl_all!(RefreshLease: Send, Sync, std::fmt::Debug);
assert_not_impl_any!(TokenSet: serde::Serialize, std::fmt::Display);

/// The verifier and challenge in Chatwork's documentation.
const VERIFIER: &str = "5b0029bd34e559e0abe7a37051aa411398913fc3579e27bd963a2b9a647f12f58a335beeb4d83a53a74ff1a6f99f6af385d2992c73beead39f57dcee95e0f954";
const CHALLENGE: &str = "jlkGAsNvHshJNC7uXSSmC2tALONajPdupVf3TScb7zk";

/// An authorization server and an API behind it, both on loopback.
struct World {
    server: MockServer,
    clock: VirtualClock,
}

impl World {
    async fn new() -> Self {
        secrets::trace();
        Self { server: MockServer::start().await, clock: VirtualClock::new() }
    }

    fn builder(&self) -> Builder {
        OAuth::builder("client-id")
            .auth_url(format!("{}/login", self.server.uri()))
            .token_url(format!("{}/token", self.server.uri()))
            .clock(self.clock.clone())
            .http_client(direct())
    }

    /// The token endpoint's answers from now on, in this order; the last one is repeated.
    async fn token_endpoint(&self, answers: impl IntoIterator<Item = ResponseTemplate>) {
        let answers = Answers { answers: answers.into_iter().collect(), next: AtomicUsize::new(0) };
        Mock::given(method("POST")).and(path("/token")).respond_with(answers).mount(&self.server).await;
    }

    /// An API that accepts these access tokens and no others.
    async fn api(&self, good: &'static [&'static str]) {
        let me = move |request: &Request| {
            let authorization = request.headers["authorization"].to_str().expect("text").to_owned();
            if good.iter().any(|token| authorization == format!("Bearer {token}")) {
                ResponseTemplate::new(200)
                    .set_body_json(json!({"unread_room_num": 1, "mention_room_num": 0, "mytask_room_num": 0,
                        "unread_num": 2, "mention_num": 0, "mytask_num": 3}))
            } else {
                ResponseTemplate::new(401)
                    .insert_header("www-authenticate", r#"Bearer error="invalid_token""#)
                    .set_body_json(json!({"errors": ["Invalid API Token"]}))
            }
        };
        Mock::given(method("GET")).and(path("/my/status")).respond_with(me).mount(&self.server).await;
    }

    /// An authorization with an access token `old` of 900 s, and the refresh token `refresh-1`.
    fn authorization(&self, builder: Builder) -> Authorization {
        let oauth = builder.build().expect("good settings");
        let tokens = TokenSet::new("old").with_refresh_token("refresh-1");
        oauth.authorization(tokens.with_expiry(self.now() + Duration::from_secs(900))).expect("a good token")
    }

    fn client(&self, authorization: &Authorization) -> chatwork::Client {
        chatwork::Client::builder()
            .base_url(self.server.uri())
            .http_client(direct())
            .token_source(authorization.clone())
            .clock(self.clock.clone())
            .pace(Pace::off())
            .retry(RetryPolicy::none())
            .build()
            .expect("good settings")
    }

    fn now(&self) -> Timestamp {
        kaiwa::Clock::wall(&self.clock)
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The forms that the token endpoint received.
    async fn forms(&self) -> Vec<HashMap<String, String>> {
        self.requests("/token").await.iter().map(form).collect()
    }

    /// The access tokens that the API received.
    async fn bearers(&self) -> Vec<String> {
        let bearer = |request: &Request| {
            let header = request.headers["authorization"].to_str().expect("text");
            header.strip_prefix("Bearer ").expect("a bearer token").to_owned()
        };
        self.requests("/my/status").await.iter().map(bearer).collect()
    }

    async fn requests(&self, path: &str) -> Vec<Request> {
        let requests = self.server.received_requests().await.expect("the server records requests");
        requests.into_iter().filter(|request| request.url.path() == path).collect()
    }
}

/// Directly to the server, ignoring the environment's proxy.
fn direct() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy()
}

struct Answers {
    answers: Vec<ResponseTemplate>,
    next: AtomicUsize,
}

impl Respond for Answers {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let next = self.next.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1);
        self.answers[next].clone()
    }
}

fn form(request: &Request) -> HashMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

/// An answer of the token endpoint with an access token of 900 s.
fn issued(access_token: &str, refresh_token: Option<&str>) -> ResponseTemplate {
    answer(json!({"access_token": access_token, "refresh_token": refresh_token, "token_type": "Bearer",
        "expires_in": 900, "scope": "users.all:read"}))
}

fn answer(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn refused(status: u16, error: &str) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .set_body_json(json!({"error": error, "error_description": "it is an error", "error_uri": null}))
}

/// A store that records its calls, and that can be closed: calls then wait or fail.
#[derive(Clone, Default)]
struct Watched {
    inside: MemoryTokenStore,
    log: Arc<Mutex<Vec<String>>>,
    gate: Arc<Mutex<Option<tokio::sync::watch::Receiver<bool>>>>,
    waiting: Arc<AtomicUsize>,
    failure: Arc<Mutex<Option<&'static str>>>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

impl Watched {
    fn close(&self) -> tokio::sync::watch::Sender<bool> {
        let (sender, receiver) = tokio::sync::watch::channel(false);
        *self.gate.lock().expect("unpoisoned") = Some(receiver);
        sender
    }

    fn fail(&self, failure: Option<&'static str>) {
        *self.failure.lock().expect("unpoisoned") = failure;
    }

    /// Whether a call waits for the closed store.
    fn is_waited_for(&self) -> bool {
        let gate = self.gate.lock().expect("unpoisoned");
        gate.as_ref().is_some_and(|gate| !*gate.borrow() && self.waiting.load(Ordering::SeqCst) > 0)
    }

    fn saved(&self) -> Vec<String> {
        self.log.lock().expect("unpoisoned").clone()
    }

    async fn pass(&self) -> Result<(), StoreError> {
        let gate = self.gate.lock().expect("unpoisoned").clone();
        if let Some(mut gate) = gate {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let result = gate.wait_for(|open| *open).await.map(drop);
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            result?;
        }
        let failure = *self.failure.lock().expect("unpoisoned");
        match failure {
            Some("panic") => panic!("the store panics"),
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }
}

impl TokenStore for Watched {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        Box::pin(async {
            self.pass().await?;
            self.inside.load().await
        })
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async {
            self.pass().await?;
            let refresh = tokens.refresh_token.as_ref().map(secret).unwrap_or_default();
            let line = format!("{} {refresh}", secret(&tokens.access_token));
            self.log.lock().expect("unpoisoned").push(line);
            self.inside.save(tokens).await
        })
    }
}

fn secret(secret: &kaiwa::oauth::SecretString) -> String {
    kaiwa::oauth::ExposeSecret::expose_secret(secret).to_owned()
}
