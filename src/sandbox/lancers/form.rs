//! Multipart bodies.
//!
//! The post prints the inner names of the parts in typographic quotes and shows no request, so every spelling that may
//! be the right one is taken: brackets in PHP's way, empty or numbered, with the inner name in quotes or without, and
//! lists by their bare name. Any other name is refused, so that nothing is lost in silence.

use super::data::Upload;
use super::error::Failure;
use crate::sandbox::multipart::{Part, Parts};

#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) users: Vec<String>,
    pub(super) title: Option<String>,
    pub(super) text: Option<String>,
    pub(super) files: Vec<Upload>,
}

impl Form {
    pub(super) fn read(parts: Parts) -> Result<Self, Failure> {
        if !parts.complete {
            return Err(Failure::bad_request());
        }
        let mut form = Self::default();
        for Part { name, filename, content_type: mime_type, content } in parts.parts {
            match plain(&name).as_str() {
                "users[]" => form.users.push(text(&content, "users")?),
                "users" => form.users.extend(users(&content)?),
                "title" => form.title = Some(text(&content, "title")?),
                "description" | "message[description]" => form.text = Some(text(&content, "description")?),
                "files" | "files[]" | "message[files]" | "message[files][]" => {
                    let name = filename.ok_or_else(|| Failure::invalid("files"))?;
                    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
                    match (name.is_empty(), size) {
                        // What a web form sends for a file field in which nothing was chosen; PHP drops it.
                        (true, 0) => {}
                        (true, _) => return Err(Failure::invalid("files")),
                        (false, _) => form.files.push(Upload { name, mime_type, size, content }),
                    }
                }
                _ => return Err(Failure::invalid(&name)),
            }
        }
        Ok(form)
    }
}

/// The name without quotes and numbers in its brackets: `message['files'][0]` is `message[files][]`.
fn plain(name: &str) -> String {
    let mut pieces = name.split('[');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let Some((inner, rest)) = piece.split_once(']') else {
            plain.push('[');
            plain.push_str(piece);
            continue;
        };
        let inner = inner.trim_matches(['\'', '"', '‘', '’', '“', '”']);
        let numbered = inner.bytes().all(|byte| byte.is_ascii_digit());
        plain.push('[');
        plain.push_str(if numbered { "" } else { inner });
        plain.push(']');
        plain.push_str(rest);
    }
    plain
}

/// A name, or all of them as a JSON list.
fn users(content: &[u8]) -> Result<Vec<String>, Failure> {
    let text = text(content, "users")?;
    if !text.trim_start().starts_with('[') {
        return Ok(vec![text]);
    }
    serde_json::from_str(&text).map_err(|_| Failure::invalid("users"))
}

fn text(content: &[u8], field: &str) -> Result<String, Failure> {
    String::from_utf8(content.to_vec()).map_err(|_| Failure::invalid(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_equivalent() {
        for (name, expected) in [
            ("users[0]", "users[]"),
            ("users", "users"),
            ("message['description']", "message[description]"),
            ("message[‘files’]", "message[files]"),
            ("message[\"files\"][12]", "message[files][]"),
            ("message[files][]", "message[files][]"),
            ("message[0x]", "message[0x]"),
            ("message[description", "message[description"),
        ] {
            assert_eq!(plain(name), expected);
        }
    }
}
