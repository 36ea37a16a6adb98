//! Times: RFC 3339, Unix seconds, and wall-clock times without an offset, read by one set of rules.
//!
//! The services use different forms, even within one service, so every field accepts every form. A number, or its digits, is a
//! Unix time in seconds, or from 10^12 on in milliseconds. A text is an RFC 3339 time. Null, an empty text, `0` and MySQL's
//! `0000-00-00` mean no time. A time beyond the range of a [`Timestamp`] becomes the last or first one. A text without an offset
//! is a time only if the service is known to use a certain zone; otherwise it means no time. Anything else does not decode.

use super::json::{Kind, Tokens, text};
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::de::{self, DeserializeSeed, Unexpected, Visitor};
use serde::{Deserializer, Serializer};
use std::borrow::Cow;
use std::fmt;

/// From this number on a Unix time is in milliseconds: 2001, or in seconds the year 33658.
const MILLISECONDS: u64 = 1_000_000_000_000;

/// A Unix time of whole seconds.
pub(crate) fn unix(number: i64) -> Timestamp {
    let seconds = if number.unsigned_abs() >= MILLISECONDS { number.div_euclid(1000) } else { number };
    bounded(seconds)
}

fn bounded(seconds: i64) -> Timestamp {
    let seconds = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(seconds).unwrap_or_default()
}

/// The time in this JSON, if it is one.
#[cfg(feature = "webhooks")]
pub(crate) fn time(json: &[u8]) -> Option<Timestamp> {
    AnyTime { zone: None, strict: false }.deserialize(&mut serde_json::Deserializer::from_slice(json)).ok()?
}

/// The last or first time, for a time beyond the range.
#[cfg(feature = "webhooks")]
pub(crate) fn is_beyond(time: Timestamp) -> bool {
    [bounded(i64::MIN), bounded(i64::MAX)].contains(&time)
}

/// The value of a field for a time.
enum Found {
    Nothing,
    Time(Timestamp),
    Unreadable,
}

/// Reads a time in any of its forms.
#[derive(Clone, Copy)]
struct AnyTime<'z> {
    /// The zone of a time without an offset, if it is known.
    zone: Option<&'z TimeZone>,
    /// Whether what is no time at all is a failure.
    strict: bool,
}

impl AnyTime<'_> {
    fn text(self, text: &str) -> Found {
        let text = text.trim();
        // MySQL's form of no time.
        if text.is_empty() || text.starts_with("0000-00-00") {
            return Found::Nothing;
        }
        if let Ok(number) = text.parse() {
            return Self::number(number);
        }
        match (absolute(text), self.zone) {
            (Some(time), _) => Found::Time(time),
            (None, Some(zone)) => wall(text, zone).map_or(Found::Unreadable, Found::Time),
            // Without an offset it is not a certain time.
            (None, None) if wall(text, &TimeZone::UTC).is_some() => Found::Nothing,
            (None, None) => Found::Unreadable,
        }
    }

    fn number(number: f64) -> Found {
        match number {
            0.0 => Found::Nothing,
            // A float beyond the range of an integer becomes the nearest one.
            number if number.is_finite() => Found::Time(unix(number.floor() as i64)),
            _ => Found::Unreadable,
        }
    }

    fn found<E: de::Error>(self, found: Found, unexpected: Unexpected<'_>) -> Result<Option<Timestamp>, E> {
        match found {
            Found::Nothing => Ok(None),
            Found::Time(time) => Ok(Some(time)),
            Found::Unreadable if self.strict => Err(E::invalid_value(unexpected, &self)),
            Found::Unreadable => Ok(None),
        }
    }
}

impl<'de> Visitor<'de> for AnyTime<'_> {
    type Value = Option<Timestamp>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time: Unix seconds, or a text as in RFC 3339")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        let found = if value { Found::Unreadable } else { Found::Nothing };
        self.found(found, Unexpected::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok((value != 0).then(|| unix(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        self.found(Self::number(value), Unexpected::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        self.found(self.text(value), Unexpected::Other("text"))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<de::IgnoredAny>()?.is_some() {}
        self.found(Found::Unreadable, Unexpected::Seq)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        self.found(Found::Unreadable, Unexpected::Map)
    }
}

impl<'de> DeserializeSeed<'de> for AnyTime<'_> {
    type Value = Option<Timestamp>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// An RFC 3339 time, even if it is out of bounds or more precise than nanoseconds.
fn absolute(text: &str) -> Option<Timestamp> {
    let text = shortened(text);
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    // A wall-clock time may end where a zone could begin.
    let offset = text.rfind(['Z', 'z', '+', '-']).filter(|at| text[..*at].contains(':'))?;
    beyond(&text[..offset])
}

/// A wall-clock time in this zone.
fn wall(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = shortened(text);
    let Ok(wall) = text.parse::<civil::DateTime>() else { return beyond(&text) };
    match wall.to_zoned_datetime(zone.clone()) {
        Ok(zoned) => Some(zoned.timestamp()),
        Err(_) => beyond(&text),
    }
}

/// The bound that a wall-clock time exceeds, if it does.
fn beyond(text: &str) -> Option<Timestamp> {
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (year, rest) = digits.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // With a valid year in its place, it is checked to be a date and a time.
    let shape = format!("2000-{rest}");
    let is_far = is_number(year) && year.trim_start_matches('0').len() >= 4;
    let is_time = shape.parse::<civil::DateTime>().is_ok();
    let is_last = year.trim_start_matches('0').len() > 4 || year.ends_with("9999");
    (is_far && is_time && is_last).then(|| bounded(if negative { i64::MIN } else { i64::MAX }))
}

/// The text with at most nine digits after the second.
fn shortened(text: &str) -> Cow<'_, str> {
    let Some(point) = text.find(['.', ',']) else { return Cow::Borrowed(text) };
    let digits = text[point + 1..].bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        0..=9 => Cow::Borrowed(text),
        _ => Cow::Owned(format!("{}{}", &text[..point + 10], &text[point + 1 + digits..])),
    }
}

/// `deserialize_with` for an RFC 3339 time that may be missing. A time without an offset counts as missing, since the service
/// does not document its zone.
pub(crate) fn date_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    AnyTime { zone: None, strict: true }.deserialize(deserializer)
}

