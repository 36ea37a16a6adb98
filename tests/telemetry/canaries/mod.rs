//! A walk through the public types with a canary in every place for a secret: credentials of every kind, those that a
//! service repeats, base URLs, bodies of answers, addresses and codes that grant access, stores, webhooks.

mod around;
mod calls;
mod survivors;

use crate::secrets::Printed;
use crate::server::Step;
use kaiwa::Error;
use serde_json::json;
use std::any::type_name;
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

/// The planted secrets and the printed texts.
#[derive(Default)]
struct Walk {
    shown: String,
    planted: BTreeSet<String>,
    types: BTreeSet<String>,
    texts: usize,
    panicked: bool,
}

impl Walk {
    /// A unique secret, as long as a real one.
    fn plant(&mut self, kind: &str) -> String {
        let secret = format!("canary-{kind}-7f3a");
        self.planted.insert(secret.clone());
        secret
    }

    /// Another form of a secret.
    fn also(&mut self, form: impl Into<String>) {
        self.planted.insert(form.into());
    }

    fn debug<T: Debug>(&mut self, value: &T) {
        self.text::<T>(format!("{value:?}\n{value:#?}"));
    }

    fn both<T: Debug + Display>(&mut self, value: &T) {
        self.text::<T>(format!("{value}\n{value:#}\n{value:?}\n{value:#?}"));
    }

    /// An error with all its texts and sources.
    fn error(&mut self, error: Error) -> Error {
        self.both(&error);
        self.debug(error.kind());
        self.both(error.kind());
        self.debug(&(error.code(), error.messages(), error.request_id(), error.details(), error.outcome()));
        self.debug(&(error.resend(), error.conflict(), error.rate_limit().cloned()));
        self.chain(&error);
        if !self.panicked {
            // A panic shows the same for all of them: one is enough, since each is printed.
            self.panicked = true;
            let unwrap = std::panic::AssertUnwindSafe(|| panic!("a user's unwrap: {error:?}"));
            let panic = std::panic::catch_unwind(unwrap).expect_err("it panics");
            self.shown += panic.downcast_ref::<String>().expect("a formatted panic");
        }
        error
    }

    fn chain(&mut self, error: &dyn std::error::Error) {
        let mut source = error.source();
        while let Some(cause) = source {
            self.shown += &format!("{cause} {cause:?} {cause:#?}\n");
            source = cause.source();
        }
    }

    fn text<T>(&mut self, text: String) {
        self.texts += 1;
        self.shown += &text;
        self.shown.push('\n');
        // The types in the name of this type: `Request<Raw>` has two.
        let name = type_name::<T>();
        let words = name.split(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_'));
        self.types.extend(words.filter(|word| word.starts_with("kaiwa::")).map(str::to_owned));
    }
}

/// Answers that repeat the secret in every text.
fn echoes(secret: &str) -> Vec<Step> {
    let json = |status: u16, body: serde_json::Value| {
        let step = Step::Answer(status, Vec::new(), body.to_string());
        step.header("x-request-id", secret).header("set-cookie", format!("s={secret}"))
    };
    let split = format!("{}\u{0}\n\u{200b}{}", &secret[..9], &secret[9..]);
    let upper = secret.to_uppercase();
    vec![
        json(400, json!({ "errors": [secret, split], "error": secret, "error_description": upper })),
        json(401, json!({ "code": secret, "message": format!("no {secret}"), "requestId": secret })),
        json(403, json!({ "error": { "code": secret, "message": split, "details": { secret: [secret] } } })),
        json(404, json!({ "type": secret, "message": secret })),
        json(409, json!({ "code": format!("version_{secret}"), "message": secret })),
        json(429, json!({ "errors": [format!("slow down, {secret}")] })).header("retry-after", secret),
        json(500, json!({ "errors": { secret: secret } })),
        Step::status(502).body(&format!("<html>{secret}</html>")),
        json(200, json!({ "account_id": secret, "data": secret, secret: [secret] })),
        json(200, json!([{ "room_id": secret }])),
        Step::ok(&format!("<html>{secret}")),
        Step::status(307).header("location", format!("http://127.0.0.1:1/?t={secret}")),
        Step::status(302).header("location", format!("https://{}.sso.example/", secret.replace('_', "-"))),
        Step::status(403).header("content-type", format!("text/{secret}")).body("<html>"),
        Step::ok("<html>").header("content-type", format!("text/{secret}")),
        Step::ok("<html>").header("content-encoding", secret),
        Step::status(403).header("content-encoding", format!("x{secret}")).body("<html>"),
        Step::ok(&json!({ "message_id": secret }).to_string()).cut(),
        Step::ReadThenReset,
    ]
}

#[tokio::test]
async fn no_planted_secret_is_shown_by_any_type() {
    let _listening = crate::LISTENING.lock().await;
    let printed = Printed::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(printed.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut walk = Walk::default();

    calls::credentials(&mut walk).await;
    calls::settings(&mut walk).await;
    calls::answers(&mut walk).await;
    calls::lists(&mut walk).await;
    around::oauth(&mut walk).await;
    around::webhooks(&mut walk).await;
    around::bots(&mut walk).await;
    around::outboxes(&mut walk).await;
    survivors::bots(&mut walk).await;
    around::sandboxes(&mut walk).await;

    let Walk { shown, planted, types, texts, .. } = walk;
    let traced = printed.text();
    assert!(traced.contains("/rooms/{room_id}/messages"), "the subscriber is at work");
    let mut found = BTreeSet::new();
    for (place, text) in [("shown", shown.to_lowercase()), ("traced", traced.to_lowercase())] {
        for secret in &planted {
            if let Some(at) = text.find(&secret.to_lowercase()) {
                let (start, end) = (text.floor_char_boundary(at.saturating_sub(300)), at + secret.len());
                found.insert(format!("{place}: {secret}: …{}…", &text[start..end]));
            }
        }
        // Parts of a split secret, and secrets that were planted by hand.
        if let Some(at) = text.find("canary") {
            let (start, end) = (at.saturating_sub(200), (at + 60).min(text.len()));
            let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
            found.insert(format!("{place}: …{}…", &text[start..end]));
        }
    }
    println!(
        "types walked: {}, secrets planted: {}, texts: {texts} ({} kB) and {} kB of traces, found: {}",
        types.len(),
        planted.len(),
        shown.len() / 1000,
        traced.len() / 1000,
        found.len()
    );
    assert!(found.is_empty(), "{found:#?}");
    let forgotten = forgotten(&types);
    assert!(forgotten.is_empty(), "public types without a canary: {forgotten:#?}");
}

/// The public types that were not printed, but should have been.
fn forgotten(walked: &BTreeSet<String>) -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.clone()];
    let mut missing = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("it can be listed");
            files.extend(entries.map(|entry| entry.expect("it can be read").path()));
            continue;
        }
        let place = path.strip_prefix(&root).expect("it is below").with_extension("");
        let place: Vec<_> = place.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let module = place.join("::");
        let module = module.strip_suffix("::mod").unwrap_or(&module);
        if path.extension().is_none_or(|extension| extension != "rs")
            || BARE.iter().any(|part| module.starts_with(part))
        {
            continue;
        }
        let file = syn::parse_file(&std::fs::read_to_string(&path).expect("it is text")).expect("it is Rust");
        for item in file.items {
            let (name, visibility) = match item {
                syn::Item::Struct(item) => (item.ident, item.vis),
                syn::Item::Enum(item) => (item.ident, item.vis),
                _ => continue,
            };
            let name = format!("kaiwa::{module}::{name}");
            let public = matches!(visibility, syn::Visibility::Public(_));
            if public && !walked.contains(&name) && !WITHOUT_SECRETS.contains(&&*name) {
                missing.push(name);
            }
        }
    }
    missing.sort();
    missing
}

