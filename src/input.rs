//! Checks of parameters before anything is sent. The bounds come from the specifications.

use reqwest::header::HeaderName;

/// A parameter that was refused before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` {problem}")]
#[non_exhaustive]
pub struct InvalidInput {
    /// The parameter, by the name it has at the service.
    pub parameter: &'static str,
    /// What is wrong with it, with the bound that it breaks.
    pub problem: String,
}

impl InvalidInput {
    pub(crate) fn new(parameter: &'static str, problem: impl Into<String>) -> Self {
        Self { parameter, problem: problem.into() }
    }
}

type Checked = Result<(), InvalidInput>;

/// Text between `min` and `max` characters (Unicode scalar values).
pub(crate) fn length(parameter: &'static str, text: &str, min: i64, max: i64) -> Checked {
    // Most texts are within the bound in bytes already, which spares the counting.
    let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if bytes >= min && bytes <= max && (min <= 1 || text.is_ascii()) {
        return Ok(());
    }
    let count = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if count < min {
        let problem = if count == 0 {
            "is empty".to_owned()
        } else {
            format!("has {count} characters; at least {min}")
        };
        return Err(InvalidInput::new(parameter, problem));
    }
    if count > max {
        return Err(InvalidInput::new(parameter, format!("has {count} characters; at most {max}")));
    }
    Ok(())
}

/// Letters, digits, `_` and `-`.
pub(crate) fn code(parameter: &'static str, text: &str, min: i64, max: i64) -> Checked {
    length(parameter, text, min, max)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-')) {
        Some(c) => {
            Err(InvalidInput::new(parameter, format!("contains {c:?}; only letters, digits, `_` and `-`")))
        }
        None => Ok(()),
    }
}

pub(crate) fn range(parameter: &'static str, value: i64, min: i64, max: i64) -> Checked {
    if value < min || value > max {
        let bound = if max == i64::MAX { format!("at least {min}") } else { format!("{min} to {max}") };
        return Err(InvalidInput::new(parameter, format!("is {value}; {bound}")));
    }
    Ok(())
}

pub(crate) fn positive(parameter: &'static str, value: u64) -> Checked {
    if value == 0 {
        return Err(InvalidInput::new(parameter, "is 0; ids start at 1"));
    }
    Ok(())
}

pub(crate) fn not_empty(parameter: &'static str, empty: bool) -> Checked {
    if empty {
        return Err(InvalidInput::new(parameter, "is empty, or has an empty entry; at least one"));
    }
    Ok(())
}

/// Ids joined with commas, at least one and none of them 0.
pub(crate) fn ids(parameter: &'static str, list: &str) -> Checked {
    not_empty(parameter, list.is_empty())?;
    if list.split(',').any(|id| id == "0") {
        return Err(InvalidInput::new(parameter, "contains 0; ids start at 1"));
    }
    Ok(())
}

/// A Unix time that the service can take.
pub(crate) fn unix_time(parameter: &'static str, time: &jiff::Timestamp) -> Checked {
    if time.as_second() < 0 {
        return Err(InvalidInput::new(parameter, format!("is {time}, which is before 1970")));
    }
    Ok(())
}

/// At least one change: without any, the service would still count the call and raise the version.
pub(crate) fn any_change(names: &[&str], set: &[bool]) -> Checked {
    if set.contains(&true) {
        return Ok(());
    }
    let problem = format!("has nothing to change; set at least one of `{}`", names.join("`, `"));
    Err(InvalidInput::new("update", problem))
}

