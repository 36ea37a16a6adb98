//! The credential, and where it may go.

use crate::error::Error;
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};
use std::fmt;
use url::{Host, Url};

/// What a client proves itself with. It never shows what it holds.
#[derive(Clone)]
pub(crate) struct Credential {
    name: HeaderName,
    value: HeaderValue,
}

impl Credential {
    /// A header with a secret value.
    ///
    /// # Errors
    ///
    /// If the value is empty or cannot stand in a header, without repeating it.
    pub(crate) fn header(name: &str, prefix: &str, secret: &str) -> Result<Self, Error> {
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(Error::config(format!("the credential for the header `{name}` is empty")));
        }
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::config(format!("`{name}` is not a header name")))?;
        let mut value = HeaderValue::try_from(format!("{prefix}{secret}")).map_err(|_| {
            Error::config(format!(
                "the credential for the header `{name}` holds characters that no header can; was a line break copied with it?"
            ))
        })?;
        value.set_sensitive(true);
        Ok(Self { name: header, value })
    }

    pub(crate) fn apply(&self, request: &mut Request) {
        request.headers_mut().insert(self.name.clone(), self.value.clone());
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}: [redacted])", self.name)
    }
}

/// Refuses to send a credential in the clear, except to this machine itself.
pub(crate) fn check_base_url(url: &Url) -> Result<(), Error> {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        _ if url.host().is_none() => Err(Error::config("the base URL has no host")),
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err(Error::config(
            "the base URL is plain http, over which no credential is sent except to loopback; use https",
        )),
        other => Err(Error::config(format!("the base URL's scheme is `{other}`; use https"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in
            ["https://api.example.com/v2", "http://127.0.0.1:80", "http://[::1]/", "http://localhost:1/v1"]
        {
            assert!(check_base_url(&good.parse().expect("a URL")).is_ok(), "{good}");
        }
        for bad in ["http://api.example.com", "http://localhost.example.com", "ftp://127.0.0.1", "data:,x"] {
            assert!(check_base_url(&bad.parse().expect("a URL")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_credential_shows_itself_nowhere() {
        let credential = Credential::header("authorization", "Bearer ", "canary").expect("a good token");
        assert!(!format!("{credential:?}").contains("canary"));
        let broken = Credential::header("cookie", "", "canary\nx").expect_err("a line break");
        assert!(!format!("{broken} {broken:?}").contains("canary"));
        assert!(Credential::header("cookie", "", " ").is_err());
    }
}
