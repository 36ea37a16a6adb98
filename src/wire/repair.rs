//! Repairs bodies for a strict parser, where the meaning is clear.
//!
//! Only a body that did not decode gets here, so valid bodies cost nothing.

use super::json::{Kind, Tokens, text, unescape};
use crate::digest::{FNV1A, fnv1a};
use std::ops::Range;

/// The greatest depth, and the most members of an object, in which repeated names are searched for.
const MAX_DEPTH: usize = 64;
const MAX_MEMBERS: usize = 256;

/// A body with its faults replaced.
pub(super) struct Repaired {
    pub(super) body: Vec<u8>,
    /// Whether a `null` has replaced a word that is not JSON. If that does not fit either, the original fault is reported.
    pub(super) guessed: bool,
}

/// Replaces what a strict parser or serde rejects; `None` if there is nothing to repair:
///
/// - halves of surrogate pairs, and bytes that are not UTF-8, become U+FFFD;
/// - control characters, and escapes that JSON does not have, are escaped;
/// - of members with one name, the last one is kept, as in most parsers;
/// - a word that is not JSON (`NaN`, `Infinity`) becomes `null` inside of a container;
/// - a comma before a closing bracket is removed.
pub(super) fn repair(body: &[u8]) -> Option<Repaired> {
    let mut hidden = repeated(body);
    hidden.sort_by_key(|range| range.start);
    let mut hidden = hidden.into_iter().peekable();
    let mut repaired = Repaired { body: Vec::with_capacity(body.len() + 16), guessed: false };
    let (mut depth, mut written, mut skipped_to) = (0_usize, 0, 0);
    // A comma is written only once a value follows.
    let mut comma = false;
    for token in Tokens::new(body) {
        while let Some(range) = hidden.next_if(|range| range.start <= token.start) {
            skipped_to = skipped_to.max(range.end);
        }
        match token.kind {
            Kind::Array | Kind::Object => depth += 1,
            Kind::End => depth = depth.saturating_sub(1),
            _ => {}
        }
        if token.start < skipped_to {
            written = token.end;
            continue;
        }
        if std::mem::take(&mut comma) && token.kind != Kind::End {
            repaired.body.push(b',');
        }
        // The blanks before it.
        repaired.body.extend_from_slice(&body[written..token.start]);
        match token.kind {
            Kind::Comma => comma = true,
            Kind::Text => write_text(token.of(body), &mut repaired.body),
            Kind::Word if depth > 0 && !is_word(token.of(body)) => {
                repaired.body.extend_from_slice(b"null");
                repaired.guessed = true;
            }
            _ => repaired.body.extend_from_slice(token.of(body)),
        }
        written = token.end;
    }
    if comma {
        repaired.body.push(b',');
    }
    repaired.body.extend_from_slice(&body[written..]);
    (repaired.body != body).then_some(repaired)
}

/// Whether it is a number, `true`, `false` or `null`.
fn is_word(word: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(word).is_ok()
}

fn write_text(token: &[u8], to: &mut Vec<u8>) {
    let is_sound = !token.contains(&b'\\')
        && !token.iter().any(|byte| *byte < b' ')
        && std::str::from_utf8(token).is_ok();
    // A string without its closing quote is where the body was truncated; the rest is unknown.
    if is_sound || token.len() < 2 || !token.ends_with(b"\"") {
        return to.extend_from_slice(token);
    }
    to.push(b'"');
    for part in token[1..token.len() - 1].utf8_chunks() {
        let mut rest = part.valid();
        while let Some(at) = rest.find(|character: char| character == '\\' || character < ' ') {
            to.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at..];
            let (escape, length) = match rest.as_bytes()[0] {
                b'\\' => unescape(rest.as_bytes()),
                control => (Some(char::from(control)), 1),
            };
            match escape {
                Some(char::REPLACEMENT_CHARACTER) => to.extend_from_slice("\u{fffd}".as_bytes()),
                Some(_) if length > 1 => to.extend_from_slice(&rest.as_bytes()[..length]),
                Some(control) => to.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes()),
                None => to.extend_from_slice(b"\\\\"),
            }
            rest = &rest[length..];
        }
        to.extend_from_slice(rest.as_bytes());
        to.extend_from_slice(if part.invalid().is_empty() { "" } else { "\u{fffd}" }.as_bytes());
    }
    to.push(b'"');
}

