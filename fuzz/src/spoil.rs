//! Valid answers of every operation, in which one value is spoilt.

use crate::decode::OPERATIONS;
use serde_json::Value;
use std::cell::LazyCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

thread_local! {
    static ANSWERS: LazyCell<HashMap<(&'static str, &'static str), Value>> = LazyCell::new(answers);
}

/// The fixtures of the library's tests, by service and operation. A list has at least four items.
fn answers() -> HashMap<(&'static str, &'static str), Value> {
    let mut answers = HashMap::new();
    let known = OPERATIONS.with(|operations| {
        operations.iter().map(|operation| (operation.service, operation.specified.id)).collect::<Vec<_>>()
    });
    for (service, id) in known {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/fixtures/{service}/{id}.json"));
        let Ok(json) = fs::read(path) else { continue };
        let mut answer: Value = serde_json::from_slice(&json).expect("a fixture is JSON");
        if let Some(items) = items(&mut answer) {
            let given = items.clone();
            items.extend(given.iter().cycle().take(4_usize.saturating_sub(given.len())).cloned());
        }
        answers.insert((service, id), answer);
    }
    assert!(answers.len() > 55, "{} operations have a fixture", answers.len());
    answers
}

fn items(answer: &mut Value) -> Option<&mut Vec<Value>> {
    match answer {
        Value::Array(items) => Some(items).filter(|items| !items.is_empty()),
        Value::Object(page) => page.get_mut("data")?.as_array_mut().filter(|items| !items.is_empty()),
        _ => None,
    }
}

/// A placeholder for a value, which is then replaced by something that may not be JSON.
const PLACE: &str = "\u{1}the place\u{1}";

/// Four bytes select the operation, the item, the value in it, and the way in which it is spoilt. The other bytes are
/// its new content.
///
/// All other items are read as before, by every way of reading, and the strict list accepts what the lenient one
/// accepts. An additional member, whatever its value, does not change the answer.
pub fn spoil(data: &[u8]) {
    let Some((&[choice, item, value, way], junk)) = data.split_first_chunk() else { return };
    OPERATIONS.with(|operations| {
        let operation = &operations[usize::from(choice) % operations.len()];
        ANSWERS.with(|answers| {
            let Some(answer) = answers.get(&(operation.service, operation.specified.id)) else { return };
            let sound = answer.to_string();
            let mut spoilt = answer.clone();
            let junk = junk_of(way, junk);
            let index = items(&mut spoilt).map(|items| usize::from(item) % items.len());
            // The item, or the answer if it is not a list.
            let target = match index {
                Some(index) => &mut items(&mut spoilt).expect("it is a list")[index],
                None => &mut spoilt,
            };
            let is_known = way >= 0x80 && index.is_some();
            match target {
                Value::Object(members) if !is_known => {
                    members.insert(if value % 2 == 0 { "a new one" } else { "新" }.to_owned(), PLACE.into());
                }
                target => {
                    let mut left = usize::from(value) % values(target);
                    replace(target, &mut left);
                }
            }
            let quoted = serde_json::to_string(PLACE).expect("a text");
            let spoilt = spoilt.to_string();
            let (front, back) = spoilt.split_once(&quoted).expect("the place is there");
            let body = [front.as_bytes(), &junk, back.as_bytes()].concat();
            (operation.spoilt)(sound.as_bytes(), &body, index.filter(|_| is_known));
        });
    });
}

/// How many values there are in this one, itself among them.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

/// Puts the placeholder in the place of the value that has `left` values before it.
fn replace(value: &mut Value, left: &mut usize) -> bool {
    if *left == 0 {
        *value = PLACE.into();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, left)),
        Value::Object(members) => members.values_mut().any(|member| replace(member, left)),
        _ => false,
    }
}

/// A value that ends where it should, but may not be JSON otherwise.
fn junk_of(way: u8, junk: &[u8]) -> Vec<u8> {
    let depth = 1 + junk.first().map_or(0, |byte| usize::from(*byte) * 8);
    match way % 8 {
        // A string of any bytes except the quotation mark that would end it.
        0 | 1 => {
            let inner: Vec<u8> = junk.iter().copied().filter(|byte| *byte != b'"').collect();
            let backslashes = inner.iter().rev().take_while(|byte| **byte == b'\\').count();
            let end = if backslashes % 2 == 1 { &b"\\\""[..] } else { b"\"" };
            [b"\"", &inner[..], end].concat()
        }
        // A word.
        2 | 3 => {
            let is_part = |byte: &u8| !b"[]{},:\" \t\r\n".contains(byte);
            let word: Vec<u8> = junk.iter().copied().filter(is_part).collect();
            if word.is_empty() { b"NaN".to_vec() } else { word }
        }
        4 => [vec![b'['; depth], vec![b']'; depth]].concat(),
        5 => format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)).into_bytes(),
        6 => {
            let tokens: [&[u8]; 12] = [
                b"null",
                b"true",
                b"0",
                b"-1",
                b"1e400",
                b"NaN",
                b"[1,]",
                b"{\"id\":1,\"id\":[],}",
                b"\"\\ud83d\"",
                b"\"9999-12-31T23:59:59Z\"",
                b"18446744073709551616",
                b"\"\xe3\x81\"",
            ];
            tokens[usize::from(junk.first().copied().unwrap_or(0)) % tokens.len()].to_vec()
        }
        _ => match serde_json::from_slice::<Value>(junk) {
            Ok(value) => value.to_string().into_bytes(),
            Err(_) => b"{}".to_vec(),
        },
    }
}
