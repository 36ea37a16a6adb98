//! Checks whether a success is the operation's response.

use super::verdict::Evidence;
use crate::call::ServiceError;
use crate::error::ErrorKind;
use crate::operation::{AnswerShape, Operation};
use crate::profile::Profile;
use crate::wire::{self, DecodeFailure};
use reqwest::header::HeaderMap;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::time::Duration;

/// Decodes the response of the call, and keeps the value for the caller.
pub(crate) type Decode<'a> = &'a mut (dyn FnMut(&[u8]) -> Result<(), DecodeFailure> + Send);

/// Why a success is unusable.
pub(super) struct Unusable {
    pub(super) kind: ErrorKind,
    pub(super) evidence: Evidence,
    /// The service's error, if it sent one with a success status.
    pub(super) service_error: ServiceError,
}

impl Unusable {
    fn new(kind: ErrorKind, evidence: Evidence) -> Box<Self> {
        Box::new(Self { kind, evidence, service_error: ServiceError::default() })
    }

    fn foreign(found: String) -> Box<Self> {
        Self::new(ErrorKind::Foreign { found }, Evidence::Foreign)
    }
}

/// Why a body is incomplete.
pub(super) enum Incomplete {
    Cut(reqwest::Error),
    Late(Duration),
    TooLarge(usize),
}

/// A success that must be distinguished from foreign responses.
pub(super) struct Success<'a> {
    pub(super) operation: &'a Operation,
    pub(super) headers: &'a HeaderMap,
    pub(super) profile: &'a Profile,
}

impl Success<'_> {
    /// Decodes a whole body. If it decodes, it counts as the response, whatever its media type.
    pub(super) fn accept(&self, body: &[u8], decode: Decode<'_>) -> Result<(), Box<Unusable>> {
        let text = text(body);
        let decoded = match self.operation.answer {
            AnswerShape::Nothing if !is_nothing(text) => None,
            AnswerShape::Nothing => Some(decode(b"")),
            AnswerShape::Any if text.eq_ignore_ascii_case(b"OK") => Some(decode(b"")),
            AnswerShape::Object { .. } if begins_list(text) => Some(Err(DecodeFailure {
                path: String::new(),
                problem: "an array stands where an object belongs".to_owned(),
            })),
            _ => Some(decode(body)),
        };
        let failure = match decoded {
            // An empty body is an empty list, unless it is foreign.
            Some(Ok(())) if text.is_empty() && self.operation.answer == AnswerShape::List => {
                return self.check_begin(text);
            }
            Some(Ok(())) => return self.check_decoded(text),
            Some(Err(_)) if text.is_empty() => {
                return Err(Unusable::foreign("an empty body, where an answer is required".to_owned()));
            }
            Some(Err(failure)) => Some(failure),
            None => None,
        };
        self.check_begin(text)?;
        let Ok(outline) = wire::read::<Outline>(text) else {
            // A closed body is complete: an error in it counts, however badly it is written.
            if text.ends_with(b"}") {
                self.check_error(text, &Outline::Other)?;
            }
            let unparsed =
                || DecodeFailure { path: String::new(), problem: "it is not valid JSON".to_owned() };
            return Err(undecodable(failure.unwrap_or_else(unparsed)));
        };
        self.check_error(text, &outline)?;
        match (failure, self.operation.answer, outline) {
            (None, ..) => decode(b"").map_err(undecodable),
            (Some(_), AnswerShape::List, Outline::Object(_) | Outline::Other) => {
                Err(Unusable::foreign("JSON that is not a list".to_owned()))
            }
            (Some(_), AnswerShape::Object { required }, outline)
                if !required.is_empty() && !outline.has_any(required) =>
            {
                Err(without(required))
            }
            (Some(failure), ..) => Err(undecodable(failure)),
        }
    }

    /// What the beginning of an incomplete body says.
    pub(super) fn give_up(&self, body: &[u8], why: Incomplete) -> Box<Unusable> {
        let text = text(body);
        let (kind, evidence) = match why {
            Incomplete::Cut(error) => (ErrorKind::Body(error), Evidence::Truncated),
            Incomplete::Late(bound) => (ErrorKind::Timeout(bound), Evidence::Truncated),
            Incomplete::TooLarge(limit) => (ErrorKind::BodyTooLarge { limit }, Evidence::TooLarge),
        };
        match self.check_begin(text) {
            Ok(()) => Unusable::new(kind, evidence),
            Err(foreign) => foreign,
        }
    }

    /// Whether the body is JSON by its media type and by its first byte, if there is one.
    fn check_begin(&self, text: &[u8]) -> Result<(), Box<Unusable>> {
        const HINT: &str = "a proxy or a login page in between?";
        let begins = text.is_empty()
            || match self.operation.answer {
                AnswerShape::Object { .. } | AnswerShape::List => matches!(text.first(), Some(b'{' | b'[')),
                AnswerShape::Nothing | AnswerShape::Any => begins_json(text),
            };
        if let Some(coded) = wire::unread_coding(self.headers, text) {
            return Err(Unusable::foreign(coded));
        }
        let found = match wire::media_type(self.headers) {
            Some(media_type) if !wire::is_json(&media_type) => format!("{media_type}, not JSON: {HINT}"),
            Some(media_type) if !begins => format!("not JSON, although it says {media_type}: {HINT}"),
            None if !begins => format!("not JSON: {HINT}"),
            _ => return Ok(()),
        };
        Err(Unusable::foreign(found))
    }

    /// Whether a decoded value without required fields is the response: a type whose fields are all optional accepts any
    /// object.
    fn check_decoded(&self, text: &[u8]) -> Result<(), Box<Unusable>> {
        match self.operation.answer {
            AnswerShape::Object { required } if !required.is_empty() => {
                if required.iter().any(|name| quotes(text, name)) { Ok(()) } else { Err(without(required)) }
            }
            AnswerShape::Object { .. } | AnswerShape::Any if text.len() <= LARGEST_ERROR => {
                let outline = wire::read(text).unwrap_or(Outline::Other);
                self.check_error(text, &outline)
            }
            _ => Ok(()),
        }
    }

    /// Whether the body is an error of the service, whatever the status says.
    fn check_error(&self, text: &[u8], outline: &Outline) -> Result<(), Box<Unusable>> {
        let identified = match self.operation.answer {
            AnswerShape::Object { required } => outline.has_any(required),
            _ => outline.has_any(&["id"]),
        };
        let body = wire::error_outline(text);
        if !(self.profile.is_error)(&body, identified) {
            return Ok(());
        }
        let mut foreign = Unusable::foreign("an error of the service in a success".to_owned());
        foreign.service_error = (self.profile.error_body)(&body);
        Err(foreign)
    }
}