/// Members whose name is repeated later in their object, each with the comma after it.
fn repeated(body: &[u8]) -> Vec<Range<usize>> {
    struct Member {
        name: u64,
        start: usize,
        end: usize,
        /// Whether a later one replaces it.
        gone: bool,
    }
    /// An object's members so far, and whether the next text is a name; nothing for an array.
    type Level = Option<(Vec<Member>, bool)>;

    let mut found = Vec::new();
    let mut levels: Vec<Level> = Vec::new();
    let mut deeper = 0_usize;
    for token in Tokens::new(body) {
        let is_deepest = levels.len() >= MAX_DEPTH;
        match (token.kind, levels.last_mut()) {
            (Kind::Array | Kind::Object, _) if is_deepest => deeper += 1,
            (Kind::Array, _) => levels.push(None),
            (Kind::Object, _) => levels.push(Some((Vec::new(), true))),
            (Kind::End, _) if deeper > 0 => deeper -= 1,
            (Kind::End, _) => drop(levels.pop()),
            _ if deeper > 0 => {}
            (Kind::Comma, Some(Some((_, before_name)))) => *before_name = true,
            (Kind::Text, Some(Some((members, before_name)))) if *before_name => {
                *before_name = false;
                if let Some(last) = members.last_mut().filter(|last| last.end == 0) {
                    last.end = token.start;
                }
                let name = fnv1a(FNV1A, text(token.of(body)).bytes());
                if let Some(first) = members.iter_mut().find(|member| member.name == name && !member.gone) {
                    first.gone = true;
                    found.push(first.start..first.end);
                }
                if members.len() < MAX_MEMBERS {
                    members.push(Member { name, start: token.start, end: 0, gone: false });
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(body: &[u8]) -> Option<String> {
        repair(body).map(|repaired| String::from_utf8(repaired.body).expect("it is UTF-8"))
    }

    #[test]
    fn valid_json_is_not_changed() {
        for body in [
            r#" { "a" : [ 1 , -2.5e3 , true , null , "x\n\"\\ \u0001\ud83d\ude00" ] , "b" : { } } "#,
            r#""plain""#,
            r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#,
            "oops",
            "",
            "{\"cut",
            "[1,",
            "[[[[",
        ] {
            assert_eq!(repaired(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn defects_are_repaired_as_intended() {
        for (body, expected) in [
            (&br#"["\ud83d"]"#[..], "[\"\u{fffd}\"]"),
            (br#"{"\ude00":"\\ud83d\ud83d"}"#, "{\"\u{fffd}\":\"\\\\ud83d\u{fffd}\"}"),
            (b"[\"a\xe3\x81\",\"\xc0\xaf\"]", "[\"a\u{fffd}\",\"\u{fffd}\u{fffd}\"]"),
            (b"[\"a\tb\nc\0\"]", r#"["a\u0009b\u000ac\u0000"]"#),
            (br#"["\q\u12"]"#, r#"["\\q\\u12"]"#),
            (br#"[NaN, -Infinity,{"a":nan}]"#, r#"[null, null,{"a":null}]"#),
            (br#"[1,{"a":2,},]"#, r#"[1,{"a":2}]"#),
            (br#"{"a":1, "b":2, "a":3}"#, r#"{ "b":2, "a":3}"#),
            (br#"{"b":2,"a":1,"a":3}"#, r#"{"b":2,"a":3}"#),
            (br#"{"a":1,"a":2,"\u0061":{"c":1,"c":2}}"#, r#"{"\u0061":{"c":2}}"#),
            (br#"{"a":{"b":1,"b":2},"a":3}"#, r#"{"a":3}"#),
            (br#"[{"a":1,"a":2},{"a":3}]"#, r#"[{"a":2},{"a":3}]"#),
        ] {
            assert_eq!(repaired(body).as_deref(), Some(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    /// Time and memory are linear in the body, whatever its content.
    #[test]
    fn no_body_takes_more_than_linear_time_and_memory() {
        let deep = "{\"a\":[".repeat(200_000);
        assert_eq!(repaired(deep.as_bytes()), None);
        let names: String = (0..100_000).map(|name| format!("\"{name}\":1,\"x\":2,")).collect();
        let whole = repaired(format!("{{{names}\"x\":3}}").as_bytes()).expect("x stands twice");
        assert!(whole.ends_with("\"99999\":1,\"x\":3}") || whole.matches("\"x\"").count() > 1);
    }
}
