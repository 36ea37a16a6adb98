//! Credentials, and the addresses that they may be sent to.

use crate::error::Error;
use crate::input::header_name;
use futures::future::BoxFuture;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use url::{Host, Url};

/// A client's credential. `Debug` never shows it.
#[derive(Clone)]
pub(crate) enum Credential {
    /// A fixed header.
    Fixed(HeaderName, HeaderValue),
    /// A bearer token that changes.
    #[cfg_attr(partial, allow(dead_code))]
    Source(Arc<dyn TokenSource>),
}

/// A source of bearer tokens that are renewed while a client lives.
///
/// The transport calls it before each attempt, and reports when the service has refused a token, so an implementation can
/// renew it once for all waiting calls.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// The token to send now.
    ///
    /// # Errors
    ///
    /// If there is no token: the call fails with this error, and nothing is sent.
    fn token(&self) -> BoxFuture<'_, Result<BearerToken, Error>>;

    /// Replaces a token that the service refused with a 401.
    ///
    /// # Errors
    ///
    /// If there is no other token; the call then fails with the service's 401 and this reason.
    fn renew<'a>(&'a self, refused: &'a BearerToken) -> BoxFuture<'a, Result<BearerToken, Error>>;
}

/// A bearer token, ready to be sent.
#[derive(Clone, PartialEq)]
pub struct BearerToken(HeaderValue);

impl BearerToken {
    /// A token that an authorization server issued.
    ///
    /// # Errors
    ///
    /// If it is empty or has characters that a header cannot hold. The error does not repeat it.
    pub fn new(token: &SecretString) -> Result<Self, Error> {
        header_value("for the header `authorization`", "Bearer ", token).map(Self)
    }
}

impl BearerToken {
    pub(crate) fn header_value(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken([redacted])")
    }
}

impl Credential {
    /// Whether it is certainly another one: tokens that change tell nothing.
    #[cfg(feature = "outbox")]
    pub(crate) fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(name, value), Self::Fixed(other, theirs)) => (name, value) != (other, theirs),
            _ => false,
        }
    }

    /// A header of the service with a secret value.
    ///
    /// # Errors
    ///
    /// If the value is empty or has characters that a header cannot hold. The error does not repeat it.
    pub(crate) fn header(name: &'static str, prefix: &str, secret: &SecretString) -> Result<Self, Error> {
        let value = header_value(&format!("for the header `{name}`"), prefix, secret)?;
        Ok(Self::Fixed(HeaderName::from_static(name), value))
    }

    /// A header that the caller names. The name stays out of errors: it may be the secret, passed in the wrong position.
    ///
    /// # Errors
    ///
    /// As above, and if HTTP does not allow the name or it looks like a secret.
    pub(crate) fn own_header(name: &str, secret: &SecretString) -> Result<Self, Error> {
        const CALL: &str = "`credential_header`";
        let name = header_name(name).map_err(|problem| Error::config(format!("{CALL} {problem}")))?;
        Ok(Self::Fixed(name, header_value(&format!("of {CALL}"), "", secret)?))
    }

    /// The name of its header.
    pub(crate) fn header_name(&self) -> &HeaderName {
        match self {
            Self::Fixed(name, _) => name,
            Self::Source(_) => &AUTHORIZATION,
        }
    }

    /// The value of its header, if that is fixed.
    pub(crate) fn header_value(&self) -> Option<&HeaderValue> {
        match self {
            Self::Fixed(_, value) => Some(value),
            Self::Source(_) => None,
        }
    }

    /// Whether it can be applied without waiting.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(..))
    }

    /// Puts the credential on a request; returns the token if that can be renewed.
    pub(crate) async fn apply(&self, request: &mut Request) -> Result<Option<BearerToken>, Error> {
        match self {
            Self::Fixed(name, value) => {
                request.headers_mut().insert(name.clone(), value.clone());
                Ok(None)
            }
            Self::Source(source) => {
                let token = source.token().await?;
                request.headers_mut().insert(AUTHORIZATION, token.0.clone());
                Ok(Some(token))
            }
        }
    }

    /// Whether a refused token can be replaced.
    pub(crate) async fn renew(&self, refused: &BearerToken) -> Result<bool, Error> {
        match self {
            Self::Fixed(..) => Ok(false),
            Self::Source(source) => Ok(source.renew(refused).await? != *refused),
        }
    }
}

fn header_value(what: &str, prefix: &str, secret: &SecretString) -> Result<HeaderValue, Error> {
    let secret = secret.expose_secret().trim();
    if secret.is_empty() {
        return Err(Error::config(format!("the credential {what} is empty")));
    }
    // No credential of these services has other characters, and the service's 401 would not say why.
    if let Some(position) = secret.chars().position(|character| !matches!(character, ' '..='~')) {
        return Err(Error::config(format!(
            "the credential {what} holds a character that is not visible ASCII, as its character {}: a line break, an invisible or a full-width character that was copied with it; copy it again",
            position + 1
        )));
    }
    let mut value = HeaderValue::try_from(format!("{prefix}{secret}"))
        .map_err(|_| Error::config(format!("a header cannot hold the credential {what}")))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The name may be the secret, passed in the wrong position.
            Self::Fixed(..) => f.write_str("Credential([redacted])"),
            Self::Source(source) => write!(f, "Credential({source:?})"),
        }
    }
}

/// Refuses to send a credential unencrypted, except to this machine.
pub(crate) fn check_url(what: &str, url: &Url) -> Result<(), Error> {
    let loopback = match url.host() {
        // The client resolves `localhost` itself, but not the names below it.
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        _ if url.host().is_none() => Err(Error::config(format!("{what} has no host"))),
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err(Error::config(format!(
            "{what} is plain http, over which no credential is sent except to loopback; use https"
        ))),
        other => Err(Error::config(format!("{what} has the scheme `{other}`; use https"))),
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
            assert!(check_url("the base URL", &good.parse().expect("a URL")).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example.com",
            "http://localhost.example.com",
            "http://chat.localhost",
            "http://localhost.",
            "http://0.0.0.0",
            "ftp://127.0.0.1",
            "data:,x",
        ] {
            assert!(check_url("the base URL", &bad.parse().expect("a URL")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_credential_is_never_shown() {
        let credential =
            Credential::header("authorization", "Bearer ", &"canary".into()).expect("a good token");
        assert!(!format!("{credential:?}").contains("canary"));
        let broken = Credential::header("cookie", "", &"canary\nx".into()).expect_err("a line break");
        assert!(!format!("{broken} {broken:?}").contains("canary"));
        assert!(Credential::header("cookie", "", &" ".into()).is_err());
        for odd in ["canary\u{feff}", "\u{200b}canary", "ｃａｎａｒｙ", "canary\u{7f}", "ca\tnary", "canaré"]
        {
            let error = Credential::header("x-chatworktoken", "", &odd.into()).expect_err(odd);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("not visible ASCII") && !shown.contains("canar"), "{shown}");
        }
        // A full-width space at the ends is trimmed like any other.
        assert!(Credential::header("x-chatworktoken", "", &"\u{3000}canary\u{3000}".into()).is_ok());
    }
}
