//! `Content-Disposition` of the parts of a multipart body.

use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

/// What a part is called, and the file it carries.
///
/// Read here because the multipart parser knows neither `filename*` (RFC 5987), in which older urllib3 sends Japanese
/// names, nor parameter names in capitals.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Disposition {
    pub(crate) name: String,
    /// As sent; empty for the file field of a web form in which no file was chosen.
    pub(crate) filename: Option<String>,
}

impl Disposition {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers.get(header::CONTENT_DISPOSITION).map(|value| parse(value.as_bytes())).unwrap_or_default()
    }
}

fn parse(header: &[u8]) -> Disposition {
    // Browsers and curl write names in UTF-8 as they are.
    let header = String::from_utf8_lossy(header);
    let (mut name, mut filename) = ((None, None), (None, None));
    // What stands before the first semicolon is `form-data`.
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((key, value, after)) = parameter(rest) {
        rest = after;
        match key.to_ascii_lowercase().as_str() {
            "name" => keep(&mut name.0, Some(value)),
            "name*" => keep(&mut name.1, extended(&value)),
            "filename" => keep(&mut filename.0, Some(value)),
            "filename*" => keep(&mut filename.1, extended(&value)),
            _ => {}
        }
    }
    // RFC 6266, 4.3: the extended form goes before the plain one, wherever it stands.
    Disposition { name: name.1.or(name.0).unwrap_or_default(), filename: filename.1.or(filename.0) }
}

/// The first of several is the one.
fn keep(slot: &mut Option<String>, value: Option<String>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// The next parameter, its value and what follows.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    let (key, rest) = text.split_once('=')?;
    if let Some((_, after)) = key.split_once(';') {
        // A word without a value; the next parameter may be well.
        return parameter(&text[text.len() - after.len() - 1 - rest.len()..]);
    }
    let rest = rest.trim_start();
    let (value, after) = match rest.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None => {
            let (token, after) = rest.split_once(';').unwrap_or((rest, ""));
            (token.trim_end().to_owned(), after)
        }
    };
    Some((key.trim(), value, after))
}

/// A quoted string up to its end. One that never ends is taken whole.
///
/// A backslash escapes quotes and itself only: old browsers send `C:\report.txt` without doubling it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

/// `charset'language'percent-encoded`, in UTF-8, which every sender has to know (RFC 8187).
fn extended(value: &str) -> Option<String> {
    let mut pieces = value.splitn(3, '\'');
    let (charset, _language, encoded) = (pieces.next()?, pieces.next()?, pieces.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_decode_str(encoded).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> (String, Option<String>) {
        let Disposition { name, filename } = parse(header.as_bytes());
        (name, filename)
    }

    fn file(name: &str) -> (String, Option<String>) {
        ("file".to_owned(), Some(name.to_owned()))
    }

    #[test]
    fn a_name_is_found_in_every_form_that_clients_send() {
        let japanese = "%E5%A0%B1%E5%91%8A.txt";
        for header in [
            // Old urllib3; RFC 6266's advice in both orders; reqwest; curl and browsers.
            &format!("form-data; name=\"file\"; filename*=utf-8''{japanese}"),
            &format!("form-data; name=\"file\"; filename=\"?.txt\"; filename*=UTF-8''{japanese}"),
            &format!("form-data; filename*=UTF-8'ja'{japanese}; filename=\"?.txt\"; name=\"file\""),
            &format!("form-data; name*=utf-8''file; FileName*=utf-8''{japanese}"),
            "form-data; name=\"file\"; filename=\"報告.txt\"",
            "form-data;name=file;filename=報告.txt",
            "Form-Data; NAME = \"file\" ; odd; FILENAME = \"報告.txt\" ",
        ] {
            assert_eq!(of(header), file("報告.txt"), "{header}");
        }
    }

    #[test]
    fn quotes_and_semicolons_stand_inside() {
        assert_eq!(of(r#"form-data; name="file"; filename="a;name=b\".txt""#), file("a;name=b\".txt"));
        assert_eq!(of(r#"form-data; name="file"; filename="C:\new\\x.txt""#), file(r"C:\new\x.txt"));
        assert_eq!(of(r#"form-data; name="file"; filename="a%22b.txt""#), file("a%22b.txt"));
        assert_eq!(of(r#"form-data; name="file"; filename="never closed"#), file("never closed"));
    }

    #[test]
    fn unreadable_parameters_are_skipped() {
        assert_eq!(of("form-data; name=\"file\"; filename=\"a\"; filename*=utf-8''%FF"), file("a"));
        assert_eq!(of("form-data; name=\"file\"; filename=\"a\"; filename*=koi8-r''b"), file("a"));
        assert_eq!(of("form-data; name=\"file\"; filename=\"a\"; filename*=b"), file("a"));
        assert_eq!(of("form-data; name=\"file\"; filename=\"\""), file(""));
        assert_eq!(of("form-data; name=\"file\""), ("file".to_owned(), None));
        assert_eq!(of("form-data"), (String::new(), None));
        assert_eq!(of("form-data; ; =; x"), (String::new(), None));
    }
}