/// A decimal number of 1 to 19 digits, as a text.
pub(crate) fn digits(parameter: &'static str, text: &str) -> Checked {
    if (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(InvalidInput::new(parameter, "is not a number of 1 to 19 digits"))
}

/// An id in a path. Anything that could lead to another endpoint is refused and not encoded, since no id has it. `siblings`
/// are the words in the same position of other paths.
pub(crate) fn id(parameter: &'static str, id: &str, siblings: &[&str]) -> Checked {
    segment(parameter, id, siblings)?;
    match id.chars().find(|c| matches!(c, '%' | '?' | '#')) {
        Some(c) => Err(InvalidInput::new(parameter, format!("contains {c:?}, which no id does"))),
        None => Ok(()),
    }
}

/// A path segment of free text. It is percent-encoded. Text that a server or proxy could turn into another path, also after
/// decoding it once or more, is refused.
pub(crate) fn segment(parameter: &'static str, text: &str, siblings: &[&str]) -> Checked {
    let refused = |problem: String| Err(InvalidInput::new(parameter, problem));
    if text.is_empty() {
        return refused("is empty".to_owned());
    }
    let mut decoded = std::borrow::Cow::Borrowed(text);
    loop {
        if matches!(&*decoded, "." | "..") || siblings.contains(&&*decoded) {
            return refused(format!("is {text:?}, which would lead to another path"));
        }
        if let Some(c) = decoded.chars().find(|c| matches!(c, '/' | '\\') || c.is_control()) {
            return refused(format!("contains {c:?}, which could lead to another path"));
        }
        let further = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if further == *decoded {
            return Ok(());
        }
        decoded = further.into();
    }
}

/// The name of a header that a caller gives. The problem does not repeat it: it may be the value, passed in the wrong position.
///
/// No header in use has a name of 20 letters and digits without a hyphen or an underscore.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, &'static str> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Err(_) => Err("has a name that HTTP does not allow; the name comes first, and then the value"),
        Ok(_) if looks_like_secret(name) => {
            Err("has a name that looks like a secret; the name comes first, and then the value")
        }
        Ok(name) => Ok(name),
    }
}

/// Whether a name could be a token: few tokens are shorter than 20 characters, or have a separator.
pub(crate) fn looks_like_secret(name: &str) -> bool {
    name.len() >= 20 && !name.contains(['-', '_', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_and_name_the_bound() {
        assert!(length("body", "あ", 1, 1).is_ok());
        assert!(length("body", &"あ".repeat(10), 1, 10).is_ok());
        let long = length("body", &"あ".repeat(11), 1, 10).unwrap_err();
        assert_eq!(long.to_string(), "`body` has 11 characters; at most 10");
        assert_eq!(length("body", "", 1, 10).unwrap_err().to_string(), "`body` is empty");
        assert!(length("code", "あ", 2, 10).is_err());
    }

    #[test]
    fn ids_that_would_reach_another_endpoint_are_refused() {
        let bad = ["", ".", "..", "a/b", "a\\b", "%2e%2e", "a?b", "a#b", "a\nb", "a\u{7f}", "read", "a\0"];
        for bad in bad {
            assert!(id("roomId", bad, &["read"]).is_err(), "{bad:?}");
        }
        for good in ["ckabc1234", "a.b", "...", "日本", "reads"] {
            assert!(id("roomId", good, &["read"]).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn names_that_would_reach_another_endpoint_once_decoded_are_refused() {
        let bad = ["a/b", "a%2Fb", "%252e%252E", "a%5cb", "%00", "a%0db", ".%2e", "r%65ad", "%25252f"];
        for bad in bad {
            assert!(segment("name", bad, &["read"]).is_err(), "{bad:?}");
        }
        for good in ["100%", "a%20b", "%E6%97%A5", "50% 引き", "a?b#c", "%zz", "%ff"] {
            assert!(segment("name", good, &["read"]).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_number_as_text_has_digits_only() {
        assert!(digits("message_id", "1").is_ok() && digits("message_id", &"9".repeat(19)).is_ok());
        for bad in ["", "read", "-1", "1.0", "１", &"9".repeat(20)] {
            assert!(digits("message_id", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn codes_and_ranges_keep_their_bounds() {
        assert!(code("code", "a-B_9", 1, 50).is_ok());
        for bad in ["", "a b", "é", &"a".repeat(51)] {
            assert!(code("code", bad, 1, 50).is_err(), "{bad:?}");
        }
        assert!(range("limit", 1, 1, 200).is_ok() && range("limit", 200, 1, 200).is_ok());
        assert_eq!(range("limit", 201, 1, 200).unwrap_err().to_string(), "`limit` is 201; 1 to 200");
        assert!(range("limit", 0, 1, i64::MAX).is_err());
        assert!(positive("room_id", 0).is_err() && positive("room_id", 1).is_ok());
    }
}
