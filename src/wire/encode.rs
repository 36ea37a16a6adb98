//! Encoding of parameters: path segments, 0/1 booleans, lists with commas, and values that can be cleared.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Percent-encodes a path segment, so that the URL parser sees one segment.
///
/// The set is the URL standard's path set, and `\`, which the URL parser treats as `/`.
pub(crate) fn encode_path(segment: impl fmt::Display) -> impl fmt::Display {
    PathSegment(segment)
}

struct PathSegment<T>(T);

impl<T: fmt::Display> fmt::Display for PathSegment<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Write::write_fmt(&mut Encoding(f), format_args!("{}", self.0))
    }
}

/// Encodes what is written to it, and writes it on.
struct Encoding<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Encoding<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const SEGMENT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
            .add(b' ')
            .add(b'"')
            .add(b'#')
            .add(b'%')
            .add(b'/')
            .add(b'<')
            .add(b'>')
            .add(b'?')
            .add(b'\\')
            .add(b'^')
            .add(b'`')
            .add(b'{')
            .add(b'|')
            .add(b'}');
        fmt::Display::fmt(&percent_encoding::utf8_percent_encode(text, SEGMENT), self.0)
    }
}

/// A request boolean, which Chatwork takes as `0` or `1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "u8")]
pub struct Flag(pub(crate) bool);

impl From<u8> for Flag {
    fn from(value: u8) -> Self {
        Self(value != 0)
    }
}

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(self.0))
    }
}

/// `1,2,3`
pub(crate) fn comma_list(ids: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let mut list = String::new();
    for id in ids {
        if !list.is_empty() {
            list.push(',');
        }
        fmt::Write::write_fmt(&mut list, format_args!("{id}")).expect("writing to a String does not fail");
    }
    list
}

/// A value that can be set, or cleared by sending `null`.
///
/// Inside an `Option` it distinguishes "keep it" (`None`) from "clear it" (`Some(Null)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nullable<T> {
    /// `null`: clear it.
    Null,
    /// The value to set.
    Value(T),
}

impl<T: Serialize> Serialize for Nullable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nullable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}
