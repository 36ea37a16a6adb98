//! The token endpoint's response, as services send it.

use crate::call::text;
use crate::wire::{self, Budget};
use jiff::{SignedDuration, Timestamp};
use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// The largest response of the token endpoint that is read: a few times the largest tokens seen.
pub(super) const MAX_BODY: usize = 256 << 10;

/// Above this an `expires_in` is a time, not a duration: thirty years from now, or 2001 in seconds since the epoch.
const ABSOLUTE: f64 = 1e9;

/// Above this it is a time in milliseconds: 1973, or in seconds the year 5138.
const MILLISECONDS: f64 = 1e11;

/// A token endpoint's response. Every field may be missing or null, since some services send it so.
///
/// It is read from the result of [`fields`], in which each field has its type or is absent.
#[derive(Deserialize)]
pub(super) struct Granted {
    #[serde(default = "none")]
    pub(super) access_token: AccessToken,
    pub(super) refresh_token: Option<RefreshToken>,
    pub(super) token_type: Option<String>,
    pub(super) expires_in: Option<f64>,
    #[serde(rename = "scope", default)]
    pub(super) scopes: Option<Vec<Scope>>,
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
}

fn none() -> AccessToken {
    AccessToken::new(String::new())
}

/// The known fields of the response, each read separately: a token is not dropped because another field is invalid. Invalid
/// fields are omitted.
pub(super) fn fields(body: &[u8]) -> Value {
    const NAMES: [&str; 7] =
        ["access_token", "refresh_token", "token_type", "error", "error_description", "expires_in", "scope"];
    // A response that is not an object is reported as such, and not as one without a token.
    if !wire::without_mark(body).starts_with(b"{") {
        return Value::Null;
    }
    let mut read = Map::new();
    for (name, json) in NAMES.into_iter().zip(wire::members(body, NAMES)) {
        let Some(json) = json else { continue };
        // A truncated token must not be saved instead of a good one.
        if json.starts_with(b"\"") && !is_closed(json) {
            continue;
        }
        let value = wire::outline(json, &mut Budget { values: 256, text: MAX_BODY });
        let field = match (name, value) {
            ("expires_in", Value::Number(number)) => number.as_f64().map(Value::from),
            ("expires_in", Value::String(text)) => text.trim().parse::<f64>().ok().map(Value::from),
            ("expires_in", _) => None,
            ("scope", value) => scopes(&value),
            ("error", Value::Object(error)) => {
                // The envelope of an error may be nested.
                if let Some(text) = error.get("message").and_then(text) {
                    read.insert("error_description".to_owned(), text.into());
                }
                ["code", "error", "type"]
                    .iter()
                    .find_map(|name| error.get(*name).and_then(text))
                    .map(Value::from)
            }
            ("error", Value::Array(errors)) => errors.iter().find_map(text).map(Value::from),
            (_, value) => text(&value).filter(|text| !text.is_empty()).map(Value::from),
        };
        read.extend(field.filter(|field| *field != Value::Null).map(|field| (name.to_owned(), field)));
    }
    Value::Object(read)
}

/// Whether a string has its closing quotation mark. A mark after an odd number of backslashes is part of the string.
fn is_closed(json: &[u8]) -> bool {
    let Some(inner) = json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return false;
    };
    inner.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

/// Scopes in one text, or in a list of texts.
fn scopes(value: &Value) -> Option<Value> {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let scopes: Vec<&str> = texts.into_iter().flat_map(str::split_whitespace).collect();
    (!scopes.is_empty() || value.is_string()).then(|| Value::from(scopes))
}

/// When a token expires that was issued `now`. An expiry in the past is invalid, whichever clock is wrong: then the expiry
/// is unknown, and the token is used until it is refused.
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

/// `oauth2::TokenResponse` requires this. It is never called: only `TokenSet::to_json` writes tokens.
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
    fn a_lifetime_is_read_in_every_form() {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let lifetime = |answer: &str| {
            let answer = format!(r#"{{"access_token":"a"{answer}}}"#);
            let granted: Granted = serde_json::from_value(fields(answer.as_bytes())).expect("an answer");
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
            // The sample in Chatwork's documentation: the time is long past, so the lifetime is unknown.
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
    fn a_truncated_token_is_ignored() {
        for (body, access, refresh) in [
            (r#"{"refresh_token":"refresh","access_token":"acc"#, None, Some("refresh")),
            (r#"{"access_token":"access","refresh_token":"ref"#, Some("access"), None),
            (r#"{"access_token":"access","refresh_token":"ref\""#, Some("access"), None),
            (r#"{"access_token":"access","refresh_token":"ref\\""#, Some("access"), Some("ref\\")),
        ] {
            let read = fields(body.as_bytes());
            assert_eq!(
                (read["access_token"].as_str(), read["refresh_token"].as_str()),
                (access, refresh),
                "{body}"
            );
        }
    }

    #[test]
    fn everything_may_be_null_and_nothing_is_shown() {
        let nulls = r#"{"access_token":null,"refresh_token":null,"token_type":null,"expires_in":null,"scope":null,
            "error":null,"error_description":null,"error_uri":null}"#;
        let granted: Granted = serde_json::from_value(fields(nulls.as_bytes())).expect("an answer");
        assert!(granted.access_token().secret().is_empty() && granted.refresh_token().is_none());
        assert!(granted.scopes().is_none());
        let granted: Granted =
            serde_json::from_value(fields(br#"{"access_token":"canary","scope":" a  b "}"#)).expect("one");
        assert_eq!(granted.scopes().map(Vec::len), Some(2));
        let written = serde_json::to_string(&granted).expect("nothing");
        assert!(!format!("{granted:?} {written}").contains("canary"));
    }
}
