//! Encoded requests, before the transport's steps.

use crate::input::{self, InvalidInput};
use crate::upload::Upload;
use reqwest::multipart::Form;
use reqwest::{RequestBuilder, Url};
use std::fmt;

/// The context in which an endpoint encodes its request.
pub struct Encoder<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) base: &'a Url,
    pub(super) base_text: &'a str,
}

impl Encoder<'_> {
    pub(crate) fn http(&self) -> &reqwest::Client {
        self.http
    }

    /// The URL of an operation's path, whose parameters are encoded already. Host and port, which take the longest to parse,
    /// are those of the base URL.
    pub(crate) fn join(&self, path: fmt::Arguments<'_>) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The URL of a caller's path, which must be below the base URL.
    pub(crate) fn url(&self, path: &str) -> Result<Url, InvalidInput> {
        let refused = |problem| Err(InvalidInput::new("path", problem));
        if !path.starts_with('/') {
            return refused("does not begin with `/`; give the path below the base URL");
        }
        let segments = path.split(['?', '#']).next().unwrap_or_default();
        let leads_away = |part: &str| !part.is_empty() && input::segment("path", part, &[]).is_err();
        // The URL parser drops tabs and line breaks, which could hide two dots.
        if path.contains(char::is_control) {
            return refused("contains control characters");
        }
        if path.starts_with("//") || segments.split('/').any(leads_away) {
            return refused("leads away from the base URL");
        }
        match Url::parse(&format!("{}{path}", self.base_text)) {
            Ok(url) if url.origin() == self.base.origin() => Ok(url),
            _ => refused("is not a path"),
        }
    }
}

#[cfg(feature = "outbox")]
impl Encoder<'_> {
    /// The path and the query of a URL below the base URL, as [`url`](Self::url) takes them.
    pub(crate) fn below_base(&self, url: &Url) -> Option<String> {
        let rest = url.as_str().strip_prefix(self.base_text)?;
        rest.starts_with('/').then(|| rest.to_owned())
    }
}

/// The parts of a multipart form, in their order.
#[derive(Default)]
pub(crate) struct Parts {
    form: Form,
    /// The texts, of which a form tells nothing.
    texts: Vec<(String, String)>,
    files: Vec<Upload>,
}

impl Parts {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        self.form = self.form.text(name.clone(), text.clone());
        self.texts.push((name, text));
        self
    }

    /// Adds a file, which the caller gave as `parameter`.
    pub(crate) fn file(
        mut self,
        name: impl Into<String>,
        file: &Upload,
        parameter: &'static str,
    ) -> Result<Self, InvalidInput> {
        self.form = self.form.part(name.into(), file.part(parameter)?);
        self.files.push(file.clone());
        Ok(self)
    }
}

/// A request, encoded by an endpoint.
pub struct Payload {
    pub(super) request: reqwest::Request,
    /// Its files, which decide whether the endpoint can encode it again.
    pub(super) files: Vec<Upload>,
    /// The texts of a multipart form.
    #[cfg(feature = "outbox")]
    texts: Vec<(String, String)>,
}

impl Payload {
    pub(crate) fn replayable(request: RequestBuilder) -> Result<Self, InvalidInput> {
        Ok(Self::from(Self::build(request)?))
    }

    pub(crate) fn multipart(request: RequestBuilder, parts: Parts) -> Result<Self, InvalidInput> {
        let request = Self::build(request.multipart(parts.form))?;
        Ok(Self {
            request,
            files: parts.files,
            #[cfg(feature = "outbox")]
            texts: parts.texts,
        })
    }

    /// The request as the generated client has written it, or why it cannot be written.
    pub(crate) fn encoded(
        written: Result<reqwest::Request, progenitor_client::Error>,
    ) -> Result<Self, InvalidInput> {
        match written {
            Ok(request) => Ok(Self::from(request)),
            Err(progenitor_client::Error::InvalidRequest(problem)) => {
                Err(InvalidInput::new("request", problem))
            }
            Err(_) => Err(InvalidInput::new("request", "cannot be written as HTTP")),
        }
    }

    pub(crate) fn url(&self) -> &Url {
        self.request.url()
    }

    /// The request, the texts of its multipart form, and whether it has files.
    #[cfg(feature = "outbox")]
    pub(crate) fn into_parts(self) -> (reqwest::Request, Vec<(String, String)>, bool) {
        (self.request, self.texts, !self.files.is_empty())
    }

    fn build(request: RequestBuilder) -> Result<reqwest::Request, InvalidInput> {
        request.build().map_err(|error| InvalidInput::new("request", error.without_url().to_string()))
    }
}

impl From<reqwest::Request> for Payload {
    fn from(request: reqwest::Request) -> Self {
        Self {
            request,
            files: Vec::new(),
            #[cfg(feature = "outbox")]
            texts: Vec::new(),
        }
    }
}
