//! The parameters of a request, and how they are checked.

use super::reply::Refusal;
use crate::operation::Operation;
use crate::sandbox::backend::Request;
use crate::sandbox::multipart;
use axum::http::Method;
use bytes::Bytes;
use std::borrow::Cow;

/// Name and value of each parameter, in the order sent.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Field>);

#[derive(Debug)]
struct Field {
    name: String,
    value: Bytes,
    /// The name and the type of the file that it is, if it is one.
    file: Option<(String, String)>,
}

/// A part of a multipart body that carries a file.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) filename: String,
    pub(super) content_type: String,
    pub(super) content: Bytes,
}

/// How an operation wants its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Url-encoded.
    Form,
    /// Url-encoded, or multipart without files: what the service was seen to take for a message.
    AnyForm,
    /// Multipart, with files.
    Files,
}

impl Format {
    pub(super) fn of(operation: &Operation) -> Self {
        match operation.id {
            "upload_file" => Self::Files,
            _ if operation.method == Method::POST => Self::AnyForm,
            _ => Self::Form,
        }
    }
}

impl Fields {
    /// The parameters of a query or a form. A name without `=` is not one: it is how clients write a value of nil.
    pub(super) fn urlencoded(text: &[u8]) -> Self {
        let field = |(name, value): (Cow<'_, str>, Cow<'_, str>)| Field {
            name: name.into_owned(),
            value: Bytes::from(value.into_owned()),
            file: None,
        };
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| pair.contains(&b'='));
        Self(pairs.flat_map(url::form_urlencoded::parse).map(field).collect())
    }

    /// The parameters in the body. A body in another format has none, so that those required are missing.
    pub(super) async fn body(request: Request, format: Format) -> Self {
        let media_type = multipart::media_type(&request);
        if format != Format::Files && media_type == "application/x-www-form-urlencoded" {
            return Self::urlencoded(request.body());
        }
        if format == Format::Form || media_type != "multipart/form-data" {
            return Self::default();
        }
        // A body that breaks off in the middle holds what came before.
        let parts = multipart::read(request).await.parts.into_iter();
        let fields = parts.map(|part| Field {
            name: part.name,
            value: part.content,
            file: part.filename.filter(|name| !name.is_empty()).map(|name| (name, part.content_type)),
        });
        Self(fields.filter(|field| format == Format::Files || field.file.is_none()).collect())
    }

    /// The first of that name; empty is as good as missing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let text = self.named(name).next().and_then(|field| std::str::from_utf8(&field.value).ok())?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// Whether there is such a parameter with a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named(name).any(|field| !field.value.is_empty())
    }

    /// Whether a parameter is there more than once.
    pub(super) fn has_repeated(&self) -> bool {
        self.0.iter().any(|field| self.named(&field.name).nth(1).is_some())
    }

    fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Field> {
        self.0.iter().filter(move |field| field.name == name)
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { fields: self, errors: Vec::new() }
    }
}

