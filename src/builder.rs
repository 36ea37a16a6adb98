//! Building a client.

use crate::error::{Error, ServiceError};
use crate::transport::auth::{Credential, check_base_url};
use crate::transport::clock::{Clock, SystemClock};
use crate::transport::pace::Pace;
use crate::transport::retry::{RetryBudget, RetryPolicy};
use crate::transport::{Settings, Transport};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// One of the services that a client can be built for. Sealed: the services are those of this crate.
pub trait Service: sealed::Sealed {
    /// The service's client.
    type Client;
}

pub(crate) mod sealed {
    use super::{Arc, ServiceError, Transport};

    /// What a service differs in, as far as the builder and the transport are concerned.
    pub trait Sealed: Sized {
        const NAME: &'static str;
        const BASE_URL: &'static str;
        /// The environment variable that `from_env` reads.
        const VARIABLE: &'static str;
        /// Whether a client without a credential makes sense.
        const CREDENTIAL_OPTIONAL: bool;
        /// Whether the service takes over request ids.
        const REQUEST_IDS: bool;
        /// What an error body of the service says, field by field: one that is not as expected spoils no other.
        fn error_body(body: &serde_json::Value) -> ServiceError;
        fn client(transport: Arc<Transport>) -> <Self as super::Service>::Client
        where
            Self: super::Service;
    }
}

/// Settings of a client that is being built.
///
/// | setting | default |
/// |---|---|
/// | [`timeout`](Self::timeout), of the whole call | 150 s |
/// | [`attempt_timeout`](Self::attempt_timeout) | 30 s |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`retry`](Self::retry) | [`RetryPolicy::new`] |
/// | [`pace`](Self::pace) | [`Pace::new`] |
/// | [`max_body`](Self::max_body) | 16 MiB |
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder<S> {
    credential: Option<Result<Credential, Error>>,
    base_url: String,
    http: Option<reqwest::ClientBuilder>,
    user_agent: Option<String>,
    timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    connect_timeout: Duration,
    retry: RetryPolicy,
    retry_budget: RetryBudget,
    pace: Pace,
    max_body: usize,
    clock: Arc<dyn Clock>,
    zone: Option<TimeZone>,
    key_generator: Arc<dyn Fn() -> String + Send + Sync>,
    service: PhantomData<fn() -> S>,
}

impl<S: Service> ClientBuilder<S> {
    pub(crate) fn new() -> Self {
        Self {
            credential: None,
            base_url: S::BASE_URL.to_owned(),
            http: None,
            user_agent: None,
            timeout: Some(Duration::from_secs(150)),
            attempt_timeout: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
            retry_budget: RetryBudget::default(),
            pace: Pace::default(),
            max_body: 16 << 20,
            clock: Arc::new(SystemClock),
            zone: None,
            key_generator: Arc::new(|| format!("kaiwa-{}", uuid::Uuid::new_v4())),
            service: PhantomData,
        }
    }

    /// A builder with the credential from the service's environment variable.
    pub(crate) fn from_env(
        credential: impl FnOnce(&SecretString) -> Result<Credential, Error>,
    ) -> Result<Self, Error> {
        let name = S::VARIABLE;
        match std::env::var(name) {
            Ok(secret) => Ok(Self::new().with_credential(credential(&secret.into()))),
            Err(std::env::VarError::NotPresent) => {
                let service = S::NAME;
                Err(Error::config(format!(
                    "the environment variable {name} is not set; set it to your {service} credential"
                )))
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Error::config(format!("the environment variable {name} is not valid Unicode")))
            }
        }
    }

    pub(crate) fn with_credential(mut self, credential: Result<Credential, Error>) -> Self {
        self.credential = Some(credential);
        self
    }

    #[cfg(feature = "lancers")]
    pub(crate) fn zone(mut self, zone: TimeZone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Where the service is: `https`, or plain `http` on loopback. A path in it comes before every operation's path.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The time for a whole call, with all its waits and attempts. `None` lets it take as long as it needs.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// The time for one attempt, from connecting to the end of the answer. `None` sets no bound.
    ///
    /// When it ends before an answer came, nobody knows whether the request was received, so that connecting is
    /// given less: see [`connect_timeout`](Self::connect_timeout). A call that is given less time than a connection, and
    /// has a body that no connection has asked for when it ends, is known not to have been sent.
    pub fn attempt_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = timeout.into();
        self
    }

    /// The time for a connection to come up; at most nine tenths of the attempt's and of the call's time, so that a connection that
    /// never comes up is known as one.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How calls are retried.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// What all calls may spend on retries together. A budget given to several clients is spent by all of them.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = budget;
        self
    }

    /// Which limits the client keeps to of itself, by waiting before it sends.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The HTTP client's settings: proxies, certificates, pools.
    ///
    /// A builder and not a client, because the redirect policy has to be ours: reqwest takes only the headers that it
    /// knows off a request that is redirected to another origin, and `x-chatworktoken` is not one of them.
    pub fn http_client(mut self, http: reqwest::ClientBuilder) -> Self {
        self.http = Some(http);
        self
    }

    /// The `User-Agent`, instead of `kaiwa/` and the version. Name your bot in it.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.user_agent = Some(agent.into());
        self
    }

    /// How large an answer may be, in bytes; a larger one is an error.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Where time is read and waited for; a [`VirtualClock`](crate::VirtualClock) in tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the idempotency keys of calls that are not given one. It has to return 1 to 255 visible ASCII
    /// characters, never the same twice: the default is a random UUID.
    pub fn idempotency_keys(mut self, generator: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.key_generator = Arc::new(generator);
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no credential where the service needs one, if it
    /// cannot stand in a header, if the base URL is not `https` (or `http` on loopback), or if TLS cannot be set up.
    pub fn build(self) -> Result<S::Client, Error> {
        let credential = self.credential.transpose()?;
        if credential.is_none() && !S::CREDENTIAL_OPTIONAL {
            let problem = format!(
                "no credential was given; set one on the builder, or {} and use `from_env`",
                S::VARIABLE
            );
            return Err(Error::config(problem));
        }
        let base: Url = self.base_url.parse().map_err(|error| {
            Error::config(format!("the base URL is none, as `https://host/path` would be: {error}"))
        })?;
        check_base_url(&base)?;
        if base.query().is_some()
            || base.fragment().is_some()
            || !base.username().is_empty()
            || base.password().is_some()
        {
            return Err(Error::config(
                "the base URL has a query, a fragment or a user in it; give scheme, host and path",
            ));
        }
        let http = HttpSettings {
            builder: self.http,
            user_agent: self.user_agent,
            connect_timeout: self.connect_timeout,
            shortest: [self.attempt_timeout, self.timeout].into_iter().flatten().min(),
            url: &base,
        };
        let connect_timeout = http.connect_timeout();
        let http = http.build()?;
        Ok(S::client(Transport::new(Settings {
            http,
            base_text: base.as_str().trim_end_matches('/').to_owned(),
            base,
            credential,
            clock: self.clock,
            retry: self.retry,
            retry_budget: self.retry_budget,
            pace: self.pace,
            timeout: self.timeout,
            attempt_timeout: self.attempt_timeout,
            connect_timeout,
            max_body: self.max_body,
            zone: self.zone,
            request_ids: S::REQUEST_IDS,
            key_generator: self.key_generator,
            error_body: S::error_body,
        })))
    }
}

