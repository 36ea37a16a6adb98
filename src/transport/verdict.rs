//! The decision about the outcome of a request, and about whether it may be sent again.
//!
//! `judge` is pure. Its table is `verdict.md`: the front page of the documentation shows it, and the test below reads it row by
//! row.

use crate::error::{Conflict, Outcome};
use crate::operation::Safety;
use reqwest::StatusCode;
use std::time::Duration;

/// The result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Evidence {
    /// Bad input, no token, no permit in time: there was nothing to send.
    Unsendable,
    /// The time ended before anything was sent.
    OutOfTime,
    /// No connection could be opened, for a reason that may be temporary.
    NoConnection,
    /// No connection could be opened, since the host's name does not exist.
    NoSuchHost,
    /// No connection could be opened, for a lasting reason.
    CannotConnect,
    /// The connection closed before a byte of the request was written.
    NeverLeft,
    /// HTTP/2: the server says that it has not processed the request. One that did so after applying it breaks RFC 9113.
    Refused,
    /// The connection failed, or the time ended, after the request may have been sent.
    Unanswered,
    /// A status other than success, and what `Retry-After` asks for.
    Status(StatusCode, Option<Duration>),
    /// A 409 to a request that carried an idempotency key.
    Conflict(Conflict),
    /// A success that is not the operation's response.
    Foreign,
    /// A success whose JSON was truncated, or did not come in time.
    Truncated,
    /// A success whose JSON is larger than the client reads.
    TooLarge,
    /// A success in JSON that identifies the result and does not decode, or that does not parse.
    Undecodable,
}

/// The conclusion from the evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) repeat: Repeat,
    /// Whether there was no connection, so it does not count as an attempt.
    pub(crate) is_unconnected: bool,
}

/// The operations that may be sent again, as far as time and budgets allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Repeat {
    /// All: there was no connection, which does not count as an attempt.
    Reconnect,
    /// All, but only once more.
    ReconnectOnce,
    /// All: the server did not process it, and asks for no wait.
    AtOnce,
    /// All: this attempt had no effect.
    Always,
    /// Those that are harmless when done twice.
    IfHarmless,
    /// None: it would fail again.
    Never,
}

impl Verdict {
    /// Whether an operation of this safety may be sent again.
    pub(crate) fn allows(&self, safety: Safety) -> bool {
        match self.repeat {
            Repeat::Never => false,
            Repeat::IfHarmless => safety.is_repeatable(),
            Repeat::Reconnect | Repeat::ReconnectOnce | Repeat::AtOnce | Repeat::Always => true,
        }
    }
}

pub(crate) fn judge(evidence: Evidence, safety: Safety) -> Verdict {
    let (outcome, repeat) = match evidence {
        Evidence::Unsendable | Evidence::OutOfTime | Evidence::CannotConnect => {
            (Outcome::NotSent, Repeat::Never)
        }
        Evidence::NoConnection => (Outcome::NotSent, Repeat::Reconnect),
        Evidence::NoSuchHost => (Outcome::NotSent, Repeat::ReconnectOnce),
        Evidence::NeverLeft => (Outcome::NotSent, Repeat::Always),
        Evidence::Refused => (Outcome::NotSent, Repeat::AtOnce),
        Evidence::Unanswered | Evidence::Foreign => (Outcome::Unknown, Repeat::IfHarmless),
        Evidence::Status(status, wait) => status_verdict(status, wait, safety),
        Evidence::Conflict(Conflict::Version | Conflict::IdempotencyKey) => {
            (Outcome::Rejected, Repeat::Never)
        }
        Evidence::Conflict(Conflict::InProgress | Conflict::Unknown) => {
            (Outcome::Unknown, Repeat::IfHarmless)
        }
        Evidence::Truncated => (Outcome::Applied, Repeat::IfHarmless),
        Evidence::TooLarge | Evidence::Undecodable => (Outcome::Applied, Repeat::Never),
    };
    let is_unconnected = matches!(
        evidence,
        Evidence::Unsendable
            | Evidence::OutOfTime
            | Evidence::NoConnection
            | Evidence::NoSuchHost
            | Evidence::CannotConnect
    );
    Verdict { outcome, repeat, is_unconnected }
}