/// Takes parameters out and gathers what is wrong with them, so that one refusal names it all.
///
/// A parameter that is sent empty is one that is not sent, but for [`any_text`](Self::any_text).
#[derive(Debug)]
pub(super) struct Reader<'a> {
    fields: &'a Fields,
    errors: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Refuses the request if anything was missing or unfit.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::invalid(&self.errors)) }
    }

    /// A text that may be left out, or be empty.
    pub(super) fn any_text(&mut self, name: &str) -> Option<&'a str> {
        let text = std::str::from_utf8(&self.field(name)?.value).ok();
        if text.is_none() {
            self.invalid(name);
        }
        text
    }

    /// A text that may be left out. The length counts characters.
    pub(super) fn text(&mut self, name: &str, longest: usize) -> Option<&'a str> {
        let text = self.value(name)?;
        if text.chars().count() > longest {
            self.invalid(name);
        }
        Some(text)
    }

    /// A text that must be there; empty is as good as missing.
    pub(super) fn required_text(&mut self, name: &str, longest: usize) -> &'a str {
        let text = self.text(name, longest);
        self.required(name, text).unwrap_or_default()
    }

    /// A switch: `0` or `1`.
    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.value(name) {
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
        let text = self.value(name)?;
        if !choices.contains(&text) {
            self.invalid(name);
        }
        Some(text)
    }

    pub(super) fn required_choice(&mut self, name: &str, choices: &[&str]) -> &'a str {
        let choice = self.choice(name, choices);
        self.required(name, choice).unwrap_or_default()
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        let number = self.value(name)?.parse().ok();
        if number.is_none() {
            self.invalid(name);
        }
        number
    }

    pub(super) fn required_number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        let number = self.number(name);
        self.required(name, number)
    }

    /// Ids separated by commas, each once. Left out or empty: none.
    pub(super) fn ids(&mut self, name: &str) -> Vec<u64> {
        let Some(list) = self.value(name) else { return Vec::new() };
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
        let ids = self.ids(name);
        let some = ids.first().copied();
        self.required(name, some);
        ids
    }

    /// The code of an invitation link.
    pub(super) fn link_code(&mut self, name: &str) -> Option<&'a str> {
        let code = self.text(name, 50)?;
        if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            self.invalid(name);
        }
        Some(code)
    }

    /// A file with its name.
    pub(super) fn required_upload(&mut self, name: &str) -> Option<Upload> {
        let upload = self.field(name).and_then(|field| {
            let (filename, content_type) = field.file.clone()?;
            Some(Upload { filename, content_type, content: field.value.clone() })
        });
        self.required(name, upload)
    }

    /// A value that is not empty.
    fn value(&mut self, name: &str) -> Option<&'a str> {
        self.any_text(name).filter(|text| !text.is_empty())
    }

    /// Which of several would count is not documented, so that a client that sends several gets an error.
    fn field(&mut self, name: &str) -> Option<&'a Field> {
        let fields = self.fields;
        let mut named = fields.0.iter().filter(|field| field.name == name);
        let field = named.next()?;
        if named.next().is_some() {
            self.invalid(name);
            return None;
        }
        Some(field)
    }

    fn required<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.error(name, "is required");
        }
        value
    }

    fn invalid(&mut self, name: &str) {
        self.error(name, "is invalid");
    }

    /// One error for each parameter, the first.
    fn error(&mut self, name: &str, what: &str) {
        let parameter = format!("Parameter '{name}' ");
        if !self.errors.iter().any(|error| error.starts_with(&parameter)) {
            self.errors.push(parameter + what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_are_collected() {
        let fields = Fields::urlencoded(b"body=&link=true&ids=1%2C2%2C2,x&name=%E4%BC%9A");
        let mut reader = fields.reader();
        reader.required_text("body", 10);
        reader.flag("link", false);
        reader.required_ids("ids");
        reader.required_ids("to_ids");
        assert_eq!(reader.text("name", 1), Some("会"));
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

    #[test]
    fn an_empty_parameter_counts_as_not_sent() {
        for text in ["", "a&n&c&t&f&l&i&d", "a=&n=&c=&t=&f=&l=&i=&d", "&&"] {
            let fields = Fields::urlencoded(text.as_bytes());
            let mut reader = fields.reader();
            assert_eq!(reader.number::<u64>("n"), None);
            assert_eq!((reader.choice("c", &["x"]), reader.text("t", 9)), (None, None));
            assert_eq!((reader.flag("f", true), reader.link_code("l")), (true, None));
            assert_eq!(reader.ids("i"), [0; 0]);
            assert_eq!(reader.any_text("d"), None, "{text}");
            assert!(reader.finish().is_ok(), "{text}");
        }
        assert_eq!(Fields::urlencoded(b"d=").reader().any_text("d"), Some(""));
    }

    #[test]
    fn a_parameter_sent_twice_is_refused() {
        let fields = Fields::urlencoded(b"a=1&a=1&b=1&b&c=");
        let mut reader = fields.reader();
        assert_eq!((reader.number::<u64>("a"), reader.number::<u64>("b")), (None, Some(1)));
        assert_eq!(reader.required_number::<u64>("a"), None);
        let error = format!("{:?}", reader.finish().expect_err("it is there twice"));
        assert!(error.contains("'a' is invalid") && !error.contains("'a' is required"), "{error}");
        assert!(fields.has_repeated() && fields.has("b") && !fields.has("c"));
    }
}
