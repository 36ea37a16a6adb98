//! The three services, as far as the checks differ between them.

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
    /// The credential, if it is text. It is checked and never shown.
    pub secret: Option<String>,
    /// Whether the variable for the base URL is set.
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

/// The results of a call that was answered.
pub struct Answered {
    /// The call, and the owner of the credential.
    pub call: &'static str,
    pub who: String,
    pub headers: HeaderMap,
}

impl Answered {
    fn new<T>(call: &'static str, who: String, response: &Response<T>) -> Self {
        Self { call, who, headers: response.headers().clone() }
    }
}

/// The checks that a client of each service provides.
pub trait Patient {
    /// An anomaly of a credential that can be sent, and what to do about it.
    fn oddity(_secret: &str) -> Option<(&'static str, &'static str)> {
        None
    }

    /// A cheap call that only reads.
    async fn call(&self) -> Result<Answered, Error>;

    /// The rights of the credential.
    async fn scopes(&self) -> String;
}

/// The characters that a header allows, but no token of the services has.
fn badly_copied(secret: &str) -> Option<(&'static str, &'static str)> {
    secret.contains([' ', '"', '\'', '<', '>']).then_some((
        "it contains a space, a quotation mark or an angle bracket, which no token has",
        "Copy only the token.",
    ))
}

impl Patient for chatwork::Client {
    fn oddity(secret: &str) -> Option<(&'static str, &'static str)> {
        let bearer = (
            "it begins with `Bearer `, but no API token does",
            "Set the token alone; pass an OAuth2 token to `Client::builder().bearer(…)`.",
        );
        if secret.starts_with("Bearer ") { Some(bearer) } else { badly_copied(secret) }
    }

    async fn call(&self) -> Result<Answered, Error> {
        let me = self.me().with_retry(RetryPolicy::none()).with_timeout(TIMEOUT).await?;
        Ok(Answered::new("GET /me", format!("account {}", me.account_id), &me))
    }

    async fn scopes(&self) -> String {
        "an API token has all rights of its account; in a room they depend on the account's role there"
            .to_owned()
    }
}

impl Patient for tascha::Client {
    fn oddity(secret: &str) -> Option<(&'static str, &'static str)> {
        let known = ["tcha_live_", "tcha_test_", "tcha_at_"];
        let cut = (
            "it does not begin with `tcha_live_`, `tcha_test_` or `tcha_at_`, unlike all tokens of the service",
            "Copy the whole key. Settings, Developer shows it only once.",
        );
        if known.iter().any(|prefix| secret.starts_with(prefix)) { badly_copied(secret) } else { Some(cut) }
    }

    async fn call(&self) -> Result<Answered, Error> {
        let me = self.me().with_retry(RetryPolicy::none()).with_timeout(TIMEOUT).await?;
        Ok(Answered::new("GET /me", format!("user {}", me.id), &me))
    }

    /// Only a refusal names all scopes of a key, so calls are made until one is refused.
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
            "at least {}; a call without its scope is refused, and `Error::details` lists the key's scopes",
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
            "it contains no `=`, but a Cookie header does",
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
