//! Every format, and invalid ones.

use super::*;
use proptest::prelude::*;
use reqwest::header::{HeaderName, HeaderValue};

const NOW: Timestamp = Timestamp::constant(1_390_941_600, 0);

fn read(pairs: &[(&str, &str)]) -> Option<RateLimit> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
    }
    RateLimit::from_headers(&headers, NOW)
}

#[test]
fn chatwork_reset_is_an_absolute_time() {
    let limit = read(&[
        ("X-RateLimit-Limit", "300"),
        ("X-RateLimit-Remaining", "00"),
        ("X-RateLimit-Reset", "1390941626"),
    ])
    .expect("there are limits");
    assert_eq!((limit.limit, limit.remaining), (Some(300), Some(0)));
    assert_eq!(limit.reset_after, Some(Duration::from_secs(26)));
    assert_eq!(limit.reset, Some(Timestamp::constant(1_390_941_626, 0)));
}

#[test]
fn the_servers_date_is_the_base_of_an_absolute_reset() {
    // The server's clock is an hour ahead of ours, but the window still ends in 26 seconds.
    let limit = read(&[("x-ratelimit-reset", "1390945226"), ("date", "Tue, 28 Jan 2014 21:40:00 GMT")]);
    assert_eq!(limit.and_then(|limit| limit.reset_after), Some(Duration::from_secs(26)));
}

#[test]
fn ietf_reset_counts_from_now_and_the_policy_has_the_window() {
    let limit = read(&[
        ("RateLimit-Limit", "300"),
        ("RateLimit-Remaining", "299"),
        ("RateLimit-Reset", "42"),
        ("RateLimit-Policy", "300;w=60"),
    ])
    .expect("there are limits");
    assert_eq!((limit.limit, limit.remaining), (Some(300), Some(299)));
    assert_eq!(
        (limit.reset_after, limit.window),
        (Some(Duration::from_secs(42)), Some(Duration::from_secs(60)))
    );
    assert_eq!(limit.reset, Some(Timestamp::constant(1_390_941_642, 0)));
}

