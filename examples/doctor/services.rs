//! The three services, as far as a check needs to know them apart.

use kaiwa::{Error, Response, RetryPolicy, chatwork, lancers, tascha};
use reqwest::header::HeaderMap;
use std::env;
use std::time::Duration;

/// The time for a call: long enough for a slow proxy, short enough for a waiting person.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where a service and its credential are set.
pub struct Service {
    pub name: &'static str,
    pub variables: Option<Variables>,
    pub base_url: String,
}

pub struct Variables {
    pub credential: String,
    pub base_url: String,
    /// What the first one holds, if it is text; for checks, and never shown.
    pub secret: Option<String>,
    /// Whether the second one is set.
    pub is_elsewhere: bool,
}

impl Service {
    /// The service, if its credential is set.
    pub fn of_environment(name: &'static str, prefix: &str, credential: &str, usual: &str) -> Option<Self> {
        let (credential, base_url) = (format!("{prefix}_{credential}"), format!("{prefix}_BASE_URL"));
        env::var_os(&credential)?;
        let elsewhere = env::var_os(&base_url).map(|url| url.to_string_lossy().into_owned());
        let (secret, is_elsewhere) = (env::var(&credential).ok(), elsewhere.is_some());
        let variables = Variables { credential, base_url, secret, is_elsewhere };
        let base_url = elsewhere.unwrap_or_else(|| usual.to_owned());
        Some(Self { name, variables: Some(variables), base_url })
    }

    pub fn of_sandbox(name: &'static str, base_url: String) -> Self {
        Self { name, variables: None, base_url }
    }
}

/// What is known from a call that was answered.
pub struct Answered {
    /// Which call it was, and who the credential belongs to.
    pub call: &'static str,
    pub who: String,
    pub headers: HeaderMap,
}

impl Answered {
    fn new<T>(call: &'static str, who: String, response: &Response<T>) -> Self {
        Self { call, who, headers: response.headers().clone() }
    }
}

/// What a client of each service can be asked.
pub trait Patient {
    /// What is odd about a credential that can be sent, and what to do.
    fn oddity(_secret: &str) -> Option<(&'static str, &'static str)> {
        None
    }

    /// A cheap call that only reads.
    async fn call(&self) -> Result<Answered, Error>;

    /// What the credential may do.
    async fn scopes(&self) -> String;
}

/// What can stand in a header, and in no token of the services.
fn badly_copied(secret: &str) -> Option<(&'static str, &'static str)> {
    secret.contains([' ', '"', '\'', '<', '>']).then_some((
        "it has a space, a quotation mark or an angle bracket, as no token does",
        "Copy only the token.",
    ))
}

impl Patient for chatwork::Client {
    fn oddity(secret: &str) -> Option<(&'static str, &'static str)> {
        let bearer = (
            "it begins with `Bearer `, as no API token does",
            "Set the token alone; an OAuth2 token goes to `Client::builder().bearer(…)`.",
        );
        if secret.starts_with("Bearer ") { Some(bearer) } else { badly_copied(secret) }
    }

    async fn call(&self) -> Result<Answered, Error> {
        let me = self.me().with_retry(RetryPolicy::none()).with_timeout(TIMEOUT).await?;
        Ok(Answered::new("GET /me", format!("account {}", me.account_id), &me))
    }

    async fn scopes(&self) -> String {
        "an API token has all rights of its account; what it may do in a room depends on its role there"
            .to_owned()
    }
}

impl Patient for tascha::Client {
    fn oddity(secret: &str) -> Option<(&'static str, &'static str)> {
        let known = ["tcha_live_", "tcha_test_", "tcha_at_"];
        let cut = (
            "it does not begin with `tcha_live_`, `tcha_test_` or `tcha_at_`, as those of the service do",
            "Copy the whole key, as Settings, Developer shows it once.",
        );
        if known.iter().any(|prefix| secret.starts_with(prefix)) { badly_copied(secret) } else { Some(cut) }
    }

    async fn call(&self) -> Result<Answered, Error> {
        let me = self.me().with_retry(RetryPolicy::none()).with_timeout(TIMEOUT).await?;
        Ok(Answered::new("GET /me", format!("user {}", me.id), &me))
    }

    /// A refusal names all scopes that a key has, and nothing else does: asks until something is refused.
    async fn scopes(&self) -> String {
        let retry = RetryPolicy::none;
        let mut proven = vec!["me:read"];
        for scope in ["rooms:read", "organizations:read", "events:read"] {
            let refused = match scope {
                "rooms:read" => self.rooms().limit(1).with_retry(retry()).with_timeout(TIMEOUT).await.err(),
                "events:read" => self.events().with_retry(retry()).with_timeout(TIMEOUT).await.err(),
                _ => self.organizations().limit(1).with_retry(retry()).with_timeout(TIMEOUT).await.err(),
            };
            match refused {
                None => proven.push(scope),
                Some(error) => {
                    if let Some(granted) = granted(&error) {
                        return format!("{granted} (all of them)");
                    }
                }
            }
        }
        format!(
            "at least {}; a call that lacks one is refused, and `Error::details` lists them",
            proven.join(", ")
        )
    }
}

/// The granted scopes, from the refusal of a missing one.
pub fn granted(error: &Error) -> Option<String> {
    match &error.details()?["granted"] {
        serde_json::Value::String(scopes) => Some(scopes.clone()),
        serde_json::Value::Array(scopes) if scopes.is_empty() => Some("none".to_owned()),
        serde_json::Value::Array(scopes) => {
            Some(scopes.iter().filter_map(|scope| scope.as_str()).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

impl Patient for lancers::Client {
    fn oddity(secret: &str) -> Option<(&'static str, &'static str)> {
        (!secret.contains('=')).then_some((
            "it has no `=` in it, as a Cookie header does",
            "Copy the value of the whole Cookie header from a browser that is logged in, as in `name=value; other=value`.",
        ))
    }

    async fn call(&self) -> Result<Answered, Error> {
        let boards = self.boards().limit(1).with_retry(RetryPolicy::none()).with_timeout(TIMEOUT).await?;
        Ok(Answered::new("GET /boards", "a session".to_owned(), &boards))
    }

    async fn scopes(&self) -> String {
        "a session has all rights of its user".to_owned()
    }
}
