//! Building an OAuth2 client.

use super::client::OAuth;
use super::exchange::{Flow, Provider};
use super::failure::credentials;
use super::store::{MemoryTokenStore, TokenStore};
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::transport::auth::check_url;
use crate::transport::http_client::HttpSettings;
use oauth2::{AuthType, AuthUrl, ClientId, ClientSecret, RedirectUrl, TokenUrl};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

impl OAuth {
    /// A builder for an OAuth2 client. For Chatwork see [`chatwork::oauth`](crate::chatwork::oauth).
    pub fn builder(client_id: impl Into<String>) -> Builder {
        Builder::new(client_id.into())
    }
}

/// Settings of an [`OAuth`] that is being built.
///
/// | setting | default |
/// |---|---|
/// | [`client_secret`](Self::client_secret) | none: a public client |
/// | [`store`](Self::store) | [`MemoryTokenStore`] |
/// | [`refresh_ahead`](Self::refresh_ahead) | 60 s |
/// | [`timeout`](Self::timeout), of a token request | 30 s |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    client_id: String,
    client_secret: Option<SecretString>,
    auth_url: String,
    token_url: String,
    redirect_url: Option<String>,
    scopes: Vec<String>,
    resource: Option<String>,
    store: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
    http: Option<reqwest::ClientBuilder>,
    user_agent: Option<String>,
    timeout: Option<Duration>,
    connect_timeout: Duration,
    refresh_ahead: Duration,
}

impl Builder {
    pub(super) fn new(client_id: String) -> Self {
        Self {
            client_id,
            client_secret: None,
            auth_url: String::new(),
            token_url: String::new(),
            redirect_url: None,
            scopes: Vec::new(),
            resource: None,
            store: Arc::new(MemoryTokenStore::new()),
            clock: Arc::new(SystemClock),
            http: None,
            user_agent: None,
            timeout: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(10),
            refresh_ahead: Duration::from_secs(60),
        }
    }

    /// The secret of a confidential client. It is sent as HTTP Basic (RFC 6749, section 2.3.1). A public client has no
    /// secret and sends its id in the form. Both use PKCE.
    pub fn client_secret(mut self, secret: impl Into<SecretString>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// The consent page, which the person opens: `https`, or plain `http` on loopback.
    pub fn auth_url(mut self, url: impl Into<String>) -> Self {
        self.auth_url = url.into();
        self
    }

    /// The token endpoint: `https`, or plain `http` on loopback.
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = url.into();
        self
    }

    /// The URL that the browser is redirected to after the login, exactly as it is registered. It may be omitted if only one
    /// is registered.
    pub fn redirect_url(mut self, url: impl Into<String>) -> Self {
        self.redirect_url = Some(url.into());
        self
    }

    /// The scopes to request, such as [`chatwork::oauth::Scope`](crate::chatwork::oauth::Scope)s.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        self.scopes = scopes.into_iter().map(|scope| scope.to_string()).collect();
        self
    }

    /// The resource that the tokens are for (RFC 8707), sent with every request.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// The store for the tokens.
    pub fn store(mut self, store: impl TokenStore) -> Self {
        self.store = Arc::new(store);
        self
    }

    /// How long before its expiry an access token is renewed; at most half its lifetime.
    pub fn refresh_ahead(mut self, margin: Duration) -> Self {
        self.refresh_ahead = margin;
        self
    }

    /// The time for a request to the token endpoint and its response. `None` sets no limit.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// The time to open a connection; at most nine tenths of the request's time, so that a failed connection is
    /// distinguished from a missing response.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The HTTP client's settings: proxies, certificates, pools. Redirects are never followed.
    pub fn http_client(mut self, http: reqwest::ClientBuilder) -> Self {
        self.http = Some(http);
        self
    }

    /// The `User-Agent`, instead of `kaiwa/` and the version.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.user_agent = Some(agent.into());
        self
    }

    /// The clock for times and waits; a [`VirtualClock`](crate::VirtualClock) in tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The OAuth2 client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the id or a given secret is empty, if a URL is missing or not
    /// `https` (or `http` on loopback), if a scope holds a space, or if TLS cannot be set up.
    pub fn build(self) -> Result<OAuth, Error> {
        let empty = |text: &str| text.trim().is_empty();
        if empty(&self.client_id) {
            return Err(Error::config("the OAuth2 client id is empty"));
        }
        if self.client_secret.as_ref().is_some_and(|secret| empty(secret.expose_secret())) {
            return Err(Error::config(
                "the OAuth2 client secret is empty; for a public client, do not set one",
            ));
        }
        if self.scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            return Err(Error::config(
                "an OAuth2 scope is empty or holds a space; pass each scope separately",
            ));
        }
        let secret = self.client_secret.as_ref();
        let credentials = secret.map(|secret| credentials(&self.client_id, secret)).unwrap_or_default();
        let auth_url = AuthUrl::from_url(endpoint("the authorization URL", &self.auth_url)?);
        let token_url = TokenUrl::from_url(endpoint("the token URL", &self.token_url)?);
        let mut flow: Flow = oauth2::Client::new(ClientId::new(self.client_id))
            .set_auth_type(AuthType::BasicAuth)
            .set_auth_uri(auth_url)
            .set_token_uri(token_url);
        if let Some(secret) = &self.client_secret {
            flow = flow.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        if let Some(url) = self.redirect_url {
            parse("the redirect URL", &url)?;
            // As the caller wrote it, not as the parser does: services compare it byte by byte.
            let url =
                RedirectUrl::new(url).map_err(|_| Error::config("the redirect URL is not a valid URL"))?;
            flow = flow.set_redirect_uri(url);
        }
        if let Some(resource) = &self.resource {
            parse("the resource", resource)?;
        }
        let http = HttpSettings {
            user_agent: self.user_agent,
            connect_timeout: self.connect_timeout,
            idle_timeout: Duration::from_secs(45),
            shortest: self.timeout,
            url: flow.token_uri().url(),
        };
        let http = http.clients(self.http, false)?;
        let provider = Provider {
            flow,
            is_confidential: self.client_secret.is_some(),
            credentials,
            scopes: self.scopes,
            resource: self.resource,
            http,
            clock: self.clock,
            timeout: self.timeout,
            refresh_ahead: self.refresh_ahead,
        };
        Ok(OAuth { provider: Arc::new(provider), store: self.store })
    }
}

fn parse(what: &str, url: &str) -> Result<Url, Error> {
    let url: Url =
        url.parse().map_err(|error| Error::config(format!("{what} is not an absolute URL: {error}")))?;
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(Error::config(format!("{what} has a fragment or a user")));
    }
    Ok(url)
}

fn endpoint(what: &str, url: &str) -> Result<Url, Error> {
    if url.is_empty() {
        return Err(Error::config(format!("{what} is missing")));
    }
    let url = parse(what, url)?;
    check_url(what, &url)?;
    Ok(url)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oauth::Builder")
            .field("confidential", &self.client_secret.is_some())
            .field("scopes", &self.scopes)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
