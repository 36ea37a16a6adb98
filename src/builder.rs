//! Building a client.

use crate::client::{Client, Service};
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::event::{CallEvent, EventHook};
use crate::request::header;
use crate::transport::Transport;
use crate::transport::auth::{Credential, check_url};
use crate::transport::http_client::HttpSettings;
use crate::transport::pace::Pace;
use crate::transport::redact::{Redactor, may_be_secret};
use crate::transport::retry::{RetryBudget, RetryPolicy};
use crate::transport::settings::Settings;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::SecretString;
use std::env::VarError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A list of messages has up to 100 of 65,535 characters, each of which JSON may write in 12 bytes: 79 MB. One room of such
/// messages must not stop a bot.
const MAX_BODY: usize = 96 << 20;

/// Settings of a client that is being built.
///
/// | setting | default |
/// |---|---|
/// | [`timeout`](Self::timeout), of the whole call | 150 s |
/// | [`attempt_timeout`](Self::attempt_timeout) | 30 s |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`retry`](Self::retry) | [`RetryPolicy::new`] |
/// | [`pace`](Self::pace) | [`Pace::new`] |
/// | [`max_body`](Self::max_body) | 96 MiB |
/// | [`idle_timeout`](Self::idle_timeout) | 45 s |
/// | [`fresh_connections`](Self::fresh_connections) | off |
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder<S: Service> {
    credential: Option<Result<Credential, Error>>,
    base_url: String,
    http: Option<reqwest::ClientBuilder>,
    user_agent: Option<String>,
    headers: Vec<Result<(HeaderName, HeaderValue), String>>,
    timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    connect_timeout: Duration,
    retry: RetryPolicy,
    retry_budget: RetryBudget,
    pace: Pace,
    max_body: usize,
    idle_timeout: Duration,
    fresh_connections: bool,
    clock: Arc<dyn Clock>,
    key_generator: Arc<dyn Fn() -> String + Send + Sync>,
    events: Option<EventHook>,
    /// The state from the service's own settings.
    pub(crate) state: S::State,
}

impl<S: Service> ClientBuilder<S> {
    pub(crate) fn new() -> Self {
        Self {
            credential: None,
            base_url: S::PROFILE.base_url.to_owned(),
            http: None,
            user_agent: None,
            headers: Vec::new(),
            timeout: Some(Duration::from_secs(150)),
            attempt_timeout: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
            retry_budget: RetryBudget::default(),
            pace: Pace::default(),
            max_body: MAX_BODY,
            idle_timeout: Duration::from_secs(45),
            fresh_connections: false,
            clock: Arc::new(SystemClock),
            key_generator: Arc::new(|| format!("kaiwa-{}", uuid::Uuid::new_v4())),
            events: None,
            state: S::State::default(),
        }
    }

    /// A builder with the credential and, if set, the base URL from the service's environment variables.
    pub(crate) fn from_env(
        credential: impl FnOnce(&SecretString) -> Result<Credential, Error>,
    ) -> Result<Self, Error> {
        Self::from_variables(credential, |name| std::env::var(name))
    }

    fn from_variables(
        credential: impl FnOnce(&SecretString) -> Result<Credential, Error>,
        variable: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Self, Error> {
        let read = |name: &str| match variable(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                Err(Error::config(format!("the environment variable {name} is not valid Unicode")))
            }
        };
        let (name, service) = (S::PROFILE.variable, S::PROFILE.name);
        let Some(secret) = read(name)? else {
            let problem =
                format!("the environment variable {name} is not set; set it to your {service} credential");
            return Err(Error::config(problem));
        };
        // The error names the variable, which is to be corrected.
        let credential = credential(&secret.into()).map_err(|error| {
            Error::config(format!("in the environment variable {name}, {}", error.kind()))
        })?;
        let builder = Self::new().with_credential(Ok(credential));
        let name = S::PROFILE.base_url_variable;
        match read(name)? {
            Some(url) => {
                let what = format!("the base URL in the environment variable {name}");
                parse_base_url(&what, &url)?;
                Ok(builder.base_url(url))
            }
            None => Ok(builder),
        }
    }

    pub(crate) fn with_credential(mut self, credential: Result<Credential, Error>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// The service's address: `https`, or plain `http` on loopback. Its path is prefixed to every operation's path.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The time for a whole call, with all its waits and attempts. `None` sets no limit.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// The time for one attempt, from connecting to the end of the response. `None` sets no limit.
    ///
    /// If it ends before a response came, it is unknown whether the request was received. Connecting therefore has a shorter
    /// limit: see [`connect_timeout`](Self::connect_timeout). A call with less time than a connection takes counts as not
    /// sent if its body was not read when it ends.
    pub fn attempt_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = timeout.into();
        self
    }

