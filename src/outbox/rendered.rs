//! A request as it is stored: rendered, so that every attempt sends the same bytes under the same key.

use crate::client::{Client, Service};
use crate::error::Error;
use crate::input::InvalidInput;
use crate::operation::{AnswerShape, Operation, Safety};
use crate::raw::Raw;
use crate::request::{Endpoint, Request};
use crate::transport::{Encoder, Parts, Payload, idempotency_key};
use crate::wire::{self, DecodeFailure};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
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

/// The name of a service, as it is stored.
pub(super) fn service_name<S: Service>() -> String {
    S::PROFILE.name.to_lowercase().replace('-', "")
}

/// The form in which a request is stored. A later version of the crate reads what this one wrote.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Rendered {
    pub(super) service: String,
    pub(super) operation: String,
    /// The base URL of the client with which it was made.
    #[serde(default)]
    pub(super) base: String,
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
        if !E::IS_ONE_REQUEST {
            let problem = "looks for its message, which an outbox does by itself; give it the post alone";
            return Err(refused(InvalidInput::new("request", problem)));
        }
        if endpoint.operation().method == Method::GET {
            return Err(refused(InvalidInput::new("request", "only reads; send it directly")));
        }
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
            service: service_name::<E::Service>(),
            base: client.transport().settings().base_text.clone(),
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
        let (json, fields) = self.fields();
        let written = json.get(name).and_then(Value::as_str).map(str::to_owned);
        written.or_else(|| fields.into_iter().find(|(field, _)| field == name).map(|(_, text)| text))
    }

    /// The part of the path after `before` and up to the next slash, as a number.
    pub(super) fn number_after(&self, before: &str) -> Option<u64> {
        let (_, rest) = self.path.split_once(before)?;
        rest.split(['/', '?']).next()?.parse().ok()
    }

    /// Whether both ask for the same. The key that is made for each request does not count, nor does the order of the fields, in
    /// which a newer version of the crate may write them.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let Self { service, base, method, path, .. } = self;
        (service, base, method, path) == (&other.service, &other.base, &other.method, &other.path)
            && self.fields() == other.fields()
    }

    /// What the body holds, in an order of its own.
    fn fields(&self) -> (Value, Vec<(String, String)>) {
        let body = self.body.as_deref().unwrap_or_default();
        let mut fields = self.parts.clone();
        if self.is_json() {
            return (serde_json::from_str(body).unwrap_or_else(|_| body.into()), fields);
        }
        fields.extend(url::form_urlencoded::parse(body.as_bytes()).into_owned());
        fields.sort();
        (Value::Null, fields)
    }

    fn is_json(&self) -> bool {
        self.content_type.as_deref().is_some_and(|kind| kind.contains("json"))
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.safety != Repeatable::Unsafe
    }

    /// Whether a repeat that comes after a later request would undo it.
    pub(super) fn overwrites(&self) -> bool {
        self.safety == Repeatable::Idempotent
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
    type Output = Value;

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
        // As the typed requests do.
        if matches!(self.operation.answer, AnswerShape::Object { .. } | AnswerShape::List) {
            request = request.header(ACCEPT, "application/json");
        }
        if let Some(kind) = content_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok()) {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(body) = body {
            request = request.body(body.clone());
        }
        Payload::replayable(request)
    }

    fn decode(&self, body: &[u8]) -> Result<Value, DecodeFailure> {
        match self.operation.answer {
            AnswerShape::Object { required } => {
                let object: Map<String, Value> = wire::decode_object(body)?;
                match required.iter().find(|name| object.get(**name).is_none_or(Value::is_null)) {
                    Some(name) => Err(DecodeFailure::whole(&format!("the field `{name}` is missing"))),
                    None => Ok(object.into()),
                }
            }
            AnswerShape::List => wire::decode::<Vec<Value>>(body).map(Value::from),
            AnswerShape::Nothing | AnswerShape::Any => wire::decode(body),
        }
    }
}