/// Unix seconds. No time is read as the beginning of Unix time.
pub(crate) mod unix_time {
    use super::{AnyTime, DeserializeSeed, Deserializer, Serializer, Timestamp};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_second())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let time = AnyTime { zone: None, strict: true }.deserialize(deserializer)?;
        Ok(time.unwrap_or_default())
    }

    /// The same, with null or 0 for no time.
    pub(crate) mod option {
        use super::{AnyTime, DeserializeSeed, Deserializer, Serializer, Timestamp};

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
            AnyTime { zone: None, strict: true }.deserialize(deserializer)
        }
    }
}

/// The same for fields where an invalid time must not fail the whole value.
#[cfg(feature = "webhooks")]
pub(crate) mod any_time {
    pub(crate) use super::unix_time::serialize;
    use super::{Deserializer, Timestamp};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        option::deserialize(deserializer).map(Option::unwrap_or_default)
    }

    pub(crate) mod option {
        pub(crate) use super::super::unix_time::option::serialize;
        use super::super::{AnyTime, DeserializeSeed, Deserializer, Timestamp};

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            AnyTime { zone: None, strict: false }.deserialize(deserializer)
        }
    }
}

/// Japan's time, which has no daylight saving.
pub(crate) fn japan() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(9))
}

/// A wall-clock time as Lancers writes it.
pub(crate) fn format_local_time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2019-05-17 15:27:53`, in Japan's time. A client of another zone has such times [made absolute](absolute_times)
/// before they are read.
pub(crate) mod local_time {
    use super::{AnyTime, DeserializeSeed, Deserializer, Serializer, Timestamp, japan};
    use jiff::fmt::temporal::DateTimePrinter;

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            // With the fraction and the far years that reading takes: what is written is to be read as the same.
            Some(time) => {
                let wall = time.to_zoned_datetime(japan()).datetime();
                serializer.serialize_str(&DateTimePrinter::new().separator(b' ').datetime_to_string(&wall))
            }
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        AnyTime { zone: Some(&japan()), strict: true }.deserialize(deserializer)
    }
}

/// The body with the wall-clock times of the members of these names, read in `zone`, written with their offset.
pub(crate) fn absolute_times<'a>(body: &'a [u8], names: &[&str], zone: &TimeZone) -> Cow<'a, [u8]> {
    let mut written: Option<(Vec<u8>, usize)> = None;
    let mut tokens = Tokens::new(body).peekable();
    while let Some(name) = tokens.next() {
        let is_name = name.kind == Kind::Text && tokens.peek().is_some_and(|next| next.kind == Kind::Colon);
        if !is_name || !names.contains(&&*text(name.of(body))) {
            continue;
        }
        tokens.next();
        let Some(value) = tokens.next_if(|value| value.kind == Kind::Text) else { continue };
        let wall_time = text(value.of(body));
        let is_none = wall_time.starts_with("0000-00-00");
        if absolute(&wall_time).is_some() || is_none || wall_time.trim().parse::<f64>().is_ok() {
            continue;
        }
        if let Some(time) = wall(&wall_time, zone) {
            let (rewritten, from) = written.get_or_insert_with(|| (Vec::with_capacity(body.len() + 64), 0));
            rewritten.extend_from_slice(&body[*from..value.start]);
            rewritten.extend_from_slice(format!("\"{time}\"").as_bytes());
            *from = value.end;
        }
    }
    match written {
        Some((mut rewritten, from)) => {
            rewritten.extend_from_slice(&body[from..]);
            Cow::Owned(rewritten)
        }
        None => Cow::Borrowed(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn second(time: Option<Timestamp>) -> Option<i64> {
        time.map(Timestamp::as_second)
    }

    const LAST: i64 = 253_402_207_200;
    const FIRST: i64 = -377_705_023_201;

    fn forms() -> Vec<(Value, Option<i64>)> {
        vec![
            (json!(1_700_000_000), Some(1_700_000_000)),
            (json!("1700000000"), Some(1_700_000_000)),
            (json!(1_700_000_000.0), Some(1_700_000_000)),
            (json!(1.7e9), Some(1_700_000_000)),
            (json!("1.7e9"), Some(1_700_000_000)),
            (json!(1_700_000_000_123_i64), Some(1_700_000_000)),
            (json!("1700000000123"), Some(1_700_000_000)),
            (json!(-1), Some(-1)),
            (json!(253_402_300_799_i64), Some(LAST)),
            (json!(u64::MAX), Some(LAST)),
            (json!(i64::MIN), Some(FIRST)),
            (json!(1e300), Some(LAST)),
            (json!("2023-11-14T22:13:20Z"), Some(1_700_000_000)),
            (json!("2023-11-15 07:13:20+09:00"), Some(1_700_000_000)),
            (json!(" 2023-11-14T22:13:20.1234567890Z "), Some(1_700_000_000)),
            (json!("2023-11-14T22:13:20.12345678901234567890+00:00"), Some(1_700_000_000)),
            (json!("9999-12-31T23:59:59Z"), Some(LAST)),
            (json!("9999-12-31T23:59:59.9999999Z"), Some(LAST)),
            (json!("9999-12-31T23:59:59.9999999999-05:00"), Some(LAST)),
            (json!("+275760-09-13T00:00:00.000Z"), Some(LAST)),
            (json!("10000-01-01T00:00:00Z"), Some(LAST)),
            (json!("-271821-04-20T00:00:00Z"), Some(FIRST)),
            (json!(0), None),
            (json!(0.0), None),
            (json!("0"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(false), None),
            (json!("0000-00-00 00:00:00"), None),
        ]
    }

    #[test]
    fn every_field_accepts_every_form() {
        for (json, expected) in forms() {
            for read in
                [date_time(&json), unix_time::option::deserialize(&json), local_time::deserialize(&json)]
            {
                assert_eq!(second(read.expect("no failure")), expected, "{json}");
            }
            let read = unix_time::deserialize(&json).expect("no failure");
            assert_eq!(read.as_second(), expected.unwrap_or(0), "{json}");
        }
        for json in [
            json!("soon"),
            json!("NaN"),
            json!(true),
            json!([1, [2]]),
            json!({ "s": 1 }),
            json!("9999-99-99T00:00:00Z"),
        ] {
            for read in [
                date_time(&json),
                unix_time::option::deserialize(&json),
                unix_time::deserialize(&json).map(Some),
                local_time::deserialize(&json),
            ] {
                assert!(read.is_err(), "{json}");
            }
        }
    }

    #[test]
    fn a_time_without_an_offset_is_read_only_in_a_known_zone() {
        for (json, japan) in [
            (json!("2023-11-15 07:13:20"), Some(1_700_000_000)),
            (json!("2023-11-15T07:13:20.5"), Some(1_700_000_000)),
            (json!("2023-11-15"), Some(1_699_974_000)),
            (json!("9999-12-31 23:59:59"), Some(LAST)),
        ] {
            assert_eq!(second(local_time::deserialize(&json).expect("no failure")), japan, "{json}");
            assert_eq!(date_time(&json).expect("no failure"), None, "{json}");
        }
    }

    #[test]
    fn a_written_time_is_read_as_the_same() {
        for seconds in [FIRST, -1, 1, 1_700_000_000, LAST] {
            let time = bounded(seconds);
            let written = local_time::serialize(&Some(time), serde_json::value::Serializer).expect("a text");
            assert_eq!(local_time::deserialize(&written).expect("a time"), Some(time), "{written}");
            let written = unix_time::serialize(&time, serde_json::value::Serializer).expect("a number");
            assert_eq!(unix_time::deserialize(&written).expect("a time"), time);
            assert_eq!(date_time(json!(time)).expect("a time"), Some(time));
        }
    }

    #[test]
    fn only_wall_clock_times_of_these_names_are_made_absolute() {
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        let body = r#"[{"modified" : "2019-05-17 15:27:53","text":"2019-05-17 15:27:53"},{"modified":"2019-05-17T15:27:53Z"},{"modified":null},{"modified":"0000-00-00 00:00:00"},{"modified":"9999-12-31 23:59:59"},["modified","2019-05-17 15:27:53"]]"#;
        let absolute = absolute_times(body.as_bytes(), &["modified"], &zone);
        let expected = body
            .replacen("2019-05-17 15:27:53", "2019-05-17T20:27:53Z", 1)
            .replace("9999-12-31 23:59:59", "9999-12-30T22:00:00Z");
        assert_eq!(std::str::from_utf8(&absolute), Ok(&*expected));
        assert!(matches!(absolute_times(body.as_bytes(), &["created"], &zone), Cow::Borrowed(_)));
        assert!(matches!(absolute_times(b"{\"created\":", &["created"], &zone), Cow::Borrowed(_)));
    }
}
