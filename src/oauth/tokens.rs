//! The tokens of a login.

use crate::digest::{FNV1A, fnv1a};
use crate::error::Error;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The tokens of one person, with their expiry and scopes. `Debug` never shows the tokens.
///
/// It does not implement `Serialize`, which prevents writing a token somewhere by accident: a store writes
/// [`to_json`](Self::to_json) and reads [`from_json`](Self::from_json).
///
/// ```
/// use kaiwa::oauth::{ExposeSecret, TokenSet};
///
/// let tokens = TokenSet::new("an access token").with_refresh_token("a refresh token");
/// assert!(!format!("{tokens:?}").contains("an access token"));
///
/// let stored = tokens.to_json();
/// let again = TokenSet::from_json(stored.expose_secret())?;
/// assert_eq!(again.access_token.expose_secret(), "an access token");
/// # Ok::<_, kaiwa::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenSet {
    /// The token that calls are sent with.
    pub access_token: SecretString,
    /// The token that renews the access token. A service may issue none, or another one with each refresh.
    pub refresh_token: Option<SecretString>,
    /// When the access token expires. `None` if the service did not say; then it is used until it is refused.
    pub expires_at: Option<Timestamp>,
    /// When the access token was issued, by this machine's clock.
    pub issued_at: Option<Timestamp>,
    /// The scopes that were granted, or those requested if the service did not say.
    pub scopes: Vec<String>,
    /// Whether the service has refused the refresh token (`invalid_grant`). It is saved with the tokens, so no process and no
    /// later start sends the refresh token again: what helps is a login, whose tokens do not have this mark. To try the refresh
    /// token once more, set it to `false` and pass the tokens to [`OAuth::authorization`](super::OAuth::authorization).
    pub refresh_token_refused: bool,
}

/// The shape of [`TokenSet::to_json`].
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    access_token: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_at: Option<Timestamp>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refresh_token_refused: bool,
}

impl TokenSet {
    /// An access token without any other data.
    pub fn new(access_token: impl Into<SecretString>) -> Self {
        Self {
            access_token: access_token.into(),
            refresh_token: None,
            expires_at: None,
            issued_at: None,
            scopes: Vec::new(),
            refresh_token_refused: false,
        }
    }

    /// The same with a refresh token.
    pub fn with_refresh_token(mut self, refresh_token: impl Into<SecretString>) -> Self {
        self.refresh_token = Some(refresh_token.into());
        self
    }

    /// The same with the time at which the access token expires.
    pub fn with_expiry(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// The tokens as one JSON object, for a store: `access_token`, `refresh_token`, `expires_at` and `issued_at` (RFC
    /// 3339), `scopes`, and `refresh_token_refused` if it is true. Keep it where only this program can read it.
    pub fn to_json(&self) -> SecretString {
        let stored = Stored {
            access_token: self.access_token.expose_secret().into(),
            refresh_token: self.refresh_token.as_ref().map(|token| token.expose_secret().into()),
            expires_at: self.expires_at,
            issued_at: self.issued_at,
            scopes: self.scopes.clone(),
            refresh_token_refused: self.refresh_token_refused,
        };
        serde_json::to_string(&stored).expect("an object of strings can be written as JSON").into()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// If it is not such an object. The error does not repeat the input.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        Self::parse(json).map_err(Error::config)
    }

    pub(super) fn parse(json: &str) -> Result<Self, String> {
        // Serde's own text would quote the input.
        let stored: Stored<'_> = serde_json::from_str(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("not a JSON object with an `access_token` (line {line}, column {column})")
        })?;
        Ok(Self {
            access_token: stored.access_token.into_owned().into(),
            refresh_token: stored.refresh_token.map(|token| token.into_owned().into()),
            expires_at: stored.expires_at,
            issued_at: stored.issued_at,
            scopes: stored.scopes,
            refresh_token_refused: stored.refresh_token_refused,
        })
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Whether the access token is to be renewed: `ahead` of the expiry, but not in the first half of its lifetime.
    pub(super) fn is_due(&self, now: Timestamp, ahead: Duration) -> bool {
        let Some(expires_at) = self.expires_at else { return false };
        let ahead = SignedDuration::try_from(ahead).unwrap_or(SignedDuration::MAX);
        let half = self.issued_at.map(|issued_at| expires_at.duration_since(issued_at) / 2);
        now.duration_until(expires_at) <= half.map_or(ahead, |half| ahead.min(half))
    }

    pub(super) fn is_same_refresh_token(&self, other: &Self) -> bool {
        let [ours, theirs] =
            [self, other].map(|set| set.refresh_token.as_ref().map(|token| token.expose_secret()));
        ours == theirs
    }

    /// Tells access tokens apart without keeping them.
    pub(super) fn access_digest(&self) -> u64 {
        fnv1a(FNV1A, self.access_token.expose_secret().bytes())
    }

    pub(super) fn is_same_access_token(&self, other: &Self) -> bool {
        self.access_token.expose_secret() == other.access_token.expose_secret()
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet")
            .field("access_token", &format_args!("[redacted]"))
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| format_args!("[redacted]")))
            .field("expires_at", &self.expires_at)
            .field("issued_at", &self.issued_at)
            .field("scopes", &self.scopes)
            .field("refresh_token_refused", &self.refresh_token_refused)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_due_ahead_of_its_expiry_but_not_in_the_first_half_of_its_life() {
        let issued: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let at = |seconds| issued + Duration::from_secs(seconds);
        let with_lifetime =
            |seconds| TokenSet { issued_at: Some(issued), ..TokenSet::new("a").with_expiry(at(seconds)) };
        let minute = Duration::from_secs(60);
        for (lifetime, due) in [(900, 840), (1800, 1740), (100, 50), (2, 1)] {
            let tokens = with_lifetime(lifetime);
            assert!(!tokens.is_due(at(due - 1), minute), "{lifetime}");
            assert!(tokens.is_due(at(due), minute), "{lifetime}");
            assert!(!tokens.is_expired(at(lifetime - 1)) && tokens.is_expired(at(lifetime)), "{lifetime}");
        }
        assert!(with_lifetime(900).is_due(at(450), Duration::MAX), "half the lifetime is the most");
        assert!(
            !TokenSet::new("a").is_due(Timestamp::MAX, Duration::MAX),
            "nothing is known of its lifetime"
        );
    }

    #[test]
    fn stored_tokens_are_read_back_and_errors_do_not_quote_them() {
        let tokens = TokenSet {
            scopes: vec!["rooms.all:read".to_owned()],
            issued_at: Some(Timestamp::UNIX_EPOCH),
            ..TokenSet::new("canary\"あ").with_refresh_token("r").with_expiry(Timestamp::MAX)
        };
        let again = TokenSet::from_json(tokens.to_json().expose_secret()).expect("what was written");
        assert!(again.is_same_access_token(&tokens));
        assert_eq!(again.refresh_token.expect("kept").expose_secret(), "r");
        assert_eq!((again.expires_at, again.issued_at), (tokens.expires_at, tokens.issued_at));
        assert_eq!(again.scopes, tokens.scopes);
        assert!(!again.refresh_token_refused && !tokens.to_json().expose_secret().contains("refused"));
        let refused = TokenSet { refresh_token_refused: true, ..tokens };
        let again = TokenSet::from_json(refused.to_json().expose_secret()).expect("what was written");
        assert!(again.refresh_token_refused);
        for broken in ["\"canary\"", "{\"access_token\":{\"canary\":1}}", "canary", "{\"canary\":1}"] {
            let error = TokenSet::from_json(broken).expect_err(broken);
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