/// What every HTTP client that carries credentials is built from.
pub(crate) struct HttpSettings<'a> {
    pub(crate) builder: Option<reqwest::ClientBuilder>,
    pub(crate) user_agent: Option<String>,
    pub(crate) connect_timeout: Duration,
    /// The shortest time that a request is given: a connection is given nine tenths of it at most.
    pub(crate) shortest: Option<Duration>,
    /// Where it sends to.
    pub(crate) url: &'a Url,
}

impl HttpSettings<'_> {
    fn connect_timeout(&self) -> Duration {
        self.shortest.map_or(self.connect_timeout, |shortest| self.connect_timeout.min(shortest / 10 * 9))
    }

    pub(crate) fn build(self) -> Result<reqwest::Client, Error> {
        let connect_timeout = self.connect_timeout();
        let agent =
            self.user_agent.unwrap_or_else(|| concat!("kaiwa/", env!("CARGO_PKG_VERSION")).to_owned());
        let mut http = self.builder.unwrap_or_default();
        if self.url.scheme() == "http" {
            // Only loopback is allowed so: over a proxy the credential would leave this machine in the clear.
            http = http.no_proxy();
        }
        let http = http
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(connect_timeout)
            .user_agent(agent);
        set_up(|| http.build())
    }
}

/// reqwest panics where it finds no TLS provider, which only a program with the feature `rustls-no-provider` can bring
/// about.
fn set_up(build: impl FnOnce() -> reqwest::Result<reqwest::Client>) -> Result<reqwest::Client, Error> {
    let problem = match catch_unwind(AssertUnwindSafe(build)) {
        Ok(built) => match built {
            Ok(http) => return Ok(http),
            Err(error) => error.to_string(),
        },
        Err(panic) => match panic_text(&*panic) {
            Some(text) if text.contains("crypto provider") => {
                "no TLS provider is installed, and `rustls-no-provider` brings none. Install one before the client is \
                 built, as `rustls::crypto::ring::default_provider().install_default()` does, or use the feature \
                 `rustls` or `native-tls` of kaiwa"
                    .to_owned()
            }
            text => text.unwrap_or("unknown").to_owned(),
        },
    };
    Err(Error::config(format!("the HTTP client cannot be set up: {problem}")))
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

impl<S: Service> fmt::Debug for ClientBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("service", &S::NAME)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_panic_while_the_http_client_is_set_up_is_an_error_that_says_what_to_do() {
        let provider = set_up(|| panic!("No rustls crypto provider is configured. When using ...")).err();
        let provider = provider.expect("it is an error");
        assert!(matches!(provider.kind(), ErrorKind::Config(_)), "{provider:?}");
        assert!(provider.to_string().contains("Install one before the client is built"), "{provider}");
        let number = 3;
        for (error, text) in [
            (set_up(|| panic!("no resolver {number}")).err(), "cannot be set up: no resolver 3"),
            (set_up(|| std::panic::panic_any(number)).err(), "cannot be set up: unknown"),
        ] {
            let error = error.expect("it is an error");
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(set_up(|| reqwest::Client::builder().build()).is_ok());
    }
}
