//! Why there are no tokens, without showing any.

use crate::error::{Answer, Error, ErrorKind, Outcome, ServiceError};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;

/// Why there are no tokens: an error that everybody who waits for them can have a copy of.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    problem: String,
    code: Option<String>,
    pub(super) messages: Vec<String>,
    outcome: Outcome,
    status: Option<StatusCode>,
    pub(super) wait: Option<Duration>,
    /// Whether asking the same again would be answered the same.
    pub(super) is_final: bool,
    /// Whether only a login helps.
    pub(super) needs_login: bool,
}

impl Failure {
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
            true => "the code or refresh token is not valid any more; authorize again",
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

    /// Whether asking again so soon is of no use to anybody, not even to a caller without any token.
    pub(super) fn is_to_be_heeded(&self) -> bool {
        self.is_final || self.wait.is_some()
    }

    /// The error of a token request that somebody made on purpose.
    pub(super) fn into_error(self) -> Error {
        let said = ServiceError { code: self.code, messages: self.messages, ..ServiceError::default() };
        let answer = Answer { said, wait: self.wait, status: self.status, ..Answer::default() };
        Error::new(ErrorKind::Token(self.problem), self.outcome).with_answer(answer)
    }

    /// The error of an API call that could not be sent for want of a token. The status is that of another request, so
    /// the call's error does not have it: a 404 there does not say that a message is gone.
    pub(super) fn not_sent(self) -> Error {
        let problem = match self.status {
            Some(status) => format!("{} (status {})", self.problem, status.as_u16()),
            None => self.problem,
        };
        Self { problem, status: None, outcome: Outcome::NotSent, ..self }.into_error()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Anything shorter is no secret, and would be found in innocent words.
const SHORTEST_SECRET: usize = 8;

/// The text without these secrets, without control characters, and not endless.
pub(super) fn clean<'a>(text: &str, secrets: impl IntoIterator<Item = &'a SecretString>) -> String {
    let secrets = secrets
        .into_iter()
        .map(|secret| secret.expose_secret())
        .filter(|secret| secret.len() >= SHORTEST_SECRET);
    let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"));
    text.chars().filter(|character| !character.is_control()).take(500).collect()
}
