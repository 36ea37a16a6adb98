//! Bodies of answers: one way in, for whatever they hold.

use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, Unexpected, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Decodes an answer of any shape. An empty body is nothing, or an empty list.
pub(crate) fn decode<T: de::DeserializeOwned>(body: &[u8]) -> Result<T, DecodeFailure> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    if body.is_empty() {
        let nothing: Result<T, de::value::Error> = T::deserialize(().into_deserializer());
        let no_items = || {
            T::deserialize(de::value::SeqDeserializer::<_, de::value::Error>::new(std::iter::empty::<()>()))
        };
        let problem = "the body is empty".to_owned();
        return nothing.or_else(|_| no_items()).map_err(|_| DecodeFailure { path: String::new(), problem });
    }
    // Where decoding failed costs allocations, so that it is looked for only once it has failed.
    serde_json::from_slice(body).map_err(|first| {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            // What follows the value is what is wrong.
            Ok(_) => DecodeFailure { path: String::new(), problem: describe(&first) },
            Err(error) => {
                // The root is written `.`, and `?` where nothing was read yet.
                let path = Some(error.path().to_string()).filter(|path| path != "." && path != "?");
                DecodeFailure { path: path.unwrap_or_default(), problem: describe(error.inner()) }
            }
        }
    })
}

/// Decodes an answer that is an object, which serde would also take from an array, by the order of its fields. PHP
/// writes an empty array for an object without fields.
pub(crate) fn decode_object<T: de::DeserializeOwned>(body: &[u8]) -> Result<T, DecodeFailure> {
    let trimmed = body.trim_ascii();
    match trimmed.strip_prefix(b"[").map(<[u8]>::trim_ascii) {
        None if trimmed.is_empty() => {
            Err(DecodeFailure { path: String::new(), problem: "the body is empty".to_owned() })
        }
        None => decode(body),
        Some(b"]") => decode(b"{}"),
        Some(_) => Err(DecodeFailure {
            path: String::new(),
            problem: "an array stands where an object belongs".to_owned(),
        }),
    }
}

/// What serde says of a failure, without the value that it quotes: that is part of the body.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if error.classify() != serde_json::error::Category::Data || text.starts_with("missing field") {
        return text;
    }
    let place = format!("at line {} column {}", error.line(), error.column());
    let Some((found, expected)) = text.rsplit_once(", expected ") else {
        return format!("the value does not fit {place}");
    };
    // The words of a closed list, such as `invalid type: string`, without the value after them.
    let found: Vec<&str> = found.split(' ').take(3).collect();
    match found[..] {
        ["invalid", what @ ("type:" | "value:" | "length"), kind] => {
            let kind = if what == "length" { "" } else { kind.trim_matches(',') };
            format!("invalid {what} {kind}, expected {expected}")
        }
        _ => format!("the value does not fit {place}"),
    }
}

/// Where in an answer decoding failed, and why.
pub struct DecodeFailure {
    pub(crate) path: String,
    pub(crate) problem: String,
}

/// `deserialize_with` for a field whose empty value says the same as null.
pub(crate) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
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
