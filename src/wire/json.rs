//! JSON tokens, for tasks that a typed reader cannot do: continue after a fault, and locate it.
//!
//! Nothing here fails or recurses: any body is read once, from front to back.

use std::borrow::Cow;

/// The JSON without leading white space and byte order mark.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii()
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[`
    Array,
    /// `{`
    Object,
    /// `]` or `}`
    End,
    Comma,
    Colon,
    /// A string, with its opening quote and, if present, its closing quote.
    Text,
    /// A number, `true`, `false`, `null`, or any other unquoted text.
    Word,
}

/// A token, and its position in the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn of<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        &body[self.start..self.end]
    }
}

pub(super) struct Tokens<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// The end of the string that begins at `start`: after its closing quote, or at the end of the body.
    fn text_end(&self, start: usize) -> usize {
        let mut at = start + 1;
        while let Some(byte) = self.body.get(at) {
            match byte {
                b'"' => return at + 1,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.body.len()
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let blank = self.body[self.at..].iter().take_while(|byte| is_blank(**byte)).count();
        let start = self.at + blank;
        let kind = match self.body.get(start)? {
            b'[' => Kind::Array,
            b'{' => Kind::Object,
            b']' | b'}' => Kind::End,
            b',' => Kind::Comma,
            b':' => Kind::Colon,
            b'"' => Kind::Text,
            _ => Kind::Word,
        };
        self.at = match kind {
            Kind::Text => self.text_end(start),
            Kind::Word => {
                let ends = |byte: &u8| is_blank(*byte) || b"[]{},:\"".contains(byte);
                start + self.body[start..].iter().take_while(|byte| !ends(byte)).count()
            }
            _ => start + 1,
        };
        Some(Token { kind, start, end: self.at })
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The text of a string token. Half a surrogate pair and invalid UTF-8 become U+FFFD; an escape that JSON does not have is
/// kept.
pub(super) fn text(token: &[u8]) -> Cow<'_, str> {
    let inner = token.strip_prefix(b"\"").unwrap_or(token);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    if !inner.contains(&b'\\') {
        return String::from_utf8_lossy(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(escape) = rest.iter().position(|byte| *byte == b'\\') {
        plain.extend_from_slice(&rest[..escape]);
        rest = &rest[escape..];
        let (character, length) = unescape(rest);
        match character {
            Some(character) => plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => plain.extend_from_slice(&rest[..length]),
        }
        rest = &rest[length..];
    }
    plain.extend_from_slice(rest);
    match String::from_utf8_lossy(&plain) {
        Cow::Borrowed(_) => Cow::Owned(String::from_utf8(plain).unwrap_or_default()),
        Cow::Owned(lossy) => Cow::Owned(lossy),
    }
}

/// The character of the escape at the beginning of `text`, and the escape's length; for an invalid escape `None`, and the
/// length of the backslash.
pub(super) fn unescape(text: &[u8]) -> (Option<char>, usize) {
    let simple = match text.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            return match unit(text) {
                Some(high @ 0xd800..0xdc00) => match unit(&text[6..]) {
                    Some(low @ 0xdc00..0xe000) => {
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        (char::from_u32(code), 12)
                    }
                    _ => (Some(char::REPLACEMENT_CHARACTER), 6),
                },
                Some(unit) => (Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)), 6),
                None => (None, 1),
            };
        }
        _ => return (None, 1),
    };
    (Some(simple), 2)
}

/// The number in `\uXXXX`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// The greatest depth of a shown path, and the greatest length of each of its names.
const MAX_DEPTH: usize = 32;
const MAX_NAME: usize = 100;

/// The JSON path of the value that ends before `offset`, such as `[3].account.name`; empty for the whole body.
///
/// serde_json reports a failure there: after a wrong value, after the opening bracket of a wrong container, or after the
/// closing bracket of an object without a required field.
pub(super) fn path_at(body: &[u8], offset: usize) -> String {
    enum Step<'a> {
        Index(usize),
        Name(Option<&'a [u8]>),
    }
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut deeper = 0_usize;
    for token in Tokens::new(body).take_while(|token| token.start < offset) {
        let is_last = token.end >= offset;
        let is_deepest = steps.len() >= MAX_DEPTH;
        match (token.kind, steps.last_mut()) {
            (Kind::Array | Kind::Object, _) if is_last => {}
            (Kind::Array | Kind::Object, _) if is_deepest => deeper += 1,
            (Kind::Array, _) => steps.push(Step::Index(0)),
            (Kind::Object, _) => steps.push(Step::Name(None)),
            (Kind::End, _) if deeper > 0 => deeper -= 1,
            (Kind::End, _) => drop(steps.pop()),
            _ if deeper > 0 => {}
            (Kind::Comma, Some(Step::Index(index))) => *index += 1,
            (Kind::Comma, Some(Step::Name(name))) => *name = None,
            (Kind::Text, Some(Step::Name(name @ None))) => *name = Some(token.of(body)),
            _ => {}
        }
    }
    let mut path = String::new();
    for step in &steps {
        match step {
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Name(Some(name)) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.extend(text(name).chars().take(MAX_NAME));
            }
            Step::Name(None) => {}
        }
    }
    path.push_str(if deeper > 0 { "…" } else { "" });
    path
}

/// The values of these members of an object, in one pass: the last one of each name, up to the end of the body.
pub(crate) fn members<'a, const N: usize>(body: &'a [u8], names: [&str; N]) -> [Option<&'a [u8]>; N] {
    let body = without_mark(body);
    let mut found = [None; N];
    let (mut depth, mut name, mut start) = (0_usize, None, None);
    let mut take = |name: &mut Option<usize>, start: &mut Option<usize>, end: usize| {
        if let (Some(name), Some(start)) = (name.take(), start.take()) {
            found[name] = Some(body[start..end].trim_ascii_end());
        }
        (*name, *start) = (None, None);
    };
    // Whether the next string is a name.
    let mut before_name = false;
    for token in Tokens::new(body) {
        match token.kind {
            Kind::Array if depth == 0 => return found,
            Kind::Object if depth == 0 => before_name = true,
            Kind::Text if depth == 1 && before_name => {
                let own = text(token.of(body));
                name = names.iter().position(|wanted| *wanted == own);
                before_name = false;
            }
            Kind::Colon if depth == 1 => {}
            Kind::Comma | Kind::End if depth == 1 => {
                take(&mut name, &mut start, token.start);
                before_name = token.kind == Kind::Comma;
            }
            _ if depth == 1 && start.is_none() => start = Some(token.start),
            _ => {}
        }
        match token.kind {
            Kind::Array | Kind::Object => depth += 1,
            Kind::End if depth <= 1 => return found,
            Kind::End => depth -= 1,
            _ if depth == 0 => return found,
            _ => {}
        }
    }
    take(&mut name, &mut start, body.len());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unpaired_surrogates_are_replaced() {
        for (json, plain) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\uD83D\uDE00""#, "😀"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""\u12""#, r"\u12"),
            (r#""\q""#, r"\q"),
            (r#""\"""#, "\""),
        ] {
            assert_eq!(text(json.as_bytes()), plain, "{json}");
        }
        assert_eq!(text(b"\"a\xe3\x81\""), "a\u{fffd}");
        assert_eq!(text(b"\"\\n\xff\""), "\n\u{fffd}");
    }

    #[test]
    fn a_path_leads_to_the_value_that_ends_at_the_offset() {
        let body = br#"[{"id":1,"a":{"b c":[true,"x"]}},{"id":2},[]]"#;
        let at = |what: &str| {
            let text = std::str::from_utf8(body).expect("text");
            path_at(body, text.find(what).expect("it is there") + what.len())
        };
        assert_eq!(at("1"), "[0].id");
        assert_eq!(at(r#""x""#), "[0].a.b c[1]");
        assert_eq!(at(r#"["#), "");
        assert_eq!(at(r#""b c":["#), "[0].a.b c");
        assert_eq!(at("}}"), "[0]");
        assert_eq!(at(r#"{"id":2}"#), "[1]");
        assert_eq!(at("[]"), "[2]");
        assert_eq!(path_at(body, body.len()), "");
        let deep = "[".repeat(1_000_000);
        assert_eq!(path_at(deep.as_bytes(), deep.len()), format!("{}…", "[0]".repeat(MAX_DEPTH)));
    }

    #[test]
    fn members_are_found_in_any_text() {
        let find = |body: &'static str| {
            members(body.as_bytes(), ["a", "b"])
                .map(|found| found.and_then(|json| std::str::from_utf8(json).ok()))
        };
        assert_eq!(
            find(r#"{"x":{"a":1},"a" : [1, {"b":2}] , "b":"}"}"#),
            [Some(r#"[1, {"b":2}]"#), Some(r#""}""#)]
        );
        assert_eq!(find(r#"{"a":1,"a":2}"#), [Some("2"), None]);
        assert_eq!(find(r#"{"\u0061":1,"b":tru"#), [Some("1"), Some("tru")]);
        assert_eq!(find(r#"{"b":"cut"#), [None, Some("\"cut")]);
        assert_eq!(find(r#"{"a""#), [None, None]);
        assert_eq!(find(r#"{"x":"a","b":null}"#), [None, Some("null")]);
        for nothing in ["", "[{\"a\":1}]", "a", "}", "\"a\"", "<html>{\"a\":1}", "{}{\"a\":1}"] {
            assert_eq!(find(nothing), [None, None], "{nothing}");
        }
    }
}
