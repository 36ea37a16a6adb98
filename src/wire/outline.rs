//! Outlines: bodies of an unreliable shape, read within a budget.
//!
//! As a whole [`Value`], an error body of 16 MB takes a gigabyte. An outline has a bound.

use super::json::{Kind, Tokens, members, text, without_mark};
use serde_json::{Map, Value};

/// The greatest depth of an outline; deeper values are omitted.
const MAX_DEPTH: usize = 32;

/// The longest text that is kept, in bytes.
const MAX_TEXT: usize = 4096;

/// The most that is kept. Reading uses it up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Values, and names of members.
    pub(crate) values: usize,
    /// Bytes of text.
    pub(crate) text: usize,
}

impl Budget {
    /// For an error body.
    const ERROR: Self = Self { values: 1024, text: 64 << 10 };

    /// For the content of a webhook, whose body is at most a megabyte.
    #[cfg(feature = "webhooks")]
    pub(crate) const EVENT: Self = Self { values: 64 << 10, text: 1 << 20 };

    /// Takes `part` of it, if that much remains.
    pub(crate) fn spend(&mut self, part: Self) -> bool {
        let left = (self.values.checked_sub(part.values), self.text.checked_sub(part.text));
        let (Some(values), Some(text)) = left else { return false };
        *self = Self { values, text };
        true
    }

    fn value(&mut self) -> bool {
        let left = self.values > 0;
        self.values = self.values.saturating_sub(1);
        left
    }

    /// The part of the text that fits the budget.
    fn text(&mut self, text: &str, most: usize) -> String {
        let mut end = self.text.min(most).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let kept = &text[..end];
        self.text -= kept.len();
        kept.to_owned()
    }
}

/// The value, as far as it can be read within the budget; `Null` for invalid JSON.
pub(crate) fn outline(body: &[u8], budget: &mut Budget) -> Value {
    /// A container that is being read, and the name of its next member.
    type Open = (Value, Option<String>);

    let mut open: Vec<Open> = Vec::new();
    // The depth of omitted containers.
    let mut passed = 0_usize;
    for token in Tokens::new(without_mark(body)) {
        let json = token.of(without_mark(body));
        match token.kind {
            Kind::Array | Kind::Object if passed > 0 || open.len() >= MAX_DEPTH || !budget.value() => {
                passed += 1
            }
            Kind::Array => open.push((Value::Array(Vec::new()), None)),
            Kind::Object => open.push((Value::Object(Map::new()), None)),
            Kind::End if passed > 0 => passed -= 1,
            Kind::End => match (open.pop(), open.is_empty()) {
                (Some((value, _)), false) => attach(&mut open, value),
                (value, _) => return value.map_or(Value::Null, |(value, _)| value),
            },
            _ if passed > 0 => {}
            Kind::Comma => {
                if let Some((_, name)) = open.last_mut() {
                    *name = None;
                }
            }
            Kind::Colon => {}
            Kind::Text => match open.last_mut() {
                Some((Value::Object(_), name @ None)) => *name = Some(budget.text(&text(json), MAX_TEXT)),
                Some(_) if !budget.value() => {}
                Some(_) => {
                    let text = budget.text(&text(json), usize::MAX);
                    attach(&mut open, Value::String(text));
                }
                None => return Value::String(budget.text(&text(json), usize::MAX)),
            },
            Kind::Word => {
                let value = serde_json::from_slice(json).unwrap_or(Value::Null);
                match open.is_empty() {
                    true => return value,
                    false if budget.value() => attach(&mut open, value),
                    false => {}
                }
            }
        }
    }
    // A truncated body is read up to its end.
    while let Some((value, _)) = open.pop() {
        if open.is_empty() {
            return value;
        }
        attach(&mut open, value);
    }
    Value::Null
}

fn attach(open: &mut [(Value, Option<String>)], value: Value) {
    match open.last_mut() {
        Some((Value::Array(items), _)) => items.push(value),
        Some((Value::Object(members), name)) => {
            if let Some(name) = name.take() {
                members.insert(name, value);
            }
        }
        _ => {}
    }
}

/// The names in error bodies of services and token endpoints.
const ERROR_NAMES: [&str; 8] =
    ["errors", "error", "error_description", "code", "message", "type", "requestId", "details"];

/// The known fields of an error body, each read independently of the others.
pub(crate) fn error_outline(body: &[u8]) -> Value {
    Value::Object(known(body, |json, budget| {
        // The envelope may be nested.
        let nested = if json.starts_with(b"{") { known(json, outline) } else { Map::new() };
        if nested.is_empty() { outline(json, budget) } else { Value::Object(nested) }
    }))
}

fn known(body: &[u8], read: impl Fn(&[u8], &mut Budget) -> Value) -> Map<String, Value> {
    let found = ERROR_NAMES.into_iter().zip(members(body, ERROR_NAMES));
    found
        .filter_map(|(name, json)| Some((name.to_owned(), read(json?, &mut Budget::ERROR.clone()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn whole(body: &str) -> Value {
        outline(body.as_bytes(), &mut Budget { values: 100, text: 1000 })
    }

    #[test]
    fn valid_json_is_read_unchanged() {
        for body in
            ["{}", "[]", "null", "7", "\"x\"", r#"{"a":[1,{"b":"\ud83d\ude00"},[]],"c":{"d":null},"e":-1.5}"#]
        {
            assert_eq!(whole(body), serde_json::from_str::<Value>(body).expect("JSON"), "{body}");
        }
    }

    #[test]
    fn invalid_json_is_read_as_far_as_possible() {
        for (body, expected) in [
            (r#"{"a":["x","y"#, json!({ "a": ["x", "y"] })),
            (r#"{"a":1,"b":NaN,"a":2}"#, json!({ "a": 2, "b": null })),
            ("\u{feff}{\"a\":\"\\ud83d\"}", json!({ "a": "\u{fffd}" })),
            (r#"{"a":1}]<html>"#, json!({ "a": 1 })),
            ("<html>{}", Value::Null),
            ("", Value::Null),
        ] {
            assert_eq!(whole(body), expected, "{body}");
        }
        assert_eq!(whole(&"[".repeat(100_000)).as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn the_budget_bounds_the_outline() {
        let many = format!("[{}1]", "1,".repeat(10_000));
        assert_eq!(whole(&many).as_array().map(Vec::len), Some(99));
        let long = format!("[\"{}\",\"x\"]", "字".repeat(10_000));
        assert_eq!(whole(&long), json!(["字".repeat(333), "x"]));
    }

    #[test]
    fn no_member_of_an_error_is_lost_for_another() {
        let junk = "[".repeat(100_000);
        let texts = vec!["x"; 5_000];
        let body =
            json!({ "data": texts, "details": { "a": texts }, "code": "locked", "message": 7 }).to_string();
        let read = error_outline(body.as_bytes());
        assert_eq!((&read["code"], &read["message"], read.get("data")), (&json!("locked"), &json!(7), None));
        let nested = format!(r#"{{"error":{{"junk":{},"code":"x"}},"message":"cut {junk}"#, json!(texts));
        let read = error_outline(nested.as_bytes());
        assert_eq!(read["error"], json!({ "code": "x" }));
        assert!(read["message"].as_str().is_some_and(|text| text.starts_with("cut [[[")));
        assert_eq!(error_outline(b"<html>"), json!({}));
        assert_eq!(error_outline(br#"{"error":{"other":1}}"#), json!({ "error": { "other": 1 } }));
    }
}
