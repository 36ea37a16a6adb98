//! Answers that are complete, and not what was agreed.

use bytes::Bytes;
use serde_json::{Value, json};

/// A byte that occurs nowhere in UTF-8, in the first string or at the end.
pub(super) fn invalid_utf8(body: &[u8]) -> Bytes {
    let mut spoilt = body.to_vec();
    let quote = spoilt.iter().position(|byte| *byte == b'"');
    spoilt.insert(quote.map_or(spoilt.len(), |quote| quote + 1), 0xff);
    spoilt.into()
}

/// The first half. An answer without a body gets the beginning of one.
pub(super) fn invalid_json(body: &Bytes) -> Bytes {
    if body.len() < 2 { Bytes::from_static(b"{\"") } else { body.slice(..body.len() / 2) }
}

/// An object in place of each scalar.
pub(super) fn wrong_types(body: &Bytes) -> Bytes {
    edit(body, wrap)
}

fn wrap(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(wrap).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, wrap(value))).collect())
        }
        scalar => json!({ "value": scalar }),
    }
}

/// A new field in each object, and a new value in each field that is known to hold one of an enumeration.
pub(super) fn unknown_values(body: &Bytes) -> Bytes {
    edit(body, extend)
}

fn extend(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(extend).collect()),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let open_enum = value.is_string() && ENUMERATIONS.contains(&name.as_str());
                let value = if open_enum { json!("from_the_future") } else { extend(value) };
                (name, value)
            });
            Value::Object(
                fields.chain([("from_the_future".to_owned(), json!({ "nested": [1, null] }))]).collect(),
            )
        }
        scalar => scalar,
    }
}

/// Fields of the three services whose values are listed in their references.
const ENUMERATIONS: &[&str] = &["type", "role", "status", "limit_type", "billingContext"];

/// What is not JSON stays as it is.
fn edit(body: &Bytes, change: impl FnOnce(Value) -> Value) -> Bytes {
    match serde_json::from_slice(body) {
        Ok(value) => change(value).to_string().into(),
        Err(_) => body.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_spoilt_in_the_requested_way() {
        let body = Bytes::from_static(br#"[{"message_id":"1","status":"open","n":2}]"#);
        assert!(std::str::from_utf8(&invalid_utf8(&body)).is_err());
        assert!(std::str::from_utf8(&invalid_utf8(b"")).is_err());
        assert!(serde_json::from_slice::<Value>(&invalid_json(&body)).is_err());
        assert!(serde_json::from_slice::<Value>(&invalid_json(&Bytes::new())).is_err());
        let wrong: Value = serde_json::from_slice(&wrong_types(&body)).expect("it is JSON");
        assert_eq!(wrong[0]["n"], json!({ "value": 2 }));
        let unknown: Value = serde_json::from_slice(&unknown_values(&body)).expect("it is JSON");
        assert_eq!(unknown[0]["status"], "from_the_future");
        assert_eq!(unknown[0]["message_id"], "1");
        assert!(unknown[0]["from_the_future"].is_object());
    }
}
