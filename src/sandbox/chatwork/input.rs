//! The parameters of a request, and how they are checked.

use super::reply::Refusal;
use axum::RequestExt;
use axum::extract::{Multipart, Request};
use axum::http::header;
use bytes::Bytes;
use std::ops::RangeInclusive;

/// Name and value of each parameter, in the order sent.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Field>);

#[derive(Debug)]
struct Field {
    name: String,
    value: Bytes,
    file: Option<(String, String)>,
}

/// A part of a multipart body that carries a file.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) filename: String,
    pub(super) content_type: String,
    pub(super) content: Bytes,
}

impl Fields {
    pub(super) fn urlencoded(text: &[u8]) -> Self {
        let field = |(name, value): (_, std::borrow::Cow<'_, str>)| Field {
            name: std::borrow::Cow::into_owned(name),
            value: Bytes::from(value.into_owned()),
            file: None,
        };
        Self(url::form_urlencoded::parse(text).map(field).collect())
    }

    /// The parameters in the body. A body in another format has none, so that those required are missing.
    pub(super) async fn body(request: Request) -> Self {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        if content_type.starts_with("application/x-www-form-urlencoded") {
            let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
            Self::urlencoded(&body)
        } else if content_type.starts_with("multipart/form-data") {
            match request.extract().await {
                Ok(multipart) => Self::multipart(multipart).await,
                Err(_) => Self::default(),
            }
        } else {
            Self::default()
        }
    }

    async fn multipart(mut multipart: Multipart) -> Self {
        let mut fields = Vec::new();
        // A body that breaks off in the middle holds what came before.
        while let Ok(Some(part)) = multipart.next_field().await {
            let name = part.name().unwrap_or_default().to_owned();
            let content_type = part.content_type().unwrap_or("application/octet-stream").to_owned();
            let file = part.file_name().map(|filename| (filename.to_owned(), content_type));
            let Ok(value) = part.bytes().await else { break };
            fields.push(Field { name, value, file });
        }
        Self(fields)
    }

    fn text(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|field| field.name == name)?;
        std::str::from_utf8(&field.value).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { fields: self, errors: Vec::new() }
    }
}

/// Takes parameters out and gathers what is wrong with them, so that one refusal names it all.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    fields: &'a Fields,
    errors: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Refuses the request if anything was missing or unfit.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::invalid(self.errors)) }
    }

    /// A text that may be left out, or be empty.
    pub(super) fn any_text(&mut self, name: &str) -> Option<&'a str> {
        self.fields.text(name)
    }

    /// A text that may be left out. The length counts characters.
    pub(super) fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<&'a str> {
        let text = self.fields.text(name)?;
        if !length.contains(&text.chars().count()) {
            self.invalid(name);
        }
        Some(text)
    }

    /// A text that must be there; empty is as good as missing.
    pub(super) fn required_text(&mut self, name: &str, longest: usize) -> &'a str {
        match self.fields.get(name) {
            Some(_) => self.text(name, 1..=longest).unwrap_or_default(),
            None => {
                self.missing(name);
                ""
            }
        }
    }

    /// A switch: `0` or `1`.
    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.fields.text(name) {
            None => default,
            Some("0") => false,
            Some("1") => true,
            Some(_) => {
                self.invalid(name);
                default
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice(&mut self, name: &str, choices: &[&str]) -> Option<&'a str> {
        let text = self.fields.text(name)?;
        if !choices.contains(&text) {
            self.invalid(name);
        }
        Some(text)
    }

    pub(super) fn required_choice(&mut self, name: &str, choices: &[&str]) -> &'a str {
        if self.fields.get(name).is_none() {
            self.missing(name);
            return "";
        }
        self.choice(name, choices).unwrap_or_default()
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        let number = self.fields.text(name)?.parse().ok();
        if number.is_none() {
            self.invalid(name);
        }
        number
    }

    pub(super) fn required_number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        if self.fields.get(name).is_none() {
            self.missing(name);
            return None;
        }
        self.number(name)
    }

    /// Ids separated by commas, each once. Left out or empty: none.
    pub(super) fn ids(&mut self, name: &str) -> Vec<u64> {
        let Some(list) = self.fields.get(name) else { return Vec::new() };
        let mut ids = Vec::new();
        for id in list.split(',') {
            match id.parse() {
                Ok(id) if ids.contains(&id) => {}
                Ok(id) => ids.push(id),
                Err(_) => {
                    self.invalid(name);
                    break;
                }
            }
        }
        ids
    }

    /// At least one id.
    pub(super) fn required_ids(&mut self, name: &str) -> Vec<u64> {
        if self.fields.get(name).is_none() {
            self.missing(name);
        }
        self.ids(name)
    }

    /// The code of an invitation link.
    pub(super) fn link_code(&mut self, name: &str) -> Option<&'a str> {
        let code = self.text(name, 1..=50)?;
        if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            self.invalid(name);
        }
        Some(code)
    }

    /// A file with its name.
    pub(super) fn required_upload(&mut self, name: &str) -> Option<Upload> {
        let field = self.fields.0.iter().find(|field| field.name == name);
        let Some((field, (filename, content_type))) =
            field.and_then(|field| Some((field, field.file.as_ref()?)))
        else {
            self.missing(name);
            return None;
        };
        let (filename, content_type) = (filename.clone(), content_type.clone());
        Some(Upload { filename, content_type, content: field.value.clone() })
    }

    fn missing(&mut self, name: &str) {
        self.errors.push(format!("Parameter '{name}' is required"));
    }

    fn invalid(&mut self, name: &str) {
        let error = format!("Parameter '{name}' is invalid");
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_gathered() {
        let fields = Fields::urlencoded(b"body=&link=true&ids=1%2C2%2C2,x&name=%E4%BC%9A");
        let mut reader = fields.reader();
        reader.required_text("body", 10);
        reader.flag("link", false);
        reader.required_ids("ids");
        reader.required_ids("to_ids");
        assert_eq!(reader.text("name", 1..=1), Some("会"));
        let errors = reader.finish().expect_err("four are wrong");
        let text = format!("{errors:?}");
        for expected in
            ["'body' is required", "'link' is invalid", "'ids' is invalid", "'to_ids' is required"]
        {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn ids_are_separated_by_commas_and_counted_once() {
        let fields = Fields::urlencoded(b"ids=3,1,3");
        let mut reader = fields.reader();
        assert_eq!(reader.required_ids("ids"), [3, 1]);
        assert!(reader.finish().is_ok());
    }
}