/// Modules without secrets: the generator, the notation of messages, which is only text, and the public data of the
/// sandbox's services. `guide` has no types, and `generated` has those of the specifications.
const BARE: &[&str] = &[
    // tests/commands plants tokens in variables and defaults.
    "chatwork::bot::commands",
    "codegen",
    "guide",
    "generated",
    "chatwork::notation",
    // tests/services shows it a password.
    "store",
    "sandbox::chatwork::model",
    "sandbox::tascha::model",
    "sandbox::tascha::error",
    "sandbox::tascha::page",
    "sandbox::lancers::model",
];

/// Public types that contain no text of a service or of a user's settings, or that cannot be named outside the crate.
const WITHOUT_SECRETS: &[&str] = &[
    // tests/commands has it; it shows what its context shows.
    "kaiwa::bot::command::DurableCommand",
    "kaiwa::chatwork::client::Shared",
    "kaiwa::chatwork::watch::event::Hidden",
    "kaiwa::lancers::boards::PartNames",
    "kaiwa::lancers::zone::Zone",
    "kaiwa::limits::Units",
    "kaiwa::outbox::rendered::RenderedRequest",
    // tests/services shows it keys and texts.
    "kaiwa::outbox::sqlite::SqliteOutboxStore",
    "kaiwa::outbox::entry::Claim",
    "kaiwa::outbox::entry::Filter",
    "kaiwa::outbox::entry::Phase",
    "kaiwa::page::place::ItemPosition",
    "kaiwa::page::place::PageRequest",
    "kaiwa::page::place::PageStart",
    "kaiwa::page::place::PagingMode",
    "kaiwa::profile::Profile",
    "kaiwa::event::BudgetKind",
    "kaiwa::progress::Progress",
    "kaiwa::proxy::Proxy",
    "kaiwa::sandbox::chatwork::view::Member",
    "kaiwa::sandbox::provider::Provider",
    "kaiwa::sandbox::chatwork::oauth::Consent",
    "kaiwa::transport::Transport",
    "kaiwa::transport::pace::memory::MemoryBudgetStore",
    "kaiwa::transport::pace::store::Budget",
    "kaiwa::transport::pace::store::Denied",
    "kaiwa::transport::pace::store::Lease",
    "kaiwa::transport::pace::store::Settlement",
    "kaiwa::transport::payload::Capture",
    "kaiwa::transport::payload::Encoder",
    "kaiwa::transport::payload::Payload",
    "kaiwa::wire::decode::DecodeFailure",
    "kaiwa::wire::encode::Flag",
];
