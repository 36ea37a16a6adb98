//! HTTP dates in the three forms of RFC 9110, 5.6.7.
//!
//! | form | example |
//! |---|---|
//! | IMF-fixdate | `Sun, 06 Nov 1994 08:49:37 GMT` |
//! | RFC 850 | `Sunday, 06-Nov-94 08:49:37 GMT` |
//! | asctime | `Sun Nov  6 08:49:37 1994` |

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `now` says which century the two digits of an RFC 850 year are of.
pub(super) fn http_date(value: &str, now: Timestamp) -> Option<Timestamp> {
    // The first form is also an RFC 2822 date, which allows for more than that.
    let relaxed = || {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        parser.parse_timestamp(value).ok()
    };
    fixed(value).or_else(relaxed).or_else(|| rfc850(value, now)).or_else(|| asctime(value))
}

/// The form that nearly every answer has, at its fixed places.
fn fixed(value: &str) -> Option<Timestamp> {
    let &[
        _,
        _,
        _,
        b',',
        b' ',
        d,
        e,
        b' ',
        m,
        o,
        n,
        b' ',
        y,
        e2,
        a,
        r,
        b' ',
        ref time @ ..,
        b' ',
        b'G',
        b'M',
        b'T',
    ] = value.as_bytes()
    else {
        return None;
    };
    let &[h, h2, b':', mi, mi2, b':', s, s2] = time else { return None };
    let two = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| ((tens - b'0') * 10 + (ones - b'0')) as i8)
    };
    let month = MONTHS.iter().position(|name| name.as_bytes() == [m, o, n])? + 1;
    let year = i16::from(two(y, e2)?) * 100 + i16::from(two(a, r)?);
    let (hour, minute, second) = (two(h, h2)?, two(mi, mi2)?, two(s, s2)?);
    let date = DateTime::new(year, i8::try_from(month).ok()?, two(d, e)?, hour, minute, second, 0);
    timestamp(date.ok()?)
}

fn rfc850(value: &str, now: Timestamp) -> Option<Timestamp> {
    let (_, value) = value.split_once(',')?;
    let mut parts = value.split_ascii_whitespace();
    let mut date = parts.next()?.split('-');
    let (day, month, year) = (digits(date.next()?, 2)?, date.next()?, digits(date.next()?, 2)?);
    let time = parts.next()?;
    if parts.next() != Some("GMT") || parts.next().is_some() || date.next().is_some() {
        return None;
    }
    // A date that appears to be more than 50 years ahead is the most recent one in the past with these digits.
    let horizon = TimeZone::UTC.to_datetime(now).saturating_add(50.years());
    let nearest = horizon.year() - (horizon.year() - year).rem_euclid(100);
    let read = |year| date_time(year, month, day, time).filter(|date| *date <= horizon);
    timestamp(read(nearest).or_else(|| read(nearest - 100))?)
}

fn asctime(value: &str) -> Option<Timestamp> {
    let parts: Vec<&str> = value.split_ascii_whitespace().collect();
    let [_, month, day, time, year] = parts[..] else { return None };
    timestamp(date_time(digits(year, 4)?, month, digits(day, day.len().min(2))?, time)?)
}

fn date_time(year: i16, month: &str, day: i16, time: &str) -> Option<DateTime> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    let two = |part| i8::try_from(digits(part, 2)?).ok();
    // A leap second is the one before it to a clock that knows none.
    let second = two(second).map(|second| if second == 60 { 59 } else { second })?;
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    DateTime::new(year, month, day, two(hour)?, two(minute)?, second, 0).ok()
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i16> {
    let valid = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().ok()).flatten()
}

fn timestamp(date: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(date).ok()
}
