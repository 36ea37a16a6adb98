//! Times: RFC 3339, Unix seconds, and wall-clock times without an offset.

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;
use std::cell::RefCell;

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
        let seconds = crate::wire::lenient_integer(deserializer)?;
        Timestamp::from_second(seconds).map_err(|_| super::no_time(seconds))
    }

    /// The same where null, or 0, says that there is no time.
    pub(crate) mod option {
        use super::{Deserializer, Serializer, Timestamp};
        use crate::wire::lenient_integer;

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
