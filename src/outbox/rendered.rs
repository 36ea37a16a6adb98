//! A request as it is stored: rendered, so that every attempt sends the same bytes under the same key.

use crate::client::{Client, Service};
use crate::error::Error;
use crate::input::InvalidInput;
use crate::operation::{Operation, Safety};
use crate::raw::Raw;
use crate::request::{Endpoint, Request};
use crate::transport::{Encoder, Parts, Payload, idempotency_key};
use crate::wire::{self, DecodeFailure};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A service whose requests can be stored.
pub(super) trait Stored: Service {
    const OPERATIONS: &'static [&'static Operation];
}

#[cfg(feature = "chatwork")]
impl Stored for crate::chatwork::Chatwork {
    const OPERATIONS: &'static [&'static Operation] = crate::chatwork::table::ALL;
}

#[cfg(feature = "tascha")]
impl Stored for crate::tascha::Tascha {
    const OPERATIONS: &'static [&'static Operation] = crate::tascha::table::ALL;
}

#[cfg(feature = "lancers")]
impl Stored for crate::lancers::Lancers {
    const OPERATIONS: &'static [&'static Operation] = crate::lancers::table::ALL;
}

/// The form in which a request is stored. A later version of the crate reads what this one wrote.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Rendered {
    pub(super) service: String,
    pub(super) operation: String,
    method: String,
    /// Below the base URL, with the query.
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The texts of a multipart form, instead of a body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<(String, String)>,
    safety: Repeatable,
    /// The idempotency key of every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) idempotency_key: Option<String>,
    /// The room, for the service's limit of posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) room: Option<u64>,
}

/// [`Safety`] as it is stored.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Repeatable {
    Safe,
    Idempotent,
    Keyed,
    Unsafe,
}

impl From<Safety> for Repeatable {
    fn from(safety: Safety) -> Self {
        match safety {
            Safety::Safe => Self::Safe,
            Safety::Idempotent => Self::Idempotent,
            Safety::Keyed => Self::Keyed,
            Safety::Unsafe => Self::Unsafe,
        }
    }
}

impl Rendered {
    /// Checks and renders a request.
    ///
    /// # Errors
    /// It could never be sent, or not be stored: it has files, or headers of its own, which may be secrets.
    pub(super) fn of<E: Endpoint>(request: &Request<E>) -> Result<Self, Error> {
        let refused = |invalid: InvalidInput| request.refused(invalid);
        let Request { endpoint, client, options } = request;
        endpoint.check().map_err(refused)?;
        if let Some(invalid) = &options.invalid {
            return Err(refused(invalid.clone()));
        }
        if !options.headers.is_empty() {
            return Err(refused(InvalidInput::new(
                "with_header",
                "cannot be stored; set the header on the client",
            )));
        }
        let encoder = client.transport().encoder();
        let (written, parts, has_files) = endpoint.encode(&encoder).map_err(refused)?.into_parts();
        let unfit = |problem: &'static str| refused(InvalidInput::new("request", problem));
        if has_files {
            return Err(unfit("has a file, which an outbox does not store"));
        }
        let bytes = written.body().and_then(reqwest::Body::as_bytes);
        let body = match bytes.map(|bytes| String::from_utf8(bytes.to_owned())).transpose() {
            Ok(body) if body.is_some() || !parts.is_empty() || written.body().is_none() => body,
            _ => return Err(unfit("has a body that is no text, which an outbox does not store")),
        };
        let path = encoder
            .below_base(written.url())
            .ok_or_else(|| refused(InvalidInput::new("path", "leads away from the base URL")))?;
        let content_type = written.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        // Each attempt of a multipart form has a boundary of its own.
        let content_type = content_type.filter(|_| parts.is_empty());
        let safety = endpoint.safety();
        let key = idempotency_key(client.transport().settings(), safety, options).map_err(refused)?;
        Ok(Self {
            service: E::Service::PROFILE.name.to_lowercase().replace('-', ""),
            operation: endpoint.operation().id.to_owned(),
            method: written.method().as_str().to_owned(),
            path,
            content_type: content_type.map(str::to_owned),
            body,
            parts,
            safety: safety.into(),
            idempotency_key: key.map(|(key, _)| key),
            room: endpoint.room(),
        })
    }

