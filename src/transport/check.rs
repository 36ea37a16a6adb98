//! Checks of parameters before anything is sent. The bounds come from the specifications.

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
            format!("is empty; at least {min} character(s)")
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

/// An id in a path: anything that could lead to another endpoint is refused, not encoded, since no id has it.
pub(crate) fn id(parameter: &'static str, id: &str) -> Checked {
    segment(parameter, id)?;
    match id.chars().find(|c| matches!(c, '/' | '\\' | '%' | '?' | '#') || c.is_control()) {
        Some(c) => Err(InvalidInput::new(parameter, format!("contains {c:?}, which no id does"))),
        None => Ok(()),
    }
}

/// A path segment of free text: encoded as it is, but a dot segment would be folded away by the URL parser.
pub(crate) fn segment(parameter: &'static str, text: &str) -> Checked {
    match text {
        "" => Err(InvalidInput::new(parameter, "is empty")),
        "." | ".." => {
            Err(InvalidInput::new(parameter, format!("is {text:?}, which would lead to another path")))
        }
        _ => Ok(()),
    }
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
        assert_eq!(
            length("body", "", 1, 10).unwrap_err().to_string(),
            "`body` is empty; at least 1 character(s)"
        );
        assert!(length("code", "あ", 2, 10).is_err());
    }

    #[test]
    fn ids_that_would_reach_another_endpoint_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\\b", "%2e%2e", "a?b", "a#b", "a\nb", "a\u{7f}"] {
            assert!(id("roomId", bad).is_err(), "{bad:?}");
        }
        for good in ["ckabc1234", "a.b", "...", "日本"] {
            assert!(id("roomId", good).is_ok(), "{good:?}");
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
