//! Puts a canary in every place for a secret, and searches everything that is printed.

use super::*;
use std::fmt::Write;
use std::sync::LazyLock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Everything that is traced at any level, by any crate and in any test: a callsite that is first used without a
/// subscriber would stay off.
static TRACED: LazyLock<Everything> = LazyLock::new(|| {
    let everything = Everything::default();
    tracing::subscriber::set_global_default(everything.clone()).expect("this is the only subscriber");
    everything
});

#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

pub fn trace() {
    LazyLock::force(&TRACED);
}

impl Visit for &Everything {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().expect("unpoisoned"), "{field}={value:?}").expect("a String takes all");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut &*self);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut &*self);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn sources(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    if let Some(source) = error.source() {
        text += &sources(source);
    }
    text
}

#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let mut seen = String::new();

    let world = World::new().await;
    world.api(&["canary-access-3"]).await;
    let echo = |status, secret: &str| {
        ResponseTemplate::new(status).insert_header("set-cookie", "session=canary-cookie").set_body_json(
            json!({"error": "invalid_request", "error_description": format!("no: {secret}\n")}),
        )
    };
    world
        .token_endpoint([
            // Services that repeat the request.
            echo(400, "canary-code"),
            echo(400, VERIFIER),
            echo(401, "canary-client-secret"),
            answer(json!({"access_token": {"canary-access-0": 1}})),
            answer(json!("canary-access-0")),
            ResponseTemplate::new(500).set_body_string("canary-body"),
            issued("canary-access-1", Some("canary-refresh-1")),
            echo(400, "canary-refresh-1"),
            echo(400, "canary-access-1"),
            answer(json!({"access_token": "canary\naccess-2", "refresh_token": "canary-refresh-2"})),
            issued("canary-access-3", Some("canary-refresh-3")),
        ])
        .await;
    let store = Watched::default();
    let builder = world
        .builder()
        .client_secret("canary-client-secret")
        .token_url(format!("{}/token?key=canary-query", world.server.uri()))
        .redirect_url("https://bot.example.com/callback")
        .store(store.clone());
    let stored = MemoryTokenStore::new();
    stored.save(&TokenSet::new("canary-stored")).await.expect("saved");
    write!(seen, "{builder:?} {:?}", world.builder().store(stored.clone())).expect("text");
    let oauth = builder.build().expect("good settings");
    let login = oauth.resume_login("canary-state", VERIFIER).expect("good");
    write!(seen, "{oauth:?} {login:?} {:?} {:?}", login.state(), login.verifier()).expect("text");

    for _ in 0..6 {
        let error = login.finish("canary-code", "canary-state").await.expect_err("refused");
        seen += &sources(&error);
    }
    for redirect in [
        "https://canary-host/?code=canary-code&state=another",
        "https://canary-host/?code=canary-code&code=canary-code&state=canary-state",
        "https://canary-host/?error=canary-state&error_description=canary-state&state=canary-state",
    ] {
        seen += &sources(&login.finish_redirect(redirect).await.expect_err("refused"));
    }
    seen += &sources(&oauth.resume_login("canary-state", "canary-verifier").expect_err("too short"));

    store.fail(Some("canary-access-1 canary-refresh-1"));
    let authorization = login.finish("canary-code", "canary-state").await.expect("tokens");
    seen += &sources(&authorization.save().await.expect_err("the store fails"));
    store.fail(None);
    write!(seen, "{authorization:?} {authorization:#?} {:?}", authorization.tokens()).expect("text");
    let client = world.client(&authorization);
    for _ in 0..3 {
        seen += &sources(&authorization.refresh().await.expect_err("refused"));
    }
    world.advance(60);
    client.my_status().await.expect("renewed in the end");
    write!(seen, "{client:?} {authorization:?} {stored:?}").expect("text");

    let traced = TRACED.0.lock().expect("unpoisoned").clone();
    assert!(traced.contains("the tokens cannot be saved"), "the subscriber is at work");
    assert!(traced.contains("access token renewed"), "also in the task of the refresh");
    for text in [&seen, &traced] {
        for canary in ["canary", VERIFIER, "Y2xpZW50LWlkOmNhbmFyeS1jbGllbnQtc2VjcmV0"] {
            let found = text.find(canary).map(|at| &text[at.saturating_sub(100)..(at + 100).min(text.len())]);
            assert_eq!(found, None, "{canary}");
        }
    }
}
