//! The HTTP clients: one configuration for all requests with credentials.

use super::proxy::Proxies;
use crate::error::{Connecting, Error, Innermost};
use crate::operation::Safety;
use std::any::Any;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use url::Url;

/// The HTTP clients of a client.
pub(crate) struct HttpClients {
    /// Keeps its connections for the next request.
    pub(crate) kept: reqwest::Client,
    /// Keeps no connections.
    fresh: Option<reqwest::Client>,
    proxies: Proxies,
    /// Whether the caller's own builder was used, which can set other proxies.
    is_own: bool,
}

impl HttpClients {
    pub(crate) fn for_safety(&self, safety: Safety) -> &reqwest::Client {
        self.fresh.as_ref().filter(|_| safety != Safety::Safe).unwrap_or(&self.kept)
    }

    /// The connection of a failed request to this URL.
    pub(crate) fn connecting(&self, error: &reqwest::Error, url: &Url) -> Box<Connecting> {
        Box::new(Connecting::new(error, self.proxies.of(url), self.is_own))
    }

    /// The connection of a request to this URL that timed out.
    pub(crate) fn timed_out(&self, url: &Url) -> Option<Box<Connecting>> {
        Connecting::timed_out(self.proxies.of(url), self.is_own).map(Box::new)
    }
}

/// The settings of every HTTP client for requests with credentials.
pub(crate) struct HttpSettings<'a> {
    pub(crate) user_agent: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    /// The shortest time limit of a request; connecting gets at most nine tenths of it.
    pub(crate) shortest: Option<Duration>,
    /// The base URL.
    pub(crate) url: &'a Url,
}

impl HttpSettings<'_> {
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.shortest.map_or(self.connect_timeout, |shortest| self.connect_timeout.min(shortest / 10 * 9))
    }

    pub(crate) fn clients(
        &self,
        own: Option<reqwest::ClientBuilder>,
        fresh: bool,
    ) -> Result<HttpClients, Error> {
        let unpooled = |http: reqwest::ClientBuilder| http.pool_max_idle_per_host(0);
        let proxies = Proxies::of_system();
        match own {
            Some(own) => {
                // A builder can build only one client.
                let own = if fresh { unpooled(own) } else { own };
                Ok(HttpClients { kept: self.build(own)?, fresh: None, proxies, is_own: true })
            }
            None => {
                proxies.check(self.url)?;
                let fresh = fresh.then(|| self.build_default(unpooled)).transpose()?;
                Ok(HttpClients { kept: self.build_default(|http| http)?, fresh, proxies, is_own: false })
            }
        }
    }

    /// A client with default settings.
    fn build_default(
        &self,
        adjust: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<reqwest::Client, Error> {
        let built = self.build(adjust(reqwest::ClientBuilder::new()));
        // Plain http to loopback needs no certificates, which slim containers do not have.
        #[cfg(any(feature = "rustls", feature = "native-tls", feature = "rustls-no-provider"))]
        if built.is_err() && self.url.scheme() == "http" {
            return self.build(adjust(reqwest::ClientBuilder::new().tls_certs_only([])));
        }
        built
    }

    fn build(&self, mut http: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
        let default_agent = concat!("kaiwa/", env!("CARGO_PKG_VERSION"));
        if self.url.scheme() == "http" {
            // Plain http is for loopback only: through a proxy the credential would leave this machine unencrypted.
            http = http.no_proxy();
        }
        let http = http
            .redirect(reqwest::redirect::Policy::none())
            // Plain http is allowed to loopback, so this name must not resolve to another machine.
            .resolve_to_addrs(
                "localhost",
                &[(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()],
            )
            .referer(false)
            // A hidden retry would bypass the budget, and could post twice.
            .retry(reqwest::retry::never())
            .pool_idle_timeout(self.idle_timeout)
            .connect_timeout(self.connect_timeout())
            .user_agent(self.user_agent.as_deref().unwrap_or(default_agent));
        set_up(|| http.build())
    }
}

/// reqwest panics without a TLS provider, which can only happen with the feature `rustls-no-provider`, and says "builder
/// error" if the system has no certificates.
fn set_up(build: impl FnOnce() -> reqwest::Result<reqwest::Client>) -> Result<reqwest::Client, Error> {
    let problem = match catch_unwind(AssertUnwindSafe(build)) {
        Ok(Ok(http)) => return Ok(http),
        Ok(Err(error)) => {
            let cause = Innermost(&error).to_string();
            if cause.to_ascii_lowercase().contains("certificate") {
                format!(
                    "{cause}. Install the certificates of the system (on Debian and Alpine the package \
                     `ca-certificates`), or name a file of them in the variable SSL_CERT_FILE"
                )
            } else {
                cause
            }
        }
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

/// The text of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str))
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
