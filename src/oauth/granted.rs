//! The token endpoint's answer, as services send it.

use jiff::{SignedDuration, Timestamp};
use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Above this an `expires_in` is a time, not a duration: thirty years from now, or 2001 in seconds since the epoch.
const ABSOLUTE: f64 = 1e9;

/// Above this it is a time in milliseconds: 1973, or in seconds the year 5138.
const MILLISECONDS: f64 = 1e11;

/// A token endpoint's answer. Everything may be missing or null, since services do send it so.
#[derive(Deserialize)]
pub(super) struct Granted {
    #[serde(default = "none", deserialize_with = "nullable")]
    pub(super) access_token: AccessToken,
    pub(super) refresh_token: Option<RefreshToken>,
    pub(super) token_type: Option<String>,
    /// Any value at all: for the sake of a lifetime that makes no sense no token is thrown away.
    #[serde(default, deserialize_with = "number")]
    pub(super) expires_in: Option<f64>,
    #[serde(rename = "scope", default, deserialize_with = "scopes")]
    pub(super) scopes: Option<Vec<Scope>>,
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
}

fn none() -> AccessToken {
    AccessToken::new(String::new())
}

fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<AccessToken, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(none))
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

fn scopes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Scope>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.split_whitespace().map(|scope| Scope::new(scope.to_owned())).collect()))
}

/// When a token expires that was issued `now`. A lifetime that has already ended cannot be meant, whatever clock is
/// wrong: then nothing is known, and the token is used until it is refused.
pub(super) fn expiry(expires_in: f64, now: Timestamp) -> Option<Timestamp> {
    if !expires_in.is_finite() || expires_in < 1.0 {
        return None;
    }
    // Never more than the largest integer, which no `Timestamp` can hold.
    let whole = expires_in as i64;
    let expires_at = match expires_in {
        MILLISECONDS.. => Timestamp::from_millisecond(whole).ok()?,
        above if above > ABSOLUTE => Timestamp::from_second(whole).ok()?,
        _ => now.checked_add(SignedDuration::from_secs(whole)).ok()?,
    };
    (expires_at > now).then_some(expires_at)
}

impl TokenResponse for Granted {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &BasicTokenType::Bearer
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.scopes.as_ref()
    }
}

/// Asked for by `oauth2::TokenResponse` and never called: a token is written by `TokenSet::to_json` alone.
impl Serialize for Granted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Granted([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_comes_in_every_form() {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let lifetime = |answer: &str| {
            let answer = format!(r#"{{"access_token":"a"{answer}}}"#);
            let granted: Granted = serde_json::from_str(&answer).expect("an answer");
            granted.expires_in.and_then(|value| expiry(value, now)).map(|at| at.as_second() - now.as_second())
        };
        for (answer, seconds) in [
            (r#","expires_in":1800"#, Some(1800)),
            (r#","expires_in":"1800""#, Some(1800)),
            (r#","expires_in":" 1800 ""#, Some(1800)),
            (r#","expires_in":1800.9"#, Some(1800)),
            (r#","expires_in":1000000000"#, Some(1_000_000_000)),
            (r#","expires_in":1800000900"#, Some(900)),
            (r#","expires_in":"1800000900""#, Some(900)),
            (r#","expires_in":1800000900000"#, Some(900)),
            (r#","expires_in":"1800000900000""#, Some(900)),
            // The sample in Chatwork's documentation: a time that is long gone, so that nothing is known.
            (r#","expires_in":"1501138041000""#, None),
            (r#","expires_in":null"#, None),
            ("", None),
            (r#","expires_in":0"#, None),
            (r#","expires_in":-1"#, None),
            (r#","expires_in":1e300"#, None),
            (r#","expires_in":"inf""#, None),
            (r#","expires_in":"soon""#, None),
            (r#","expires_in":{"s":1}"#, None),
        ] {
            assert_eq!(lifetime(answer), seconds, "{answer}");
        }
    }

    #[test]
    fn everything_may_be_null_and_nothing_is_shown() {
        let nulls = r#"{"access_token":null,"refresh_token":null,"token_type":null,"expires_in":null,"scope":null,
            "error":null,"error_description":null,"error_uri":null}"#;
        let granted: Granted = serde_json::from_str(nulls).expect("an answer");
        assert!(granted.access_token().secret().is_empty() && granted.refresh_token().is_none());
        assert!(granted.scopes().is_none());
        let granted: Granted =
            serde_json::from_str(r#"{"access_token":"canary","scope":" a  b "}"#).expect("one");
        assert_eq!(granted.scopes().map(Vec::len), Some(2));
        let written = serde_json::to_string(&granted).expect("nothing");
        assert!(!format!("{granted:?} {written}").contains("canary"));
    }
}