    /// The time to open a connection; at most nine tenths of the attempt's and of the call's time, so that a failed
    /// connection is distinguished from a missing response.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How calls are retried.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The retries that all calls may make together. Several clients can share a budget.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = budget;
        self
    }

    /// The limits that the client keeps by waiting before it sends.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The HTTP client's settings: proxies, certificates, pools.
    ///
    /// It takes a builder and not a client, because this crate sets the redirect policy: if a request is redirected to
    /// another origin, reqwest removes only the headers that it knows, and `x-chatworktoken` is not one of them.
    pub fn http_client(mut self, http: reqwest::ClientBuilder) -> Self {
        self.http = Some(http);
        self
    }

    /// The `User-Agent`, instead of `kaiwa/` and the version. Name your bot in it.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.user_agent = Some(agent.into());
        self
    }

    /// A header of every request, such as one that a gateway requires. A later header of the same name replaces it, and
    /// [`with_header`](crate::Request::with_header) replaces it for one call. The crate never shows the value. If a service
    /// repeats it, it is taken out of the error, if it has 8 characters or more and the header is not one of those with
    /// ordinary words: `Accept` and its like, `Cache-Control`, `Content-Language`, `Content-Type`, `Pragma`, `User-Agent`,
    /// `traceparent`, `tracestate`.
    ///
    /// [`build`](Self::build) fails if HTTP does not allow the name or the value, or if each request sets the header itself:
    /// the headers of the message's framing, `Content-Type`, `X-Request-Id`, `Idempotency-Key`, and the credential's. It also
    /// fails for a value that is not ASCII, and for a name of 20 letters and digits or more without a hyphen or an
    /// underscore: that is a secret in the place of the name.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        // The name may be the value, passed in the wrong position.
        let number = self.headers.len() + 1;
        let header = header(name.as_ref(), value.as_ref());
        self.headers
            .push(header.map_err(|problem| format!("`header` number {number} of the builder {problem}")));
        self
    }

    /// The credential in any header, instead of the service's usual one. [`build`](Self::build) fails for the names and values
    /// that [`header`](Self::header) refuses.
    pub fn credential_header(self, name: impl AsRef<str>, value: impl Into<SecretString>) -> Self {
        self.with_credential(Credential::own_header(name.as_ref(), &value.into()))
    }

    /// The largest response, in bytes; a larger one is an error. The default holds the longest list of messages that Chatwork
    /// can send.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How long an idle connection is kept. It should be shorter than what servers and load balancers allow, 60 s and more:
    /// a request over a connection that is just being closed has an unknown outcome.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sends each write over a new connection. Off by default.
    ///
    /// HTTP/1.1 has no ids that match responses to requests: on a kept connection, an extra response of a broken proxy or
    /// server counts as the response to the next request. In a test with extra responses, up to 400 µs late, 14 to 30 % of
    /// the posts over kept connections had a wrong result, and none of 2,000 over new ones. With HTTP/2 this cannot happen. It
    /// costs a connection and a TLS handshake for each write; with your own [`http_client`](Self::http_client), for each read
    /// as well.
    pub fn fresh_connections(mut self, fresh: bool) -> Self {
        self.fresh_connections = fresh;
        self
    }

    /// The clock for times and waits; a [`VirtualClock`](crate::VirtualClock) in tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the idempotency keys of calls without one. It must return 1 to 255 visible ASCII characters, never the same
    /// twice. The default is a random UUID.
    pub fn idempotency_keys(mut self, generator: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.key_generator = Arc::new(generator);
        self
    }

    /// A function that gets the events of all calls: each wait for a limit, each attempt, each retry, and the end. It runs
    /// within the call, so it must be fast; a panic of it is logged. A later function replaces it. Without one, calls cost
    /// nothing more. The requests for OAuth tokens are not calls of the client, and have no events.
    ///
    /// ```
    /// use kaiwa::{CallEventKind, chatwork};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// # fn main() -> Result<(), kaiwa::Error> {
    /// let retries = Arc::new(AtomicU64::new(0));
    /// let counted = Arc::clone(&retries);
    /// let client = chatwork::Client::builder()
    ///     .api_token("a token")
    ///     .on_event(move |event| match &event.kind {
    ///         CallEventKind::Retry { .. } => drop(counted.fetch_add(1, Ordering::Relaxed)),
    ///         CallEventKind::Failed { outcome, error, .. } => println!("{}: {error}, {outcome:?}", event.operation),
    ///         _ => {}
    ///     })
    ///     .build()?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_event(mut self, report: impl Fn(&CallEvent) + Send + Sync + 'static) -> Self {
        self.events = Some(EventHook::new(report));
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a necessary credential is missing or has characters that a header
    /// cannot hold, if the base URL is not `https` (or `http` on loopback), or if TLS cannot be set up.
    pub fn build(self) -> Result<S::Client, Error> {
        let credential = self.credential.transpose()?;
        if credential.is_none() && !S::PROFILE.credential_optional {
            let problem = format!(
                "there is no credential; set one on the builder, or set {} and use `from_env`",
                S::PROFILE.variable
            );
            return Err(Error::config(problem));
        }
        let headers = default_headers(self.headers, credential.as_ref())?;
        let secrets = headers.iter().filter(|(name, _)| may_be_secret(name)).map(|(_, value)| value);
        let fixed = credential.as_ref().and_then(Credential::header_value);
        let redactor = Redactor::of_headers(fixed.into_iter().chain(secrets));
        let base = parse_base_url("the base URL", &self.base_url)?;
        let http = HttpSettings {
            user_agent: self.user_agent,
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            shortest: [self.attempt_timeout, self.timeout].into_iter().flatten().min(),
            url: &base,
        };
        let connect_timeout = http.connect_timeout();
        let http = http.clients(self.http, self.fresh_connections)?;
        let transport = Transport::new(Settings {
            profile: S::PROFILE,
            http,
            base_text: base.as_str().trim_end_matches('/').to_owned(),
            base,
            credential,
            headers,
            redactor,
            clock: self.clock,
            retry: self.retry,
            retry_budget: self.retry_budget,
            pace: self.pace,
            timeout: self.timeout,
            attempt_timeout: self.attempt_timeout,
            connect_timeout,
            max_body: self.max_body,
            key_generator: self.key_generator,
            events: self.events,
        });
        Ok(Client::new(transport, self.state).into())
    }
}