#[test]
fn structured_fields_say_the_same() {
    let limit = read(&[
        ("ratelimit", r#""burst";r=7;t=12, "month";r=100;t=9999"#),
        ("ratelimit-policy", r#""burst";q=300;w=60"#),
    ])
    .expect("there are limits");
    assert_eq!((limit.limit, limit.remaining), (Some(300), Some(7)));
    assert_eq!(
        (limit.reset_after, limit.window),
        (Some(Duration::from_secs(12)), Some(Duration::from_secs(60)))
    );
}

#[test]
fn the_draft_with_members_and_the_binding_one_of_several() {
    let limit = read(&[("ratelimit", "limit=100, remaining=50, reset=5")]).expect("there are limits");
    assert_eq!((limit.limit, limit.remaining), (Some(100), Some(50)));
    assert_eq!(limit.reset_after, Some(Duration::from_secs(5)));
    let limit = read(&[("ratelimit", r#""burst";r=7;t=12, "month";r=0;t=9999"#)]).expect("there are limits");
    assert_eq!((limit.remaining, limit.reset_after), (Some(0), Some(Duration::from_secs(9999))));
}

#[test]
fn monthly_units_reset_at_a_date_with_an_offset() {
    let limit = read(&[
        ("Tascha-Api-Units-Limit", "20000"),
        ("Tascha-Api-Units-Remaining", "19997"),
        ("Tascha-Api-Units-Used", "3"),
        ("Tascha-Api-Units-Cost", "3"),
        ("Tascha-Api-Units-Reset", "2026-07-01T00:00:00+09:00"),
        ("Tascha-RateLimit-Scope", "user"),
    ])
    .expect("there are limits");
    assert_eq!(limit.scope.as_deref(), Some("user"));
    let units = limit.units.expect("there are units");
    assert_eq!(
        (units.limit, units.remaining, units.used, units.cost),
        (Some(20000), Some(19997), Some(3), Some(3))
    );
    assert_eq!(units.reset, "2026-06-30T15:00:00Z".parse().ok());
}

fn wait(value: &str) -> Option<Duration> {
    read(&[("retry-after", value)]).and_then(|limit| limit.retry_after)
}

#[test]
fn retry_after_is_seconds_or_a_date_in_any_of_the_three_forms() {
    assert_eq!(wait("7"), Some(Duration::from_secs(7)));
    assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
    for date in [
        "Tue, 28 Jan 2014 20:40:30 GMT",
        "Tuesday, 28-Jan-14 20:40:30 GMT",
        "Tue Jan 28 20:40:30 2014",
        "tuesday, 28-JAN-14 20:40:30 GMT",
    ] {
        assert_eq!(wait(date), Some(Duration::from_secs(30)), "{date}");
    }
    for past in
        ["Tue, 28 Jan 2014 20:39:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    {
        assert_eq!(wait(past), Some(Duration::ZERO), "{past}");
    }
}

#[test]
fn a_wait_with_a_fraction_is_read_and_rounded_up() {
    assert_eq!(wait("1.5"), Some(Duration::from_millis(1500)));
    assert_eq!(wait("0.0"), Some(Duration::ZERO));
    assert_eq!(wait("0.0000000001"), Some(Duration::from_nanos(1)));
    assert_eq!(wait("1.9999999999"), Some(Duration::from_secs(2)));
    assert_eq!(wait("2.000000000000000000000000000000"), Some(Duration::from_secs(2)));
    let reset_after = |pairs: &[(&str, &str)]| read(pairs).and_then(|limit| limit.reset_after);
    let half = Some(Duration::from_millis(1500));
    assert_eq!(reset_after(&[("ratelimit-reset", "1.5")]), half);
    assert_eq!(reset_after(&[("ratelimit", r#""p";r=1;t=1.5"#)]), half);
    assert_eq!(reset_after(&[("ratelimit", "limit=2, remaining=1, reset=1.5")]), half);
    let limit = read(&[("x-ratelimit-reset", "1390941626.5")]).expect("there is a reset");
    assert_eq!(limit.reset, Some(Timestamp::constant(1_390_941_626, 500_000_000)));
    assert_eq!(limit.reset_after, Some(Duration::from_millis(26_500)));
    let limit = read(&[("ratelimit-policy", r#""p";q=9;w=2.5"#)]).expect("there is a policy");
    assert_eq!(limit.window, Some(Duration::from_millis(2500)));
}

#[test]
fn invalid_waits_and_waits_of_more_than_a_day_are_ignored() {
    assert_eq!(wait("86400"), Some(Duration::from_secs(86_400)));
    assert_eq!(wait("Wed, 29 Jan 2014 20:40:00 GMT"), Some(Duration::from_secs(86_400)));
    for garbage in [
        "86401",
        "86400.1",
        "18446744073709551615",
        "18446744073709551615.9999999999",
        "18446744073709551616",
        "Wed, 29 Jan 2014 20:40:01 GMT",
        "Thursday, 30-Jan-14 20:40:30 GMT",
        "Fri Jan 31 20:40:30 2014",
        "soon",
        "",
        "-5",
        "+5",
        "5s",
        "1e3",
        "1.",
        ".5",
        "1.5.5",
        "0x10",
        "NaN",
        "inf",
        "\u{665}",
        "\"5\"",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sunday, 31-Feb-94 08:49:37 GMT",
        "Sun Nov  6 08:49 1994",
        "Sun Nov 66 08:49:37 1994",
        "Sun Now  6 08:49:37 1994",
    ] {
        assert_eq!(wait(garbage), None, "{garbage}");
    }
}

#[test]
fn the_longest_valid_wait_of_several_is_kept() {
    let waits = |values: &[&str]| {
        let pairs: Vec<_> = values.iter().map(|value| ("retry-after", *value)).collect();
        read(&pairs).and_then(|limit| limit.retry_after)
    };
    assert_eq!(waits(&["5", "7"]), Some(Duration::from_secs(7)));
    assert_eq!(waits(&["7", "5", "soon", "999999"]), Some(Duration::from_secs(7)));
    assert_eq!(waits(&["5, 7"]), Some(Duration::from_secs(7)));
    assert_eq!(waits(&["5", "Tue, 28 Jan 2014 20:40:30 GMT"]), Some(Duration::from_secs(30)));
}

#[test]
fn a_year_of_two_digits_is_the_one_within_fifty_years() {
    let year = |value: &str, now: &str| {
        let now = now.parse().expect("a time");
        http_date(value, now).map(|date| jiff::tz::TimeZone::UTC.to_datetime(date).year())
    };
    assert_eq!(year("Sunday, 06-Nov-94 08:49:37 GMT", "2026-01-01T00:00:00Z"), Some(1994));
    assert_eq!(year("Sunday, 06-Nov-26 08:49:37 GMT", "2026-01-01T00:00:00Z"), Some(2026));
    assert_eq!(year("Sunday, 01-Jan-76 00:00:00 GMT", "2026-01-01T00:00:00Z"), Some(2076));
    assert_eq!(year("Sunday, 01-Jan-76 00:00:01 GMT", "2026-01-01T00:00:00Z"), Some(1976));
    assert_eq!(year("Sunday, 06-Nov-01 08:49:37 GMT", "2099-12-31T00:00:00Z"), Some(2101));
    assert_eq!(year("Sunday, 30-Jun-16 23:59:60 GMT", "2026-01-01T00:00:00Z"), Some(2016));
}

#[test]
fn the_date_is_read_in_the_old_forms_too() {
    for date in ["Tuesday, 28-Jan-14 21:40:00 GMT", "Tue Jan 28 21:40:00 2014"] {
        let limit = read(&[("x-ratelimit-reset", "1390945226"), ("date", date)]);
        assert_eq!(limit.and_then(|limit| limit.reset_after), Some(Duration::from_secs(26)), "{date}");
    }
}

#[test]
fn lists_may_have_several_lines_and_each_limit_has_its_own_policy() {
    let limit = read(&[
        ("ratelimit", r#""burst";r=7;t=12"#),
        ("ratelimit", r#""hour";r=0;t=900"#),
        ("ratelimit-policy", r#""burst";q=300;w=60"#),
        ("ratelimit-policy", r#""hour";q=1000;w=3600"#),
    ])
    .expect("there are limits");
    assert_eq!((limit.limit, limit.remaining), (Some(1000), Some(0)));
    assert_eq!(limit.reset_after, Some(Duration::from_secs(900)));
    assert_eq!(limit.window, Some(Duration::from_secs(3600)));
    let limit = read(&[
        ("ratelimit-limit", "1000, 300;w=60, 1000;w=3600"),
        ("ratelimit-remaining", "9"),
        ("ratelimit-policy", "300;w=60, 1000;w=3600"),
    ]);
    let limit = limit.expect("there are limits");
    assert_eq!((limit.limit, limit.window), (Some(1000), Some(Duration::from_secs(3600))));
}

#[test]
fn invalid_headers_are_ignored() {
    assert_eq!(read(&[]), None);
    assert_eq!(
        read(&[
            ("x-ratelimit-limit", "many"),
            ("x-ratelimit-remaining", "-1"),
            ("x-ratelimit-reset", "99999999999999999999"),
            ("ratelimit", ";;;=,"),
            ("ratelimit-policy", "w="),
            ("tascha-api-units-reset", "tomorrow"),
        ]),
        None
    );
    assert_eq!(read(&[("x-ratelimit-limit", "\u{ff}")]), None);
    let far = read(&[("ratelimit-reset", "18446744073709551615")]);
    assert_eq!(far, None);
    let far = read(&[("ratelimit-reset", "9223372036854775807"), ("ratelimit-remaining", "1")]);
    assert_eq!(far.map(|limit| (limit.reset, limit.reset_after)), Some((None, None)));
    assert_eq!(read(&[("x-ratelimit-reset", "292277026596")]), None, "in the year 11231");
    assert_eq!(read(&[("ratelimit-policy", "9;w=0")]).and_then(|limit| limit.window), None);
}

/// Values as services and proxies write them, valid and invalid.
fn value() -> impl Strategy<Value = String> {
    let number =
        prop_oneof![any::<u64>(), 0..100_000_u64, 1_390_941_000..1_390_942_000_u64, Just(u64::MAX), Just(0)];
    let text = prop_oneof![Just(String::new()), "[ -~]{0,24}", r#"[0-9a-z";=, .+-]{0,40}"#];
    prop_oneof![
        number.clone().prop_map(|number| number.to_string()),
        (number.clone(), any::<u64>()).prop_map(|(whole, part)| format!("{whole}.{part}")),
        any::<i64>().prop_map(|number| number.to_string()),
        (number.clone(), number.clone()).prop_map(|(r, t)| format!(r#""a";r={r};t={t}, "b";r=1;t=1.{t}"#)),
        (number.clone(), number.clone()).prop_map(|(q, w)| format!(r#""a";q={q};w={w}.5"#)),
        (number.clone(), number).prop_map(|(r, t)| format!("limit={r}, remaining={r}, reset={t}")),
        "[A-Za-z]{3,9}, [0-9]{1,3}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        "[A-Z][a-z]{2} (Jan|Feb|Dec) {1,2}[0-9]{1,2} [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}",
        text,
    ]
}

proptest! {
    #[test]
    fn no_header_causes_a_wait_longer_than_its_bound(
        pairs in prop::collection::vec((0..12_usize, value()), 0..12),
        now in any::<i64>(),
    ) {
        const NAMES: [&str; 12] = [
            "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-limit",
            "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy", "ratelimit", "retry-after", "date",
            "tascha-api-units-reset", "tascha-api-units-remaining",
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in &pairs {
            headers.append(NAMES[*name], HeaderValue::from_str(value).expect("visible ASCII"));
        }
        let now = Timestamp::from_second(now % 253_402_207_200).expect("within the years that jiff knows");
        let limit = RateLimit::from_headers(&headers, now).unwrap_or_default();
        prop_assert!(limit.retry_after.is_none_or(|wait| wait <= DAY), "{:?}", limit);
        prop_assert!(limit.reset_after.is_none_or(|wait| wait <= MAX_WINDOW), "{:?}", limit);
        prop_assert_eq!(limit.reset.is_some(), limit.reset_after.is_some());
        prop_assert!(limit.window.is_none_or(|window| !window.is_zero()));
        let _ = date(&headers);
    }
}
