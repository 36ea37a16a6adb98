//! Why there are no tokens, without showing any.

use crate::call::{HttpAnswer, ServiceError};
use crate::error::{Error, ErrorKind, Outcome};
use crate::transport::redact::{Redactor, is_unseen};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;
use url::form_urlencoded;

/// Why there are no tokens: an error that can be cloned for every waiting call.
#[derive(Clone, Debug)]
pub(super) struct TokenFailure {
    problem: String,
    code: Option<String>,
    pub(super) messages: Vec<String>,
    outcome: Outcome,
    status: Option<StatusCode>,
    pub(super) wait: Option<Duration>,
    /// Whether the same request would fail again.
    pub(super) is_final: bool,
    /// Whether only a login helps.
    pub(super) needs_login: bool,
}

impl TokenFailure {
    /// Nothing was sent.
    pub(super) fn local(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            code: None,
            messages: Vec::new(),
            outcome: Outcome::NotSent,
            status: None,
            wait: None,
            is_final: false,
            needs_login: false,
        }
    }

    /// Nothing was sent, and only a login helps.
    pub(super) fn login(problem: &str) -> Self {
        Self { needs_login: true, is_final: true, ..Self::local(problem) }
    }

    /// The service has refused the refresh token before, as the mark of the tokens says.
    pub(super) fn refused_before() -> Self {
        let code = Some("invalid_grant".to_owned());
        Self { code, ..Self::login("the service has refused the refresh token before; log in again") }
    }

    pub(super) fn unanswered(problem: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::local(problem) }
    }

    pub(super) fn undecoded(status: Option<StatusCode>, problem: &str) -> Self {
        Self { outcome: Outcome::Applied, status, ..Self::local(problem) }
    }

    pub(super) fn refused(status: StatusCode, wait: Option<Duration>, code: Option<String>) -> Self {
        let needs_login =
            code.as_deref().is_some_and(|code| code.trim().eq_ignore_ascii_case("invalid_grant"));
        let problem = match needs_login {
            true => "the code or refresh token is no longer valid; log in again",
            false if status.is_server_error() => "the token endpoint failed; try again later",
            false if code.as_deref() == Some("invalid_client") => {
                "the token endpoint does not know the client id, or refuses the secret"
            }
            false => "the token endpoint refused",
        };
        let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        Self {
            outcome: if status.is_server_error() { Outcome::Unknown } else { Outcome::Rejected },
            status: Some(status),
            wait,
            code,
            is_final: !status.is_server_error() && !busy,
            needs_login,
            ..Self::local(problem)
        }
    }

    /// The redirect said that there is no code.
    pub(super) fn declined(code: String, description: Option<String>) -> Self {
        Self {
            outcome: Outcome::Rejected,
            code: Some(code),
            messages: description.into_iter().collect(),
            ..Self::local("the login did not end with an authorization")
        }
    }

    /// Whether no refresh is tried within the pause, even for a call without a usable token.
    pub(super) fn blocks_retry(&self) -> bool {
        self.is_final || self.wait.is_some()
    }

    /// The error of an explicit token request.
    pub(super) fn into_error(self) -> Error {
        let service_error =
            ServiceError { code: self.code, messages: self.messages, ..ServiceError::default() };
        let answer =
            HttpAnswer { service_error, wait: self.wait, status: self.status, ..HttpAnswer::default() };
        Error::new(ErrorKind::Token(self.problem), self.outcome).with_answer(answer)
    }

    /// The error of an API call that could not be sent without a token. The status belongs to the token request, so the
    /// call's error does not have it: a 404 of the token endpoint does not mean that a message is gone.
    pub(super) fn not_sent(self) -> Error {
        let problem = match self.status {
            Some(status) => format!("{} (status {})", self.problem, status.as_u16()),
            None => self.problem,
        };
        Self { problem, status: None, outcome: Outcome::NotSent, ..self }.into_error()
    }
}

impl fmt::Display for TokenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for TokenFailure {}

/// The text without these secrets and without invisible characters, shortened.
pub(super) fn clean<'a>(text: &str, secrets: impl IntoIterator<Item = &'a SecretString>) -> String {
    // First: they could stand between the parts of a secret.
    let seen: String = text.chars().filter(|character| !is_unseen(*character)).collect();
    let redactor = Redactor::new(secrets.into_iter().map(|secret| secret.expose_secret()));
    redactor.text(&seen).chars().take(500).collect()
}

/// The client's credentials in each form in which they are sent or can be echoed: HTTP Basic of the id and the secret as
/// they are and as form values (RFC 6749, section 2.3.1), in both alphabets and without padding, which some servers drop.
pub(super) fn credentials(id: &str, secret: &SecretString) -> Vec<SecretString> {
    let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let plain = secret.expose_secret();
    let pairs = [format!("{id}:{plain}"), format!("{}:{}", form(id), form(plain))];
    let basic = pairs.iter().flat_map(|pair| [STANDARD_NO_PAD.encode(pair), URL_SAFE_NO_PAD.encode(pair)]);
    [plain.to_owned(), form(plain)].into_iter().chain(basic).map(SecretString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    #[test]
    fn a_secret_is_found_whatever_characters_are_between_its_parts() {
        let secret = SecretString::from("canary-1234");
        for between in
            ["", "\n", "\u{0}", "\u{85}", "\u{200b}", "\u{feff}", "\u{202e}", "\u{ad}", "\u{2060}\r\n"]
        {
            let text = format!("no: {} or CANARY-1234\n", ["cana", "ry-1", "234"].join(between));
            assert_eq!(clean(&text, [&secret]), "no: [redacted] or [redacted]", "{between:?}");
        }
        assert_eq!(clean("so\nit is", [&secret]), "soit is");
        assert_eq!(clean(&"あ".repeat(600), [&secret]).chars().count(), 500);
    }

    #[test]
    fn a_client_secret_is_redacted_in_every_form() {
        let secret = SecretString::from("canary+/ü?>secret");
        let secrets = credentials("client:id ü", &secret);
        let form = "canary%2B%2F%C3%BC%3F%3Esecret";
        let mut echoes = vec!["canary+/ü?>secret".to_owned(), form.to_owned(), form.to_lowercase()];
        for pair in ["client:id ü:canary+/ü?>secret".to_owned(), format!("client%3Aid+%C3%BC:{form}")] {
            for basic in [STANDARD.encode(&pair), URL_SAFE.encode(&pair), STANDARD_NO_PAD.encode(&pair)] {
                echoes.extend([format!("Basic {basic}"), basic.replace('=', "%3D"), basic]);
            }
        }
        for echo in echoes {
            let shown = clean(&format!("you sent {echo}!"), &secrets);
            let shown = shown.replace("Basic ", "").replace("%3D", "").replace('=', "");
            assert_eq!(shown, "you sent [redacted]!", "{echo}");
        }
    }
}