/// The headers of every request, without those that each request sets itself.
fn default_headers(
    headers: Vec<Result<(HeaderName, HeaderValue), String>>,
    credential: Option<&Credential>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let own = |(name, value): (HeaderName, HeaderValue)| {
        let problem = if credential.is_some_and(|credential| *credential.header_name() == name) {
            "names the credential's header; set the credential by its own method, or by `credential_header`"
        } else if name == CONTENT_TYPE {
            "names the type of the body, which each request sets itself; use `with_header`"
        } else {
            return Ok((name, value));
        };
        Err(format!("`header` {problem}"))
    };
    headers.into_iter().map(|header| header.and_then(own).map_err(Error::config)).collect()
}

/// The base URL, which must be encrypted or on this machine.
fn parse_base_url(what: &str, url: &str) -> Result<Url, Error> {
    // The text stays out of the error: it can hold a password.
    if !url.contains("://") {
        return Err(Error::config(format!(
            "{what} does not begin with `https://` (or `http://` on loopback)"
        )));
    }
    let url: Url = url.parse().map_err(|error| {
        Error::config(format!("{what} is not a valid URL such as `https://host/path`: {error}"))
    })?;
    check_url(what, &url)?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if url.query().is_some() || url.fragment().is_some() || has_user {
        return Err(Error::config(format!(
            "{what} has a query, a fragment or a user; write only scheme, host and path"
        )));
    }
    Ok(url)
}

impl<S: Service> fmt::Debug for ClientBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("service", &S::PROFILE.name)
            .field("base_url", &shown(&self.base_url))
            .finish_non_exhaustive()
    }
}

/// A base URL that was not checked yet, without possible secrets.
fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.has_host() => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        _ => "(not a valid URL)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chatwork::Chatwork;
    use std::ffi::OsString;

    fn read(variables: &[(&str, &str)]) -> Result<ClientBuilder<Chatwork>, Error> {
        let credential = |secret: &SecretString| Credential::header("x-chatworktoken", "", secret);
        ClientBuilder::from_variables(credential, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn the_environment_sets_the_credential_and_optionally_the_base_url() {
        let token = ("CHATWORK_API_TOKEN", "canary-1234");
        let missing = read(&[]).expect_err("there is no token").to_string();
        assert!(missing.contains("CHATWORK_API_TOKEN is not set"), "{missing}");
        let builder = read(&[token]).expect("a builder");
        assert_eq!(builder.base_url, "https://api.chatwork.com/v2");
        for good in ["http://127.0.0.1:4010/v2", "http://[::1]:4010/v2", "https://staging.example/v2"] {
            let builder = read(&[token, ("CHATWORK_BASE_URL", good)]).expect(good);
            assert_eq!(builder.base_url, good);
            builder.build().expect(good);
        }
        for bad in ["http://staging.example/v2", "staging.example", "", "https://user:canary-pass@host/"] {
            let error = read(&[token, ("CHATWORK_BASE_URL", bad)]).expect_err(bad).to_string();
            assert!(error.contains("environment variable CHATWORK_BASE_URL"), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
        let odd = ClientBuilder::<Chatwork>::from_variables(
            |secret| Credential::header("x-chatworktoken", "", secret),
            |_| Err(VarError::NotUnicode(OsString::new())),
        );
        assert!(odd.expect_err("no text").to_string().contains("not valid Unicode"));
    }

    #[test]
    fn a_builder_shows_no_secret_of_its_base_url() {
        for url in ["https://user:canary@host/v2?key=canary", "canary", "data:canary", "https://host/#canary"]
        {
            let shown = format!("{:?}", ClientBuilder::<Chatwork>::new().base_url(url));
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