    /// Entries of one lane are sent in order. It is the beginning of the path: a room, a board, an account.
    pub(super) fn lane(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let end = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at);
        format!("{}{}", self.service, &path[..end])
    }

    /// The text of a field of the form, of either kind, or of the JSON body.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        if let Some((_, text)) = self.parts.iter().find(|(part, _)| part == name) {
            return Some(text.clone());
        }
        let body = self.body.as_deref()?;
        if self.content_type.as_deref().is_some_and(|kind| kind.contains("json")) {
            let value: serde_json::Value = serde_json::from_str(body).ok()?;
            return Some(value.get(name)?.as_str()?.to_owned());
        }
        url::form_urlencoded::parse(body.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The part of the path after `before` and up to the next slash, as a number.
    pub(super) fn number_after(&self, before: &str) -> Option<u64> {
        let (_, rest) = self.path.split_once(before)?;
        rest.split(['/', '?']).next()?.parse().ok()
    }

    /// Whether both ask for the same. The key that is made for each request does not count.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.service, &self.method, &self.path, &self.body, &self.parts)
            == (&other.service, &other.method, &other.path, &other.body, &other.parts)
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.safety != Repeatable::Unsafe
    }

    /// The request, to be sent by this client.
    pub(super) fn request<S: Stored>(&self, client: &Client<S>) -> Request<RenderedRequest<S>> {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap_or(Method::TRACE);
        let known = S::OPERATIONS.iter().find(|operation| operation.id == self.operation);
        let operation =
            known.copied().unwrap_or_else(|| Raw::<S>::new(method.clone(), String::new()).operation());
        let safety = match self.safety {
            Repeatable::Safe => Safety::Safe,
            Repeatable::Idempotent => Safety::Idempotent,
            Repeatable::Keyed => Safety::Keyed,
            Repeatable::Unsafe => Safety::Unsafe,
        };
        let (rendered, service) = (self.clone(), std::marker::PhantomData);
        let request = client.call(RenderedRequest { rendered, method, operation, safety, service });
        match &self.idempotency_key {
            Some(key) => request.with_idempotency_key(key.clone()),
            None => request,
        }
    }
}

/// People's texts are left out.
impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, operation, .. } = self;
        f.debug_struct("Rendered")
            .field("service", service)
            .field("operation", operation)
            .finish_non_exhaustive()
    }
}

/// A stored request on its way out. Its answer is any JSON.
#[derive(Clone)]
pub struct RenderedRequest<S> {
    rendered: Rendered,
    method: Method,
    operation: &'static Operation,
    safety: Safety,
    service: std::marker::PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for RenderedRequest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rendered.fmt(f)
    }
}

impl<S: Service> Endpoint for RenderedRequest<S> {
    type Service = S;
    type Output = serde_json::Value;

    fn operation(&self) -> &'static Operation {
        self.operation
    }

    fn safety(&self) -> Safety {
        self.safety
    }

    fn room(&self) -> Option<u64> {
        self.rendered.room
    }

    fn check(&self) -> Result<(), InvalidInput> {
        if self.method == Method::TRACE {
            return Err(InvalidInput::new("method", "of the stored request is not one of HTTP"));
        }
        Ok(())
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        let Rendered { path, content_type, body, parts, .. } = &self.rendered;
        let mut request = to.http().request(self.method.clone(), to.url(path)?);
        if !parts.is_empty() {
            let texts = parts.iter().fold(Parts::new(), |form, (name, text)| form.text(name, text));
            return Payload::multipart(request, texts);
        }
        if let Some(kind) = content_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok()) {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(body) = body {
            request = request.body(body.clone());
        }
        Payload::replayable(request)
    }

    fn decode(&self, body: &[u8]) -> Result<serde_json::Value, DecodeFailure> {
        wire::decode(body)
    }
}