fn status_verdict(status: StatusCode, wait: Option<Duration>, safety: Safety) -> (Outcome, Repeat) {
    match status.as_u16() {
        429 => (Outcome::Rejected, Repeat::Always),
        503 if wait.is_some() => (Outcome::Rejected, Repeat::Always),
        408 => (Outcome::Rejected, Repeat::IfHarmless),
        500 | 502 | 503 | 504 => (Outcome::Unknown, Repeat::IfHarmless),
        // To a browser's POST, "look over there" is what a web site answers when it is done.
        301..=303 if safety != Safety::Safe => (Outcome::Unknown, Repeat::Never),
        300..=499 => (Outcome::Rejected, Repeat::Never),
        _ => (Outcome::Unknown, Repeat::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TABLE: &str = include_str!("verdict.md");
    const WAIT: Option<Duration> = Some(Duration::from_secs(5));

    /// The evidence of a row, by its first cell.
    fn evidence(row: &str) -> Vec<Evidence> {
        let statuses = |codes: &[u16]| {
            let status = |code: &u16| StatusCode::from_u16(*code).expect("three digits");
            codes.iter().map(|code| Evidence::Status(status(code), None)).collect::<Vec<_>>()
        };
        let family = |codes: std::ops::RangeInclusive<u16>, but: &[u16]| {
            statuses(&codes.filter(|code| !but.contains(code)).collect::<Vec<_>>())
        };
        match row {
            "bad input, no token, no permit in time" => vec![Evidence::Unsendable],
            "the time ended before anything left" => vec![Evidence::OutOfTime],
            "no connection: refused, reset, unreachable, connect timeout" => vec![Evidence::NoConnection],
            "no connection: the host name does not exist" => vec![Evidence::NoSuchHost],
            "no connection: certificate, TLS version, refused by the proxy, scheme" => {
                vec![Evidence::CannotConnect]
            }
            "the connection closed before a byte was written" => vec![Evidence::NeverLeft],
            "HTTP/2: the stream refused (`REFUSED_STREAM`, or a `GOAWAY` below it)" => {
                vec![Evidence::Refused]
            }
            "reset or timeout after that" => vec![Evidence::Unanswered],
            "429; 503 with `Retry-After`" => vec![
                Evidence::Status(StatusCode::TOO_MANY_REQUESTS, None),
                Evidence::Status(StatusCode::TOO_MANY_REQUESTS, WAIT),
                Evidence::Status(StatusCode::SERVICE_UNAVAILABLE, WAIT),
            ],
            "500, 502, 503, 504" => statuses(&[500, 502, 503, 504]),
            "408" => statuses(&[408]),
            "409 under an idempotency key: a stale version, or the key of another request" => {
                vec![Evidence::Conflict(Conflict::Version), Evidence::Conflict(Conflict::IdempotencyKey)]
            }
            "409 under an idempotency key: in progress, any other code, no code" => {
                vec![Evidence::Conflict(Conflict::InProgress), Evidence::Conflict(Conflict::Unknown)]
            }
            "301, 302, 303 to anything but a read" => statuses(&[301, 302, 303]),
            "other 3xx and 4xx" => family(300..=499, &[301, 302, 303, 408, 429]),
            "other 5xx, 1xx, anything that is no status (600 and above)" => {
                [family(100..=199, &[]), family(501..=599, &[502, 503, 504]), family(600..=999, &[])].concat()
            }
            "2xx that is not the operation's: HTML or other text, the service's error, JSON without any required field, nothing" =>
            {
                vec![Evidence::Foreign]
            }
            "2xx, its JSON cut short or too slow" => vec![Evidence::Truncated],
            "2xx, its JSON larger than `max_body`" => vec![Evidence::TooLarge],
            "2xx, JSON with a required field that does not decode, or JSON that does not parse" => {
                vec![Evidence::Undecodable]
            }
            // Rows that no evidence can show.
            "HTTP/2: the stream refused although the request was applied"
            | "HTTP/1.1: an extra answer on a kept connection, which counts as the answer to the next request" => {
                Vec::new()
            }
            other => panic!("the row {other:?} has no evidence here"),
        }
    }

    fn cell(verdict: Verdict, safety: Safety) -> &'static str {
        match verdict.repeat {
            Repeat::Reconnect => "reconnects",
            Repeat::ReconnectOnce => "once more",
            _ if verdict.allows(safety) => "again",
            _ => "fails",
        }
    }

    #[test]
    fn the_table_of_the_documentation_agrees_with_the_verdicts() {
        let rows = TABLE.lines().skip(2);
        let mut seen = BTreeSet::new();
        for row in rows {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [what, outcome, classes @ ..] = &cells[..] else { panic!("{row}") };
            let safeties = [Safety::Safe, Safety::Idempotent, Safety::Keyed, Safety::Unsafe];
            assert_eq!(classes.len(), safeties.len(), "{row}");
            for evidence in evidence(what) {
                seen.insert(format!("{evidence:?}").split('(').next().map(str::to_owned));
                for (expected, safety) in classes.iter().zip(safeties).filter(|(cell, _)| !cell.is_empty()) {
                    let verdict = judge(evidence, safety);
                    assert_eq!(format!("`{:?}`", verdict.outcome), **outcome, "{evidence:?} {safety:?}");
                    assert_eq!(cell(verdict, safety), *expected, "{evidence:?} {safety:?}");
                }
            }
        }
        assert_eq!(seen, variants(), "every kind of evidence has a row");
    }

    /// The variants of `Evidence`, as the source has them.
    fn variants() -> BTreeSet<Option<String>> {
        let source = syn::parse_file(include_str!("verdict.rs")).expect("it is Rust");
        let found = source.items.into_iter().find_map(|item| match item {
            syn::Item::Enum(item) if item.ident == "Evidence" => Some(item.variants),
            _ => None,
        });
        found.into_iter().flatten().map(|variant| Some(variant.ident.to_string())).collect()
    }
}