/// Above this size a body that decodes is not an error: services write a few sentences.
const LARGEST_ERROR: usize = 64 << 10;

/// What a refusal is that is not JSON, although it has a body.
pub(super) fn foreign(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    match wire::media_type(headers) {
        Some(media_type) if !wire::is_json(&media_type) => Some(format!("{media_type}, not JSON")),
        _ if !begins_json(text(body)) => Some("not JSON".to_owned()),
        _ => None,
    }
}

fn without(required: &[&str]) -> Box<Unusable> {
    Unusable::foreign(format!("JSON without `{}`", required.join("` or `")))
}

/// Whether the name is somewhere in the text, in quotes.
fn quotes(text: &[u8], name: &str) -> bool {
    let quoted = |window: &[u8]| {
        window.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) == Some(name.as_bytes())
    };
    text.windows(name.len() + 2).any(quoted)
}

/// Whether it is an array, except the empty one that PHP writes for an object without members.
fn begins_list(text: &[u8]) -> bool {
    text.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().first() != Some(&b']'))
}

fn undecodable(DecodeFailure { path, problem }: DecodeFailure) -> Box<Unusable> {
    Unusable::new(ErrorKind::Decode { path, problem }, Evidence::Undecodable)
}

fn text(body: &[u8]) -> &[u8] {
    wire::without_mark(body).trim_ascii()
}

/// The bodies of services without content.
fn is_nothing(text: &[u8]) -> bool {
    matches!(text, b"" | b"{}" | b"[]") || text.eq_ignore_ascii_case(b"OK")
}

fn begins_json(text: &[u8]) -> bool {
    let literal = |whole: &[u8]| text.starts_with(whole) || whole.starts_with(text);
    match text.first() {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') => true,
        Some(_) => [&b"true"[..], b"false", b"null"].into_iter().any(literal),
        None => false,
    }
}

/// The outermost of a JSON text.
enum Outline {
    Object(Vec<String>),
    List,
    Other,
}

impl Outline {
    fn has_any(&self, fields: &[&str]) -> bool {
        match self {
            Self::Object(names) => names.iter().any(|name| fields.contains(&name.as_str())),
            Self::List | Self::Other => false,
        }
    }
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outermost;

        impl<'de> Visitor<'de> for Outermost {
            type Value = Outline;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Outline, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = fields.next_entry()? {
                    names.push(name);
                }
                Ok(Outline::Object(names))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Outline, A::Error> {
                while let Some(IgnoredAny) = items.next_element()? {}
                Ok(Outline::List)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Outline, E> {
                Ok(Outline::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Outline, E> {
                Ok(Outline::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Outline, E> {
                Ok(Outline::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Outline, E> {
                Ok(Outline::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Outline, E> {
                Ok(Outline::Other)
            }

            fn visit_unit<E>(self) -> Result<Outline, E> {
                Ok(Outline::Other)
            }
        }

        deserializer.deserialize_any(Outermost)
    }
}
