//! Decoding of response bodies.

use super::json::{path_at, without_mark};
use super::repair::repair;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, IntoDeserializer, Unexpected, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Decodes a response of any shape. An empty body is null, or an empty list.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeFailure> {
    let body = without_mark(body);
    if !body.is_empty() {
        return read(body);
    }
    let nothing: Result<T, de::value::Error> = T::deserialize(().into_deserializer());
    let no_items =
        || T::deserialize(de::value::SeqDeserializer::<_, de::value::Error>::new(std::iter::empty::<()>()));
    nothing.or_else(|_| no_items()).map_err(|_| DecodeFailure::whole("the body is empty"))
}

/// Decodes a response that is an object. serde would also accept an array, by the order of the fields, and PHP writes an empty
/// array for an object without fields.
pub(crate) fn decode_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeFailure> {
    let body = without_mark(body);
    match body.strip_prefix(b"[").map(<[u8]>::trim_ascii) {
        None if body.is_empty() => Err(DecodeFailure::whole("the body is empty")),
        None => read(body),
        Some(b"]") => read(b"{}"),
        Some(_) => Err(DecodeFailure::whole("an array stands where an object belongs")),
    }
}

/// Reads JSON: unchanged, or else [repaired](super::repair).
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, DecodeFailure> {
    let error = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let Some(repaired) = repair(json) else { return Err(DecodeFailure::at(&error, json)) };
    serde_json::from_slice(&repaired.body).map_err(|second| match repaired.guessed {
        true => DecodeFailure::at(&error, json),
        false => DecodeFailure::at(&second, &repaired.body),
    })
}

/// serde's text about a failure, without the quoted value, which is part of the body.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if error.classify() != serde_json::error::Category::Data || text.starts_with("missing field") {
        return text;
    }
    let place = format!("at line {} column {}", error.line(), error.column());
    let Some((found, expected)) = text.rsplit_once(", expected ") else {
        return format!("the value does not fit {place}");
    };
    // Only serde's own words, such as `invalid type: string`, without the value after them.
    let found: Vec<&str> = found.split(' ').take(3).collect();
    match found[..] {
        ["invalid", what @ ("type:" | "value:" | "length"), kind] => {
            let kind = if what == "length" { "" } else { kind.trim_matches(',') };
            format!("invalid {what} {kind}, expected {expected}")
        }
        _ => format!("the value does not fit {place}"),
    }
}

/// Where in a response decoding failed, and why.
#[derive(Debug)]
pub struct DecodeFailure {
    pub(crate) path: String,
    pub(crate) problem: String,
}

impl DecodeFailure {
    pub(crate) fn whole(problem: &str) -> Self {
        Self { path: String::new(), problem: problem.to_owned() }
    }

    fn at(error: &serde_json::Error, json: &[u8]) -> Self {
        let lines = json.split_inclusive(|byte| *byte == b'\n');
        let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
        Self { path: path_at(json, before + error.column()), problem: describe(error) }
    }
}

/// The problem of a compressed body, which was not requested; `None` if the body is not compressed.
pub(crate) fn unread_coding(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let named = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).map(str::trim);
    let coding = match named.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")) {
        Some(named) => named.chars().filter(char::is_ascii_graphic).collect(),
        None if body.starts_with(b"\x1f\x8b") => "gzip".to_owned(),
        None if body.starts_with(b"\x28\xb5\x2f\xfd") => "zstd".to_owned(),
        None => return None,
    };
    Some(format!(
        "coded as `{coding}`, which was not asked for; the service, or a proxy before it, compresses despite `accept-encoding: identity`"
    ))
}

/// The media type without its parameters; an invalid one counts as foreign.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or("?");
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-.*_".contains(&byte);
    match media_type.len() {
        0 => None,
        1..=80 if media_type.bytes().all(is_plain) => Some(media_type),
        _ => Some("an unknown media type".to_owned()),
    }
}

pub(crate) fn is_json(media_type: &str) -> bool {
    matches!(media_type, "application/json" | "text/json") || media_type.ends_with("+json")
}

/// `deserialize_with` for a field whose empty value means the same as null.
pub(crate) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `deserialize_with` for a boolean that may come as 0 or 1, also in a text. Null means false.
pub(crate) fn lenient_boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    lenient_boolean::option(deserializer).map(Option::unwrap_or_default)
}

/// The same, with null for an unknown value.
pub(crate) mod lenient_boolean {
    use super::{Deserialize, Deserializer, Visitor, de, fmt};

    struct Boolean(bool);

    impl<'de> Deserialize<'de> for Boolean {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(BooleanOrNumber).map(Self)
        }
    }

    struct BooleanOrNumber;

    impl Visitor<'_> for BooleanOrNumber {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a boolean, or 0 or 1")
        }

        fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<bool, E> {
            match value {
                0 | 1 => Ok(value == 1),
                _ => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
            }
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<bool, E> {
            match value {
                "0" | "false" => Ok(false),
                "1" | "true" => Ok(true),
                _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
            }
        }
    }

    pub(crate) fn option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(|Boolean(value)| value))
    }
}

/// `deserialize_with` for an open enum whose null means an unknown value.
pub(crate) fn null_as_unknown<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + for<'a> From<&'a str>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(unknown))
}

/// `default` for an open enum.
pub(crate) fn unknown<T: for<'a> From<&'a str>>() -> T {
    T::from("")
}

/// `deserialize_with` for an object that PHP writes as `[]` when there is none.
pub(crate) fn empty_array_as_none<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct ObjectOrNothing<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectOrNothing<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object, or an empty array, or null")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            match items.next_element::<de::IgnoredAny>()? {
                None => Ok(None),
                Some(_) => Err(de::Error::invalid_type(Unexpected::Seq, &self)),
            }
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(ObjectOrNothing(PhantomData))
}
