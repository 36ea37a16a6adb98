//! How values travel: ids, open enums, 0/1 booleans, comma lists, times, and the leniency that answers need.

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::de::{self, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

/// Percent-encodes a path segment so that the URL parser sees one segment, whatever it holds.
///
/// The set is the URL standard's path set, and `\`, which the URL parser would take for `/`.
pub(crate) fn encode_path(segment: &str) -> String {
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
    percent_encoding::utf8_percent_encode(segment, SEGMENT).to_string()
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

/// An integer, or the digits of one in a string: the services send both for the same field.
struct IntegerOrDigits<T>(PhantomData<T>);

impl<T: TryFrom<u64> + TryFrom<i64> + std::str::FromStr> Visitor<'_> for IntegerOrDigits<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, or a string of digits")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        T::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        T::try_from(value).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
        value.parse().map_err(|_| E::invalid_value(Unexpected::Str(value), &self))
    }
}

/// `deserialize_with` for an integer that may come as a string of digits.
pub(crate) fn lenient_integer<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u64> + TryFrom<i64> + std::str::FromStr,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(IntegerOrDigits(PhantomData))
}

/// The same where the field may be null.
pub(crate) mod lenient_integer {
    use super::{Deserialize, Deserializer};

    pub(crate) fn option<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: TryFrom<u64> + TryFrom<i64> + std::str::FromStr,
        D: Deserializer<'de>,
    {
        struct Lenient<T>(T);
        impl<'de, T: TryFrom<u64> + TryFrom<i64> + std::str::FromStr> Deserialize<'de> for Lenient<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::lenient_integer(deserializer).map(Lenient)
            }
        }
        Ok(Option::deserialize(deserializer)?.map(|Lenient(value)| value))
    }
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

fn no_time<E: de::Error>(seconds: i64) -> E {
    E::invalid_value(Unexpected::Signed(seconds), &"Unix seconds within the years of the calendar")
}

/// `deserialize_with` for an RFC 3339 time that may be null, or empty.
pub(crate) fn date_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    match Option::<Cow<'_, str>>::deserialize(deserializer)? {
        Some(text) if !text.is_empty() => {
            let time = text
                .parse()
                .map_err(|_| de::Error::invalid_value(Unexpected::Other("text"), &"an RFC 3339 time"));
            time.map(Some)
        }
        _ => Ok(None),
    }
}

/// Unix seconds.
pub(crate) mod unix_time {
    use super::{Deserializer, Serializer, Timestamp};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_second())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let seconds = super::lenient_integer(deserializer)?;
        Timestamp::from_second(seconds).map_err(|_| super::no_time(seconds))
    }

    /// The same where null, or 0, says that there is no time.
    pub(crate) mod option {
        use super::super::lenient_integer;
        use super::{Deserializer, Serializer, Timestamp};

        pub(crate) fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_i64(0),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            match lenient_integer::option(deserializer)? {
                None | Some(0) => Ok(None),
                Some(seconds) => {
                    Timestamp::from_second(seconds).map(Some).map_err(|_| super::super::no_time(seconds))
                }
            }
        }
    }
}

thread_local! {
    /// The zone in which wall-clock times are being decoded on this thread.
    static ZONE: RefCell<Option<TimeZone>> = const { RefCell::new(None) };
}

/// Japan's time, which has no daylight saving.
pub(crate) fn japan() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(9))
}

/// Decodes with wall-clock times read in `zone`.
pub(crate) fn in_zone<T>(zone: &TimeZone, decode: impl FnOnce() -> T) -> T {
    /// Puts the zone back also when decoding panics.
    struct Restore(Option<TimeZone>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ZONE.set(self.0.take());
        }
    }
    let _restore = Restore(ZONE.replace(Some(zone.clone())));
    decode()
}

fn current_zone() -> TimeZone {
    ZONE.with_borrow(|zone| zone.clone()).unwrap_or_else(japan)
}

/// A wall-clock time as Lancers writes it.
pub(crate) fn format_local_time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2019-05-17 15:27:53`, in the zone of the client, which is Japan's unless it was set. Null, or an empty text, is no
/// time.
pub(crate) mod local_time {
    use super::{Cow, Deserialize, Deserializer, Serializer, Timestamp, Unexpected, civil, current_zone, de};
    use jiff::fmt::temporal::DateTimePrinter;

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            // With the fraction and the far years that reading takes: what is written is to be read as the same.
            Some(time) => {
                let wall = time.to_zoned_datetime(current_zone()).datetime();
                serializer.serialize_str(&DateTimePrinter::new().separator(b' ').datetime_to_string(&wall))
            }
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        match Option::<Cow<'_, str>>::deserialize(deserializer)? {
            // MySQL's way of writing that there is no time.
            Some(text) if text.is_empty() || text.starts_with("0000-00-00") => Ok(None),
            Some(text) => parse(&text).map(Some).map_err(|_| {
                de::Error::invalid_value(Unexpected::Other("text"), &"a time such as 2019-05-17 15:27:53")
            }),
            None => Ok(None),
        }
    }

    fn parse(text: &str) -> Result<Timestamp, jiff::Error> {
        // A zone or offset that the service may add one day is believed before ours.
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(time);
        }
        let wall: civil::DateTime = text.parse()?;
        Ok(wall.to_zoned_datetime(current_zone())?.timestamp())
    }
}

/// A text that lets in whoever has it, such as a signed URL. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// A value that can be set, or cleared by sending `null`.
///
/// Inside an `Option` it tells "leave it as it is" (`None`) from "clear it" (`Some(Null)`).
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

/// A newtype over an unsigned integer that decodes from a number or from digits in a string.
///
/// A macro, since a generic id could not have a public tuple constructor and a name of its own per resource.
macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(self.0)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::lenient_integer(deserializer).map(Self)
            }
        }
    };
}
pub(crate) use integer_id;

/// A newtype over text that decodes from a string or from a number.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub String);

        impl $name {
            /// The id as it travels.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&$name> for $name {
            fn from(id: &$name) -> Self {
                id.clone()
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id.to_string())
            }
        }

        /// By length, then by text: the numeric order of decimal ids.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> ::std::cmp::Ordering {
                (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<::std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::text_or_number(deserializer).map(Self)
            }
        }
    };
}
pub(crate) use text_id;

/// Text, or a number that stands where text is documented.
pub(crate) fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct TextOrNumber;

    impl Visitor<'_> for TextOrNumber {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string, or an integer")
        }

        fn visit_str<E>(self, value: &str) -> Result<String, E> {
            Ok(value.to_owned())
        }

        fn visit_string<E>(self, value: String) -> Result<String, E> {
            Ok(value)
        }

        fn visit_u64<E>(self, value: u64) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_i64<E>(self, value: i64) -> Result<String, E> {
            Ok(value.to_string())
        }
    }

    deserializer.deserialize_any(TextOrNumber)
}

/// An enum of the values known today that keeps any other as it came.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $value:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A value that this version does not know, as it came; it is sent as it is.
            Other(String),
        }

        impl $name {
            /// The value as it travels.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Other(value) => value,
                }
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = crate::wire::text_or_number(deserializer)?;
                Ok(Self::from(value.as_str()))
            }
        }
    };
}
pub(crate) use open_enum;
